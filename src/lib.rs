//! Airline seat booking by four choreographed services over SNS topics with SQS fan-out queues.
//!
//! Read [`domain`] for what is decided, [`roles`] for what each service needs from outside, and
//! [`runtime`] for how a message becomes a decision; [`wiring`] puts them together.

pub mod address;
pub mod audit;
pub mod aws;
pub mod bus;
pub mod cli;
pub mod clock;
pub mod config;
#[cfg(test)]
mod cost_tests;
pub mod demo;
pub mod domain;
pub mod durability;
pub mod environment;
pub mod fault;
pub mod gateway;
pub mod http;
pub mod mailer;
pub mod metrics;
pub mod roles;
pub mod runtime;
pub mod store;
pub mod telemetry;
pub mod topics;
pub mod wire;
pub mod wiring;
