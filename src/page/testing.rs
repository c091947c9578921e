//! Bookings as status has them, for the tests of the page.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{desk::Desk, rows::Row, settings::Settings};
use crate::{
    clock::Clock,
    domain::{
        decision::{Key, Rows, Rules, Step},
        event::Kind,
        ids::BookingId,
        status::{Record, Statuses},
        testing::said,
    },
    roles::StatusRole,
    runtime::UnitOfWork,
    store::{Commit, Store, Write, memory::Memory},
};

pub(super) use crate::domain::testing::at;

/// After so long without news a booking of the tests is stuck.
pub(super) const STUCK_AFTER: SignedDuration = SignedDuration::from_secs(120);

/// A booking of which these events were heard, each when it was published.
pub(super) fn booking(id: &str, events: &[(Kind, f64)]) -> Row {
    let line = |(kind, time): &(Kind, f64)| {
        let rest = match kind {
            Kind::BookingRequested => "BR 12A",
            Kind::SeatBooked => "SB 12A",
            Kind::SeatUnavailable => "SU taken 12A",
            Kind::SeatReleased => "SR payment_failed 12A",
            Kind::PaymentOk => "PO",
            Kind::PaymentFailed => "PF declined",
            Kind::PaymentRefunded => "RF",
            Kind::ReceiptSent => "RI",
        };
        let (code, rest) = rest.split_at(2);
        format!("{code} {id}/1{rest} @{time}")
    };
    let id = BookingId::parse(id).unwrap();
    let (key, mut rows) = (Key::Booking(id.clone()), Rows::default());
    rows.insert(key.clone(), None);
    for event in events.iter().map(line).map(|it| said(&it)) {
        match Statuses.decide(&rows, &event, &[], event.time) {
            Step::Settle(decision) => rows.insert(key.clone(), Some(decision.own)),
            other => panic!("{other:?}"),
        }
    }
    let record = rows.get(&key).cloned().unwrap_or_default();
    Row { id, record }
}

/// A booking that is stuck since its seats were booked.
pub(super) fn stuck(id: &str, since: f64) -> Row {
    booking(id, &[(Kind::BookingRequested, since - 1.0), (Kind::SeatBooked, since)])
}

/// A booking that was declined.
pub(super) fn declined(id: &str, time: f64) -> Row {
    let kinds = [Kind::BookingRequested, Kind::PaymentFailed, Kind::SeatReleased];
    booking(id, &kinds.map(|it| (it, time)))
}

/// A booking that was completed.
pub(super) fn completed(id: &str, time: f64) -> Row {
    let kinds = [Kind::BookingRequested, Kind::SeatBooked, Kind::PaymentOk, Kind::ReceiptSent];
    booking(id, &kinds.map(|it| (it, time)))
}

/// A record with these facts, whatever stands in them.
pub(super) fn record_of(json: serde_json::Value) -> Record {
    serde_json::from_value(json).unwrap()
}

/// The page over a store in memory.
pub(super) fn desk(now: Timestamp) -> (Arc<Desk<Memory>>, Memory, Clock) {
    let (store, clock) = (Memory::default(), Clock::manual(now));
    let work = Arc::new(UnitOfWork::new(StatusRole, store.clone(), clock.clone()));
    let settings = Settings { stuck_after: STUCK_AFTER, trace_url: None, watch: None };
    (Arc::new(Desk::new(work, clock.clone(), settings)), store, clock)
}

/// Writes a booking into a store.
pub(super) async fn keep(store: &Memory, row: &Row) {
    let key = Key::Booking(row.id.clone()).to_string();
    let before = store.read(vec![key.clone()]).await.unwrap().pop().flatten();
    let write = Write {
        key,
        read_version: before.map_or(0, |it| it.version),
        body: serde_json::json!({ "row": row.record }).to_string(),
        listing: Statuses::listing(&row.record),
    };
    assert_eq!(store.commit(vec![write]).await.unwrap(), Commit::Done);
}
