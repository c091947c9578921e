//! The notation of the tables in the roles' tests, and a small engine that drives a decision to its
//! end. It must never contain a rule.
//!
//! An event is a line such as `BR ada/1 12A 12B` or `SU ada/1 taken 12A`: its type, its booking,
//! the number of the request that it is or answers, and further details. What a role announces is
//! written in the same notation, so that a test case is one row: what came in and what was
//! announced.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    RoleName,
    decision::{Decision, Key, Rows, Rules, Step},
    event::{About, Charge, Data, Event, Freed, Kind, NoCharge, NoSeat, Refund},
    ids::{BookingId, Cause, Digest, request_id},
    money::{Currency, Money},
    request::{Passenger, Payment, PaymentToken, Request},
    seat::{FlightNo, SeatId, Seating, parse_date},
};

/// The types of events in the order of [`Kind::ALL`], abbreviated as in `docs/RULES.md`.
const CODES: [&str; 8] = ["BR", "SB", "SU", "SR", "PO", "PF", "RF", "RI"];
/// The flight and the amount of a line that names none.
const FLIGHT: &str = "WA117";
const AMOUNT: &str = "EUR 129.00";
/// The receipt number of `ada`. It must never change, since a receipt that is sent again has the
/// same number.
pub(crate) const ADAS_RECEIPT: &str = "R-J3RS-45VZ-YPM6";
/// The most rounds of reading that a decision may need: the booking, its seats, their holders, and
/// the holders' seats.
const READS_MAX: usize = 4;

pub(crate) fn id(name: &str) -> BookingId {
    BookingId::parse(name).unwrap()
}

/// The digest of request number `number`.
pub(crate) fn digest(number: u8) -> Digest {
    Digest::new([number; 32])
}

/// The number of the request with that digest.
pub(crate) fn request_number(digest: Digest) -> u8 {
    u8::from_str_radix(&digest.to_string()[..2], 16).unwrap()
}

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

pub(crate) fn at(seconds: f64) -> Timestamp {
    START + SignedDuration::from_millis((seconds * 1000.0).round() as i64)
}

/// The inverse of [`at`].
pub(crate) fn seconds(time: Timestamp) -> f64 {
    time.duration_since(START).as_millis() as f64 / 1000.0
}

pub(crate) fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

pub(crate) fn charge(booking: &str, amount: &str) -> Charge {
    Charge { charge: format!("ch_{booking}"), amount: money(amount) }
}

pub(crate) fn refund(booking: &str, amount: &str) -> Refund {
    let (refund, charge) = (format!("re_{booking}"), format!("ch_{booking}"));
    Refund { refund, charge, amount: money(amount) }
}

/// Reads an event: `TYPE booking/request`, then in any order a flight, seats, a reason, an amount,
/// `@seconds` for its time, or `again` for a request that is sent under another event id.
pub(crate) fn said(text: &str) -> Event {
    let mut words = text.split_whitespace();
    let code = words.next().unwrap();
    let kind = Kind::ALL[CODES.iter().position(|it| *it == code).expect(text)];
    let (booking, request) = words.next().and_then(|it| it.split_once('/')).expect(text);
    let (mut flight, mut seats) = (FLIGHT, Vec::new());
    let (mut reason, mut amount) = ("", AMOUNT.to_owned());
    let (mut time, mut again) = (0.0, "");
    while let Some(word) = words.next() {
        if let Some(seconds) = word.strip_prefix('@') {
            time = seconds.parse().expect(text);
        } else if word == "again" {
            again = word;
        } else if Currency::parse(word).is_ok() {
            amount = format!("{word} {}", words.next().expect(text));
        } else if let Ok(seat) = SeatId::parse(word) {
            seats.push(seat);
        } else if FlightNo::parse(word).is_ok() {
            flight = word;
        } else {
            reason = word;
        }
    }
    seats.sort();
    let flight = FlightNo::parse(flight).unwrap();
    let seating = Seating { flight, date: parse_date("2027-03-01").unwrap(), seats };
    let (role, data) = match kind {
        Kind::BookingRequested => {
            let name = format!("Ada {request}");
            let passenger = Passenger { name, email: "ada@example.com".to_owned() };
            let token = PaymentToken::parse("tok_visa").unwrap();
            let payment = Payment { token, amount: money(&amount) };
            (None, Data::BookingRequested(Request { seating, passenger, payment }))
        }
        Kind::SeatBooked => (Some(RoleName::Seats), Data::SeatBooked(seating)),
        Kind::SeatUnavailable => {
            let reason = NoSeat::parse(reason).expect(text);
            (Some(RoleName::Seats), Data::SeatUnavailable { reason, seating })
        }
        Kind::SeatReleased => {
            let reason = Freed::parse(reason).expect(text);
            (Some(RoleName::Seats), Data::SeatReleased { reason, seats: seating.seats })
        }
        Kind::PaymentOk => (Some(RoleName::Payment), Data::PaymentOk(charge(booking, &amount))),
        Kind::PaymentFailed => {
            let reason = NoCharge::parse(reason).expect(text);
            (Some(RoleName::Payment), Data::PaymentFailed { reason })
        }
        Kind::PaymentRefunded => {
            (Some(RoleName::Payment), Data::PaymentRefunded(refund(booking, &amount)))
        }
        Kind::ReceiptSent => {
            (Some(RoleName::Receipt), Data::ReceiptSent { receipt: ADAS_RECEIPT.to_owned() })
        }
    };
    let about = About {
        booking: id(booking),
        digest: digest(request.parse().expect(text)),
        traceparent: Some(format!("trace of {booking}")),
    };
    let mut event = Event::outcome(role.unwrap_or(RoleName::Status), &about, at(time), data);
    if role.is_none() {
        let id = request_id(&about.booking, kind, &about.digest) + again;
        event.cause = Cause { source: "/a/client".to_owned(), id };
    }
    event
}

