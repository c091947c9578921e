//! Serves HTTP beside the consumer, and never at its cost: connections take file descriptors, and a service
//! that has none left can neither receive nor delete.

use std::{
    collections::BTreeMap,
    io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

/// The most connections at once. Who comes beyond that is let in, and the oldest connection goes: a probe
/// that asks at once is answered at once, however many others only hold on.
const CONNECTIONS_MAX: usize = 64;
/// How long a client may take to send the header of a request, and be idle before the next one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that has to go may take to finish the request it is in.
const LAST_REQUEST: Duration = Duration::from_secs(2);
/// The pause after a connection could not be taken: there are no descriptors, and others end meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections there are, the oldest first.
#[derive(Clone, Debug, Default)]
struct Connections(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    begun: u64,
    ends: BTreeMap<u64, CancellationToken>,
}

/// A connection in the list, for as long as this lives.
struct Listed {
    connections: Connections,
    number: u64,
    end: CancellationToken,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.connections.lock().ends.remove(&self.number);
    }
}

impl Connections {
    /// Adds one, and ends the oldest when there are too many.
    fn add(&self, end: CancellationToken) -> Listed {
        let mut open = self.lock();
        if open.ends.len() >= CONNECTIONS_MAX {
            open.end_the_oldest();
        }
        open.begun += 1;
        let number = open.begun;
        open.ends.insert(number, end.clone());
        Listed { connections: self.clone(), number, end }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn end_the_oldest(&mut self) {
        if let Some((_, oldest)) = self.ends.pop_first() {
            oldest.cancel();
        }
    }
}

/// Serves until told to stop, then lets open requests finish.
///
/// # Errors
/// Never by itself: a connection that cannot be taken is not served.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let (connections, tasks) = (Connections::default(), TaskTracker::new());
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                let listed = connections.add(stop.child_token());
                tasks.spawn(attend(stream, router.clone(), listed));
            }
            // The client's own doing.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionRefused
                        | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                warn!(%error, "could not take a connection: the oldest one has to go");
                connections.lock().end_the_oldest();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}

async fn attend(stream: TcpStream, router: Router, listed: Listed) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = listed.end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(LAST_REQUEST, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        // By what kind it is alone: a client may have sent anything.
        debug!(timeout = error.is_timeout(), parse = error.is_parse(), "a connection ended early");
    }
}
