//! Says what every answer of Stripe means, as one table that is read from top to bottom.
//! docs/PAYMENTS.md has the same table in words.
//!
//! This module must never let Stripe's error messages through, because they may quote the request.
//! Only the error code and the name of the parameter leave this module. It must also never take an
//! answer that it does not know for a charge, a decline or a refund.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::{domain::event::NoCharge, gateway::GatewayError};

/// An error code or a parameter name with more bytes than this is not shown.
const WORD_BYTES_MAX: usize = 64;
/// The most bytes of the id of an object: as many as the events carry.
const ID_BYTES_MAX: usize = 255;
/// Keys and tokens have one of these in their first bytes.
const SECRETS: [&str; 4] = ["sk_", "rk_", "pm_", "tok_"];
/// Error codes that say that our account or our key is not set up for the request.
const OUR_ACCOUNT: [&str; 10] = [
    "account_closed",
    "account_country_invalid_address",
    "account_invalid",
    "api_key_expired",
    "charges_not_enabled",
    "livemode_mismatch",
    "payment_method_unactivated",
    "platform_api_key_expired",
    "secret_key_required",
    "testmode_charges_only",
];

/// One HTTP answer of Stripe, not yet interpreted.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The time in `Retry-After`, if the answer has one.
    pub(super) retry_after: Option<Duration>,
    /// Whether Stripe repeats the answer that it stored under this idempotency key.
    pub(super) replayed: bool,
    /// The body, or null if it is not JSON.
    pub(super) body: Value,
}

/// What an answer says about a charge or a refund.
#[derive(Debug)]
pub(super) enum Meaning {
    /// The money was taken.
    Taken(Money),
    /// The money was taken, and all of it was given back later.
    Undone(Money),
    /// Stripe has not decided yet whether to take the money. This intent has to be read again.
    Taking(String),
    /// The money was not taken, and a repetition of the request would not change that.
    Declined(NoCharge),
    /// The money was not taken, but it would be if the card holder confirmed. This intent has to be
    /// cancelled.
    Unconfirmed(String),
    /// The intent exists, but no charge was attempted. This does not answer a request to charge.
    Unfinished,
    /// The money was given back.
    GivenBack(Money),
    /// The refund is on its way. It has to be read again.
    GivingBack(String),
    /// The money had been given back before: under a key that Stripe has forgotten, or by a person.
    GivenBackBefore,
    /// The state of the intent does not allow the request.
    OtherState,
    /// Stripe did not answer the question, or refuses it.
    Error(GatewayError),
}

/// An amount as Stripe counts it (see `amounts`), with the id of its intent or refund.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Money {
    pub(super) id: String,
    pub(super) amount: u64,
    /// The code of ISO 4217 in lower-case letters.
    pub(super) currency: String,
}

/// The fields of a PaymentIntent or a Refund that are used here.
#[derive(Debug, Deserialize)]
pub(super) struct Object {
    /// `payment_intent` or `refund`.
    object: String,
    #[serde(deserialize_with = "id")]
    pub(super) id: String,
    status: String,
    amount: u64,
    amount_received: Option<u64>,
    currency: String,
    metadata: Option<BTreeMap<String, String>>,
    last_payment_error: Option<Problem>,
    /// The charge of an intent. It is an id, unless the request asked for the whole charge.
    #[serde(default)]
    latest_charge: Value,
}

/// How much of a charge was given back.
#[derive(Debug, Deserialize)]
struct Refunded {
    /// Whether all of it was given back.
    refunded: bool,
    amount_refunded: u64,
}

/// The fields of an error that are used here.
#[derive(Debug, Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    param: Option<String>,
    payment_intent: Option<Reference>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    #[serde(deserialize_with = "id")]
    id: String,
}

/// Reads the id of an object. It becomes part of an event and of an address, so an answer with
/// another one than both can have is not taken for an answer of Stripe.
fn id<'de, D: Deserializer<'de>>(of: D) -> Result<String, D::Error> {
    let id = String::deserialize(of)?;
    let is_id =
        (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|it| it.is_ascii_graphic());
    if is_id { Ok(id) } else { Err(D::Error::custom("not an id")) }
}

/// One page of a list or of a search.
#[derive(Debug, Deserialize)]
struct List {
    data: Vec<Object>,
    #[serde(default)]
    has_more: bool,
}

