//! `GET /vitals`: how many messages wait on the queues of the four services, and how many were set
//! aside. Only if the operator allows status to look at them.

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

use crate::{
    domain::RoleName,
    vitals::{ServiceVitals, Vitals, Watch},
};

/// The answer to `GET /vitals`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VitalsView {
    /// When this was read.
    pub as_of: Timestamp,
    /// The four services.
    pub services: Vec<ServiceView>,
}

/// What the queues of one service tell. SQS counts approximately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceView {
    pub service: RoleName,
    /// Messages that wait to be received.
    pub waiting: u64,
    /// Messages that were received and not deleted yet.
    pub in_flight: u64,
    /// Messages that the service set aside, or that SQS moved there.
    pub dead_letters: u64,
    /// Messages that SNS could not deliver to the queue of the service.
    pub undelivered: u64,
    /// Bookings of which the process that answered gave back a message of a FIFO queue; missing if
    /// it is not asked, or did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_up: Option<u64>,
    /// For how many seconds the first of them has been held up; missing if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_up_s: Option<u64>,
    /// Why it is not known what the service holds up, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_up_problem: Option<String>,
    /// Why this service cannot be looked at; then the figures are 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl From<ServiceVitals> for ServiceView {
    fn from(it: ServiceVitals) -> ServiceView {
        let (held_up, held_up_problem) = match it.held_up {
            Some(Ok(it)) => (Some(it), None),
            Some(Err(problem)) => (None, Some(problem)),
            None => (None, None),
        };
        ServiceView {
            service: it.role,
            waiting: it.waiting,
            in_flight: it.in_flight,
            dead_letters: it.dead,
            undelivered: it.undelivered,
            held_up: held_up.map(|it| it.bookings),
            held_up_s: held_up.filter(|it| it.bookings > 0).map(|it| it.longest.as_secs()),
            held_up_problem,
            problem: it.problem,
        }
    }
}

impl From<Vitals> for VitalsView {
    fn from(it: Vitals) -> VitalsView {
        let services = it.services.into_iter().map(ServiceView::from).collect();
        VitalsView { as_of: it.read, services }
    }
}

/// The route of vitals. Without a `watch`, it answers 404 and says how to get one.
pub fn vitals(watch: Option<Arc<dyn Watch>>) -> Router {
    Router::new().route("/vitals", get(now)).with_state(watch)
}

async fn now(State(watch): State<Option<Arc<dyn Watch>>>) -> Response {
    match watch {
        Some(watch) => Json(VitalsView::from(watch.look().await)).into_response(),
        None => {
            let problem = json!({"error": "this service may not look at the queues: start it with \
                                           --watch-queues (BOOKING_WATCH_QUEUES)"});
            (StatusCode::NOT_FOUND, Json(problem)).into_response()
        }
    }
}
