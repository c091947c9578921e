//! The bookings that one look at the store finds. Every question to the store has a limit and is
//! answered from an index; nothing here may ask for more.

use crate::{
    domain::{
        ids::BookingId,
        status::{Phase, Record},
    },
    http::listed,
    store::{Find, Page, Start, Store, StoreError},
    vitals::rates::ROWS,
};

/// How many of the newest bookings are looked at. They decide how far back the counts go.
pub(super) const NEWEST_MAX: usize = ROWS;
/// How many of the bookings that wait longest are looked at.
pub(super) const STALEST_MAX: usize = 20;
/// How many of the bookings that contradict themselves are looked at.
const INCONSISTENT_MAX: usize = 10;

/// One booking.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: BookingId,
    pub(super) record: Record,
}

/// What one look finds.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The newest bookings, newest first.
    pub(super) newest: Vec<Row>,
    /// Whether there are no bookings but the newest.
    pub(super) is_all: bool,
    /// The open bookings that have had no news for longest, the longest first.
    pub(super) stalest: Vec<Row>,
    /// The bookings that contradict themselves, newest first.
    pub(super) inconsistent: Vec<Row>,
}

/// The bookings of a page of the store, without what cannot be read.
pub(super) fn decoded(page: &Page) -> Vec<Row> {
    let row = |(id, record)| Row { id, record };
    page.rows.iter().filter_map(|(key, body)| listed(key, body).map(row)).collect()
}

/// Looks at the store.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn look(store: &impl Store) -> Result<Rows, StoreError> {
    let newest = store.list(Find::Newest { phase: None }, Start::First, NEWEST_MAX).await?;
    let stalest = store.list(Find::Stalest, Start::First, STALEST_MAX).await?;
    let inconsistent = Find::Newest { phase: Some(Phase::Inconsistent.to_string()) };
    let inconsistent = store.list(inconsistent, Start::First, INCONSISTENT_MAX).await?;
    // Reading so many rows takes milliseconds, in which the thread has other things to do.
    let read = tokio::task::spawn_blocking(move || Rows {
        newest: decoded(&newest),
        is_all: newest.next.is_none(),
        stalest: decoded(&stalest),
        inconsistent: decoded(&inconsistent),
    });
    // It fails only when the process ends, or by a panic, which is a bug of the reader of rows.
    read.await.map_err(|_| StoreError::Closed)
}
