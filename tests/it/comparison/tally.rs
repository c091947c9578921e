//! What a stretch of work took: requests, units, messages, bytes of logs and state transitions. It
//! only counts, and must never know a price.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::door::{Passed, Requests};

/// What was counted until a moment, or between two.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// By sender, then by `service.Operation`.
    pub requests: BTreeMap<String, Requests>,
    /// Events that the services and the client published, by type, repetitions included.
    pub published: BTreeMap<String, u64>,
    /// Units that DynamoDB says it took.
    pub read_units: f64,
    pub write_units: f64,
    /// Bytes of log lines, by role.
    pub log_bytes: BTreeMap<String, u64>,
    /// Invocations of functions, by role, and how long they took in all, each in whole milliseconds
    /// as Lambda charges them.
    #[serde(default)]
    pub invocations: BTreeMap<String, u64>,
    #[serde(default)]
    pub invoked_ms: f64,
}

impl Tally {
    /// Adds what went through the door of a sender.
    pub fn add(&mut self, sender: &str, passed: Passed) {
        self.requests.entry(sender.to_owned()).or_default().extend(passed.requests);
        for (event, count) in passed.events {
            *self.published.entry(event).or_default() += count;
        }
        self.read_units += passed.read_units;
        self.write_units += passed.write_units;
    }

    /// Adds the log of a role. The line that a function writes for each invocation is read and not
    /// counted as bytes: by default nobody sees it.
    pub fn add_log(&mut self, role: &str, log: &str) {
        let (mut bytes, mut invocations) = (0, 0);
        for line in log.split_inclusive('\n') {
            if !line.contains(r#""message":"invocation over""#) {
                bytes += line.len() as u64;
                continue;
            }
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            self.invoked_ms += line["took_ms"].as_f64().unwrap_or_default().ceil();
            invocations += 1;
        }
        self.log_bytes.insert(role.to_owned(), bytes);
        if invocations > 0 {
            self.invocations.insert(role.to_owned(), invocations);
        }
    }

    /// Invocations of all functions.
    pub fn invoked(&self) -> u64 {
        self.invocations.values().sum()
    }

    /// What came since `before`.
    pub fn since(&self, before: &Tally) -> Tally {
        let requests = self.requests.iter().map(|(sender, requests)| {
            let old = before.requests.get(sender).cloned().unwrap_or_default();
            (sender.clone(), less(requests, &old, |now, then| now - then))
        });
        Tally {
            requests: requests.collect(),
            published: less(&self.published, &before.published, |now, then| now - then),
            read_units: self.read_units - before.read_units,
            write_units: self.write_units - before.write_units,
            log_bytes: less(&self.log_bytes, &before.log_bytes, |now, then| now - then),
            invocations: less(&self.invocations, &before.invocations, |now, then| now - then),
            invoked_ms: self.invoked_ms - before.invoked_ms,
        }
    }

    /// All requests by `service.Operation`, whoever sent them.
    pub fn all_requests(&self) -> Requests {
        let mut all = Requests::new();
        for (name, count) in self.requests.values().flatten() {
            *all.entry(name.clone()).or_default() += count;
        }
        all
    }

    /// The requests to one AWS service.
    pub fn to(&self, service: &str) -> u64 {
        let all = self.all_requests();
        all.iter().filter(|it| it.0.starts_with(&format!("{service}."))).map(|it| it.1).sum()
    }
}

/// What is more, and nothing that is the same.
fn less<T: Copy + Default + PartialEq>(
    now: &BTreeMap<String, T>,
    then: &BTreeMap<String, T>,
    minus: impl Fn(T, T) -> T,
) -> BTreeMap<String, T> {
    let more = now.iter().map(|(name, count)| {
        let then = then.get(name).copied().unwrap_or_default();
        (name.clone(), minus(*count, then))
    });
    more.filter(|it| it.1 != T::default()).collect()
}

#[test]
fn a_tally_is_what_came_since_another_one() {
    let passed = Passed {
        requests: [("sqs.DeleteMessage".to_owned(), 2)].into(),
        events: [("seat-booked".to_owned(), 3)].into(),
        read_units: 1.5,
        write_units: 7.0,
    };
    let mut before = Tally::default();
    before.add("seats", passed.clone());
    let mut now = before.clone();
    now.add("payment", passed);
    let came = now.since(&before);
    assert_eq!((came.read_units, came.write_units), (1.5, 7.0));
    assert_eq!(came.published, [("seat-booked".to_owned(), 3)].into());
    assert_eq!((came.to("sqs"), came.to("sns")), (2, 0));
}

#[test]
fn the_line_of_an_invocation_is_counted_and_its_bytes_are_not() {
    let mut tally = Tally::default();
    let line = r#"{"message":"invocation over","took_ms":12.3,"ok":true}"#;
    tally.add_log("seats", &format!("{{\"message\":\"ready\"}}\n{line}\n{line}\n"));
    assert_eq!((tally.log_bytes["seats"], tally.invoked(), tally.invoked_ms), (20, 2, 26.0));
}
