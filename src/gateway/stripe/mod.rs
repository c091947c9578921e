//! Charges and refunds through Stripe's PaymentIntents and Refunds. A charge is created and
//! confirmed in one request, off session.
//!
//! | what | module |
//! |---|---|
//! | how a request is sent, without retries, because the queue retries | `calls` |
//! | what an answer means, in one table | `answers` |
//! | how Stripe counts money | `amounts` |
//! | the key of the account | `key` |
//!
//! This module must never use a second idempotency key that could move the money of one booking:
//! the charge has the booking id as its key, and the refund the booking id with `:refund`. If the
//! result of a charge cannot be known, the booking stays open. Stripe forgets a key after at least
//! 24 hours, so the payment role looks for an earlier charge before it repeats a request
//! ([`Gateway::find`]). Stripe's search can be a minute behind, and during that minute the key
//! prevents a second charge.
//!
//! The description and the metadata contain the booking id, and must never contain anything about
//! the passenger.

mod amounts;
mod answers;
mod calls;
mod key;

pub use key::StripeKey;

use std::time::Duration;

use reqwest::Url;
use tracing::error;

use self::{
    answers::{Answer, Meaning, listed, meaning, senseless},
    calls::{Calls, Form},
};
use super::{Charged, Gateway, GatewayError};
use crate::domain::{
    event::{Charge, NoCharge, Refund},
    ids::BookingId,
    money::Money,
    request::PaymentToken,
};

/// How many intents or refunds of one booking are read at most. There should be only one.
const OF_ONE_BOOKING_MAX: &str = "10";
const PENDING: &str = "it has not decided yet";

/// A gateway that charges one Stripe account.
#[derive(Clone, Debug)]
pub struct StripeGateway {
    calls: Calls,
}

