//! Answers a request to a function URL by the routes that a process serves over HTTP. Nothing but
//! what Lambda says of a caller may let the caller in without a token.

use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, Uri},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};

use crate::http::SignedCaller;

/// The largest answer that Lambda takes from a function is 6 MB, base64 included.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The answer to one request, as Lambda wants it.
pub(super) async fn answer(routes: Router, request: LambdaFunctionUrlRequest) -> Value {
    let Some(request) = read(request) else {
        return problem(StatusCode::BAD_REQUEST, "the path or the query cannot be read");
    };
    match TowerToHyperService::new(routes).call(request).await {
        Ok(answer) => written(answer).await,
        Err(never) => match never {},
    }
}

fn read(request: LambdaFunctionUrlRequest) -> Option<Request<Body>> {
    let signed = request.request_context.authorizer.is_some_and(|it| it.iam.is_some());
    let method: Method = request.request_context.http.method?.parse().ok()?;
    let path = request.raw_path.unwrap_or_default();
    let query = request.raw_query_string.filter(|it| !it.is_empty());
    let uri = query.map_or_else(|| path.clone(), |it| format!("{path}?{it}"));
    let mut read = Request::new(Body::empty());
    *read.method_mut() = method;
    *read.uri_mut() = uri.parse::<Uri>().ok().filter(|it| it.authority().is_none())?;
    *read.headers_mut() = request.headers;
    if signed {
        read.extensions_mut().insert(SignedCaller);
    }
    Some(read)
}

async fn written(answer: Response) -> Value {
    let (head, body) = answer.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        return problem(StatusCode::INSUFFICIENT_STORAGE, "the answer is too large: ask for less");
    };
    let mut headers = Map::new();
    for (name, value) in &head.headers {
        let Ok(value) = value.to_str() else { continue };
        // A header that is there twice, such as WWW-Authenticate, is a list with commas.
        let both = headers.get(name.as_str()).and_then(Value::as_str);
        let both = both.map_or_else(|| value.to_owned(), |it| format!("{it}, {value}"));
        headers.insert(name.as_str().to_owned(), Value::String(both));
    }
    let status = head.status.as_u16();
    let (text, encoded) = match String::from_utf8(body.into()) {
        Ok(text) => (text, false),
        Err(bytes) => (STANDARD.encode(bytes.as_bytes()), true),
    };
    json!({"statusCode": status, "headers": headers, "body": text, "isBase64Encoded": encoded})
}

/// The answer to a request whose answer did not come in time.
pub(super) fn no_answer() -> Value {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the answer did not come in time: try again")
}

fn problem(status: StatusCode, problem: &str) -> Value {
    json!({
        "statusCode": status.as_u16(),
        "headers": {"content-type": "application/json"},
        "body": json!({"error": problem}).to_string(),
        "isBase64Encoded": false,
    })
}