/// The meaning of an answer about one intent or one refund.
pub(super) fn meaning(answer: &Answer) -> Meaning {
    let status = answer.status;
    match status {
        200..=299 => match Object::deserialize(&answer.body) {
            Ok(object) => of_object(&object),
            Err(_) => Meaning::Error(unreadable()),
        },
        // A lock time-out concerns the objects of one request, such as the card of a client that
        // uses it for many bookings at once.
        429 if problem(answer).is_some_and(|it| it.code() == "lock_timeout") => {
            undecided("another request is using the same objects", answer)
        }
        429 => Meaning::Error(GatewayError::NotNow {
            why: "it gets too many requests",
            after: answer.retry_after,
        }),
        // 424 means that a service failed on which Stripe depends.
        424 | 500..=599 => Meaning::Error(if answer.replayed {
            GatewayError::FailedAsBefore { status }
        } else {
            GatewayError::Failed { status, after: answer.retry_after }
        }),
        400..=499 => match problem(answer) {
            Some(problem) => of_problem(answer, problem),
            // A proxy or another server may have answered, so this is no answer of Stripe.
            None => Meaning::Error(unreadable()),
        },
        _ => Meaning::Error(unreadable()),
    }
}

fn of_object(it: &Object) -> Meaning {
    let money = |amount| Money { id: it.id.clone(), amount, currency: it.currency.clone() };
    let refused = |why| Meaning::Error(GatewayError::Refused(why));
    match (it.object.as_str(), it.status.as_str()) {
        ("payment_intent", "succeeded") => {
            let money = money(it.amount_received.unwrap_or(it.amount));
            match &it.latest_charge {
                Value::Null | Value::String(_) => Meaning::Taken(money),
                charge @ (Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_)) => match Refunded::deserialize(charge) {
                    Ok(Refunded { refunded: true, .. }) => Meaning::Undone(money),
                    Ok(Refunded { amount_refunded: 0, .. }) => Meaning::Taken(money),
                    Ok(_) => refused("part of it was given back"),
                    Err(_) => Meaning::Error(unreadable()),
                },
            }
        }
        ("payment_intent", "processing") => Meaning::Taking(it.id.clone()),
        ("payment_intent", "requires_action") => Meaning::Unconfirmed(it.id.clone()),
        ("payment_intent", "canceled") => Meaning::Declined(match &it.last_payment_error {
            Some(problem) => problem.reason(),
            None => NoCharge::Declined,
        }),
        ("payment_intent", "requires_payment_method") => match &it.last_payment_error {
            Some(problem) if problem.wants_its_holder() => Meaning::Unconfirmed(it.id.clone()),
            Some(problem) => Meaning::Declined(problem.reason()),
            None => Meaning::Unfinished,
        },
        ("payment_intent", "requires_confirmation") => Meaning::Unfinished,
        ("payment_intent", "requires_capture") => {
            refused("it holds the money and does not take it")
        }
        ("refund", "succeeded") => Meaning::GivenBack(money(it.amount)),
        ("refund", "pending") => Meaning::GivingBack(it.id.clone()),
        ("refund", "failed") => refused("the refund did not arrive"),
        ("refund", "canceled") => refused("the refund was called off"),
        ("refund", "requires_action") => refused("the refund waits for the customer"),
        // A newer version of the API may have more states. An unknown state is not an answer.
        _ => Meaning::Error(unreadable()),
    }
}

fn of_problem(answer: &Answer, problem: Problem) -> Meaning {
    let (code, kind) = (problem.code(), problem.kind.as_deref().unwrap_or_default());
    let parameter = problem.param.as_deref().unwrap_or_default();
    // Before everything that concerns our key or our account: a client that sends the token of
    // another account, or of the other mode, must not stop the bookings of all clients.
    let is_of_token = parameter.split('[').next().is_some_and(|it| {
        // `payment_method_types` does not count here: we set it, and not the client.
        matches!(it, "payment_method" | "payment_method_data")
    });
    match (answer.status, kind) {
        (401 | 403, "invalid_request_error") if is_of_token => {
            return Meaning::Declined(NoCharge::Declined);
        }
        (401 | 403, _) => return Meaning::Error(GatewayError::KeyRefused { code: problem.word() }),
        (409, _) => return undecided("an earlier request under this key is still running", answer),
        (_, "idempotency_error") => {
            return Meaning::Error(GatewayError::Refused(
                "the idempotency key was used for something else",
            ));
        }
        (_, "card_error" | "invalid_request_error") => {}
        // A newer version of the API may have more types. An unknown type is not an answer.
        _ => return Meaning::Error(unreadable()),
    }
    if problem.wants_its_holder()
        && let Some(intent) = problem.payment_intent
    {
        return Meaning::Unconfirmed(intent.id);
    }
    if kind == "card_error" {
        return Meaning::Declined(problem.reason());
    }
    // Another request of the client may be using the token at this moment.
    if code == "token_in_use" {
        return undecided("the token is being used by another request", answer);
    }
    if is_of_token {
        return Meaning::Declined(NoCharge::Declined);
    }
    if OUR_ACCOUNT.contains(&code) {
        return Meaning::Error(GatewayError::KeyRefused { code: problem.word() });
    }
    match code {
        "charge_already_refunded" => return Meaning::GivenBackBefore,
        "payment_intent_unexpected_state" => return Meaning::OtherState,
        "amount_too_large" | "amount_too_small" => return Meaning::Declined(NoCharge::Invalid),
        "token_already_used" => return Meaning::Declined(NoCharge::Declined),
        _ => {}
    }
    if matches!(parameter, "amount" | "currency") {
        Meaning::Declined(NoCharge::Invalid)
    } else {
        Meaning::Error(GatewayError::Malformed { code: problem.word(), parameter: word(parameter) })
    }
}

