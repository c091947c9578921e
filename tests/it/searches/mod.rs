//! Whole bookings in one process: in every order, and under every fault. `just exhaustive` and
//! `just sim` build nothing but this, since the optimiser would take minutes for the rest.

pub mod exhaustive;
pub mod orchestration;
pub mod simulation;
