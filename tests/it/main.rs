//! Everything that is held true from outside the crate: one crate, so that it links once.
//!
//! `harness` brings up what the tests talk to; LocalStack and Terraform are the real ones.

#![allow(unreachable_pub, reason = "everything here is of one crate")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names the one case it is about")]

mod harness;

mod access;
mod attacks;
mod attendant;
mod beginnings;
mod bus_contract;
mod canaries;
mod capacity;
mod chaos;
mod check;
mod cli;
mod commands;
mod container;
mod costly;
mod coverage;
mod demo;
mod dlq;
mod documents;
mod dynamodb;
mod earlier;
mod emulators;
mod endings;
mod erase;
mod exhaustive;
mod fares;
mod flood;
mod gateway;
mod gone;
mod hardening;
mod iam;
mod key_index;
mod kill;
mod layers;
mod leases;
mod mailer;
mod personal;
mod processes;
mod race;
mod replay;
mod resend;
mod schemas;
mod shutdown;
mod simulation;
mod slow_clients;
mod store_contract;
mod stories;
mod supply;
mod terminal;
mod terraform;
mod told;
mod topology;
mod trust;
mod unit_of_work;
mod way_out;
mod wire;