impl StripeGateway {
    /// A gateway for the account of `key`. It sends its requests to `base`, and waits at most
    /// `limit` for each answer.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn new(
        base: &Url,
        key: &StripeKey,
        limit: Duration,
    ) -> Result<StripeGateway, reqwest::Error> {
        Ok(StripeGateway { calls: Calls::new(base, key, limit)? })
    }

    async fn intent(&self, id: &str) -> Result<Answer, GatewayError> {
        self.calls.get(&["payment_intents", id], &Form::new()).await
    }

    /// Cancels an intent that the card holder could still confirm.
    async fn cancel(&self, booking: &BookingId, intent: &str) -> Result<Charged, GatewayError> {
        // After Stripe has forgotten a key, a booking may have a second intent. Each intent is
        // cancelled under a key of its own, and this key never moves money.
        let key = format!("{booking}:cancel:{intent}");
        let path = ["payment_intents", intent, "cancel"];
        let answer = self.calls.post(&path, &key, &Form::new()).await?;
        let mut means = meaning(&answer);
        // The intent was cancelled before, or the card holder has confirmed it in the meantime.
        if let Meaning::OtherState = means {
            means = meaning(&self.intent(intent).await?);
        }
        match means {
            Meaning::Declined(NoCharge::Declined | NoCharge::AuthenticationRequired) => {
                Ok(Charged::No(NoCharge::AuthenticationRequired))
            }
            Meaning::Taken(money) => self.taken(booking, money, None).await,
            Meaning::Error(error) => Err(error),
            Meaning::Taking(_) | Meaning::Unconfirmed(_) | Meaning::Unfinished => {
                Err(GatewayError::NotNow { why: PENDING, after: None })
            }
            Meaning::Declined(_)
            | Meaning::GivenBack(_)
            | Meaning::GivingBack(_)
            | Meaning::GivenBackBefore
            | Meaning::OtherState => Err(senseless()),
        }
    }

    /// Compares the money that was taken with the money that was asked for. If they differ, the
    /// rules give the money back (failure matrix, D18). If our types cannot express what was taken,
    /// this function gives it back.
    async fn taken(
        &self,
        booking: &BookingId,
        money: answers::Money,
        asked: Option<Money>,
    ) -> Result<Charged, GatewayError> {
        let amount = amounts::told(money.amount, &money.currency);
        if asked.is_some_and(|it| amount != Some(it)) {
            error!(%booking, charge = money.id, "other money was taken than was asked for");
        }
        let charge = money.id;
        if let Some(amount) = amount {
            return Ok(Charged::Yes(Charge { charge, amount }));
        }
        let answer = self.give_back(booking, &charge).await?;
        match meaning(&answer) {
            Meaning::Error(error) => Err(error),
            Meaning::GivingBack(_) => Err(GatewayError::NotNow { why: PENDING, after: None }),
            Meaning::GivenBack(_) | Meaning::GivenBackBefore => Err(GatewayError::Refused(
                "it took an amount that nobody can have asked for, and gave it back",
            )),
            Meaning::Taken(_)
            | Meaning::Taking(_)
            | Meaning::Declined(_)
            | Meaning::Unconfirmed(_)
            | Meaning::Unfinished
            | Meaning::OtherState => Err(senseless()),
        }
    }

    /// Refunds the whole intent, whatever its amount is.
    async fn give_back(&self, booking: &BookingId, charge: &str) -> Result<Answer, GatewayError> {
        let form = vec![("payment_intent", charge), ("metadata[booking]", booking.as_str())];
        self.calls.post(&["refunds"], &format!("{booking}:refund"), &form).await
    }

    /// The earlier refund of the whole charge, if there is one. It was made by a person, or under a
    /// key that Stripe has forgotten or answers with a stored failure.
    async fn given_back_before(&self, charge: &Charge) -> Result<Option<Meaning>, GatewayError> {
        let query = vec![("payment_intent", charge.charge.as_str()), ("limit", OF_ONE_BOOKING_MAX)];
        let refunds = listed(&self.calls.get(&["refunds"], &query).await?)?;
        let whole = |it: &Meaning| match it {
            Meaning::GivenBack(money) => {
                amounts::told(money.amount, &money.currency) == Some(charge.amount)
            }
            Meaning::GivingBack(_) => true,
            Meaning::Taken(_)
            | Meaning::Taking(_)
            | Meaning::Declined(_)
            | Meaning::Unconfirmed(_)
            | Meaning::Unfinished
            | Meaning::GivenBackBefore
            | Meaning::OtherState
            | Meaning::Error(_) => false,
        };
        Ok(refunds.iter().map(answers::Object::meaning).find(whole))
    }
}

impl Gateway for StripeGateway {
    async fn find(&self, booking: &BookingId) -> Result<Option<Charge>, GatewayError> {
        // A booking id has only letters, digits, _ and -, so it needs no escaping.
        let query = format!("metadata['booking']:'{booking}'");
        let query = vec![("query", query.as_str()), ("limit", OF_ONE_BOOKING_MAX)];
        let found = listed(&self.calls.get(&["payment_intents", "search"], &query).await?)?;
        let mut charge = None;
        for found in found.iter().filter(|it| it.is_of(booking.as_str())) {
            // The search result may be old, so the current state is read from the intent itself.
            match meaning(&self.intent(&found.id).await?) {
                Meaning::Taken(money) => {
                    if charge.is_some() {
                        error!(%booking, "two charges for one booking: give one back by hand");
                        return Err(GatewayError::Refused("two charges for one booking"));
                    }
                    match self.taken(booking, money, None).await? {
                        Charged::Yes(it) => charge = Some(it),
                        Charged::No(_) => {}
                    }
                }
                Meaning::Taking(_) => {
                    return Err(GatewayError::NotNow { why: PENDING, after: None });
                }
                // The card holder must not be able to confirm it after a new charge is requested.
                Meaning::Unconfirmed(intent) => {
                    if let Charged::Yes(it) = self.cancel(booking, &intent).await? {
                        charge = Some(it);
                    }
                }
                // Such an intent is not a charge. If the payment role asks for one again, Stripe
                // answers the same under the same key.
                Meaning::Declined(_) | Meaning::Unfinished => {}
                Meaning::Error(error) => return Err(error),
                Meaning::GivenBack(_)
                | Meaning::GivingBack(_)
                | Meaning::GivenBackBefore
                | Meaning::OtherState => return Err(senseless()),
            }
        }
        Ok(charge)
    }