/// Writes an outcome in the notation of [`said`], and checks that the line says everything: what it
/// does not name (source, id, trace, flight, amount, receipt number) must have its usual value.
pub(crate) fn tell(event: &Event) -> String {
    let code = CODES[Kind::ALL.iter().position(|it| *it == event.kind()).unwrap()];
    let mut words = vec![format!("{code} {}/{}", event.booking, request_number(event.digest))];
    let amount = |it: Money| Some(it.to_string()).filter(|it| it != AMOUNT);
    let place = |it: &Seating| {
        let flight = Some(it.flight.to_string()).filter(|it| it != FLIGHT);
        flight.into_iter().chain(it.seats.iter().map(ToString::to_string)).collect::<Vec<_>>()
    };
    match &event.data {
        Data::BookingRequested(_) | Data::ReceiptSent { .. } => {}
        Data::SeatBooked(seating) => words.extend(place(seating)),
        Data::SeatUnavailable { reason, seating } => {
            words.push(reason.to_string());
            words.extend(place(seating));
        }
        Data::SeatReleased { reason, seats } => {
            words.push(reason.to_string());
            words.extend(seats.iter().map(ToString::to_string));
        }
        Data::PaymentOk(charge) => words.extend(amount(charge.amount)),
        Data::PaymentFailed { reason } => words.push(reason.to_string()),
        Data::PaymentRefunded(refund) => words.extend(amount(refund.amount)),
    }
    let text = words.join(" ");
    assert_eq!(Event { time: event.time, ..said(&text) }, *event, "it says more than `{text}`");
    text
}

/// Splits a row of a story at its ` => ` into what comes in and what is announced, if anything.
pub(crate) fn row(text: &str) -> (&str, &str) {
    text.split_once(" => ").unwrap_or((text, ""))
}

