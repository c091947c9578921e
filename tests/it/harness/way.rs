//! A way to an emulator on which things can happen, and on which it is seen what was asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_LENGTH},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::task::AbortHandle;

/// What becomes of a request on its way.
pub enum Fate {
    /// It is done, and answered.
    Pass,
    /// It is done, and the answer is lost.
    Lose,
    /// It is not done, and this is the answer.
    Say(StatusCode, Value),
    /// It is not done, and this is the answer, whatever that is.
    Answer(Response),
    /// It is done, and half of the answer comes.
    Halve,
    /// It is not done, and nobody answers.
    Stall,
}

/// Decides by operation, and how often that was sent before.
type Decide = Box<dyn Fn(&str, usize, &Value) -> Fate + Send + Sync>;

/// The way; ends with the test.
#[derive(Clone)]
pub struct Way {
    pub endpoint: String,
    state: Arc<Inner>,
    open: AbortHandle,
}

struct Inner {
    to: String,
    decide: Decide,
    /// How often each `service:Operation` was sent.
    seen: Mutex<BTreeMap<String, usize>>,
    http: reqwest::Client,
}

impl Way {
    pub async fn to(
        to: &str,
        decide: impl Fn(&str, usize, &Value) -> Fate + Send + Sync + 'static,
    ) -> Way {
        let state = Arc::new(Inner {
            to: to.to_owned(),
            decide: Box::new(decide),
            seen: Mutex::default(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(Arc::clone(&state));
        let open = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Way { endpoint, state, open }
    }

    /// From now on nobody listens there. A connection that there is stays.
    pub fn close(&self) {
        self.open.abort();
    }

    /// Every `service:Operation` that was sent.
    pub fn seen(&self) -> BTreeSet<String> {
        self.state.seen.lock().unwrap().keys().cloned().collect()
    }

    /// How often a `service:Operation` was sent.
    pub fn count(&self, operation: &str) -> usize {
        self.state.seen.lock().unwrap().get(operation).copied().unwrap_or_default()
    }
}

async fn pass(
    State(way): State<Arc<Inner>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (service, operation) = named(&uri, &headers, &body);
    let nth = {
        let mut seen = way.seen.lock().unwrap();
        let nth = seen.entry(format!("{service}:{operation}")).or_default();
        *nth += 1;
        *nth - 1
    };
    // SNS and STS are asked by a form.
    let asked = serde_json::from_slice(&body).unwrap_or_default();
    let fate = match (way.decide)(&operation, nth, &asked) {
        Fate::Say(code, answer) => return (code, Json(answer)).into_response(),
        Fate::Answer(it) => return it,
        Fate::Stall => std::future::pending().await,
        done => done,
    };
    let to = format!("{}{}", way.to, uri.path());
    let sent = way.http.post(to).headers(headers).body(body).send().await.unwrap();
    let (code, text) = (sent.status(), sent.bytes().await.unwrap());
    match fate {
        Fate::Lose => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Fate::Halve => {
            let half = text.slice(..text.len() / 2);
            let cut = async {
                // What is before it leaves first.
                tokio::task::yield_now().await;
                Err(io::Error::other("cut"))
            };
            let broken = stream::iter([Ok(half)]).chain(stream::once(cut));
            ([(CONTENT_LENGTH, text.len())], Body::from_stream(broken)).into_response()
        }
        _ => (code, text).into_response(),
    }
}

/// Service and operation, as IAM calls the service.
fn named(uri: &Uri, headers: &HeaderMap, body: &Bytes) -> (&'static str, String) {
    if uri.path() == "/v2/email/outbound-emails" {
        return ("sesv2", "SendEmail".to_owned());
    }
    if let Some(target) = headers.get("x-amz-target") {
        let (service, operation) = target.to_str().unwrap().rsplit_once('.').unwrap();
        let service = match service {
            it if it.starts_with("DynamoDB") => "dynamodb",
            "AWSEvents" => "events",
            _ => "sqs",
        };
        return (service, operation.to_owned());
    }
    let form = String::from_utf8_lossy(body);
    let action = form.split('&').find_map(|it| it.strip_prefix("Action="));
    let action = action.expect("a request names its operation").to_owned();
    (if action == "GetCallerIdentity" { "sts" } else { "sns" }, action)
}