    async fn charge(
        &self,
        booking: &BookingId,
        token: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        let Some(asked) = amounts::asked(amount) else {
            return Ok(Charged::No(NoCharge::Invalid));
        };
        let (asked, currency) = (asked.to_string(), amount.currency().code().to_lowercase());
        let description = format!("Booking {booking}");
        let mut form = vec![
            ("amount", asked.as_str()),
            ("currency", &currency),
            ("confirm", "true"),
            ("off_session", "true"),
            ("error_on_requires_action", "true"),
            ("payment_method_types[0]", "card"),
            ("description", &description),
            ("metadata[booking]", booking.as_str()),
        ];
        // Stripe's card form gives the client a PaymentMethod, or in older versions a token.
        if token.reveal().starts_with("tok_") {
            form.push(("payment_method_data[type]", "card"));
            form.push(("payment_method_data[card][token]", token.reveal()));
        } else {
            form.push(("payment_method", token.reveal()));
        }
        let answer = self.calls.post(&["payment_intents"], booking.as_str(), &form).await?;
        let mut means = meaning(&answer);
        // The answer that Stripe stored under the key may be old, so the intent itself is read.
        if let Meaning::Taking(intent) = &means {
            means = meaning(&self.intent(intent).await?);
        }
        match means {
            Meaning::Taken(money) => self.taken(booking, money, Some(amount)).await,
            Meaning::Declined(reason) => Ok(Charged::No(reason)),
            Meaning::Unconfirmed(intent) => self.cancel(booking, &intent).await,
            Meaning::Taking(_) | Meaning::Unfinished => {
                Err(GatewayError::NotNow { why: PENDING, after: None })
            }
            Meaning::Error(error) => Err(error),
            Meaning::GivenBack(_)
            | Meaning::GivingBack(_)
            | Meaning::GivenBackBefore
            | Meaning::OtherState => Err(senseless()),
        }
    }

    async fn refund(&self, booking: &BookingId, charge: &Charge) -> Result<Refund, GatewayError> {
        let mut means = meaning(&self.give_back(booking, &charge.charge).await?);
        if let Meaning::GivenBackBefore = means {
            means = self
                .given_back_before(charge)
                .await?
                .ok_or(GatewayError::Refused("it was given back in parts, or not by us"))?;
        } else if let Meaning::Error(GatewayError::FailedAsBefore { .. }) = means {
            // The money may have moved before the failure. If there is no refund, the failure stays
            // the answer.
            means = self.given_back_before(charge).await?.unwrap_or(means);
        }
        if let Meaning::GivingBack(refund) = &means {
            means = meaning(&self.calls.get(&["refunds", refund], &Form::new()).await?);
        }
        match means {
            Meaning::GivenBack(money) => match amounts::told(money.amount, &money.currency) {
                Some(amount) if amount == charge.amount => {
                    Ok(Refund { refund: money.id, charge: charge.charge.clone(), amount })
                }
                _ => Err(GatewayError::Refused("it gave back another amount than it took")),
            },
            Meaning::GivingBack(_) => Err(GatewayError::NotNow { why: PENDING, after: None }),
            Meaning::Error(error) => Err(error),
            Meaning::Taken(_)
            | Meaning::Taking(_)
            | Meaning::Declined(_)
            | Meaning::Unconfirmed(_)
            | Meaning::Unfinished
            | Meaning::GivenBackBefore
            | Meaning::OtherState => Err(senseless()),
        }
    }
}
