//! A door of an emulator, one for each sender: it counts requests by service and operation, the
//! events in them, and the units that a table says it took; it adds a fixed round trip to each, and
//! can refuse those of one service. It must never change an answer.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use booking::domain::event::Kind;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// How much too late a timer of tokio wakes, since it counts in whole milliseconds.
const LATE: Duration = Duration::from_millis(1);

/// Requests by `service.Operation`.
pub type Requests = BTreeMap<String, u64>;

/// What went through a door.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    pub requests: Requests,
    /// Events by type, repetitions included.
    pub events: BTreeMap<String, u64>,
    /// Units of tables, as their answers say.
    pub read_units: f64,
    pub write_units: f64,
}

/// The operations of DynamoDB that write.
const WRITES: [&str; 2] = ["PutItem", "TransactWriteItems"];

/// A door. It closes when it is dropped.
pub struct Door {
    pub endpoint: String,
    state: Arc<State>,
    open: AbortHandle,
}

struct State {
    to: SocketAddr,
    passed: Mutex<Passed>,
    /// The round trip that is added, in microseconds.
    added_us: AtomicU64,
    /// The service whose requests are refused.
    refused: Mutex<Option<&'static str>>,
}

impl Door {
    /// A door to the emulator at an endpoint.
    pub async fn to(endpoint: &str, added: Duration) -> Door {
        let state = Arc::new(State {
            to: endpoint.strip_prefix("http://").unwrap().parse().unwrap(),
            passed: Mutex::default(),
            added_us: AtomicU64::default(),
            refused: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let open = tokio::spawn(open(listener, Arc::clone(&state))).abort_handle();
        let door = Door { endpoint, state, open };
        door.add(added);
        door
    }

    /// Adds this round trip to each request from now on.
    pub fn add(&self, round_trip: Duration) {
        let us = u64::try_from(round_trip.as_micros()).unwrap();
        self.state.added_us.store(us, Ordering::Relaxed);
    }

    /// Refuses the requests of a service from now on, or none.
    pub fn refuse(&self, service: Option<&'static str>) {
        *self.state.refused.lock().unwrap() = service;
    }

    /// What went through until now, refused or not.
    pub fn passed(&self) -> Passed {
        self.state.passed.lock().unwrap().clone()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.open.abort();
    }
}

async fn open(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(attend(stream, Arc::clone(&state)));
    }
}

async fn attend(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let upstream = Arc::new(tokio::sync::Mutex::new(None));
    let relay = service_fn(move |request| {
        let (state, upstream) = (Arc::clone(&state), Arc::clone(&upstream));
        async move { state.relay(&mut *upstream.lock().await, request).await }
    });
    // A connection that breaks is of a process that was stopped.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), relay).await;
}

impl State {
    async fn relay(
        &self,
        upstream: &mut Option<SendRequest<Full<Bytes>>>,
        request: Request<Incoming>,
    ) -> anyhow::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let (service, operation) = named(&parts.headers, &body);
        self.passed.lock().unwrap().add(service, &operation, &body);
        let half = Duration::from_micros(self.added_us.load(Ordering::Relaxed)) / 2;
        dawdle(half).await;
        if *self.refused.lock().unwrap() == Some(service) {
            dawdle(half).await;
            let mut refusal = Response::new(Full::new(Bytes::from_static(b"{}")));
            *refusal.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return Ok(refusal);
        }
        let sender = match upstream.take().filter(|it| !it.is_closed()) {
            Some(it) => upstream.insert(it),
            None => upstream.insert(connected(self.to).await?),
        };
        sender.ready().await?;
        let answer = sender.send_request(Request::from_parts(parts, Full::new(body))).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        if service == "dynamodb" {
            self.passed.lock().unwrap().add_units(&operation, &body);
        }
        dawdle(half).await;
        Ok(Response::from_parts(parts, Full::new(body)))
    }
}

