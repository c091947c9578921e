//! What a service answers over HTTP: `/health` and `/metrics`, and status its bookings.

mod canaries;
mod cursor;
mod status;
pub mod view;

pub use canaries::{CanaryView, canaries};
pub use cursor::Cursor;
pub use status::bookings;

use std::{io, sync::Arc};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{domain::RoleName, metrics::Metrics, runtime::Pulse};

/// `/health`: 200 while the poll loop lives and the stores are the ones that were opened, 503 and why
/// when not. `/metrics`: OpenMetrics. `stores` says what is wrong with them, at each question.
pub fn vital_signs(
    role: RoleName,
    pulse: Pulse,
    stores: impl Fn() -> Option<String> + Send + Sync + 'static,
    metrics: Metrics,
) -> Router {
    Router::new()
        .route("/health", get(health))
        .with_state(Vital { role, pulse, stores: Arc::new(stores) })
        .route("/metrics", get(async |State(metrics): State<Metrics>| metrics.render()))
        .with_state(metrics)
}

#[derive(Clone)]
struct Vital {
    role: RoleName,
    pulse: Pulse,
    stores: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

async fn health(State(Vital { role, pulse, stores }): State<Vital>) -> impl IntoResponse {
    let mut health = pulse.health();
    health.store = stores();
    health.healthy &= health.store.is_none();
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
