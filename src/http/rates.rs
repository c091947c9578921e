//! `GET /rates`: how often each event was heard of late. It must never read more than a bounded
//! number of rows, however many there are.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::error;

use crate::{
    clock::Clock,
    domain::{event::Kind, status::Record},
    roles::StatusRole,
    runtime::{Chain, StoredRow, UnitOfWork},
    store::{Find, Start, Store},
    vitals::rates::{ROWS, Rates, rates},
};

/// The answer to `GET /rates`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatesView {
    /// When this was read.
    pub as_of: Timestamp,
    /// The time over which the events were counted, up to then, in seconds.
    pub window_s: f64,
    /// One entry for each type of event, in the order of a booking's life.
    pub events: Vec<EventRate>,
}

/// How often events of one type were heard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRate {
    pub event: Kind,
    /// How many were heard in the window; a repetition counts once.
    pub count: u64,
    pub per_second: f64,
}

impl RatesView {
    /// The view of rates that were counted at `now`.
    #[must_use]
    pub fn of(rates: &Rates, now: Timestamp) -> RatesView {
        let rate = |(event, count): &(Kind, u64)| EventRate {
            event: *event,
            count: *count,
            per_second: rates.per_second(*event),
        };
        RatesView {
            as_of: now,
            window_s: rates.window.as_secs_f64(),
            events: rates.heard.iter().map(rate).collect(),
        }
    }
}

/// The route of rates.
pub fn event_rates<S: Store>(work: Arc<UnitOfWork<StatusRole, S>>, clock: Clock) -> Router {
    Router::new().route("/rates", get(now::<S>)).with_state((work, clock))
}

async fn now<S: Store>(
    State((work, clock)): State<(Arc<UnitOfWork<StatusRole, S>>, Clock)>,
) -> Response {
    let page = match work.store().list(Find::Newest { phase: None }, Start::First, ROWS).await {
        Ok(page) => page,
        Err(error) => {
            error!(error = %Chain(&error), "could not read rates for an HTTP request");
            let problem = json!({"error": "the store of bookings cannot be read just now"});
            return (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response();
        }
    };
    // A row that cannot be read is left out; `GET /bookings` logs it.
    let row = |(_, body): &(String, String)| serde_json::from_str::<StoredRow<Record>>(body).ok();
    let rows: Vec<StoredRow<Record>> = page.rows.iter().filter_map(row).collect();
    let now = clock.now();
    let rates = rates(rows.iter().map(|it| &it.row), page.next.is_none(), now);
    Json(RatesView::of(&rates, now)).into_response()
}
