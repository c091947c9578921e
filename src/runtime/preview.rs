//! What one event would do to a role's rows, without doing it: for whoever wants to know before a
//! dead letter goes back. Reads rows and asks the rules; commits nothing, publishes nothing, and
//! has nobody outside to ask.

use jiff::Timestamp;

use super::{
    WorkError,
    error::STEPS_MAX,
    unit_of_work::OTHER_REQUEST,
    view::{Recalled, View},
};
use crate::{
    domain::{
        decision::{Decision, Key, Rules, Step},
        event::Event,
    },
    store::Store,
    wire::Message,
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
) -> Result<Preview<R>, WorkError> {
    let mut view = View::<R::State>::read(store, Key::Booking(event.booking.clone())).await?;
    let row = view.own().cloned();
    match view.recall(event) {
        Some(Recalled::Messages(messages)) => return Ok(Preview::Recalled { row, messages }),
        Some(Recalled::OtherRequest) => return Ok(Preview::SetAside(OTHER_REQUEST.to_owned())),
        None => {}
    }
    for _ in 0..STEPS_MAX {
        match rules.decide(&view.rows, event, &[], now) {
            Step::Read(keys) => view.read_more(store, keys).await?,
            Step::Ask { claim: _, effect } => return Ok(Preview::Asks(effect)),
            Step::Nothing => return Ok(Preview::Nothing { row }),
            Step::Settle(decision) => return Ok(Preview::Settles { row, decision }),
            Step::SetAside(reason) => return Ok(Preview::SetAside(reason)),
        }
    }
    Err(WorkError::Endless)
}
