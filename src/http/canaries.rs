//! `GET /canaries/{id}`: which hops of a canary status knows of.

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
    runtime::{UnitOfWork, Chain, sightings},
    store::Store,
};

/// What is known of a canary. One never seen has no hops: it may be on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryView {
    /// Its id.
    pub canary: CanaryId,
    /// The hops it made.
    pub hops: Vec<Sighting>,
}

/// The route that tells canaries.
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
            error!(error = %Chain(&error), "could not answer a question about a canary");
            let problem = json!({"error": "the store of canaries cannot be read just now"});
            (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response()
        }
    }
}
