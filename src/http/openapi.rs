//! `GET /openapi.json`: the status API as an OpenAPI document, for programs and for other teams.

use axum::{Json, Router, routing::get};
use serde_json::Value;

use crate::domain::status::Phase;

/// The document without what the code knows better: the version and the phases.
const DOCUMENT: &str = include_str!("openapi.json");

/// The OpenAPI document of the status service.
#[must_use]
pub fn openapi() -> Value {
    let mut document: Value =
        serde_json::from_str(DOCUMENT).expect("the document is compiled in and tested");
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    let phases: Vec<&str> = Phase::ALL.iter().map(|it| it.as_str()).collect();
    document["components"]["schemas"]["Phase"]["enum"] = phases.into();
    document
}

/// The route of the document.
pub fn contract() -> Router {
    Router::new().route("/openapi.json", get(async || Json(openapi())))
}
