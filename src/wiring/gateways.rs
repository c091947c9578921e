//! Builds the gateway to Stripe from the settings. It must never print the key.

use std::time::Duration;

use tracing::warn;

use super::keys;
use crate::{config::StripeArgs, fault::Fault, gateway::stripe::StripeGateway};

/// The gateway to the Stripe account whose key is given. `effect_timeout` bounds the wait for each
/// answer. A test key is logged as a warning, because it moves no real money.
///
/// # Errors
/// If no key is given, if the key or the address may not be used, or if the HTTP client cannot be
/// built.
pub(crate) fn stripe(args: &StripeArgs, effect_timeout: Duration) -> Result<StripeGateway, Fault> {
    let (url, key) = keys::stripe_account(args)?;
    if key.is_test() {
        warn!("the key of Stripe is a test key: no real money moves");
    }
    let gateway = StripeGateway::new(&url, &key, effect_timeout);
    gateway.map_err(|it| Fault::config(&it))
}
