//! Charges and refunds through Stripe's PaymentIntents and Refunds. A charge is created and
//! confirmed in one request, off session.
//!
//! | what | module |
//! |---|---|
//! | how a request is sent, without retries, because the queue retries | `calls` |
//! | what an answer means, in one table | `answers` |
//! | how Stripe counts money | `amounts` |
//! | what is sent for a charge | `form` |
//! | the key of the account | `key` |
//!
//! This module must never use a second idempotency key that could move the money of one booking:
//! the charge has the booking id as its key, and the refund the booking id with `:refund`. If the
//! result of a charge cannot be known, the booking stays open. Stripe forgets a key after at least
//! 24 hours, so the payment role asks for the earlier answer before it repeats a request
//! ([`Gateway::find`]). Stripe's search can be a minute behind, and during that minute the key
//! prevents a second charge.
//!
//! The description and the metadata contain the booking id, and must never contain anything about
//! the passenger.

mod amounts;
mod answers;
mod calls;
mod form;
mod key;

pub use key::StripeKey;

use std::time::Duration;

use reqwest::Url;

use self::{
    answers::{Meaning, listed, meaning, senseless},
    calls::{Calls, Form},
    form::{charge_form, hash},
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
/// The error while an intent or a refund has no result.
const PENDING: GatewayError =
    GatewayError::Undecided { why: "it has not decided yet", after: None };

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

    /// The present state of an intent, and how much of its charge was given back.
    async fn intent(&self, id: &str) -> Result<Meaning, GatewayError> {
        let whole_charge = vec![("expand[]", "latest_charge")];
        Ok(meaning(&self.calls.get(&["payment_intents", id], &whole_charge).await?))
    }

    /// What an intent in this state answers to the request to charge its booking. `None` if the
    /// intent exists, but no charge was attempted.
    async fn answer(
        &self,
        booking: &BookingId,
        means: Meaning,
    ) -> Result<Option<Charged>, GatewayError> {
        match means {
            Meaning::Taken(money) => Ok(Some(taken(money))),
            Meaning::Undone(money) => Ok(Some(self.undone(booking, money).await?)),
            Meaning::Declined(reason) => Ok(Some(Charged::No(reason))),
            // The card holder must not be able to confirm it after the booking has its answer.
            Meaning::Unconfirmed(intent) => Ok(Some(self.cancel(booking, &intent).await?)),
            Meaning::Taking(_) => Err(PENDING),
            Meaning::Unfinished => Ok(None),
            Meaning::Error(error) => Err(error),
            Meaning::GivenBack(_)
            | Meaning::GivingBack(_)
            | Meaning::GivenBackBefore
            | Meaning::OtherState => Err(senseless()),
        }
    }

    /// Cancels an intent that the card holder could still confirm.
    async fn cancel(&self, booking: &BookingId, intent: &str) -> Result<Charged, GatewayError> {
        // After Stripe has forgotten a key, a booking may have a second intent. Each intent is
        // cancelled under a key of its own, and this key never moves money.
        let key = format!("{booking}:cancel:{intent}");
        let path = ["payment_intents", intent, "cancel"];
        let means = meaning(&self.calls.post(&path, &key, &Form::new()).await?);
        // After two answers the state of the intent is not known: a repeated failure (it may have
        // been cancelled all the same), and a refusal (it was cancelled before, or the card holder
        // has just confirmed it).
        let failed = if let Meaning::Error(error @ GatewayError::FailedAsBefore { .. }) = means {
            error
        } else if matches!(means, Meaning::OtherState) {
            PENDING
        } else {
            return self.cancelled(booking, means, PENDING).await;
        };
        let means = self.intent(intent).await?;
        self.cancelled(booking, means, failed).await
    }

    /// The answer to the booking of an intent that was to be cancelled. `open` is the error if the
    /// intent is still open.
    async fn cancelled(
        &self,
        booking: &BookingId,
        means: Meaning,
        open: GatewayError,
    ) -> Result<Charged, GatewayError> {
        match means {
            // Only an intent that waited for the card holder is cancelled.
            Meaning::Declined(_) => Ok(Charged::No(NoCharge::AuthenticationRequired)),
            Meaning::Taken(money) => Ok(taken(money)),
            Meaning::Undone(money) => self.undone(booking, money).await,
            Meaning::Error(error) => Err(error),
            Meaning::Taking(_) | Meaning::Unconfirmed(_) | Meaning::Unfinished => Err(open),
            Meaning::GivenBack(_)
            | Meaning::GivingBack(_)
            | Meaning::GivenBackBefore
            | Meaning::OtherState => Err(senseless()),
        }
    }

    /// The answer for a charge that was given back in full. If a person did it, that is the answer.
    /// If payment did it and died before it said so, the answer is the charge: the rules then ask
    /// for the same refund again.
    async fn undone(
        &self,
        booking: &BookingId,
        money: answers::Money,
    ) -> Result<Charged, GatewayError> {
        let ours = |it: &answers::Object| {
            it.is_of(booking.as_str())
                && matches!(it.meaning(), Meaning::GivenBack(_) | Meaning::GivingBack(_))
        };
        if self.refunds(&money.id).await?.iter().any(ours) {
            return Ok(taken(money));
        }
        Ok(Charged::GivenBack)
    }

    /// All refunds of an intent.
    async fn refunds(&self, intent: &str) -> Result<Vec<answers::Object>, GatewayError> {
        let query = vec![("payment_intent", intent), ("limit", OF_ONE_BOOKING_MAX)];
        listed(&self.calls.get(&["refunds"], &query).await?)
    }

    /// Gives back the whole charge, or finds the earlier refund of the whole charge: a person made
    /// it, or it was made under a key that Stripe has forgotten or answers with a stored failure.
    async fn given_back(
        &self,
        booking: &BookingId,
        charge: &str,
        is_whole: impl Fn(&answers::Money) -> bool,
    ) -> Result<answers::Money, GatewayError> {
        let form = vec![("payment_intent", charge), ("metadata[booking]", booking.as_str())];
        let key = format!("{booking}:refund");
        let mut means = meaning(&self.calls.post(&["refunds"], &key, &form).await?);
        if let Meaning::GivenBackBefore | Meaning::Error(GatewayError::FailedAsBefore { .. }) =
            means
        {
            let refunds = self.refunds(charge).await?;
            let whole = |it: &Meaning| match it {
                Meaning::GivenBack(money) => is_whole(money),
                Meaning::GivingBack(_) => true,
                Meaning::Taken(_)
                | Meaning::Undone(_)
                | Meaning::Taking(_)
                | Meaning::Declined(_)
                | Meaning::Unconfirmed(_)
                | Meaning::Unfinished
                | Meaning::GivenBackBefore
                | Meaning::OtherState
                | Meaning::Error(_) => false,
            };
            // If there is none, the failure stays the answer.
            let before = refunds.iter().map(answers::Object::meaning).find(whole);
            means = before.unwrap_or(means);
        }
        if let Meaning::GivingBack(refund) = &means {
            means = meaning(&self.calls.get(&["refunds", refund], &Form::new()).await?);
        }
        match means {
            Meaning::GivenBack(money) if is_whole(&money) => Ok(money),
            Meaning::GivenBack(_) => {
                Err(GatewayError::Refused("it gave back another amount than it took"))
            }
            Meaning::GivingBack(_) => Err(PENDING),
            Meaning::GivenBackBefore => {
                Err(GatewayError::Refused("it was given back in parts, or not by us"))
            }
            Meaning::Error(error) => Err(error),
            Meaning::Taken(_)
            | Meaning::Undone(_)
            | Meaning::Taking(_)
            | Meaning::Declined(_)
            | Meaning::Unconfirmed(_)
            | Meaning::Unfinished
            | Meaning::OtherState => Err(senseless()),
        }
    }
}

