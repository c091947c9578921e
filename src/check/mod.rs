//! Compares the account with `topics/`: topics, subscriptions, queues and their policies, and the
//! hops of a canary. Observing the account must only read, and comparing must stay pure.

pub mod account;
pub(crate) mod compare;
pub(crate) mod hops;
mod policy;
mod queues;
