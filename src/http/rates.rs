//! `GET /rates`: how often each event was heard of late. It must never read more than a bounded
//! number of rows, however many there are and however many ask.

use std::{sync::Arc, time::Duration};

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

use super::fresh::Fresh;
use crate::{
    clock::Clock,
    domain::{event::Kind, status::Record},
    roles::StatusRole,
    runtime::{Chain, StoredRow, UnitOfWork},
    store::{Find, Start, Store},
    vitals::rates::{ROWS, Rates, rates},
};

/// How long rates are good for, however many ask.
const FRESH: Duration = Duration::from_secs(1);

/// The answer to `GET /rates`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatesView {
    /// Up to when the events were counted.
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
    /// The view of these rates.
    #[must_use]
    pub fn of(rates: &Rates) -> RatesView {
        let rate = |(event, count): &(Kind, u64)| EventRate {
            event: *event,
            count: *count,
            per_second: rates.per_second(*event),
        };
        RatesView {
            as_of: rates.until,
            window_s: rates.window.as_secs_f64(),
            events: rates.heard.iter().map(rate).collect(),
        }
    }
}

struct Recent<S> {
    work: Arc<UnitOfWork<StatusRole, S>>,
    clock: Clock,
    /// The last rates; `None` if the store could not be read.
    last: Fresh<Option<RatesView>>,
}

/// The route of rates.
pub fn event_rates<S: Store>(work: Arc<UnitOfWork<StatusRole, S>>, clock: Clock) -> Router {
    let recent = Recent { work, last: Fresh::new(clock.clone(), FRESH), clock };
    Router::new().route("/rates", get(now::<S>)).with_state(Arc::new(recent))
}

async fn now<S: Store>(State(recent): State<Arc<Recent<S>>>) -> Response {
    match recent.last.or(read(Arc::clone(&recent.work), recent.clock.clone())).await {
        Some(view) => Json(view).into_response(),
        None => {
            let problem = json!({"error": "the store of bookings cannot be read just now"});
            (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response()
        }
    }
}

async fn read<S: Store>(work: Arc<UnitOfWork<StatusRole, S>>, clock: Clock) -> Option<RatesView> {
    let page = work.store().list(Find::Newest { phase: None }, Start::First, ROWS).await;
    let page = page.inspect_err(|it| {
        error!(error = %Chain(it), "could not read rates for an HTTP request");
    });
    let page = page.ok()?;
    // A row that cannot be read is left out; `GET /bookings` logs it.
    let row = |(_, body): &(String, String)| serde_json::from_str(body).ok();
    let rows: Vec<StoredRow<Record>> = page.rows.iter().filter_map(row).collect();
    let is_all = page.next.is_none();
    Some(RatesView::of(&rates(rows.iter().map(|it| &it.row), is_all, clock.now())))
}

#[cfg(test)]
#[path = "rates_tests.rs"]
mod tests;
