//! Streams of the HTTP server: as many as there may be at once, and what they take from others.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};
use booking::{
    http::{self, Stopping},
    metrics::{Metrics, RequestCount},
};
use futures_util::{StreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// As many as docs/COMMANDS.md says.
const STREAMS_MAX: usize = 256;

/// A stream that says that it has begun, and then nothing until the server stops.
async fn stream_of(Extension(stopping): Extension<Stopping>) -> Response {
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"data: begun\n\n"))]);
    let rest = stream::pending().take_until(Box::pin(stopping.told()));
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(first.chain(rest))).into_response()
}

/// A server with streams, and what stops it.
async fn server() -> (String, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router =
        Router::new().route("/events", get(stream_of)).route("/health", get(async || "well"));
    let stop = CancellationToken::new();
    let count = Metrics::new(RequestCount::default()).connections;
    (address, stop.clone(), tokio::spawn(http::serve(listener, router, count, stop)))
}

/// Asks for a path, and reads until the answer has these words. The connection stays open.
async fn asked(address: &str, path: &str, until: &str) -> (TcpStream, String) {
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut came, mut piece) = (String::new(), [0; 4096]);
    let read = async {
        while !came.contains(until) {
            let more = client.read(&mut piece).await.unwrap();
            assert!(more > 0, "the connection ended, and {until:?} has not come: {came}");
            came += str::from_utf8(&piece[..more]).unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read).await.unwrap_or_else(|_| panic!("{until}"));
    (client, came)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_streams_as_there_may_be_take_no_answer_from_anybody_and_end_with_the_server() {
    // Both ends of every stream are of this process.
    let own = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: own.maximum, ..own }).unwrap();
    let (address, stop, serving) = server().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        let (client, came) = asked(&address, "/events", "data: begun").await;
        assert!(came.starts_with("HTTP/1.1 200"), "{came}");
        assert!(came.to_lowercase().contains("\r\nconnection: close\r\n"), "{came}");
        streams.push(client);
    }
    let (_, refused) = asked(&address, "/events", "}").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 5"), "{refused}");
    assert!(refused.contains("256 clients follow"), "{refused}");
    // Others that hold on take turns among themselves, and close no stream.
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(TcpStream::connect(&address).await.unwrap());
        asked(&address, "/health", "well").await;
    }
    for client in &streams {
        assert_eq!(
            client.try_read(&mut [0; 16]).map_err(|it| it.kind()),
            Err(std::io::ErrorKind::WouldBlock)
        );
    }
    // The place of one that goes away is free.
    streams.pop();
    crate::harness::eventually("room for another stream", async || {
        let (_, came) = asked(&address, "/events", "\r\n\r\n").await;
        came.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(30), serving).await;
    ended.expect("no stream keeps the server from stopping").unwrap();
}
