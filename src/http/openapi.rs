//! What other teams read of the contracts: `GET /openapi.json`, the status API as an OpenAPI
//! document, and `GET /schemas/{name}`, the JSON Schema of what a topic's events have as `data`.

use axum::{
    Json, Router,
    extract::Path,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::{
    domain::{event::Kind, status::Phase},
    topics,
};

/// The document without what the code knows better: the version, the phases (in cursors, too) and
/// the topics.
const DOCUMENT: &str = include_str!("openapi.json");
/// The day in the cursor of a list by flight or day.
const DAY: &str = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
/// The media type of a JSON Schema.
const SCHEMA: &str = "application/schema+json";

/// The OpenAPI document of the status service.
///
/// # Panics
/// Never: the document is compiled in and tested.
#[must_use]
pub fn openapi() -> Value {
    let mut document: Value =
        serde_json::from_str(DOCUMENT).expect("the document is compiled in and tested");
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    let phases: Vec<&str> = Phase::ALL.iter().map(|it| it.as_str()).collect();
    let cursor = format!(
        "^(0|-?[1-9][0-9]{{0,12}})\\.({}|{DAY})\\.[A-Za-z0-9][A-Za-z0-9_-]{{0,63}}$",
        phases.join("|")
    );
    document["components"]["schemas"]["Cursor"]["pattern"] = cursor.into();
    document["components"]["schemas"]["Phase"]["enum"] = phases.into();
    let names: Vec<String> =
        Kind::ALL.into_iter().flat_map(|it| [it.to_string(), topics::dataschema(it)]).collect();
    document["components"]["schemas"]["SchemaName"]["enum"] = names.into();
    document
}

/// The routes of the contracts.
pub fn contract() -> Router {
    Router::new()
        .route("/openapi.json", get(async || Json(openapi())))
        .route("/schemas/{name}", get(schema))
}

/// The schema of a topic, by the topic's name or by what `dataschema` of its events says.
async fn schema(Path(name): Path<String>) -> Response {
    let named =
        |it: &topics::Topic| name == it.topic.topic() || name == topics::dataschema(it.topic);
    match topics::all().into_iter().find(named) {
        Some(it) => ([(CONTENT_TYPE, SCHEMA)], it.data.to_string()).into_response(),
        None => {
            let problem = "expected the name of a topic, or the dataschema of its events";
            (StatusCode::NOT_FOUND, Json(json!({"error": problem}))).into_response()
        }
    }
}
