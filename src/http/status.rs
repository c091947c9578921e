//! `GET /bookings/{id}` and `GET /bookings`, which read the rows of status. They must never write:
//! only an event may change what status says.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::json;
use tracing::error;

use super::{
    Cursor, Filter, listed,
    view::{BookingLine, BookingList, BookingView, UNKNOWN},
};
use crate::{
    clock::Clock,
    domain::{
        ids::BookingId,
        seat::{FlightNo, parse_date},
        status::{Phase, Record},
    },
    roles::StatusRole,
    runtime::{Chain, UnitOfWork, look_up},
    store::{Find, Place, Start, Store, StoreError},
};

/// How many bookings a page has, unless the client asks for another number.
const LIMIT_DEFAULT: usize = 50;
/// The most bookings that a page can have.
pub const LIMIT_MAX: usize = 500;

struct Bookings<S> {
    work: Arc<UnitOfWork<StatusRole, S>>,
    clock: Clock,
    stuck_after: SignedDuration,
}

impl<S> Clone for Bookings<S> {
    fn clone(&self) -> Self {
        Bookings {
            work: Arc::clone(&self.work),
            clock: self.clock.clone(),
            stuck_after: self.stuck_after,
        }
    }
}

/// The routes of bookings. A booking counts as stuck if it has not ended and its newest fact is
/// older than `stuck_after`.
pub fn bookings<S: Store>(
    work: Arc<UnitOfWork<StatusRole, S>>,
    clock: Clock,
    stuck_after: SignedDuration,
) -> Router {
    Router::new()
        .route("/bookings/{id}", get(one::<S>))
        .route("/bookings", get(list::<S>))
        .with_state(Bookings { work, clock, stuck_after })
}

async fn one<S: Store>(State(desk): State<Bookings<S>>, Path(id): Path<String>) -> Response {
    let Ok(id) = BookingId::parse(&id) else {
        return bad_request("the path has no booking id: 1 to 64 of letters, digits, _ and -");
    };
    match look_up::<Record>(desk.work.store(), &id).await {
        Ok(Some(kept)) => Json(BookingView::of(&id, &kept.row, desk.clock.now(), desk.stuck_after))
            .into_response(),
        Ok(None) => {
            let unknown = json!({"booking_id": id, "phase": UNKNOWN});
            (StatusCode::NOT_FOUND, Json(unknown)).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    phase: Option<String>,
    flight: Option<String>,
    date: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
    before: Option<String>,
    #[serde(default)]
    order: Order,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Newest,
    Stalest,
}

/// What a client wants to have listed.
struct Wanted {
    /// `None` for the open bookings, the stalest first.
    filter: Option<Filter>,
    start: Start,
    limit: usize,
}

impl Wish {
    /// What is wanted, or what is wrong with the query. That never quotes the query.
    fn read(&self) -> Result<Wanted, String> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err("limit is 1 to 500".to_owned());
        }
        let phase = |it: &str| {
            Phase::of_name(it).ok_or_else(|| {
                let names: Vec<&str> = Phase::ALL.iter().map(|it| it.as_str()).collect();
                format!("phase is one of {}", names.join(", "))
            })
        };
        let flight = |it: &str| FlightNo::parse(it).map_err(|it| format!("flight: {it}"));
        let date = |it: &str| parse_date(it).map_err(|it| format!("date: {it}"));
        let filter = Filter {
            phase: self.phase.as_deref().map(phase).transpose()?,
            flight: self.flight.as_deref().map(flight).transpose()?,
            date: self.date.as_deref().map(date).transpose()?,
        };
        let filter = match self.order {
            Order::Newest => Some(filter),
            Order::Stalest if filter == Filter::default() => None,
            Order::Stalest => {
                let problem = "order=stalest lists open bookings of every phase, flight and day: \
                               leave out phase, flight and date";
                return Err(problem.to_owned());
            }
        };
        let find = filter.as_ref().map_or(Find::Stalest, Filter::find);
        let place = |name: &str, text: &str| {
            let cursor = text.parse::<Cursor>().and_then(|it| it.place_in(&find));
            cursor.map_err(|no| format!("{name}: {no}"))
        };
        let start = match (&self.after, &self.before) {
            (None, None) => Start::First,
            (Some(it), None) => Start::After(place("after", it)?),
            (None, Some(it)) => Start::Before(place("before", it)?),
            (Some(_), Some(_)) => return Err("expected after or before, and not both".to_owned()),
        };
        Ok(Wanted { filter, start, limit })
    }
}

async fn list<S: Store>(
    State(desk): State<Bookings<S>>,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Response {
    let Ok(Query(wish)) = wish else {
        return bad_request(
            "expected phase=, flight=, date=, limit= (1 to 500), order= (newest or stalest), after= (the next of a list), before= (the previous of a list)",
        );
    };
    let Wanted { filter, start, limit } = match wish.read() {
        Ok(it) => it,
        Err(problem) => return bad_request(&problem),
    };
    let store = desk.work.store();
    let page = match filter {
        Some(it) => it.page(store, start, limit).await,
        None => store.list(Find::Stalest, start, limit).await,
    };
    let page = match page {
        Ok(page) => page,
        Err(error) => return unavailable(&error),
    };
    let now = desk.clock.now();
    let line = |(key, body): (String, String)| {
        let (id, record) = listed(&key, &body)?;
        Some(BookingLine::from(BookingView::of(&id, &record, now, desk.stuck_after)))
    };
    let cursor = |it: &Option<Place>| it.as_ref().and_then(Cursor::of).map(|it| it.to_string());
    let (previous, next) = (cursor(&page.previous), cursor(&page.next));
    Json(BookingList { bookings: page.rows.into_iter().filter_map(line).collect(), previous, next })
        .into_response()
}

fn bad_request(problem: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": problem}))).into_response()
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> Response {
    // Not for now but until somebody has applied Terraform, and only for this list: nothing is
    // broken, so nothing is logged.
    if let Some(it @ StoreError::NotIndexed { .. }) = error.downcast_ref() {
        let problem = json!({"error": it.to_string()});
        return (StatusCode::NOT_IMPLEMENTED, Json(problem)).into_response();
    }
    error!(error = %Chain(error), "could not read bookings for an HTTP request");
    let problem = json!({"error": "the store of bookings cannot be read just now"});
    (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response()
}