impl Gateway for StripeGateway {
    async fn find(&self, booking: &BookingId) -> Result<Option<Charged>, GatewayError> {
        let query = format!("metadata['booking_hash']:'{}'", hash(booking));
        let query = vec![("query", query.as_str()), ("limit", OF_ONE_BOOKING_MAX)];
        let found = listed(&self.calls.get(&["payment_intents", "search"], &query).await?)?;
        let mut answer = None;
        for found in found.iter().filter(|it| it.is_of(booking.as_str())) {
            // The search result may be old, so the present state is read from the intent itself.
            let means = self.intent(&found.id).await?;
            match (&answer, self.answer(booking, means).await?) {
                (_, None) => {}
                (
                    Some(Charged::Yes(_) | Charged::Other { .. }),
                    Some(Charged::Yes(_) | Charged::Other { .. }),
                ) => {
                    return Err(GatewayError::Refused("two charges for one booking"));
                }
                // Money that was taken is the answer, whatever other intents were declined.
                (
                    Some(Charged::Yes(_) | Charged::Other { .. }),
                    Some(Charged::No(_) | Charged::GivenBack),
                ) => {}
                (_, it) => answer = it,
            }
        }
        Ok(answer)
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
        let currency = amount.currency().code().to_lowercase();
        let form = charge_form(booking, token, asked, currency);
        let form: Form<'_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = self.calls.post(&["payment_intents"], booking.as_str(), &form).await?;
        let mut means = meaning(&answer);
        if let Meaning::Taking(intent) = &means {
            means = self.intent(intent).await?;
        } else if let Meaning::Taken(money) = &means
            && answer.replayed
        {
            // The answer that Stripe stored under the key may be old, and a person may have given
            // the money back since.
            means = self.intent(&money.id).await?;
        }
        self.answer(booking, means).await?.ok_or(PENDING)
    }

    async fn refund(&self, booking: &BookingId, charge: &Charge) -> Result<Refund, GatewayError> {
        let (of, amount) = (charge.charge.clone(), charge.amount);
        let is_whole = |it: &answers::Money| amounts::told(it.amount, &it.currency) == Some(amount);
        let money = self.given_back(booking, &of, is_whole).await?;
        Ok(Refund { refund: money.id, charge: of, amount })
    }

    async fn undo(&self, booking: &BookingId, charge: &str) -> Result<(), GatewayError> {
        let taken = match self.intent(charge).await? {
            Meaning::Taken(money) | Meaning::Undone(money) => money,
            Meaning::Error(error) => return Err(error),
            Meaning::Taking(_)
            | Meaning::Declined(_)
            | Meaning::Unconfirmed(_)
            | Meaning::Unfinished
            | Meaning::GivenBack(_)
            | Meaning::GivingBack(_)
            | Meaning::GivenBackBefore
            | Meaning::OtherState => return Err(senseless()),
        };
        let is_whole =
            |it: &answers::Money| (it.amount, &it.currency) == (taken.amount, &taken.currency);
        self.given_back(booking, charge, is_whole).await.map(drop)
    }
}

/// A charge, as our types express it.
fn taken(money: answers::Money) -> Charged {
    let charge = money.id;
    match amounts::told(money.amount, &money.currency) {
        Some(amount) => Charged::Yes(Charge { charge, amount }),
        None => Charged::Other { charge },
    }
}
