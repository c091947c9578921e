//! What stands between everybody and the backend: it counts requests by who sends them, can take
//! its time over each, and can bring fewer messages than were asked for. One door for each service
//! and one for the client, so that who asked is who came through it.
//!
//! On a thread of its own, one connection to the backend for each connection to it: lean, because
//! what it takes of the CPU the services do not get.

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
/// How much later than asked for a timer of tokio's wakes: it counts in whole milliseconds.
const LATE: Duration = Duration::from_millis(1);

/// How requests are treated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// What a request takes longer: half of it on the way there, half on the way back.
    pub latency: Duration,
    /// Receives bring at most 1, 2, … 10 messages in turn, as those of a queue do that is not
    /// deep.
    pub ragged: bool,
}

/// Where one sender's requests come in.
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

/// It runs until it is dropped: then nobody is connected any more.
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
            // Told or dropped, it is the same.
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
    /// What came in until now.
    pub fn counts(&self) -> Counts {
        self.locked().clone()
    }

    /// When the first receive came.
    pub fn first_receive(&self) -> Option<Instant> {
        self.first_receive.get().copied()
    }

    /// What its requests really took longer, on average.
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
        // Who hangs up in the middle is somebody who was stopped.
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

    /// Waits for so long, and returns how long that really was.
    async fn dawdle(&self, wanted: Duration) -> Duration {
        if wanted.is_zero() {
            return wanted;
        }
        let began = Instant::now();
        tokio::time::sleep(wanted.saturating_sub(LATE)).await;
        began.elapsed()
    }

    /// The same receive for fewer messages.
    fn fewer(&self, body: &[u8]) -> anyhow::Result<Bytes> {
        let turn = self.receives.fetch_add(1, Ordering::Relaxed) % RECEIVE_MAX + 1;
        let mut receive: serde_json::Value = serde_json::from_slice(body)?;
        let asked = receive["MaxNumberOfMessages"].as_u64().unwrap_or(1);
        receive["MaxNumberOfMessages"] = asked.min(turn).into();
        Ok(serde_json::to_vec(&receive)?.into())
    }
}

/// What a request asks for: SQS says it in a header, SNS in the first field of its form.
fn operation(headers: &hyper::HeaderMap, body: &[u8]) -> String {
    if let Some(target) = headers.get("x-amz-target").and_then(|it| it.to_str().ok()) {
        return format!("sqs.{}", target.rsplit('.').next().unwrap_or(target));
    }
    let mut fields = body.split(|it| *it == b'&');
    let action = fields.find_map(|it| it.strip_prefix(b"Action="));
    format!("sns.{}", String::from_utf8_lossy(action.unwrap_or(b"unknown")))
}
