//! The four services, each of which is a process of its own, or a function of Lambda. Each file has
//! the arguments of one role and builds its parts. It must not decide anything about a booking:
//! `domain` does that.

mod address;
#[cfg(feature = "lambda")]
mod function;
pub mod payment;
mod process;
pub mod receipt;
pub mod seats;
mod service;
pub mod status;

pub use address::default_http;
pub use service::Compute;
