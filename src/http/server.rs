//! Serves HTTP beside the consumer. It must never starve the consumer: connections need file
//! descriptors and memory, and a service that has none left can neither receive nor delete.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Extension, Router, body::Body, response::Response};
use hyper::{Request, body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use super::unreadable::{BUFFER_BYTES_MAX, WithWords};
use crate::metrics::Connections as Count;

/// The most connections at once. When another one comes, the oldest connection that no handler is
/// answering is closed, or the oldest of all if there is none. So a probe that sends its request at
/// once is always answered.
const CONNECTIONS_MAX: usize = 64;
/// How long a client may take to send the header of a request, and how long it may be idle before
/// the next request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open requests may take to finish when the service stops.
const LAST_REQUESTS: Duration = Duration::from_secs(2);
/// The pause after a connection could not be accepted for lack of file descriptors. Other
/// connections may end meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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

/// The open connections, the oldest first. A connection counts until it is closed.
#[derive(Clone, Debug)]
struct Connections {
    open: Arc<Mutex<Open>>,
    count: Count,
}

#[derive(Debug, Default)]
struct Open {
    begun: u64,
    there: BTreeMap<u64, Connection>,
}

#[derive(Clone, Debug, Default)]
struct Connection {
    close: CancellationToken,
    in_handler: Arc<AtomicBool>,
}

/// Keeps a connection in the list; drop it to remove the connection.
struct Listed {
    connections: Connections,
    number: u64,
    connection: Connection,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.connections.lock().there.remove(&self.number);
        self.connections.count.open.dec();
    }
}

impl Connections {
    /// Adds a connection. The caller has made room for it.
    fn add(&self) -> Listed {
        let mut open = self.lock();
        open.begun += 1;
        let (number, connection) = (open.begun, Connection::default());
        open.there.insert(number, connection.clone());
        self.count.open.inc();
        Listed { connections: self.clone(), number, connection }
    }

    /// Closes connections, one at a time, until there is room for another.
    async fn make_room(&self) {
        while !self.has_room() {
            // The task of the connection that was told to close needs its turn.
            tokio::task::yield_now().await;
        }
    }

    fn has_room(&self) -> bool {
        let open = self.lock();
        if open.there.len() < CONNECTIONS_MAX {
            return true;
        }
        let staying = || open.there.values().filter(|it| !it.close.is_cancelled());
        // If enough connections are closing already, no other one is told to.
        if staying().count() >= CONNECTIONS_MAX {
            let resting = staying().find(|it| !it.in_handler.load(Ordering::Relaxed));
            if let Some(it) = resting.or_else(|| staying().next()) {
                it.close.cancel();
                self.count.closed_for_room.inc();
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The router of one connection, which records whether a handler is running.
struct Watched {
    router: TowerToHyperService<Router>,
    in_handler: Arc<AtomicBool>,
}

impl Service<Request<Incoming>> for Watched {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (answer, in_handler) = (self.router.call(request), Arc::clone(&self.in_handler));
        in_handler.store(true, Ordering::Relaxed);
        Box::pin(async move {
            let answer = answer.await;
            in_handler.store(false, Ordering::Relaxed);
            answer
        })
    }
}

/// Serves until `stop` is cancelled, then lets open requests finish.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    count: Count,
    stop: CancellationToken,
) {
    let connections = Connections { open: Arc::default(), count };
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
    let Connection { close, in_handler } = listed.connection.clone();
    let service = Watched { router: TowerToHyperService::new(router), in_handler };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(WithWords::new(TokioIo::new(stream)), service);
    let mut connection = pin!(connection);
    // Errors of a connection are ignored: they concern only its client.
    tokio::select! {
        // Serves what has arrived already before it looks at the tokens.
        biased;
        _ = connection.as_mut() => {}
        () = close.cancelled() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(LAST_REQUESTS, connection).await;
        }
    }
}
