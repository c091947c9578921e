//! A client that wants something: it chooses ids, sources, types, versions and bookings of what it
//! publishes on `booking-requested`, among them every id and source that our own events will have.
//!
//! What it publishes is of two sorts. Requests that are taken are messages like all others, and
//! `scenarios` mixes them with those of honest clients. Everything else must be refused: these
//! *strangers* are delivered to every role in everything that it may have written down, and must
//! change nothing but what status says was refused, so that a world with them is the world without.
//!
//! A lock that keeps the client out can be opened, at a seam: in what is delivered, or in what is
//! stored. Each lock that is opened must be missed.

use booking::{
    domain::{
        RoleName,
        event::{Event, Kind},
        ids::{BookingId, Cause, outcome_id},
        status::Record,
    },
    http::view::BookingView,
    runtime::{Ended, StoredRow},
    topics,
    wire::{Incoming, Intake},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{
    hand::{Cell, Run},
    known::{Checked, broken},
};
use crate::harness::{Sketch, enveloped, incoming, intake};

/// What keeps a hostile client out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// A memo is found by the event's type as well.
    MemoKind,
    /// A request in the name of a service is refused.
    OwnSources,
    /// An outcome is taken from its publisher alone.
    OutcomeSource,
    /// All of a topic's ARN is compared.
    TopicArn,
    /// An event's type is its topic's.
    TopicType,
    /// Outcomes are not taken without an envelope.
    Envelope,
    /// What is told of a booking is of the request that was answered.
    Answered,
}

impl Lock {
    pub fn words(self) -> &'static str {
        match self {
            Lock::MemoKind => "a memo is found by type",
            Lock::OwnSources => "no request in a service's name",
            Lock::OutcomeSource => "outcomes from their publisher",
            Lock::TopicArn => "the whole TopicArn",
            Lock::TopicType => "a type from its own topic",
            Lock::Envelope => "outcomes in an envelope",
            Lock::Answered => "told of the answered request",
        }
    }
}

/// A request that is taken although it calls itself a service: it is delivered under `alias`, and
/// stored as what it says it is, in plain text and not as a hash.
#[derive(Clone, Debug)]
pub struct Disguise {
    pub alias: String,
    pub source: String,
    pub id: String,
}

impl Disguise {
    /// What it is read as.
    fn read(&self) -> Cause {
        Cause::of_client(&self.alias, &self.id)
    }

    /// What it is stored as.
    fn stored(&self) -> Cause {
        Cause { source: self.source.clone(), id: self.id.clone() }
    }
}

/// The hostile side of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Hostile {
    /// Whether there are strangers, about every booking of the scenario.
    pub strangers: bool,
    pub opened: Vec<Lock>,
    /// With [`Lock::OwnSources`] opened.
    pub disguise: Option<Disguise>,
}

impl Hostile {
    pub fn opens(&self, lock: Lock) -> bool {
        self.opened.contains(&lock)
    }

    /// What services take for an event.
    pub fn intake(&self) -> Intake {
        intake().or_raw(self.opens(Lock::Envelope))
    }

    /// A row as it would be stored without the locks that are opened.
    pub fn stored(&self, body: String) -> String {
        if !self.opens(Lock::MemoKind) && self.disguise.is_none() {
            return body;
        }
        change_causes(&body, |it| {
            if self.opens(Lock::MemoKind) {
                it.kind = None;
            }
            it.cause = self.cause(&it.cause);
        })
    }

    /// A row as the disguised request sees it: what it stored, it stored under its alias.
    pub fn seen_by(&self, event: &Event, body: String) -> String {
        let Some(disguise) = &self.disguise else { return body };
        if event.cause != disguise.read() {
            return body;
        }
        change_causes(&body, |it| {
            if it.cause == disguise.stored() {
                it.cause = disguise.read();
            }
        })
    }

    /// The cause that a request is stored under.
    pub fn cause(&self, cause: &Cause) -> Cause {
        match &self.disguise {
            Some(it) if *cause == it.read() => it.stored(),
            _ => cause.clone(),
        }
    }

    /// Everything that must be refused, about these bookings.
    pub fn strangers(&self, bookings: &[BookingId]) -> Vec<Stranger> {
        if !self.strangers {
            return Vec::new();
        }
        let about = |it: &BookingId| strangers(it).into_iter().map(|it| self.let_in(it)).collect();
        bookings.iter().flat_map(|it| -> Vec<Stranger> { about(it) }).collect()
    }

    /// The stranger as it looks to a service that lacks a lock.
    fn let_in(&self, it: Stranger) -> Stranger {
        if !it.kept_out_by.is_some_and(|lock| self.opens(lock)) {
            return it;
        }
        let incoming = enveloped(it.looks_like.0, &it.looks_like.1);
        Stranger { incoming: if it.is_raw { it.incoming } else { incoming }, ..it }
    }
}

/// A row as far as its memos are to be changed: all other text stays as it is.
#[derive(Serialize, Deserialize)]
struct Row {
    row: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Caused>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    memos: Vec<Caused>,
}

/// A memo or a claim.
#[derive(Serialize, Deserialize)]
struct Caused {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    cause: Cause,
    digest: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Box<Caused>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    announced: Option<Box<RawValue>>,
}

fn change_causes(body: &str, change: impl Fn(&mut Caused)) -> String {
    let mut row: Row = serde_json::from_str(body).expect("rows are JSON");
    for it in row.memos.iter_mut().chain(row.claim.as_mut()) {
        it.claim.iter_mut().for_each(|it| change(it));
        change(it);
    }
    serde_json::to_string(&row).expect("rows are JSON")
}

