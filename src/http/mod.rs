//! The HTTP server of a service: `/health` and `/metrics`, and for status its bookings, rates,
//! canaries and queues. It only reads, and it must never take anything that the consumer needs.

mod canaries;
mod census;
mod connections;
mod cursor;
mod exposition;
mod filter;
mod fresh;
mod openapi;
mod rates;
mod row;
mod server;
mod socket;
mod status;
mod token;
mod unreadable;
pub mod view;
mod vitals;

pub use canaries::{CanaryView, canaries};
pub use census::Census;
pub use cursor::{Cursor, NoCursor};
pub use filter::Filter;
pub use openapi::{contract, openapi};
pub use rates::{EventRate, RatesView, event_rates};
pub use row::listed;
pub use server::Stopping;
pub use status::{LIMIT_MAX, bookings};
pub use token::{SignedCaller, Token, guarded, guarded_by_signature};
pub use vitals::{ServiceView, VitalsView, vitals};

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{
        StatusCode,
        header::{ALLOW, CONTENT_TYPE},
    },
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::RoleName,
    metrics::{Connections, Metrics},
    runtime::PollHealth,
};

/// The routes that every service has. `/health` answers 200 while the poll loop works and the
/// stores are the ones that were opened, and otherwise 503 with the reason. `/metrics` answers in
/// OpenMetrics or in the classic text format. `stores` is called at each `/health`, and returns
/// what is wrong with the stores, if anything is.
pub fn vital_signs(
    role: RoleName,
    poll_health: PollHealth,
    stores: impl Fn() -> Option<String> + Send + Sync + 'static,
    metrics: Metrics,
) -> Router {
    Router::new()
        .route("/health", get(health))
        .with_state(Vital { role, poll_health, stores: Arc::new(stores) })
        .route("/metrics", get(exposition::exposition))
        .with_state(metrics)
}

#[derive(Clone)]
struct Vital {
    role: RoleName,
    poll_health: PollHealth,
    stores: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

async fn health(State(Vital { role, poll_health, stores }): State<Vital>) -> impl IntoResponse {
    let mut health = poll_health.health();
    health.store = stores();
    health.healthy &= health.store.is_none();
    let code = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(serde_json::json!({"role": role, "health": health})))
}

/// Gives every error a JSON body, also those that axum answers by itself. An error that is a page
/// for people stays one.
async fn errors_as_json(answer: Response) -> Response {
    let code = answer.status();
    let kind = answer.headers().get(CONTENT_TYPE).map(|it| it.as_bytes());
    let has_words =
        kind.is_some_and(|it| it == b"application/json" || it.starts_with(b"text/html"));
    if has_words || !(code.is_client_error() || code.is_server_error()) {
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
    let mut told = (code, Json(serde_json::json!({"error": problem}))).into_response();
    // RFC 9110 wants it beside a 405.
    if let Some(methods) = answer.headers().get(ALLOW) {
        told.headers_mut().insert(ALLOW, methods.clone());
    }
    told
}

/// The routes as [`serve`] serves them: every error has a JSON body.
pub fn finished(routes: Router) -> Router {
    routes.layer(map_response(errors_as_json))
}

/// Serves until `stop` is cancelled, then lets open requests finish, and counts the connections in
/// `count`; a stream ends when its handler hears of it by [`Stopping`]. Every error is JSON, even
/// the answer to bytes that are no HTTP request.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    count: Connections,
    stop: CancellationToken,
) {
    server::serve(listener, finished(router), count, stop).await;
}
