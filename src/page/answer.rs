//! The answers of the page and their headers. Nothing on the page may come from elsewhere, and
//! nothing in its text may run or colour it.

use askama::Template;
use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY},
    },
    response::{IntoResponse, Response},
};
use tracing::error;

use super::{assets, desk::Unread};
use crate::domain::Expected;

/// What a browser may do with a page: load styles, scripts and pictures of this address, ask this
/// address, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// A page around its contents.
#[derive(Template)]
#[template(path = "problem.html")]
struct Problem<'a> {
    assets: &'static assets::Addresses,
    heading: &'a str,
    words: &'a str,
}

/// The same answer with the headers that every answer of the page has beside those of the API
/// ([`crate::http::guarded`]). An address that axum could not read is answered with a page as well.
pub(super) async fn guarded(mut answer: Response) -> Response {
    let kind = answer.headers().get(CONTENT_TYPE);
    let is_page = kind.is_some_and(|it| it.as_bytes().starts_with(b"text/html"));
    if answer.status() == StatusCode::BAD_REQUEST && !is_page {
        let words = "The address cannot be read: expected UTF-8, and each field of the query once.";
        answer = problem(StatusCode::BAD_REQUEST, "No such page", words);
    }
    for (name, value) in [(CONTENT_SECURITY_POLICY, POLICY), (REFERRER_POLICY, "no-referrer")] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// A page, or a part of one.
pub(super) fn page(code: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => html_of(code, html),
        Err(error) => {
            error!(%error, "could not write a page");
            let json = serde_json::json!({"error": "the page cannot be written"});
            (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(json)).into_response()
        }
    }
}

/// HTML that is written already.
pub(super) fn html_of(code: StatusCode, html: String) -> Response {
    (code, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// A page that says what is wrong with what was asked.
pub(super) fn problem(code: StatusCode, heading: &str, words: &str) -> Response {
    page(code, &Problem { assets: assets::addresses(), heading, words })
}

/// The page for what is no booking id.
pub(super) fn no_id(Expected(id): Expected) -> Response {
    problem(StatusCode::BAD_REQUEST, "No booking id", &format!("This is not {id}."))
}

/// The page of a store that cannot be read.
pub(super) fn unread(_: Unread) -> Response {
    let words = "The store of bookings cannot be read just now. The log of status says why.";
    problem(StatusCode::SERVICE_UNAVAILABLE, "No answer just now", words)
}
