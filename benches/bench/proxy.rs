//! The proxy between the backend and its users. It counts requests by sender, and it can delay them
//! and let receives bring fewer messages than were asked for. Each service and the client have
//! their own door, which tells the sender of a request. The proxy must never change a response.
//!
//! It runs on its own thread, with one connection to the backend for each connection to it. It does
//! as little as possible, because it takes its CPU time from the services.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    header::CONTENT_LENGTH,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::counts::{Counts, RECEIVE};

/// The most messages of one receive.
const RECEIVE_MAX: u64 = 10;
/// How much too late a timer of tokio wakes, since it counts in whole milliseconds.
const LATE: Duration = Duration::from_millis(1);

/// How requests are treated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// The delay of each request: half of it before the backend, half after it.
    pub latency: Duration,
    /// Whether receives bring at most 1, 2, … 10 messages in turn, as from a short queue.
    pub ragged: bool,
}

/// The entrance for the requests of one sender.
pub struct Door {
    pub address: SocketAddr,
    backend: SocketAddr,
    manner: Manner,
    counts: Mutex<Counts>,
    first_receive: OnceLock<Instant>,
    receives: AtomicU64,
    added_us: AtomicU64,
    delayed: AtomicU64,
}

/// The proxy. It runs until it is dropped, which closes all connections.
pub struct Proxy {
    /// One for each role, in the order of `RoleName::ALL`.
    pub services: Vec<Arc<Door>>,
    pub client: Arc<Door>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Proxy {
    pub fn start(backend: SocketAddr, manner: Manner) -> anyhow::Result<Proxy> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut doors = Vec::new();
        for _ in 0..5 {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            let door = Arc::new(Door {
                address: listener.local_addr()?,
                backend,
                manner,
                counts: Mutex::default(),
                first_receive: OnceLock::new(),
                receives: AtomicU64::new(0),
                added_us: AtomicU64::new(0),
                delayed: AtomicU64::new(0),
            });
            runtime.spawn(Arc::clone(&door).open(listener));
            doors.push(door);
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            // An error means that the sender was dropped, which stops the proxy too.
            let _ = runtime.block_on(stopped);
        });
        let client = doors.pop().context("five doors")?;
        Ok(Proxy { services: doors, client, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Door {
    /// The requests until now.
    pub fn counts(&self) -> Counts {
        self.locked().clone()
    }

    /// When the first receive arrived.
    pub fn first_receive(&self) -> Option<Instant> {
        self.first_receive.get().copied()
    }

    /// The real delay of its requests, on average.
    pub fn added_ms(&self) -> f64 {
        let delayed = self.delayed.load(Ordering::Relaxed).max(1);
        self.added_us.load(Ordering::Relaxed) as f64 / 1000.0 / delayed as f64
    }

    fn locked(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(self: Arc<Self>, listener: std::net::TcpListener) {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&self).attend(stream));
        }
    }

    async fn attend(self: Arc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let upstream = Arc::new(tokio::sync::Mutex::new(None));
        let relay = service_fn(move |request| {
            let (door, upstream) = (Arc::clone(&self), Arc::clone(&upstream));
            async move { door.relay(&mut *upstream.lock().await, request).await }
        });
        // A connection that breaks belongs to a process that was stopped.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), relay).await;
    }

    async fn relay(
        &self,
        upstream: &mut Option<SendRequest<Full<Bytes>>>,
        request: Request<Incoming>,
    ) -> anyhow::Result<Response<Incoming>> {
        let (mut parts, body) = request.into_parts();
        let mut body = body.collect().await?.to_bytes();
        let name = operation(&parts.headers, &body);
        self.locked().add(&name, 1);
        if name == RECEIVE {
            self.first_receive.get_or_init(Instant::now);
            if self.manner.ragged {
                body = self.fewer(&body)?;
                parts.headers.insert(CONTENT_LENGTH, body.len().into());
            }
        }
        let there = self.dawdle(self.manner.latency / 2).await;
        let sender = match upstream.take().filter(|it| !it.is_closed()) {
            Some(it) => upstream.insert(it),
            None => upstream.insert(self.connect().await?),
        };
        sender.ready().await?;
        let response = sender.send_request(Request::from_parts(parts, Full::new(body))).await?;
        let back = self.dawdle(self.manner.latency.saturating_sub(there)).await;
        if !self.manner.latency.is_zero() {
            let added_us = u64::try_from((there + back).as_micros()).unwrap_or(0);
            self.added_us.fetch_add(added_us, Ordering::Relaxed);
            self.delayed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(response)
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.backend).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Waits for `wanted`, and returns how long that really took.
    async fn dawdle(&self, wanted: Duration) -> Duration {
        if wanted.is_zero() {
            return wanted;
        }
        let began = Instant::now();
        tokio::time::sleep(wanted.saturating_sub(LATE)).await;
        began.elapsed()
    }

    /// The body of a receive, changed to ask for fewer messages.
    fn fewer(&self, body: &[u8]) -> anyhow::Result<Bytes> {
        let turn = self.receives.fetch_add(1, Ordering::Relaxed) % RECEIVE_MAX + 1;
        let mut receive: serde_json::Value = serde_json::from_slice(body)?;
        let asked = receive["MaxNumberOfMessages"].as_u64().unwrap_or(1);
        receive["MaxNumberOfMessages"] = asked.min(turn).into();
        Ok(serde_json::to_vec(&receive)?.into())
    }
}

/// The operation of a request. SQS has it in a header, SNS in the form field `Action`.
fn operation(headers: &hyper::HeaderMap, body: &[u8]) -> String {
    if let Some(target) = headers.get("x-amz-target").and_then(|it| it.to_str().ok()) {
        return format!("sqs.{}", target.rsplit('.').next().unwrap_or(target));
    }
    let mut fields = body.split(|it| *it == b'&');
    let action = fields.find_map(|it| it.strip_prefix(b"Action="));
    format!("sns.{}", String::from_utf8_lossy(action.unwrap_or(b"unknown")))
}
