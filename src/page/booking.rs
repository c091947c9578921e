//! The page of one booking: the choreography coloured by what was heard, what is awaited and what
//! can no longer come; the timeline with a lane for each service; receipt and trace.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use jiff::Timestamp;

use super::{
    answer::{self, page},
    assets,
    desk::{Desk, unread},
    diagram::{Diagram, Event},
    line::{phase_words, tone, waits},
    services::{ServiceState, names},
    settings::Settings,
    words,
};
use crate::{
    domain::{
        RoleName,
        event::Kind,
        ids::BookingId,
        seat::seat_list,
        status::{CLIENT, Record},
        trace::TraceId,
    },
    http::view::{BookingView, Entry},
    outlook::{Prospect, outlook},
    runtime::look_up,
    store::Store,
};

/// The page around the part that changes.
#[derive(Template)]
#[template(path = "booking.html")]
struct Page {
    assets: &'static assets::Addresses,
    id: String,
    at: String,
    /// Everything about the booking, as HTML.
    part: Part,
}

/// Everything about one booking.
#[derive(Template)]
#[template(path = "part.html")]
pub(super) struct Part {
    id: String,
    /// `None` if status has not seen it.
    known: Option<Known>,
}

/// What is known of a booking.
struct Known {
    view: BookingView,
    diagram: Diagram,
    /// Each event with what can be said of it, for a reader of tables.
    events: Vec<(Kind, &'static str, String)>,
    lanes: Vec<Step>,
    trace: Option<TraceId>,
    trace_url: Option<String>,
    now: Timestamp,
}

/// One step of a timeline.
struct Step {
    /// The column that it stands in.
    lane: String,
    /// Who said it, in words.
    by: String,
    what: String,
    /// `heard`, `awaited`, `late` or `rejected`.
    state: &'static str,
    at: Timestamp,
    time: String,
    details: Vec<String>,
}

impl Step {
    fn is_awaited(&self) -> bool {
        matches!(self.state, "awaited" | "late")
    }
}

/// `GET /booking/{id}`
pub(super) async fn booking<S: Store>(
    State(desk): State<Arc<Desk<S>>>,
    Path(id): Path<String>,
) -> Response {
    shown(&desk, &id, |id, code, part, now| {
        let page_of = Page {
            assets: assets::addresses(),
            id: id.to_string(),
            at: now.strftime("%H:%M:%S").to_string(),
            part,
        };
        page(code, &page_of)
    })
    .await
}

/// `GET /page/booking/{id}`: the part that changes, alone.
pub(super) async fn part_alone<S: Store>(
    State(desk): State<Arc<Desk<S>>>,
    Path(id): Path<String>,
) -> Response {
    shown(&desk, &id, |_, code, part, _| page(code, &part)).await
}

/// Reads a booking, and what is said of it goes to `write`.
async fn shown<S: Store>(
    desk: &Desk<S>,
    id: &str,
    write: impl FnOnce(&BookingId, StatusCode, Part, Timestamp) -> Response,
) -> Response {
    let id = match BookingId::parse(id) {
        Ok(id) => id,
        Err(expected) => return answer::no_id(expected),
    };
    let row = match look_up::<Record>(desk.work.store(), &id).await {
        Ok(row) => row.map(|it| it.row),
        Err(error) => return answer::unread(unread(&error)),
    };
    let (now, code) = match row {
        Some(_) => (desk.clock.now(), StatusCode::OK),
        None => (desk.clock.now(), StatusCode::NOT_FOUND),
    };
    let part = Part::of(&id, row.as_ref(), now, &desk.settings);
    write(&id, code, part, now)
}

impl Part {
    /// What is said of a booking at the time `now`.
    pub(super) fn of(
        id: &BookingId,
        record: Option<&Record>,
        now: Timestamp,
        settings: &Settings,
    ) -> Part {
        let known = record.map(|it| Known::of(id, it, now, settings));
        Part { id: id.to_string(), known }
    }
}

impl Known {
    fn of(id: &BookingId, record: &Record, now: Timestamp, settings: &Settings) -> Known {
        let view = BookingView::of(id, record, now, settings.stuck_after);
        let outlook = outlook(record);
        let events = outlook.iter().map(|(kind, it)| {
            let (state, figures) = told(*it, view.stuck, now);
            (*kind, state, figures)
        });
        let events: Vec<(Kind, &'static str, String)> = events.collect();
        let drawn = events.iter().map(|(kind, state, figures)| Event {
            kind: *kind,
            state,
            figures: figures.clone(),
            count: u64::from(*state == "heard"),
        });
        let title = format!("What was heard of booking {id}, and what is to come");
        let diagram = Diagram::of(&title, &services(&events), drawn.collect());
        let trace = record.trace();
        let trace_url = trace.zip(settings.trace_url.as_ref()).map(|(id, url)| url.of(id));
        Known { diagram, events, lanes: lanes(&view, now), view, trace, trace_url, now }
    }

    fn phase_words(&self) -> String {
        phase_words(self.view.phase)
    }

    fn tone(&self) -> &'static str {
        tone(self.view.phase, self.view.is_final)
    }

