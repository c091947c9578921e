//! The rules of status: every event is a fact about its booking, and nothing is ever announced.

use std::convert::Infallible;

use jiff::Timestamp;

use super::{
    RoleName, ServiceName,
    decision::{Departure, Ending, Listing, Rows, Rules, Step},
    event::Event,
};
pub use super::{
    record::{CLIENT, Fact, OUTCOMES_MAX, REJECTIONS_MAX, REQUESTS_MAX, Record},
    request::Rejection,
    standing::{Phase, Standing, Waiting},
};

/// The rules of status.
#[derive(Clone, Copy, Debug)]
pub struct Statuses;

impl Rules for Statuses {
    type State = Record;
    type Effect = Infallible;
    type Answer = Infallible;
    const SERVICE: ServiceName = ServiceName::Role(RoleName::Status);

    fn decide(
        &self,
        rows: &Rows<Record>,
        event: &Event,
        _: &[Infallible],
        now: Timestamp,
    ) -> Step<Record, Infallible> {
        let before = rows.booking(&event.booking);
        let mut record = before.cloned().unwrap_or_default();
        if !record.add(Fact::of(event, now)) {
            return Step::SetAside(format!(
                "more than {REQUESTS_MAX} different requests, or {OUTCOMES_MAX} outcomes, under one id"
            ));
        }
        if before == Some(&record) { Step::Nothing } else { Step::become_row(record) }
    }

    fn rejected(record: Option<&Record>, rejection: Rejection) -> Option<Record> {
        record.unwrap_or(&Record::default()).rejecting(rejection)
    }

    fn listing(record: &Record) -> Option<Listing> {
        let standing = record.standing();
        Some(Listing {
            phase: standing.phase.as_str().to_owned(),
            at_ms: record.newest()?.as_millisecond(),
            open: !standing.is_final,
            departure: departure(record),
        })
    }

    fn ending(before: Option<&Record>, after: &Record, now: Timestamp) -> Option<Ending> {
        after.ending(before, now)
    }
}

/// The departure that the booking is for. Its time is that of the first fact and not of the newest,
/// so that further facts change nothing of it.
fn departure(record: &Record) -> Option<Departure> {
    let seating = record.seating()?;
    Some(Departure {
        flight: seating.flight.as_str().to_owned(),
        day: seating.date.to_string(),
        since_ms: record.oldest()?.as_millisecond(),
    })
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "status_listing_tests.rs"]
mod listing_tests;
