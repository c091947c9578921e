//! Says what one event would do to a role's rows, so that an operator can know before redriving a
//! dead letter. It reads rows and asks the rules. It must never commit, publish or ask for an
//! effect.

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

/// What would happen. `row` is the present state of the booking's row, if there is one.
#[derive(Debug)]
pub enum Preview<R: Rules> {
    /// The event was settled before, and these messages would be announced again.
    Recalled { row: Option<R::State>, messages: Vec<Message> },
    /// Nothing would change, and nothing would be announced.
    Nothing { row: Option<R::State> },
    /// This effect would be asked for first. What comes then depends on the answer.
    Asks(R::Effect),
    /// This decision would be committed and announced.
    Settles { row: Option<R::State>, decision: Decision<R::State> },
    /// The message would be moved to the dead-letter queue, for this reason.
    SetAside(String),
}

/// What the runtime would do with `event` as the rows are now.
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