    fn waits(&self) -> Vec<String> {
        let each = self.view.waiting_for.iter();
        each.map(|it| waits(it, self.view.stuck, self.now)).collect()
    }

    fn seats(&self) -> String {
        seat_list(&self.view.seats)
    }

    /// The amount of the request that was answered, if one was heard.
    fn amount(&self) -> Option<String> {
        self.view.timeline.iter().find_map(|it| it.amount).map(|it| it.to_string())
    }

    fn as_of(&self) -> String {
        self.view.as_of.map(|it| words::time_of_day(it, self.now)).unwrap_or_default()
    }
}

/// The class and the words of a prospect.
fn told(prospect: Prospect, is_late: bool, now: Timestamp) -> (&'static str, String) {
    match prospect {
        Prospect::Heard { at } => ("heard", words::time_of_day(at, now)),
        Prospect::Awaited { since, .. } => {
            let waits = words::span(now.duration_since(since));
            match is_late {
                true => ("awaited late", format!("awaited {waits}, late")),
                false => ("awaited", format!("awaited {waits}")),
            }
        }
        Prospect::Possible => ("possible", "can still come".to_owned()),
        Prospect::Impossible => ("impossible", "can no longer come".to_owned()),
    }
}

/// What this booking has of the client and of each service.
fn services(events: &[(Kind, &'static str, String)]) -> Vec<ServiceState> {
    let of = |name: &'static str| {
        let publisher = |kind: Kind| kind.publisher().map_or(CLIENT, RoleName::as_str);
        let own = || events.iter().filter(|it| publisher(it.0) == name);
        let has = |state: &str| own().any(|it| it.1 == state);
        let (state, words) = match (has("awaited late"), has("awaited"), has("heard")) {
            (true, ..) => ("late", "late"),
            (false, true, _) => ("waits", "awaited"),
            (false, false, true) => ("ok", "heard"),
            (false, false, false) if own().next().is_none() => ("ok", "listens"),
            (false, false, false) => ("quiet", "silent"),
        };
        ServiceState { name, state, words: words.to_owned(), awaited_since: None }
    };
    names().map(of).collect()
}

/// The timeline, and behind it what is awaited.
fn lanes(view: &BookingView, now: Timestamp) -> Vec<Step> {
    let heard = view.timeline.iter().map(|it| step(it, now));
    let awaited = view.waiting_for.iter().map(|it| Step {
        lane: it.from.clone(),
        by: it.from.clone(),
        what: it.event.clone(),
        state: if view.stuck { "late" } else { "awaited" },
        at: it.since,
        time: words::time_of_day(it.since, now),
        details: vec![format!("awaited for {}", words::span(now.duration_since(it.since)))],
    });
    heard.chain(awaited).collect()
}

fn step(it: &Entry, now: Timestamp) -> Step {
    let role = RoleName::ALL.into_iter().find(|role| role.source() == it.source);
    let kind = Kind::of_topic(&it.kind);
    // A source that is not verified stands in the lane of whoever would have said it.
    let lane = role.or_else(|| kind.and_then(Kind::publisher)).map_or(CLIENT, RoleName::as_str);
    let seats = Some(seat_list(&it.seats)).filter(|it| !it.is_empty());
    // The reason of an outcome is a word for programs, and that of a refusal a sentence.
    let reason = |reason: &String| match kind {
        Some(_) => reason.replace('_', " "),
        None => reason.clone(),
    };
    let details = [
        Some(it.happened()).filter(|at| *at != it.time).map(|_| format!("says {}", it.time)),
        it.reason.as_ref().map(reason),
        seats,
        it.amount.map(|it| it.to_string()),
        it.receipt.clone(),
    ];
    Step {
        lane: lane.to_owned(),
        by: role.map_or(it.source.as_str(), |it| it.as_str()).to_owned(),
        what: it.kind.clone(),
        state: if kind.is_some() { "heard" } else { "rejected" },
        at: it.happened(),
        time: words::time_of_day(it.happened(), now),
        details: details.into_iter().flatten().collect(),
    }
}

#[cfg(test)]
#[path = "booking_tests.rs"]
mod tests;
