//! Real processes of the real binary, under attack, killed, stopped, locked out and left alone.

pub mod access;
pub mod attacks;
pub mod chaos;
pub mod container;
pub mod costly;
pub mod earlier;
pub mod end_to_end;
pub mod gone;
pub mod iam;
pub mod kill;
pub mod logs;
pub mod mail;
pub mod metrics;
pub mod personal;
pub mod race;
pub mod secrets;
pub mod shutdown;
pub mod slow_clients;
pub mod stripe;
pub mod stripe_intents;
pub mod vitals;
pub mod way_out;
