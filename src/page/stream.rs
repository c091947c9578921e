//! The stream of what happens: server-sent events. A stream keeps nothing but where it is: a reader
//! that is slow gets the newest look when it reads again, and what it missed in between as counts.
//! How many streams there may be is the server's to say.

use std::{convert::Infallible, future::pending, sync::Arc, time::Duration};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{
        HeaderMap,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;

use super::{desk::Desk, flow::Position, look::frame};
use crate::{http::Stopping, store::Store};

/// How long nothing is sent before a comment shows that the stream is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How soon a reader that lost its stream should come back, in milliseconds.
const RETRY_MS: u64 = 2_000;
/// The pause after the store could not be read.
const AFTER_UNREAD: Duration = Duration::from_secs(2);

/// What a stream is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// `yes` for the default list as well.
    list: String,
    /// The position from which to go on, for a reader that cannot send `Last-Event-ID`.
    since: String,
}

/// One stream.
struct Reader<S> {
    desk: Arc<Desk<S>>,
    wants_list: bool,
    /// The look that it was told of last.
    number: Option<u64>,
    /// Up to where it knows what happened; `None` at the beginning.
    position: Option<Position>,
    /// Not before this time of the steady clock does it look again.
    next: Duration,
    /// What is still to be sent before it looks again.
    waiting: Option<Bytes>,
    stopping: Option<Stopping>,
}

/// `GET /events`
pub(super) async fn events<S: Store>(
    State(desk): State<Arc<Desk<S>>>,
    stopping: Option<Extension<Stopping>>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let last = headers.get("last-event-id").and_then(|it| it.to_str().ok());
    let reader = Reader {
        wants_list: wanted.list == "yes",
        number: None,
        position: last.unwrap_or(&wanted.since).parse().ok(),
        next: Duration::ZERO,
        waiting: Some(Bytes::from(format!("retry: {RETRY_MS}\n\n"))),
        stopping: stopping.map(|Extension(it)| it),
        desk,
    };
    let frames = stream::unfold(reader, |mut reader| async move {
        let frame = reader.next().await?;
        Some((Ok::<Bytes, Infallible>(frame), reader))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(frames)).into_response()
}

impl<S: Store> Reader<S> {
    /// What is sent next; `None` when the server stops, which ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(waiting) = self.waiting.take() {
            return Some(waiting);
        }
        let stopping = self.stopping.clone();
        let told = async {
            match stopping {
                Some(it) => it.told().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = told => None,
            said = tokio::time::timeout(HEARTBEAT, self.said()) => {
                Some(said.unwrap_or_else(|_| Bytes::from_static(b": alive\n\n")))
            }
        }
    }

    /// The next event, when it is time for it.
    async fn said(&mut self) -> Bytes {
        let pause = self.next.saturating_sub(self.desk.clock.steady());
        tokio::time::sleep(pause).await;
        let Ok(look) = self.desk.look().await else {
            self.next = self.desk.clock.steady() + AFTER_UNREAD;
            return frame("unread", None, &serde_json::json!({}));
        };
        self.next = look.until;
        let before = self.number.replace(look.number);
        let is_next = before == Some(look.number - 1);
        let has_new_list = if is_next { look.has_new_list } else { before != Some(look.number) };
        if self.wants_list && has_new_list {
            self.waiting = Some(look.list_frame.clone());
        }
        let position = self.position.replace(look.flow.position());
        match position {
            _ if is_next => look.news.clone(),
            Some(it) => look.news_since(it),
            None => look.news_since(look.flow.position()),
        }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
