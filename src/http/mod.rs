//! What a service answers over HTTP: `/health` and `/metrics`, and status its bookings.

mod canaries;
mod cursor;
mod exposition;
mod server;
mod status;
mod unreadable;
pub mod view;

pub use canaries::{CanaryView, canaries};
pub use cursor::Cursor;
pub use status::bookings;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{domain::RoleName, metrics::Metrics, runtime::Pulse};

/// `/health`: 200 while the poll loop lives and the stores are the ones that were opened, 503 and
/// why when not. `/metrics`: OpenMetrics or the classic text format. `stores` says what is wrong
/// with them, at each question.
pub fn vital_signs(
    role: RoleName,
    pulse: Pulse,
    stores: impl Fn() -> Option<String> + Send + Sync + 'static,
    metrics: Metrics,
) -> Router {
    Router::new()
        .route("/health", get(health))
        .with_state(Vital { role, pulse, stores: Arc::new(stores) })
        .route("/metrics", get(exposition::exposition))
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

/// Every error is JSON, whoever makes it: a route, what reads the path before it, or nobody.
async fn errors_as_json(answer: Response) -> Response {
    let code = answer.status();
    let json = answer.headers().get(CONTENT_TYPE).is_some_and(|it| it == "application/json");
    if json || !(code.is_client_error() || code.is_server_error()) {
        return answer;
    }
    let problem = match code {
        StatusCode::NOT_FOUND => "there is nothing at this path".to_owned(),
        StatusCode::METHOD_NOT_ALLOWED => "expected GET or HEAD".to_owned(),
        StatusCode::BAD_REQUEST => {
            "the path or the query cannot be read: expected UTF-8".to_owned()
        }
        other => other.to_string(),
    };
    (code, Json(serde_json::json!({"error": problem}))).into_response()
}

/// Serves until told to stop, then lets open requests finish. Every error is JSON, also of what is
/// no request.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    server::serve(listener, router.layer(map_response(errors_as_json)), stop).await;
}
