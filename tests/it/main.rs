//! Everything that is held true from outside the crate: one crate, so that it links once.
//!
//! `harness` brings up what the tests talk to; LocalStack and Terraform are the real ones.

#![allow(unreachable_pub, reason = "everything here is of one crate")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names the one case it is about")]

mod harness;

mod commands;
mod contracts;
mod models;
mod processes;
mod repository;
