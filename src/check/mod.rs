//! Compares the account with `topics/`: topics or the event bus, subscriptions or rules, queues and
//! their policies, and the hops of a canary. Observing the account must only read, and comparing
//! must stay pure.

pub mod account;
pub(crate) mod compare;
pub(crate) mod hops;
mod observe;
mod policy;
mod queues;
mod strangers;
mod subscriptions;
#[cfg(test)]
mod testing;
