//! Sends spans over HTTP: the client that OpenTelemetry's exporter has none of its own for. It must
//! follow no redirect, since a header may hold a token, and no error may repeat the request.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::{Client, Url, redirect::Policy};
use tokio::time::Instant;

use crate::{
    answer::{Unread, read},
    runtime::Chain,
};

/// The pause before the second try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// An answer with more bytes than this is none.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why spans could not be sent last, in words for a log.
pub(super) type Why = Arc<Mutex<String>>;

/// Sends requests to one collector.
pub(super) struct Post {
    http: Client,
    /// How long one request may take, further tries included.
    limit: Duration,
    why: Why,
}

/// Neither the client nor its requests can be shown, since they may hold a token.
impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

impl Post {
    /// # Errors
    /// If the HTTP client cannot be built.
    pub(super) fn new(endpoint: &Url, limit: Duration, why: Why) -> Result<Post, reqwest::Error> {
        let http = Client::builder().redirect(Policy::none());
        let http = http.https_only(endpoint.scheme() == "https");
        // Two programs on the same machine need no proxy between them.
        let home = matches!(endpoint.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let http = if home { http.no_proxy() } else { http };
        Ok(Post { http: http.build()?, limit, why })
    }

    /// Sends a request until the collector accepts or refuses it, or the time is up.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let deadline = Instant::now() + self.limit;
        let mut pause = FIRST_PAUSE;
        loop {
            let request = Request::from_parts(parts.clone(), body.clone());
            let answer = tokio::time::timeout_at(deadline, self.once(request)).await;
            let answer = answer.unwrap_or_else(|_| Err("no answer in time".into()));
            let may_help = match &answer {
                Ok(it) => matches!(it.status().as_u16(), 429 | 502 | 503 | 504),
                Err(_) => true,
            };
            match &answer {
                Ok(it) if it.status().is_success() => {}
                Ok(it) => self.tell(format!("it answers {}", it.status())),
                Err(it) => self.tell(Chain(&**it).to_string()),
            }
            if !may_help || Instant::now() + pause >= deadline {
                return answer;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn once(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request).map_err(reqwest::Error::without_url)?;
        let answer = self.http.execute(request).await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        let body = read(answer, ANSWER_BYTES_MAX).await.map_err(|it| match it {
            Unread::TooLarge(_) => HttpError::from("an answer that is too long"),
            Unread::Broken(it) => it.without_url().into(),
        })?;
        Ok(Response::builder().status(status).body(Bytes::from(body))?)
    }

    fn tell(&self, why: String) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

impl HttpClient for Post {
    // What `async_trait` makes of `async fn`.
    fn send_bytes<'life, 'sent>(
        &'life self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'life: 'sent,
        Self: 'sent,
    {
        Box::pin(self.send(request))
    }
}
