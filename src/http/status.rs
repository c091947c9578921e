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
    Cursor, listed,
    view::{BookingLine, BookingList, BookingView, UNKNOWN},
};
use crate::{
    clock::Clock,
    domain::{
        ids::BookingId,
        status::{Phase, Record},
    },
    roles::StatusRole,
    runtime::{Chain, UnitOfWork, look_up},
    store::{Find, Store},
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
    limit: Option<usize>,
    after: Option<String>,
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

async fn list<S: Store>(
    State(desk): State<Bookings<S>>,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Response {
    let Ok(Query(wish)) = wish else {
        return bad_request(
            "expected phase=, limit= (1 to 500), order= (newest or stalest), after= (the next of a list)",
        );
    };
    let limit = wish.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return bad_request("limit is 1 to 500");
    }
    if wish.phase.as_deref().is_some_and(|it| Phase::of_name(it).is_none()) {
        let names: Vec<&str> = Phase::ALL.iter().map(|it| it.as_str()).collect();
        return bad_request(&format!("phase is one of {}", names.join(", ")));
    }
    let find = match (wish.order, wish.phase) {
        (Order::Newest, phase) => Find::Newest { phase },
        (Order::Stalest, None) => Find::Stalest,
        (Order::Stalest, Some(_)) => {
            return bad_request(
                "order=stalest lists open bookings of every phase: leave out phase",
            );
        }
    };
    let after = match wish.after.as_deref().map(str::parse::<Cursor>).transpose() {
        Ok(it) => it.map(|it| it.place()),
        Err(no) => return bad_request(&format!("after: {no}")),
    };
    let page = match desk.work.store().list(find, after, limit).await {
        Ok(page) => page,
        Err(error) => return unavailable(&error),
    };
    let now = desk.clock.now();
    let line = |(key, body): (String, String)| {
        let (id, record) = listed(&key, &body)?;
        Some(BookingLine::from(BookingView::of(&id, &record, now, desk.stuck_after)))
    };
    let next = page.next.as_ref().and_then(Cursor::of).map(|it| it.to_string());
    Json(BookingList { bookings: page.rows.into_iter().filter_map(line).collect(), next })
        .into_response()
}

fn bad_request(problem: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": problem}))).into_response()
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> Response {
    error!(error = %Chain(error), "could not read bookings for an HTTP request");
    let problem = json!({"error": "the store of bookings cannot be read just now"});
    (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response()
}
