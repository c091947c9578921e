//! What a service answers over HTTP: `/health` and `/metrics`, and status its bookings.

mod canaries;
mod cursor;
mod status;
pub mod view;

pub use canaries::{CanaryView, canaries};
pub use cursor::Cursor;
pub use status::bookings;

use std::io;

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{domain::RoleName, metrics::Metrics, runtime::Pulse};

/// `/health`: 200 while the poll loop lives, 503 and why when it does not. `/metrics`: OpenMetrics.
pub fn vital_signs(role: RoleName, pulse: Pulse, metrics: Metrics) -> Router {
    Router::new()
        .route("/health", get(health))
        .with_state((role, pulse))
        .route("/metrics", get(async |State(metrics): State<Metrics>| metrics.render()))
        .with_state(metrics)
}

async fn health(State((role, pulse)): State<(RoleName, Pulse)>) -> impl IntoResponse {
    let health = pulse.health();
    let code = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(serde_json::json!({"role": role, "health": health})))
}

/// Serves until told to stop, then lets open requests finish.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}
