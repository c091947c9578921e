//! The repository against itself: documents, layers, Terraform, and where what we build on comes
//! from.

pub mod contracts;
pub mod coverage;
pub mod documents;
pub mod emulators;
pub mod guests;
pub mod layers;
pub mod orchestration;
pub mod sources;
pub mod supply;
pub mod terraform;
pub mod topology;
pub mod zip;
