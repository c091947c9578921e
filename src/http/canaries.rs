//! `GET /canaries/{id}`: the hops of a canary that the status service has heard of. It must never
//! write: it reads what the consumer of status has stored.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::error;

use crate::{
    domain::canary::{CanaryId, Sighting},
    roles::StatusRole,
    runtime::{Chain, UnitOfWork, sightings},
    store::Store,
};

/// The hops of a canary that status has heard of. An unknown canary has none: it may be on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryView {
    pub canary: CanaryId,
    /// Which role heard the canary on which topic, and when.
    pub hops: Vec<Sighting>,
}

/// The route of canaries.
pub fn canaries<S: Store>(work: Arc<UnitOfWork<StatusRole, S>>) -> Router {
    Router::new().route("/canaries/{id}", get(one::<S>)).with_state(work)
}

async fn one<S: Store>(
    State(work): State<Arc<UnitOfWork<StatusRole, S>>>,
    Path(id): Path<String>,
) -> Response {
    let Ok(canary) = CanaryId::parse(&id) else {
        let problem = json!({"error": "the path has no canary: a UUID of version 7"});
        return (StatusCode::BAD_REQUEST, Json(problem)).into_response();
    };
    match sightings(work.store(), canary).await {
        Ok(hops) => Json(CanaryView { canary, hops }).into_response(),
        Err(error) => {
            error!(error = %Chain(&error), "could not read a canary for an HTTP request");
            let problem = json!({"error": "the store of canaries cannot be read just now"});
            (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response()
        }
    }
}
