//! The payment role: asks the gateway for charges and refunds. It must never ask for a charge a
//! second time without looking for the first.

use tracing::{error, warn};

use super::{EffectError, Role};
use crate::{
    domain::payment::{Answer, Effect, Payments},
    gateway::{Charged, Gateway, GatewayError},
};

/// The service that charges and refunds, with its gateway.
#[derive(Clone, Debug)]
pub struct PaymentRole<G>(pub G);

impl<G: Gateway> Role for PaymentRole<G> {
    type Rules = Payments;

    fn rules(&self) -> &Payments {
        &Payments
    }

    fn asks(&self, effect: &Effect) -> &'static str {
        match effect {
            Effect::Charge { .. } => "charge",
            Effect::Refund { .. } | Effect::Undo { .. } => "refund",
        }
    }

    async fn perform(&self, effect: &Effect) -> Result<Answer, EffectError> {
        match effect {
            Effect::Charge { booking, token, amount, asked_before } => {
                // A gateway may forget its idempotency keys before a queue redelivers, so after a
                // first attempt its records are asked for the answer. That answer is final.
                let found = if *asked_before {
                    self.0.find(booking).await.map_err(failed("a look-up"))?
                } else {
                    None
                };
                let answer = match found {
                    Some(it) => it,
                    None => {
                        let asked = self.0.charge(booking, token, *amount).await;
                        asked.map_err(failed("a charge"))?
                    }
                };
                match answer {
                    Charged::Yes(charge) => {
                        // The rules give the money back (failure matrix, D18).
                        if charge.amount != *amount {
                            let id = &charge.charge;
                            error!(%booking, charge = id, "other money was taken than was asked for");
                        }
                        Ok(Answer::Charged(charge))
                    }
                    Charged::Other { charge } => {
                        error!(%booking, charge, "money was taken that no request can ask for");
                        Ok(Answer::ChargedOther { charge })
                    }
                    Charged::No(reason) => Ok(Answer::Declined(reason)),
                    Charged::GivenBack => {
                        warn!(%booking, "a person gave the money back: the booking is not paid");
                        Ok(Answer::GivenBack)
                    }
                }
            }
            Effect::Refund { booking, charge } => {
                let refund = self.0.refund(booking, charge).await.map_err(failed("a refund"))?;
                Ok(Answer::Refunded(refund))
            }
            Effect::Undo { booking, charge } => {
                self.0.undo(booking, charge).await.map_err(failed("a refund"))?;
                Ok(Answer::Undone)
            }
        }
    }
}

/// Sorts the errors of a gateway: a refusal needs a person, and after every other error the same
/// request can be repeated. What concerns one booking only must not stop the others.
fn failed(asked: &'static str) -> impl Fn(GatewayError) -> EffectError {
    let from = "the gateway";
    move |error| match error {
        GatewayError::Refused(_) | GatewayError::Malformed { .. } => {
            EffectError::Refused { from, asked, source: Box::new(error) }
        }
        GatewayError::NotNow { after: Some(after), .. }
        | GatewayError::Failed { after: Some(after), .. } => {
            EffectError::NotNow { from, asked, after, source: Box::new(error) }
        }
        GatewayError::Undecided { after, .. } => {
            EffectError::Undecided { from, asked, after, source: Box::new(error) }
        }
        GatewayError::FailedAsBefore { .. } => {
            EffectError::Undecided { from, asked, after: None, source: Box::new(error) }
        }
        // No booking may fail because our key is refused. All bookings wait until an operator
        // corrects the key.
        GatewayError::TimedOut
        | GatewayError::Unreachable(_)
        | GatewayError::NotNow { after: None, .. }
        | GatewayError::Failed { after: None, .. }
        | GatewayError::KeyRefused { .. } => {
            EffectError::NoAnswer { from, asked, source: Box::new(error) }
        }
    }
}
