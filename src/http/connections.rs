//! The open connections of the HTTP server, within two bounds: one for requests and one for
//! streams. A stream stays open for hours, so it must take no place from a request.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use crate::metrics::Connections as Count;

/// The most connections at once that are no streams. When another one comes, the oldest connection
/// that no handler is answering is closed, or the oldest of all if there is none. So a probe that
/// sends its request at once is always answered.
const CONNECTIONS_MAX: usize = 64;
/// The most streams at once, where the process may have enough files open. Another one is refused;
/// none is closed for it.
const STREAMS_MAX: usize = 256;
/// How many of the files that the process may have open can be streams: one of so many. The
/// consumer needs the others.
const FILES_PER_STREAM: usize = 4;
/// How many files a process may have open where the system does not say: as few as anywhere.
const FILES_DEFAULT: usize = 256;

/// The open connections. A connection counts until it is closed.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    open: Arc<Mutex<Open>>,
    count: Count,
}

#[derive(Debug)]
struct Open {
    streams_max: usize,
    begun: u64,
    /// Those that are no streams, the oldest first.
    requests: BTreeMap<u64, Connection>,
    /// Those whose last answer is a stream.
    streams: BTreeSet<u64>,
}

#[derive(Clone, Debug, Default)]
struct Connection {
    close: CancellationToken,
    in_handler: Arc<AtomicBool>,
}

/// Keeps a connection in the list; drop it to remove the connection.
#[derive(Debug)]
pub(super) struct Listed {
    connections: Connections,
    number: u64,
    connection: Connection,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.requests.remove(&self.number);
        open.streams.remove(&self.number);
        self.connections.count.open.dec();
    }
}

impl Listed {
    /// Returns when the connection has to make room for another one.
    pub(super) async fn closed(&self) {
        self.connection.close.cancelled().await;
    }

    /// Says whether a handler is answering on this connection.
    pub(super) fn set_in_handler(&self, is_so: bool) {
        self.connection.in_handler.store(is_so, Ordering::Relaxed);
    }

    /// Counts this connection as a stream from now on.
    ///
    /// # Errors
    /// If there are as many streams as there may be: their number.
    pub(super) fn becomes_stream(&self) -> Result<(), usize> {
        let mut open = self.connections.lock();
        if open.streams.len() >= open.streams_max {
            return Err(open.streams_max);
        }
        open.requests.remove(&self.number);
        open.streams.insert(self.number);
        Ok(())
    }
}

impl Connections {
    /// No connection yet. There may be as many streams as the open files of this process allow.
    /// They are counted in `count`.
    pub(super) fn new(count: Count) -> Connections {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Connections::within(streams_max(&limits), count)
    }

    fn within(streams_max: usize, count: Count) -> Connections {
        let (requests, streams) = (BTreeMap::new(), BTreeSet::new());
        let open = Open { streams_max, begun: 0, requests, streams };
        Connections { open: Arc::new(Mutex::new(open)), count }
    }

    /// Adds a connection. The caller has made room for it.
    pub(super) fn add(&self) -> Listed {
        let mut open = self.lock();
        open.begun += 1;
        let (number, connection) = (open.begun, Connection::default());
        open.requests.insert(number, connection.clone());
        self.count.open.inc();
        Listed { connections: self.clone(), number, connection }
    }

    /// Closes connections, one at a time, until there is room for another.
    pub(super) async fn make_room(&self) {
        while !self.has_room() {
            // The task of the connection that was told to close needs its turn.
            tokio::task::yield_now().await;
        }
    }

    fn has_room(&self) -> bool {
        let open = self.lock();
        if open.requests.len() < CONNECTIONS_MAX {
            return true;
        }
        let staying = || open.requests.values().filter(|it| !it.close.is_cancelled());
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

/// How many streams a process with these limits may have. The text is that of `/proc/self/limits`.
fn streams_max(limits: &str) -> usize {
    let files = limits.lines().find_map(|it| it.strip_prefix("Max open files"));
    let files = files.and_then(|it| it.split_whitespace().next()).map_or(Ok(FILES_DEFAULT), |it| {
        if it == "unlimited" { Ok(usize::MAX) } else { it.parse() }
    });
    (files.unwrap_or(FILES_DEFAULT) / FILES_PER_STREAM).min(STREAMS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_may_have_few_files_open_has_fewer_streams() {
        let limits = |files: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units\n\
                 Max processes             100                  100                  processes\n\
                 Max open files            {files}                 4096                 files\n"
            )
        };
        assert_eq!(streams_max(&limits("65536")), STREAMS_MAX);
        assert_eq!(streams_max(&limits("unlimited")), STREAMS_MAX);
        assert_eq!(streams_max(&limits("1024")), STREAMS_MAX);
        assert_eq!(streams_max(&limits("160")), 40);
        assert_eq!(streams_max(""), 64);
    }

    #[tokio::test]
    async fn a_stream_takes_no_place_from_requests_and_none_is_closed_for_another() {
        let connections = Connections::within(STREAMS_MAX, Count::default());
        let mut streams = Vec::new();
        for _ in 0..STREAMS_MAX {
            connections.make_room().await;
            let it = connections.add();
            assert_eq!(it.becomes_stream(), Ok(()));
            streams.push(it);
        }
        let requests: Vec<Listed> = (0..CONNECTIONS_MAX).map(|_| connections.add()).collect();
        assert_eq!(requests[0].becomes_stream(), Err(STREAMS_MAX), "there is one too many");
        // The oldest request has to go, and no stream.
        assert!(!connections.has_room());
        assert!(requests[0].connection.close.is_cancelled());
        assert!(streams.iter().all(|it| !it.connection.close.is_cancelled()));
        drop(requests);
        streams.pop();
        assert!(connections.add().becomes_stream().is_ok(), "the place of one that ended is free");
        drop(streams);
        let open = connections.lock();
        assert_eq!((open.requests.len(), open.streams.len()), (0, 0));
    }
}