impl Passed {
    /// Counts a request, and the events in it.
    fn add(&mut self, service: &str, operation: &str, body: &[u8]) {
        *self.requests.entry(format!("{service}.{operation}")).or_default() += 1;
        let mut add = |named: &str, count: usize| {
            // Only a topic has something before and behind the type.
            let kinds = Kind::ALL.into_iter().map(Kind::topic);
            let kind = kinds.filter(|it| named.trim_end_matches(".fifo").ends_with(it)).max();
            let kind = kind.unwrap_or("unknown").to_owned();
            *self.events.entry(kind).or_default() += u64::try_from(count).unwrap();
        };
        match (service, operation) {
            ("sns", "Publish" | "PublishBatch") => {
                let form = String::from_utf8_lossy(body);
                let topic = form.split('&').find_map(|it| it.strip_prefix("TopicArn="));
                let entries = form.split('&').filter(|it| {
                    let name = it.split('=').next().unwrap_or_default();
                    name.starts_with("PublishBatchRequestEntries.") && name.ends_with(".Id")
                });
                add(topic.unwrap_or_default(), entries.count().max(1));
            }
            ("events", "PutEvents") => {
                let put: Value = serde_json::from_slice(body).unwrap_or_default();
                for entry in put["Entries"].as_array().into_iter().flatten() {
                    add(entry["DetailType"].as_str().unwrap_or_default(), 1);
                }
            }
            _ => {}
        }
    }

    fn add_units(&mut self, operation: &str, answer: &[u8]) {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let consumed = &answer["ConsumedCapacity"];
        let each = consumed.as_array().map_or(std::slice::from_ref(consumed), Vec::as_slice);
        let units: f64 = each.iter().filter_map(|it| it["CapacityUnits"].as_f64()).sum();
        if WRITES.contains(&operation) {
            self.write_units += units;
        } else {
            self.read_units += units;
        }
    }
}

async fn connected(to: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn dawdle(wanted: Duration) {
    if !wanted.is_zero() {
        tokio::time::sleep(wanted.saturating_sub(LATE)).await;
    }
}

/// Service and operation, as IAM calls the service. SNS has its operation in a form.
fn named(headers: &HeaderMap, body: &[u8]) -> (&'static str, String) {
    let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok());
    if let Some((service, operation)) = target.and_then(|it| it.rsplit_once('.')) {
        let service = match service {
            it if it.starts_with("DynamoDB") => "dynamodb",
            "AWSEvents" => "events",
            "AWSStepFunctions" => "states",
            _ => "sqs",
        };
        return (service, operation.to_owned());
    }
    let mut fields = body.split(|it| *it == b'&');
    let action = fields.find_map(|it| it.strip_prefix(b"Action="));
    let action = String::from_utf8_lossy(action.unwrap_or(b"unknown")).into_owned();
    (if action == "GetCallerIdentity" { "sts" } else { "sns" }, action)
}

#[test]
fn a_door_counts_the_events_of_a_request_and_the_units_of_an_answer() {
    let mut passed = Passed::default();
    let topic = "arn%3Aaws%3Asns%3Aeu-central-1%3A000000000000%3At1-payment-ok.fifo";
    let batch = format!(
        "Action=PublishBatch&TopicArn={topic}&PublishBatchRequestEntries.member.1.Id=0&\
         PublishBatchRequestEntries.member.1.Message=x&PublishBatchRequestEntries.member.2.Id=1"
    );
    passed.add("sns", "PublishBatch", batch.as_bytes());
    passed.add("sns", "Publish", format!("TopicArn={topic}").as_bytes());
    passed.add("events", "PutEvents", br#"{"Entries":[{"DetailType":"seat-booked"}]}"#);
    let events = [("payment-ok".to_owned(), 3), ("seat-booked".to_owned(), 1)];
    assert_eq!(passed.events, events.into());
    passed.add_units("GetItem", br#"{"ConsumedCapacity":{"CapacityUnits":1.5}}"#);
    passed.add_units("TransactWriteItems", br#"{"ConsumedCapacity":[{"CapacityUnits":4.0}]}"#);
    passed.add_units("Query", b"{}");
    assert_eq!((passed.read_units, passed.write_units), (1.5, 4.0));
}

#[test]
fn a_request_is_named_by_its_target_or_by_the_form_of_sns() {
    let name = |target: &str| {
        let value = target.parse().unwrap();
        named(&HeaderMap::from_iter([("x-amz-target".parse().unwrap(), value)]), b"{}")
    };
    for (target, service, operation) in [
        ("DynamoDB_20120810.GetItem", "dynamodb", "GetItem"),
        ("AWSEvents.PutEvents", "events", "PutEvents"),
        ("AWSStepFunctions.SendTaskSuccess", "states", "SendTaskSuccess"),
        ("AmazonSQS.ReceiveMessage", "sqs", "ReceiveMessage"),
    ] {
        assert_eq!(name(target), (service, operation.to_owned()));
    }
    let form = named(&HeaderMap::new(), b"Version=2010-03-31&Action=PublishBatch");
    assert_eq!(form, ("sns", "PublishBatch".to_owned()));
}
