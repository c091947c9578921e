//! The token that a client has to show, where one is set. It must never be printed, and comparing
//! it must take the same time whatever a client shows.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::{Next, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The fewest characters of a token.
const CHARACTERS_MIN: usize = 16;
/// The most characters of a token: it has to fit into a header.
const CHARACTERS_MAX: usize = 1024;

/// A token, of which only the digest is kept. Two digests have the same length, so that a
/// comparison does not show the length of the token either.
#[derive(Clone)]
pub struct Token(Arc<[u8; 32]>);

impl Token {
    /// The token in a text. White space around it is no part of it.
    ///
    /// # Errors
    /// Says what a token is. Does not quote the text.
    pub fn parse(text: &str) -> Result<Token, &'static str> {
        let text = text.trim();
        if !text.bytes().all(|it| it.is_ascii_graphic()) {
            return Err("a token is one line of visible ASCII characters, without spaces");
        }
        if !(CHARACTERS_MIN..=CHARACTERS_MAX).contains(&text.len()) {
            return Err("a token has 16 to 1024 characters: make one with `openssl rand -hex 32`");
        }
        Ok(Token(Arc::new(digest(text.as_bytes()))))
    }

    fn is(&self, shown: &[u8]) -> bool {
        digest(shown).ct_eq(&*self.0).into()
    }
}

/// Whoever asks has signed the request, and AWS has checked the signature. Only the service itself
/// may put this beside a request.
#[derive(Clone, Copy, Debug)]
pub struct SignedCaller;

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The same routes, for clients that show the token: as a bearer token or, so that a browser can
/// ask for it, as the password of any user. Without a token, for everybody. No cache may keep an
/// answer that does not say otherwise, and no page of somebody else may use it.
pub fn guarded(routes: Router, token: Option<Token>) -> Router {
    let routes = match token {
        Some(token) => routes.route_layer(from_fn_with_state(token, check)),
        None => routes,
    };
    routes.route_layer(map_response(kept_in_house))
}

/// The same routes, for callers that have signed their request, and for clients that show the
/// token, if there is one.
pub fn guarded_by_signature(routes: Router, token: Option<Token>) -> Router {
    let door = Arc::new(token);
    let routes = routes.route_layer(from_fn_with_state(door, check_signature));
    routes.route_layer(map_response(kept_in_house))
}

async fn check_signature(
    State(token): State<Arc<Option<Token>>>,
    request: Request,
    next: Next,
) -> Response {
    if request.extensions().get::<SignedCaller>().is_some() {
        return next.run(request).await;
    }
    if let Some(token) = &*token {
        return check(State(token.clone()), request, next).await;
    }
    let problem = "this needs a request that is signed with AWS credentials (SigV4, service \
                   `lambda`): this function has no token of its own";
    (StatusCode::FORBIDDEN, Json(serde_json::json!({ "error": problem }))).into_response()
}

/// The same answer, which no cache may keep unless it says otherwise. A browser gives it to no page
/// of somebody else, and takes it for nothing but what it says it is.
async fn kept_in_house(mut answer: Response) -> Response {
    let same_origin = HeaderName::from_static("cross-origin-resource-policy");
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (same_origin, "same-origin"),
    ] {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}

async fn check(State(token): State<Token>, request: Request, next: Next) -> Response {
    if shown(request.headers()).is_some_and(|it| token.is(&it)) {
        return next.run(request).await;
    }
    let problem = "this needs the token of this status service: as a bearer token, or as the \
                   password of any user";
    let mut answer =
        (StatusCode::UNAUTHORIZED, Json(serde_json::json!({ "error": problem }))).into_response();
    for way in ["Bearer realm=\"booking\"", "Basic realm=\"booking\", charset=\"UTF-8\""] {
        answer.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(way));
    }
    answer
}

/// What the client shows as token; `None` if it shows none.
fn shown(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = STANDARD.decode(rest).ok()?;
    let colon = pair.iter().position(|it| *it == b':')?;
    Some(pair[colon + 1..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a-token-of-16-ch";

    #[test]
    fn a_token_is_long_and_visible_and_the_end_of_its_line_is_no_part_of_it() {
        let parse = |it: &str| Token::parse(it).map(|_| ());
        assert!(Token::parse(&format!(" {TEXT}\r\n")).is_ok_and(|it| it.is(TEXT.as_bytes())));
        for wrong in ["", "   \n", &TEXT[1..], &"x".repeat(1025)] {
            assert!(parse(wrong).is_err_and(|it| it.contains("16 to 1024")), "{wrong}");
        }
        for wrong in
            ["a token with spaces", "a-token-of-16-ch\nand-another-one", "a-tökèn-of-16-ch"]
        {
            assert!(parse(wrong).is_err_and(|it| it.contains("one line")), "{wrong}");
        }
    }

    #[test]
    fn it_is_shown_as_bearer_or_as_the_password_of_any_user() {
        let token = Token::parse(TEXT).unwrap_or_else(|it| panic!("{it}"));
        let taken = |authorization: &str| {
            let value = HeaderValue::from_str(authorization).unwrap();
            shown(&HeaderMap::from_iter([(AUTHORIZATION, value)])).is_some_and(|it| token.is(&it))
        };
        let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
        assert!(taken(&format!("Bearer {TEXT}")) && taken(&format!("bearer  {TEXT}")));
        assert!(taken(&basic(format!("ada:{TEXT}"))) && taken(&basic(format!(":{TEXT}"))));
        for wrong in [
            TEXT.to_owned(),
            format!("Token {TEXT}"),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("Bearer {TEXT}x"),
            format!("Bearer {}", &TEXT[1..]),
            basic(TEXT.to_owned()),
            basic(format!("{TEXT}:")),
            basic(format!("ada:{TEXT}:")),
            "Basic !".to_owned(),
        ] {
            assert!(!taken(&wrong), "{wrong}");
        }
        assert_eq!(shown(&HeaderMap::new()), None);
    }
}
