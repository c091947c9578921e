//! Changes a booking's row by hand, outside the unit of work: for commands such as `erase`. It must
//! never announce anything.

use super::{WorkError, error::CONFLICTS_MAX, view::View};
use crate::{
    domain::{
        decision::{Key, Rules},
        ids::BookingId,
    },
    store::{Commit, Store},
};

/// How changing a row by hand ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amended<T> {
    /// The row now has this state.
    Done(T),
    /// The change was refused, and the row is as it was.
    Refused,
    /// There is no such row.
    Unknown,
}

/// Changes the state of a booking's row. `change` returns the new state, or `None` to refuse. Memos
/// and claim stay, but a source and id that a client wrote are replaced by their hash. If a service
/// changes the row at the same time, this reads the row again and calls `change` again.
///
/// # Errors
/// When the store failed, the row cannot be read, or services kept changing it.
pub async fn amend<R: Rules>(
    store: &impl Store,
    booking: &BookingId,
    change: impl Fn(&R::State) -> Option<R::State>,
) -> Result<Amended<R::State>, WorkError> {
    for _ in 0..=CONFLICTS_MAX {
        let own = Key::Booking(booking.clone());
        let mut view: View<R::State> = View::read(store, own.clone()).await?;
        let Some(row) = view.own() else { return Ok(Amended::Unknown) };
        let Some(row) = change(row) else { return Ok(Amended::Refused) };
        view.hide_client();
        let writes = vec![view.write::<R>(own, row.clone())?];
        if store.commit(writes).await? == Commit::Done {
            return Ok(Amended::Done(row));
        }
    }
    Err(WorkError::Contended)
}
