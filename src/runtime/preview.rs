//! What one event would do to a role's rows, without doing it: for whoever wants to know before a
//! dead letter goes back. Reads rows and asks the rules; commits nothing, publishes nothing, and
//! has nobody outside to ask.

use jiff::Timestamp;

use super::{
    book::{BookError, Outcome, STEPS_MAX},
    kept::{recall, see, see_more},
};
use crate::{
    bus::Message,
    domain::{
        decision::{Decision, Key, Rules, Step},
        event::Event,
    },
    store::Store,
};

/// What would happen. `row` is the row of the event's booking as it stands now.
#[derive(Debug)]
pub enum Preview<R: Rules> {
    /// It was dealt with long ago: the same would be announced again.
    Recalled {
        /// How the booking stands.
        row: Option<R::State>,
        /// What was announced.
        messages: Vec<Message>,
    },
    /// Nothing would change, and nothing would be said.
    Nothing {
        /// How the booking stands.
        row: Option<R::State>,
    },
    /// This would be asked outside first; what comes then depends on the answer.
    Asks(R::Effect),
    /// This would be committed, and announced.
    Settles {
        /// How the booking stands.
        row: Option<R::State>,
        /// What would change.
        decision: Decision<R::State>,
    },
    /// It would be set aside.
    SetAside(String),
}

/// What the rules would do with `event` as the rows stand now.
///
/// # Errors
/// When the store failed, or a row cannot be read.
pub async fn preview<R: Rules>(
    rules: &R,
    store: &impl Store,
    event: &Event,
    now: Timestamp,
) -> Result<Preview<R>, BookError> {
    let own = Key::Booking(event.booking.clone());
    let mut seen = see::<R::State>(store, own.clone()).await?;
    let row = seen.rows.get(&own).cloned();
    match recall(&seen, &own, event, 0) {
        Some(Outcome::Announce { messages, .. }) => return Ok(Preview::Recalled { row, messages }),
        Some(Outcome::SetAside(reason)) => return Ok(Preview::SetAside(reason)),
        None => {}
    }
    for _ in 0..STEPS_MAX {
        match rules.decide(&seen.rows, event, &[], now) {
            Step::Read(keys) => see_more(store, &mut seen, keys).await?,
            Step::Ask { claim: _, effect } => return Ok(Preview::Asks(effect)),
            Step::Settle(it) if it.writes.is_empty() => return Ok(Preview::Nothing { row }),
            Step::Settle(decision) => return Ok(Preview::Settles { row, decision }),
            Step::SetAside(reason) => return Ok(Preview::SetAside(reason)),
        }
    }
    Err(BookError::Endless)
}
