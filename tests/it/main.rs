//! Everything that is held true from outside the crate: one crate, so that it links once.
//!
//! `harness` brings up what the tests talk to; LocalStack and Terraform are the real ones.

#![allow(unreachable_pub, reason = "everything here is of one crate")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names the one case it is about")]

#[cfg_attr(feature = "searches", allow(dead_code, unused_imports))]
mod harness;
mod searches;

#[cfg(not(feature = "searches"))]
mod commands;
#[cfg(not(feature = "searches"))]
mod contracts;
#[cfg(not(feature = "searches"))]
mod models;
#[cfg(not(feature = "searches"))]
mod processes;
#[cfg(not(feature = "searches"))]
mod repository;
