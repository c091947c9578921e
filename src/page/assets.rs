//! The files that a page loads, all of them in the binary. The address of a file has a hash of its
//! contents, so a browser keeps it for good and still never shows one of another version.

use std::sync::LazyLock;

use axum::{
    extract::RawQuery,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");
const ICON: &str = include_str!("icon.svg");

/// How many bytes of the hash of a file stand in its address.
const HASH_BYTES: usize = 8;

/// Where the files of a page are.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) style: String,
    pub(super) script: String,
    pub(super) icon: String,
}

/// Where the files of a page are.
pub(super) fn addresses() -> &'static Addresses {
    static ADDRESSES: LazyLock<Addresses> = LazyLock::new(|| Addresses {
        style: format!("/page/style.css?v={}", hash(STYLE)),
        script: format!("/page/page.js?v={}", hash(SCRIPT)),
        icon: format!("/page/icon.svg?v={}", hash(ICON)),
    });
    &ADDRESSES
}

/// `GET /page/style.css`
pub(super) async fn style(RawQuery(asked): RawQuery, headers: HeaderMap) -> Response {
    file(asked.as_deref(), &headers, STYLE, "text/css; charset=utf-8")
}

/// `GET /page/page.js`
pub(super) async fn script(RawQuery(asked): RawQuery, headers: HeaderMap) -> Response {
    file(asked.as_deref(), &headers, SCRIPT, "text/javascript; charset=utf-8")
}

/// `GET /page/icon.svg`
pub(super) async fn icon(RawQuery(asked): RawQuery, headers: HeaderMap) -> Response {
    file(asked.as_deref(), &headers, ICON, "image/svg+xml")
}

fn hash(text: &str) -> String {
    Sha256::digest(text)[..HASH_BYTES].iter().map(|it| format!("{it:02x}")).collect()
}

fn file(
    asked: Option<&str>,
    headers: &HeaderMap,
    text: &'static str,
    kind: &'static str,
) -> Response {
    let hash = hash(text);
    let tag = format!("\"{hash}\"");
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|it| it.as_bytes() == tag.as_bytes());
    let mut answer = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(CONTENT_TYPE, kind)], text).into_response(),
    };
    // Who asks for the file of another version gets this one, and must not keep it as that one.
    let how_long = match asked.and_then(|it| it.strip_prefix("v=")) == Some(hash.as_str()) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(how_long));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}
