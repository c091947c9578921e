//! Runs payment against a Stripe that fails in every planned way. These tests must never trust what
//! payment says about the money: they count the provider's own lists.

mod patience;
mod payment;
mod random;
mod table;
