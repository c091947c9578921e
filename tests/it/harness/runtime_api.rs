//! A stand-in of Lambda's Runtime API, as AWS documents it: hands invocations to one function, and
//! takes its answers. It says nothing about what Lambda does with them.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::{Deref, DerefMut},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{self, State},
    http::StatusCode,
    response::{AppendHeaders, IntoResponse},
    routing::{get, post},
};
use booking::{clock::Clock, domain::RoleName};
use serde_json::Value;
use tokio::sync::Notify;

use super::{binary, eventually, running::Running};

/// What the function answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    With(Value),
    /// That it could not.
    Error(Value),
}

#[derive(Default)]
struct Shelf {
    waiting: Mutex<VecDeque<(String, String, Duration)>>,
    came: Notify,
    /// When Lambda would kill it, by invocation.
    taken: Mutex<BTreeMap<String, Instant>>,
    answers: Mutex<BTreeMap<String, (Answered, Instant)>>,
    /// How often it asked for an invocation.
    asked: Mutex<u32>,
}

/// A function under test: the process, and what it asks for work.
pub struct Function {
    shelf: Arc<Shelf>,
    running: Running,
    began: Instant,
}

impl Function {
    /// Starts `booking lambda ROLE` and does not wait. Logs to `<data>/<role>.log`.
    pub async fn start(
        role: RoleName,
        data: &Path,
        environment: Vec<(&'static str, String)>,
    ) -> Function {
        let shelf = Arc::new(Shelf::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{what}", post(answered))
            .with_state(Arc::clone(&shelf));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let log = data.join(format!("{role}.log"));
        let mut command = binary();
        command.args(["lambda", role.as_str()]).envs([
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "booking"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("BOOKING_FLIGHTS", "sample"),
            ("BOOKING_GATEWAY", "simulated"),
            ("BOOKING_GATEWAY_PATIENCE", "200ms"),
            ("BOOKING_MAILER", "folder"),
            ("BOOKING_LOG_FORMAT", "json"),
        ]);
        command.env("BOOKING_DATA", data).envs(environment);
        let began = Instant::now();
        let running = Running::start(&mut command, "the function", log);
        Function { shelf, running, began }
    }

    /// Gives it an invocation that has so much time, and waits for the answer.
    pub async fn invoke(&mut self, payload: Value, time: Duration) -> Answered {
        let id = self.give(payload, time);
        self.answer(&id).await
    }

    /// Gives it an invocation; returns its id.
    pub fn give(&self, payload: Value, time: Duration) -> String {
        self.give_text(payload.to_string(), time)
    }

    /// The same with any text.
    pub fn give_text(&self, payload: String, time: Duration) -> String {
        let id = super::unique("invocation");
        self.shelf.waiting.lock().unwrap().push_back((id.clone(), payload, time));
        self.shelf.came.notify_one();
        id
    }

    /// Waits for its answer.
    pub async fn answer(&mut self, id: &str) -> Answered {
        self.answer_at(id).await.0
    }

    /// Waits for its answer, and says how long after the start of the process it came. Fails if
    /// Lambda would have killed it before.
    pub async fn answer_at(&mut self, id: &str) -> (Answered, Duration) {
        let (answer, at) = eventually("the function to answer", async || {
            let answer = self.shelf.answers.lock().unwrap().get(id).cloned();
            assert!(answer.is_some() || !self.has_ended(), "it ended:\n{}", self.logged());
            answer
        })
        .await;
        let late = at.saturating_duration_since(self.shelf.taken.lock().unwrap()[id]);
        assert!(late.is_zero(), "it answered {late:?} after its deadline:\n{}", self.logged());
        (answer, at - self.began)
    }

    /// Waits until it works on an invocation.
    pub async fn takes(&self, id: &str) {
        eventually("the function to take it", async || {
            self.shelf.taken.lock().unwrap().contains_key(id).then_some(())
        })
        .await;
    }

    /// Waits until it asks for its next invocation.
    pub async fn asks(&mut self) {
        eventually("the function to ask for work", async || {
            assert!(!self.has_ended(), "it ended:\n{}", self.logged());
            (*self.shelf.asked.lock().unwrap() > 0).then_some(())
        })
        .await;
    }
}

impl Deref for Function {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl DerefMut for Function {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

async fn next(State(shelf): State<Arc<Shelf>>) -> impl IntoResponse {
    *shelf.asked.lock().unwrap() += 1;
    let (id, payload, time) = loop {
        let came = shelf.came.notified();
        if let Some(it) = shelf.waiting.lock().unwrap().pop_front() {
            break it;
        }
        came.await;
    };
    shelf.taken.lock().unwrap().insert(id.clone(), Instant::now() + time);
    let deadline = Clock::Machine.now().as_millisecond() + i64::try_from(time.as_millis()).unwrap();
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:000000000000:function:booking".to_owned(),
        ),
    ];
    (AppendHeaders(headers), payload)
}

async fn answered(
    State(shelf): State<Arc<Shelf>>,
    extract::Path((id, what)): extract::Path<(String, String)>,
    body: String,
) -> StatusCode {
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let answer = if what == "response" { Answered::With(body) } else { Answered::Error(body) };
    shelf.answers.lock().unwrap().insert(id, (answer, Instant::now()));
    StatusCode::ACCEPTED
}