/// The objects in a list. A list with a second page is refused: one booking has so many intents or
/// refunds only if something went wrong, and a person has to look.
///
/// # Errors
/// If the answer is not a list, or if it has a second page.
pub(super) fn listed(answer: &Answer) -> Result<Vec<Object>, GatewayError> {
    if (200..=299).contains(&answer.status) {
        return match List::deserialize(&answer.body) {
            Ok(list) if list.has_more => Err(GatewayError::Refused("too many of one booking")),
            Ok(list) => Ok(list.data),
            Err(_) => Err(unreadable()),
        };
    }
    match meaning(answer) {
        Meaning::Error(error) => Err(error),
        Meaning::Taken(_)
        | Meaning::Undone(_)
        | Meaning::Taking(_)
        | Meaning::Declined(_)
        | Meaning::Unconfirmed(_)
        | Meaning::Unfinished
        | Meaning::GivenBack(_)
        | Meaning::GivingBack(_)
        | Meaning::GivenBackBefore
        | Meaning::OtherState => Err(senseless()),
    }
}

/// The error for an answer that does not fit the request, for example a refund for a charge.
pub(super) fn senseless() -> GatewayError {
    GatewayError::Refused("an answer to another question")
}

impl Object {
    /// Whether the metadata names exactly this booking. Stripe's search ignores the case of
    /// letters, but booking ids that differ in case are different bookings.
    pub(super) fn is_of(&self, booking: &str) -> bool {
        let metadata = self.metadata.as_ref();
        metadata.and_then(|it| it.get("booking")).is_some_and(|it| it == booking)
    }

    /// The meaning of this object, as if it were the whole answer.
    pub(super) fn meaning(&self) -> Meaning {
        of_object(self)
    }
}

impl Problem {
    fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// The code in a form that a log line may show.
    fn word(&self) -> String {
        word(self.code())
    }

    fn wants_its_holder(&self) -> bool {
        const CODES: [&str; 2] =
            ["authentication_required", "payment_intent_authentication_failure"];
        let decline = self.decline_code.as_deref().unwrap_or_default();
        CODES.contains(&self.code()) || CODES.contains(&decline)
    }

    /// Why a card was not charged. Every reason is final, because another attempt would need
    /// another idempotency key, and that could charge the booking twice.
    fn reason(&self) -> NoCharge {
        if self.wants_its_holder() {
            return NoCharge::AuthenticationRequired;
        }
        match self.decline_code.as_deref().unwrap_or(self.code()) {
            "insufficient_funds" | "withdrawal_count_limit_exceeded" => NoCharge::InsufficientFunds,
            "currency_not_supported" | "invalid_amount" => NoCharge::Invalid,
            _ => NoCharge::Declined,
        }
    }
}

/// The error in an answer, or `None` if the answer has no error in the form of Stripe.
fn problem(answer: &Answer) -> Option<Problem> {
    let problem = Problem::deserialize(&answer.body["error"]).ok()?;
    problem.kind.is_some().then_some(problem)
}

fn undecided(why: &'static str, answer: &Answer) -> Meaning {
    Meaning::Error(GatewayError::Undecided { why, after: answer.retry_after })
}

fn unreadable() -> GatewayError {
    GatewayError::Unreachable("an answer that cannot be read".into())
}

/// A code or a parameter name in a form that a log line may show. Any other text is replaced,
/// because it could hold a secret.
fn word(text: &str) -> String {
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_[]".contains(&it);
    let secret = SECRETS.iter().any(|it| text.contains(it));
    match text.len() {
        0 => "none".to_owned(),
        1..=WORD_BYTES_MAX if text.bytes().all(plain) && !secret => text.to_owned(),
        _ => "not shown".to_owned(),
    }
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
