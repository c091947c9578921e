//! The four services, each of which is a process of its own. Each file has the arguments of one
//! role and builds its parts. It must not decide anything about a booking: `domain` does that.

mod address;
pub mod payment;
pub mod receipt;
pub mod seats;
mod service;
pub mod status;

pub use address::default_http;
