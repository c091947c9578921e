//! Everything that is held true from outside the crate: one crate, so that it links once.
//!
//! `harness` brings up what the tests talk to; LocalStack and Terraform are the real ones.

#![allow(unreachable_pub, reason = "everything here is of one crate")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names the one case it is about")]

#[cfg(not(feature = "searches"))]
#[cfg_attr(not(feature = "compare"), allow(dead_code))]
mod comparison;
#[cfg_attr(any(feature = "searches", feature = "compare"), allow(dead_code, unused_imports))]
mod harness;
#[cfg(not(feature = "compare"))]
mod searches;

#[cfg(not(any(feature = "searches", feature = "compare")))]
mod commands;
#[cfg(not(any(feature = "searches", feature = "compare")))]
mod contracts;
#[cfg(not(any(feature = "searches", feature = "compare")))]
mod models;
#[cfg(not(any(feature = "searches", feature = "compare")))]
mod processes;
#[cfg(not(any(feature = "searches", feature = "compare")))]
mod repository;
