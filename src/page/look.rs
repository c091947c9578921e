//! One look at the store, and everything that the page and its streams tell of it. All streams of a
//! process share it, so it is computed once, however many look.

use std::{collections::BTreeMap, time::Duration};

use askama::Template;
use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    diagram::{Diagram, Event},
    flow::{Flow, Passed, Position},
    list,
    rows::{NEWEST_MAX, Rows},
    services::{self, ServiceState},
    words,
};
use crate::{domain::event::Kind, vitals::Vitals};

/// The most bookings that a stream names as those with news.
const NAMED_MAX: usize = 50;

/// What one look told.
#[derive(Debug)]
pub(super) struct Look {
    /// Counts the looks of this process.
    pub(super) number: u64,
    /// When it began, by the wall clock.
    pub(super) now: Timestamp,
    /// Until when it counts as new, by the steady clock.
    pub(super) until: Duration,
    pub(super) flow: Flow,
    pub(super) services: Vec<ServiceState>,
    /// The default list, as HTML.
    pub(super) list: String,
    /// The frame with what passed since the look before.
    pub(super) news: Bytes,
    /// The frame with the default list, and whether it is another than the one before.
    pub(super) list_frame: Bytes,
    pub(super) has_new_list: bool,
}

/// What a stream says once a second.
#[derive(Serialize)]
struct News<'l> {
    /// When it was so, in UTC.
    at: String,
    /// Over which time the counts are.
    window: String,
    flows: BTreeMap<&'static str, Told>,
    services: BTreeMap<&'static str, Doing<'l>>,
    /// How often each event passed since what was said before.
    passed: BTreeMap<&'static str, usize>,
    /// Bookings with news, the newest first.
    bookings: Vec<&'l str>,
}

#[derive(Serialize)]
struct Told {
    count: u64,
    figures: String,
}

#[derive(Serialize)]
struct Doing<'l> {
    state: &'static str,
    words: &'l str,
}

impl Look {
    /// What `rows` tell at the time `now`. `before` is the look before this one.
    pub(super) fn of(
        rows: &Rows,
        before: Option<&Look>,
        vitals: Option<&Vitals>,
        now: Timestamp,
        stuck_after: SignedDuration,
    ) -> Result<Look, askama::Error> {
        let flow = Flow::of(&rows.newest, rows.is_all, now);
        let open = rows.stalest.iter().chain(&rows.newest);
        let services = services::states(open, &flow, vitals, now, stuck_after);
        let list = list::by_default(rows, now, stuck_after).render()?;
        let has_new_list = before.is_none_or(|it| it.list != list);
        let mut look = Look {
            number: before.map_or(0, |it| it.number) + 1,
            now,
            until: Duration::ZERO,
            list_frame: frame("list", None, &serde_json::json!({ "html": list })),
            flow,
            services,
            list,
            news: Bytes::new(),
            has_new_list,
        };
        look.news = look.news_since(before.map_or(look.flow.position(), |it| it.flow.position()));
        Ok(look)
    }

    /// The frame with what passed since a position.
    pub(super) fn news_since(&self, position: Position) -> Bytes {
        let after = self.flow.after(position);
        let mut passed = BTreeMap::new();
        for it in after {
            *passed.entry(it.kind.topic()).or_insert(0) += 1;
        }
        let news = News {
            at: self.now.strftime("%H:%M:%S").to_string(),
            window: self.window(),
            flows: Kind::ALL.into_iter().map(|it| (it.topic(), self.told(it))).collect(),
            services: self.services.iter().map(|it| (it.name, doing(it))).collect(),
            passed,
            bookings: named(after),
        };
        frame("news", Some(self.flow.position()), &news)
    }

    /// Over which time the counts are, in words.
    pub(super) fn window(&self) -> String {
        let window = self.flow.rates.window;
        match window.as_secs() {
            0..10 => format!("the last {:.1} s", window.as_secs_f64()),
            s => format!("the last {s} s"),
        }
    }

    /// The diagram with counts and rates.
    pub(super) fn diagram(&self) -> Diagram {
        let event = |kind| {
            let Told { count, figures } = self.told(kind);
            Event { kind, state: "flows", figures, count }
        };
        let title = format!("The flow of events over {}", self.window());
        Diagram::of(&title, &self.services, Kind::ALL.into_iter().map(event).collect())
    }

    /// Each event with its publisher, count and rate, for a reader of tables.
    pub(super) fn figures(&self) -> Vec<(Kind, u64, String)> {
        let rates = &self.flow.rates;
        let of = |kind| (kind, rates.count(kind), words::rate(rates.per_second(kind)));
        Kind::ALL.into_iter().map(of).collect()
    }

    fn told(&self, kind: Kind) -> Told {
        let count = self.flow.rates.count(kind);
        let rate = words::rate(self.flow.rates.per_second(kind));
        let figures = if count == 0 { "–".to_owned() } else { format!("{count} · {rate}") };
        Told { count, figures }
    }
}

/// How old the look is that a reader may still get: at least [`PAUSE_MIN`], and longer where a look
/// takes long, so that looking takes at most a twentieth of the time. But after [`PAUSE_MAX`] there
/// is another look in any case: a store that did not answer may be well again.
pub(super) fn pause_after(took: Duration) -> Duration {
    took.saturating_mul(SHARE).clamp(PAUSE_MIN, PAUSE_MAX)
}

/// The shortest time between two looks.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest one.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A look takes at most one part in so many of the time.
const SHARE: u32 = 20;

fn doing(it: &ServiceState) -> Doing<'_> {
    Doing { state: it.state, words: &it.words }
}

/// The bookings of these facts, the newest first, each once.
fn named(facts: &[Passed]) -> Vec<&str> {
    let mut named: Vec<&str> = Vec::new();
    for it in facts.iter().rev().take(NEWEST_MAX) {
        if named.len() < NAMED_MAX && !named.contains(&it.booking.as_str()) {
            named.push(it.booking.as_str());
        }
    }
    named
}

/// One event of a stream: its name, its position if it has one, and its data as one line of JSON.
pub(super) fn frame(event: &str, position: Option<Position>, data: &impl Serialize) -> Bytes {
    let id = position.map(|it| format!("id: {it}\n")).unwrap_or_default();
    let data = serde_json::to_string(data).expect("text and numbers are always JSON");
    Bytes::from(format!("event: {event}\n{id}data: {data}\n\n"))
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