/// All eight events about a booking, in the order of [`Kind::ALL`].
pub(crate) fn every(booking: &str, request: u8) -> [String; 8] {
    ["12A", "12A", "taken 12A", "payment_failed 12A", "", "declined", "", ""]
        .iter()
        .zip(CODES)
        .map(|(rest, code)| format!("{code} {booking}/{request} {rest}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

/// Every order of `items`.
pub(crate) fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(first);
        all.extend(orders(&rest).into_iter().map(|it| [vec![first.clone()], it].concat()));
    }
    all
}

/// A role and its rows, without memos, so that the rules decide a redelivery again.
#[derive(Clone)]
pub(crate) struct World<R: Rules> {
    pub(crate) rules: R,
    pub(crate) rows: BTreeMap<Key, R::State>,
}

/// The outside world: answers an effect, or does not answer. It may change the world meanwhile, as
/// another delivery would.
pub(crate) type Outside<'a, R> =
    dyn FnMut(&mut World<R>, &<R as Rules>::Effect) -> Option<<R as Rules>::Answer> + 'a;

impl<R: Rules + Clone> World<R> {
    pub(crate) fn new(rules: R) -> Self {
        World { rules, rows: BTreeMap::new() }
    }

    /// The next step after all reads. Checks that the step writes only rows that were read, since
    /// the store compares the versions of these.
    pub(crate) fn decide(
        &self,
        event: &Event,
        answers: &[R::Answer],
        now: Timestamp,
    ) -> Step<R::State, R::Effect> {
        let mut rows = Rows::default();
        let mut wanted = vec![Key::Booking(event.booking.clone())];
        for _ in 0..READS_MAX {
            for key in wanted {
                let row = self.rows.get(&key).cloned();
                rows.insert(key, row);
            }
            let step = self.rules.decide(&rows, event, answers, now);
            let writes: Vec<Key> = written(&event.booking, &step);
            assert_eq!(rows.unread(writes.clone()), [], "written unread");
            assert!(writes.windows(2).all(|it| it[0] != it[1]), "written twice: {writes:?}");
            match step {
                Step::Read(keys) => {
                    assert!(!keys.is_empty() && rows.unread(keys.clone()) == keys, "{keys:?}");
                    wanted = keys;
                }
                Step::Ask { .. } | Step::Nothing | Step::Settle(_) | Step::SetAside(_) => {
                    return step;
                }
            }
        }
        panic!("more than {READS_MAX} rounds of reading");
    }

    /// Delivers `event` and returns how it ended: what was announced, `set aside`, or `unanswered`
    /// when the outside did not answer or the delivery died before the answer.
    pub(crate) fn deliver(
        &mut self,
        event: &Event,
        now: Timestamp,
        outside: &mut Outside<'_, R>,
    ) -> String {
        let mut answers = Vec::new();
        // After an effect, decides with the rows as they were when the effect was asked for.
        let mut seen: Option<World<R>> = None;
        loop {
            let step = seen.as_ref().unwrap_or(self).decide(event, &answers, now);
            let conflicts = |seen: &World<R>| {
                written(&event.booking, &step).iter().any(|it| !self.agrees(seen, it))
            };
            if seen.as_ref().is_some_and(conflicts) {
                seen = None;
                continue;
            }
            match step {
                Step::Ask { claim, effect } => {
                    let claim = claim.map(|it| (Key::Booking(event.booking.clone()), it));
                    self.write(claim.clone());
                    match &mut seen {
                        Some(seen) => seen.write(claim),
                        None => seen = Some(self.clone()),
                    }
                    let Some(answer) = outside(self, &effect) else {
                        return "unanswered".to_owned();
                    };
                    answers.push(answer);
                }
                Step::Nothing => return String::new(),
                Step::Settle(Decision { own, others, announce }) => {
                    assert!(announce.iter().all(|it| it.time == now), "said at another time");
                    let before = self.text();
                    self.write([(Key::Booking(event.booking.clone()), own)]);
                    self.write(others);
                    assert_ne!(self.text(), before, "written without a change");
                    return announce.iter().map(tell).collect::<Vec<_>>().join(", ");
                }
                Step::SetAside(_) => return "set aside".to_owned(),
                Step::Read(_) => unreachable!("decide has read it"),
            }
        }
    }

    /// Whether a row is the same in `there`. The store compares versions for this purpose.
    fn agrees(&self, there: &World<R>, key: &Key) -> bool {
        let text = |it: &World<R>| it.rows.get(key).map(|it| serde_json::to_string(it).unwrap());
        text(self) == text(there)
    }

    /// Writes rows as text and reads them back, as a store does.
    fn write(&mut self, rows: impl IntoIterator<Item = (Key, R::State)>) {
        for (key, row) in rows {
            let text = serde_json::to_string(&row).unwrap();
            self.rows.insert(key, serde_json::from_str(&text).unwrap());
        }
    }

    /// All rows as text, for comparisons.
    pub(crate) fn text(&self) -> String {
        let rows = self.rows.iter();
        rows.map(|(key, row)| format!("{key} {}\n", serde_json::to_string(row).unwrap())).collect()
    }
}

/// The rows that a step for this booking writes, sorted. Two concurrent steps that write the same
/// row cannot both be committed.
pub(crate) fn written<S, E>(booking: &BookingId, step: &Step<S, E>) -> Vec<Key> {
    let own = Key::Booking(booking.clone());
    let mut keys: Vec<Key> = match step {
        Step::Ask { claim, .. } => claim.iter().map(|_| own.clone()).collect(),
        Step::Settle(decision) => {
            decision.others.iter().map(|it| it.0.clone()).chain([own]).collect()
        }
        Step::Nothing | Step::Read(_) | Step::SetAside(_) => Vec::new(),
    };
    keys.sort();
    keys
}