/// A message that every role must refuse.
#[derive(Clone, Debug)]
pub struct Stranger {
    pub booking: BookingId,
    pub incoming: Incoming,
    pub words: String,
    kept_out_by: Option<Lock>,
    /// The topic and the text that it would be taken for.
    looks_like: (Kind, String),
    is_raw: bool,
}

/// The outcome of `kind` about a booking, with just the id that the real one will have.
fn outcome(kind: Kind, booking: &BookingId) -> Value {
    let topic = topics::all().into_iter().find(|it| it.topic == kind).expect("a topic a kind");
    let mut event = topic.example;
    event["id"] = json!(outcome_id(booking, kind));
    event["subject"] = json!(booking);
    event["requestdigest"] = json!(digest_of(booking));
    event
}

fn sketch(booking: &BookingId) -> Sketch {
    Sketch::new(booking.as_str(), &["12A"], "tok_visa")
}

fn digest_of(booking: &BookingId) -> String {
    sketch(booking).event().digest.to_string()
}

/// A request under this booking's id, with a source and an id of the client's choice.
pub fn request(sketch: &Sketch, source: &str, id: &str) -> Event {
    Event { cause: Cause { source: source.to_owned(), id: id.to_owned() }, ..sketch.event() }
}

fn strangers(booking: &BookingId) -> Vec<Stranger> {
    let mut all = Vec::new();
    let mut add = |words: String, lock, incoming: Incoming, looks_like, is_raw| {
        let booking = booking.clone();
        all.push(Stranger { booking, incoming, words, kept_out_by: lock, looks_like, is_raw });
    };
    let ours = "arn:aws:sns:eu-central-1:000000000000:";
    for kind in Kind::ALL {
        for role in RoleName::ALL {
            let mut text: Value =
                serde_json::from_str(&sketch(booking).cloud_event()).expect("an event is JSON");
            text["id"] = json!(outcome_id(booking, kind));
            let alias = text.to_string();
            text["source"] = json!(role.source());
            let incoming = enveloped(Kind::BookingRequested, &text.to_string());
            let words = format!("a request that says it is {role}, with the id of {kind}");
            let looks_like = (Kind::BookingRequested, alias);
            add(words, Some(Lock::OwnSources), incoming, looks_like, false);
        }
        if kind == Kind::BookingRequested {
            continue;
        }
        let text = outcome(kind, booking).to_string();
        let real = (kind, text.clone());
        let words = |what: &str| format!("{kind} {what}");
        let on_requests = enveloped(Kind::BookingRequested, &text);
        let lock = Some(Lock::TopicType);
        add(words("on booking-requested"), lock, on_requests, real.clone(), false);
        let raw = incoming(text.clone());
        add(words("without an envelope"), Some(Lock::Envelope), raw, real.clone(), true);
        for (from, to) in [
            ("000000000000", "111111111111"),
            ("eu-central-1", "us-east-1"),
            ("arn:aws:", "arn:aws-cn:"),
            (ours, "arn:aws:sns:eu-central-1:000000000000:staging-"),
        ] {
            let body = enveloped(kind, &text).body.replace(from, to);
            let words = words(&format!("from {to}"));
            add(words, Some(Lock::TopicArn), incoming(body), real.clone(), false);
        }
        for source in ["/booking/client", "/booking/status", "/elsewhere"] {
            let mut text = outcome(kind, booking);
            text["source"] = json!(source);
            let incoming = enveloped(kind, &text.to_string());
            let words = words(&format!("that says it is of {source}"));
            add(words, Some(Lock::OutcomeSource), incoming, real.clone(), false);
        }
    }
    for (field, value) in [
        ("specversion", json!("0.3")),
        ("dataschema", json!("urn:booking:schema:booking-requested:2")),
        ("type", json!("booking-cancelled")),
        ("data", json!({"seats": "all of them"})),
    ] {
        let mut text: Value =
            serde_json::from_str(&sketch(booking).cloud_event()).expect("an event is JSON");
        text[field] = value;
        let incoming = enveloped(Kind::BookingRequested, &text.to_string());
        let looks_like = (Kind::BookingRequested, text.to_string());
        add(format!("a request with another {field}"), None, incoming, looks_like, false);
    }
    all
}

/// What a stranger may leave behind: nothing, but what status says was refused.
pub fn check(stranger: &Stranger, role: RoleName, before: &Cell, run: &Run) -> Checked {
    let refused = run.ended == Some(Ended::Poison)
        && run.deleted
        && run.published.is_empty()
        && run.set_aside.as_ref().is_some_and(|it| !it.is_empty());
    if !refused {
        return broken(format!("I3 {role} takes {} ({:?})", stranger.words, run.ended));
    }
    let told = |cell: &Cell| format!("{:?}", without_refusals(cell, &stranger.booking));
    let same = match role {
        RoleName::Status => told(before) == told(&run.cell),
        RoleName::Seats | RoleName::Payment | RoleName::Receipt => {
            format!("{before:?}") == format!("{:?}", run.cell)
        }
    };
    if same { Ok(()) } else { broken(format!("I3 {role} is changed by {}", stranger.words)) }
}

/// What status tells of a booking, refusals left out; none while there is nothing else.
fn without_refusals(cell: &Cell, booking: &BookingId) -> Option<BookingView> {
    let (_, body) = cell.rows.get(&format!("booking/{booking}"))?;
    let kept: StoredRow<Record> = serde_json::from_str(body).expect("the book reads its own rows");
    let mut view = told(booking, &kept.row);
    view.rejections.clear();
    view.timeline.retain(|it| it.kind != "rejected");
    (!view.timeline.is_empty()).then_some(view)
}

/// What status tells of a booking, at some time.
pub fn told(booking: &BookingId, record: &Record) -> BookingView {
    BookingView::of(booking, record, Timestamp::MAX, SignedDuration::from_mins(2))
}
