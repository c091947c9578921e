//! Whole bookings in one process: step by step, in every order, and under every fault.

pub mod attendant;
pub mod breaker;
pub mod breaks;
pub mod endings;
pub mod event_bus;
pub mod exhaustive;
pub mod fares;
pub mod figures;
pub mod filing;
pub mod guests;
pub mod leases;
pub mod orchestration;
pub mod outages;
pub mod replay;
pub mod simulation;
pub mod spans;
pub mod stories;
pub mod tasks;
pub mod traces;
pub mod trust;
pub mod unit_of_work;
