//! Sends one request to Stripe over HTTPS and returns the answer, without interpreting it.
//!
//! The key must never reach a log or another host: it goes into a header that is never printed, and
//! redirects are not followed. No error may quote the request. This module must never repeat a
//! request that may have reached Stripe, because only the queue decides about retries.

use std::time::Duration;

use reqwest::{
    Client, Response, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde_json::Value;

use super::{answers::Answer, key::StripeKey};
use crate::{
    answer::{Unread, read},
    gateway::GatewayError,
};

/// The version of Stripe's API that we use, whatever the default version of the account is.
const VERSION: &str = "2024-06-20";
/// An answer with more bytes than this is treated as no answer.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The names and values of a form or of a query.
pub(super) type Form<'a> = Vec<(&'static str, &'a str)>;

/// The HTTP client for one Stripe account.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    http: Client,
    base: Url,
}

impl Calls {
    /// A client that sends its requests to `base` with `key`, and waits at most `limit` for each
    /// answer.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub(super) fn new(
        base: &Url,
        key: &StripeKey,
        limit: Duration,
    ) -> Result<Calls, reqwest::Error> {
        let mut headers = HeaderMap::new();
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.reveal()))
            .expect("a key has letters, digits and _ only");
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        headers.insert("stripe-version", HeaderValue::from_static(VERSION));
        let http = Client::builder().default_headers(headers).redirect(Policy::none());
        let http = http.timeout(limit).https_only(base.scheme() == "https");
        // Two programs on the same machine need no proxy between them.
        let home = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let http = if home { http.no_proxy() } else { http };
        Ok(Calls { http: http.build()?, base: base.clone() })
    }

    /// Sends a form under an idempotency key. However often it is sent with the same key, Stripe
    /// acts on it once, for as long as Stripe keeps the key.
    ///
    /// # Errors
    /// If no answer came. Stripe may have acted on the request all the same.
    pub(super) async fn post(
        &self,
        path: &[&str],
        key: &str,
        form: &Form<'_>,
    ) -> Result<Answer, GatewayError> {
        let ask = self.http.post(self.at(path)).header("idempotency-key", key).form(form);
        answer(ask.send().await.map_err(failed)?).await
    }

    /// Reads an object, a list or a search. This changes nothing at Stripe.
    ///
    /// # Errors
    /// If no answer came.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &Form<'_>,
    ) -> Result<Answer, GatewayError> {
        answer(self.http.get(self.at(path)).query(query).send().await.map_err(failed)?).await
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // Stripe makes the ids, so each one must stay one segment, whatever it contains.
            segments.pop_if_empty().push("v1").extend(path);
        }
        url
    }
}

async fn answer(response: Response) -> Result<Answer, GatewayError> {
    let (status, headers) = (response.status().as_u16(), response.headers());
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let seconds: Option<u64> = text(RETRY_AFTER.as_str()).and_then(|it| it.trim().parse().ok());
    let retry_after = seconds.map(Duration::from_secs);
    let replayed = text("idempotent-replayed") == Some("true");
    let body = read(response, ANSWER_BYTES_MAX).await.map_err(|it| match it {
        Unread::TooLarge(_) => GatewayError::Unreachable("an answer that is too long".into()),
        Unread::Broken(it) => failed(it),
    })?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(Answer { status, retry_after, replayed, body })
}

fn failed(error: reqwest::Error) -> GatewayError {
    if error.is_timeout() {
        return GatewayError::TimedOut;
    }
    // The URL contains the booking id or the id of the intent, and errors are logged.
    GatewayError::Unreachable(Box::new(error.without_url()))
}
