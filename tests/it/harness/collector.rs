//! A collector of OpenTelemetry, which reads spans with OpenTelemetry's own package.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Child,
};

use serde_json::Value;

use super::{
    eventually,
    peers::{peer, started},
};

/// A running collector. It ends when this is dropped.
pub struct Collector {
    pub endpoint: String,
    child: Child,
    http: reqwest::Client,
}

impl Collector {
    pub fn start() -> Collector {
        let (child, port) = started(&mut peer("collector.py"));
        let endpoint = format!("http://127.0.0.1:{port}");
        Collector { endpoint, child, http: reqwest::Client::new() }
    }

    /// How it behaves from now on: works, fails or hangs.
    pub async fn way(&self, way: &'static str) {
        let put = self.http.put(format!("{}/way", self.endpoint)).body(way);
        assert!(put.send().await.unwrap().status().is_success());
    }

    async fn get(&self, path: &str) -> Vec<Value> {
        let answer = self.http.get(format!("{}{path}", self.endpoint)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// All requests so far, with path and headers.
    pub async fn asked(&self) -> Vec<Value> {
        self.get("/asked").await
    }

    /// All spans so far.
    pub async fn spans(&self) -> Spans {
        Spans(self.get("/spans").await)
    }

    /// All spans, once `there` finds in them what it looks for.
    pub async fn spans_with(&self, what: &str, there: impl Fn(&Spans) -> bool) -> Spans {
        eventually(what, async || Some(self.spans().await).filter(|it| there(it))).await
    }

    /// What a service needs to send its spans here, and soon.
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &self.endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "100")]
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It ends when its stdin closes.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Spans of all services.
pub struct Spans(pub Vec<Value>);

impl Spans {
    /// Those of one trace.
    pub fn of(&self, trace: &str) -> Spans {
        Spans(self.0.iter().filter(|it| it["trace"] == trace).cloned().collect())
    }

    /// Those whose name begins so.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |it| it["name"].as_str().unwrap().starts_with(name))
    }

    pub fn parent(&self, of: &Value) -> Option<&Value> {
        self.0.iter().find(|it| it["id"] == of["parent"] && it["trace"] == of["trace"])
    }

    /// The edges of the service graph, as Tempo's processor computes them: a producer's span in one
    /// service, and a consumer's span in another whose parent it is. Each with the name of the
    /// topic.
    pub fn edges(&self) -> BTreeSet<(String, String, String)> {
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        let mut clients = BTreeMap::new();
        for span in self.0.iter().filter(|it| it["kind"] == "PRODUCER" || it["kind"] == "CLIENT") {
            clients.insert((text(&span["trace"]), text(&span["id"])), span);
        }
        let servers = self.0.iter().filter(|it| it["kind"] == "CONSUMER" || it["kind"] == "SERVER");
        let edge = |server: &Value| {
            let client = clients.get(&(text(&server["trace"]), text(&server["parent"])))?;
            let topic = text(&client["attributes"]["messaging.destination.name"]);
            Some((text(&client["service"]), topic, text(&server["service"])))
        };
        servers.filter_map(edge).collect()
    }
}
