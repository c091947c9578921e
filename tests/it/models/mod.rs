//! Whole bookings in one process, step by step.

pub mod attendant;
pub mod batches;
pub mod breaker;
pub mod breaks;
pub mod endings;
pub mod event_bus;
pub mod fares;
pub mod figures;
pub mod filing;
pub mod first;
pub mod groups;
pub mod guests;
pub mod leases;
pub mod outages;
pub mod replay;
pub mod spans;
pub mod stories;
pub mod tasks;
pub mod told;
pub mod traces;
pub mod trust;
pub mod unit_of_work;
