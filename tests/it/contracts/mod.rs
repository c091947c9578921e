//! Each seam has one contract, and every implementation passes it: bus, store, gateway, mailer,
//! wire.

pub mod bus;
pub mod capacity;
pub mod departures;
pub mod dynamodb;
pub mod gateway;
pub mod gateway_faults;
pub mod generated;
pub mod hot_flight;
pub mod key_index;
pub mod mailer;
pub mod receipts;
pub mod schemas;
pub mod smtp;
pub mod sqlite;
pub mod store;
pub mod wire;
