//! Serves HTTP beside the consumer. It must never starve the consumer: connections need file
//! descriptors and memory, and a service that has none left can neither receive nor delete.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use hyper::{Request, body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use super::{
    connections::{Connections, Listed},
    socket::Socket,
    unreadable::BUFFER_BYTES_MAX,
};
use crate::metrics::Connections as Count;

/// How long a client may take to send the header of a request, and how long it may be idle before
/// the next request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take no byte of an answer or a stream.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long open requests may take to finish when the service stops.
const LAST_REQUESTS: Duration = Duration::from_secs(2);
/// The pause after a connection could not be accepted for lack of file descriptors. Other
/// connections may end meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// In how many seconds a client may ask again for a stream that was refused.
const STREAM_AGAIN_S: &str = "5";

/// Tells the handler of a stream that the server stops. Each request has one, as an extension:
/// without it, a stream would keep the server from stopping.
#[derive(Clone, Debug)]
pub struct Stopping(CancellationToken);

impl Stopping {
    /// Stops when `stop` is cancelled.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Stopping {
        Stopping(stop)
    }

    /// Returns when the server is told to stop.
    pub async fn told(self) {
        self.0.cancelled().await;
    }
}

/// The router of one connection, which records whether a handler is running, and whether its answer
/// is a stream.
struct Watched {
    router: TowerToHyperService<Router>,
    listed: Arc<Listed>,
}

impl Service<Request<Incoming>> for Watched {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (answer, listed) = (self.router.call(request), Arc::clone(&self.listed));
        listed.set_in_handler(true);
        Box::pin(async move {
            let answer = answer.await?;
            listed.set_in_handler(false);
            Ok(if is_stream(&answer) { stream(answer, &listed) } else { answer })
        })
    }
}

fn is_stream(answer: &Response) -> bool {
    answer.headers().get(CONTENT_TYPE).is_some_and(|it| it == "text/event-stream")
}

/// Moves the connection to the streams. A stream is the last answer of its connection, so that it
/// never comes back to the requests.
fn stream(mut answer: Response, listed: &Listed) -> Response {
    let Err(most) = listed.becomes_stream() else {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return answer;
    };
    let problem = format!("{most} clients follow what happens here already, which is the most");
    let again = [(RETRY_AFTER, STREAM_AGAIN_S)];
    let body = Json(serde_json::json!({ "error": problem }));
    (StatusCode::SERVICE_UNAVAILABLE, again, body).into_response()
}

/// Serves until `stop` is cancelled, then lets open requests finish.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    count: Count,
    stop: CancellationToken,
) {
    let connections = Connections::new(count);
    let tasks = TaskTracker::new();
    let router = router.layer(Extension(Stopping::new(stop.clone())));
    let mut short = false;
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                if std::mem::take(&mut short) {
                    info!("accepting connections again");
                }
                connections.make_room().await;
                let listed = connections.add();
                tasks.spawn(attend(stream, router.clone(), listed, stop.clone()));
                // Lets the new connection's task run before the next connection is accepted.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                // Logged once, however long this lasts: clients may connect very often.
                if !std::mem::replace(&mut short, true) {
                    warn!(%error, "could not accept a connection");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // From here on, new connections are refused, instead of waiting in the queue of the listener.
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn attend(stream: TcpStream, router: Router, listed: Listed, stop: CancellationToken) {
    let listed = Arc::new(listed);
    let service = Watched { router: TowerToHyperService::new(router), listed: Arc::clone(&listed) };
    let socket = Socket::new(TokioIo::new(stream), WRITE_TIMEOUT);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(socket, service);
    let mut connection = pin!(connection);
    // Errors of a connection are ignored: they concern only its client.
    tokio::select! {
        // Serves what has arrived already before it looks at the tokens.
        biased;
        _ = connection.as_mut() => {}
        () = listed.closed() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(LAST_REQUESTS, connection).await;
        }
    }
}
