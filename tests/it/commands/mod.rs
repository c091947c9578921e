//! The command line: what a person types, sees, and is told when something is wrong.

pub mod beginnings;
pub mod beginnings_of_tables;
pub mod canaries;
pub mod check;
pub mod check_canary;
pub mod cli;
pub mod demo;
pub mod dlq;
pub mod erase;
pub mod flood;
pub mod follow;
pub mod lists;
pub mod manual;
pub mod progress;
pub mod resend;
pub mod serve;
pub mod terminal;
pub mod told;
pub mod top;
pub mod topics_diff;
pub mod unreachable;
pub mod words;
