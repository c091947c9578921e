//! What is asked for, and what else is on the topics: a seeded mix in which every ending happens.

use std::collections::{BTreeMap, BTreeSet};

use booking::{
    domain::{
        RoleName,
        event::{Data, Event, Kind},
        ids::{BookingId, Cause, outcome_id},
        money::{Currency, Money},
        request::{Passenger, Payment, PaymentToken, Request},
        seat::{FlightNo, SeatId, Seating},
    },
    wire,
};
use jiff::Timestamp;

use super::{
    faults::Fault,
    hostile::{self, ELSEWHERE},
    queues::About,
    world::START_MS,
};

const MINUTE_MS: i64 = 60_000;

/// Something that a client, or a stranger, puts on a topic or a queue.
#[derive(Clone, Debug)]
pub struct Say {
    pub at_ms: i64,
    pub kind: Kind,
    pub text: String,
    /// The SNS MessageId.
    pub id: String,
    pub about: Option<About>,
    pub junk: Option<Fault>,
    /// Straight onto this queue, past the topic.
    pub only: Option<RoleName>,
    /// Whom it does not reach at first.
    pub lost_at: Option<RoleName>,
    /// What a hostile client wants it to be taken for.
    pub wants_to_be: Option<(Kind, String)>,
}

/// All of one run, in order of time.
#[derive(Default)]
pub struct Plan {
    pub says: Vec<Say>,
    pub bookings: Vec<BookingId>,
    /// Bookings with two different requests.
    pub twins: BTreeSet<BookingId>,
    /// Bookings whose payment-ok is late at seats.
    pub slow: BTreeMap<BookingId, i64>,
}

/// `count` bookings, and some noise.
pub fn plan(count: usize, seed: u64) -> Plan {
    let mut mix = Mix {
        rng: fastrand::Rng::with_seed(seed ^ 0x5eed),
        plan: Plan::default(),
        now_ms: START_MS,
        next_seat: 0,
        recent: Vec::new(),
        requests: Vec::new(),
    };
    while mix.plan.bookings.len() < count {
        mix.booking();
        if mix.rng.u8(0..12) == 0 {
            mix.noise();
        }
        if mix.rng.u8(0..8) == 0 {
            mix.hostile();
        }
        if mix.rng.u8(0..5) == 0 {
            let pause = if mix.rng.u8(0..6) == 0 { 20 * MINUTE_MS } else { 3 * MINUTE_MS };
            mix.now_ms += mix.rng.i64(0..pause);
        }
    }
    mix.plan.says.sort_by_key(|it| it.at_ms);
    mix.plan
}

struct Mix {
    rng: fastrand::Rng,
    plan: Plan,
    now_ms: i64,
    next_seat: u32,
    recent: Vec<Seating>,
    requests: Vec<Event>,
}

impl Mix {
    fn booking(&mut self) {
        let plain = ["tok_visa"; 6];
        let cards = [&plain[..], &["tok_declined", "tok_timeout_then_ok", "tok_visa", "tok_visa"]];
        let any = self.rng.choice(cards.concat()).expect("there are some");
        match self.rng.u8(0..100) {
            0..30 => self.ask(any, 1),
            30..40 => {
                let seats = self.rng.u32(2..=4);
                self.ask(any, seats);
            }
            40..46 => self.ask("tok_declined", 1),
            46..48 => self.ask("tok_insufficient_funds", 1),
            48 => self.ask("tok_other_amount", 1),
            49 => self.ask("tok_other_money", 1),
            50..56 => self.ask("tok_timeout_then_ok", 1),
            56..59 => {
                let seating = self.fresh("ZZ404", 1);
                self.request(&seating, any);
            }
            59..77 => self.rival(),
            77..84 => self.overtaken(),
            84..91 => self.twins(),
            91..94 => self.again(any),
            _ => self.bare(),
        }
    }

    fn ask(&mut self, token: &str, seats: u32) {
        let seating = self.fresh("WA240", seats);
        self.recent.push(seating.clone());
        self.request(&seating, token);
    }

    /// Wants what somebody wants who is still on the way.
    fn rival(&mut self) {
        let from = self.recent.len().saturating_sub(5);
        let Some(seating) = self.rng.choice(&self.recent[from..]).cloned() else {
            return self.ask("tok_visa", 2);
        };
        let token = ["tok_visa", "tok_visa", "tok_timeout_then_ok", "tok_declined"];
        let token = self.rng.choice(token).expect("there are some");
        self.request(&seating, token);
    }

    /// A hold that is not paid in time, as far as seats knows, and somebody who comes later.
    fn overtaken(&mut self) {
        let seats = self.rng.u32(1..=3);
        let seating = self.fresh("WA240", seats);
        let token =
            self.rng.choice(["tok_visa", "tok_visa", "tok_timeout_then_ok", "tok_declined"]);
        let booking = self.request(&seating, token.expect("there are some"));
        match self.rng.u8(0..3) {
            0 => {
                if let Some(it) = self.plan.says.last_mut() {
                    it.lost_at = Some(RoleName::Payment);
                }
            }
            _ => {
                let late_ms = self.rng.i64(16 * MINUTE_MS..60 * MINUTE_MS);
                self.plan.slow.insert(booking, late_ms);
            }
        }
        let before_ms = self.now_ms;
        self.now_ms += self.rng.i64(14 * MINUTE_MS..40 * MINUTE_MS);
        let taken = self.rng.usize(1..=seating.seats.len());
        let mut wanted = seating.with(seating.seats[..taken].to_vec());
        if self.rng.bool() {
            wanted.seats.extend(self.fresh("WA240", 1).seats);
            wanted.seats.sort_unstable();
            wanted.seats.dedup();
        }
        self.request(&wanted, "tok_visa");
        self.now_ms = before_ms;
    }

    /// Two different requests under one id, soon after each other or not.
    fn twins(&mut self) {
        let seating = self.fresh("WA240", 1);
        let booking = self.request(&seating, "tok_visa");
        let first = self.plan.says.last().cloned().expect("it was just asked for");
        let (other, token) = match self.rng.u8(0..3) {
            0 => (seating.clone(), "tok_declined"),
            1 => (self.fresh("WA240", 1), "tok_declined"),
            _ => (self.fresh("WA240", 1), "tok_visa"),
        };
        let request = request(&other, token);
        let same_id = self.rng.u8(0..4) == 0;
        let id = if same_id { "request".to_owned() } else { "other".to_owned() };
        let later = if self.rng.bool() { 0 } else { self.rng.i64(0..90 * MINUTE_MS) };
        self.plan.twins.insert(booking.clone());
        self.say(&booking, &id, request, first.at_ms + later);
    }

    /// The same request once more, with the id it had or another.
    fn again(&mut self, token: &str) {
        let seating = self.fresh("WA240", 1);
        let booking = self.request(&seating, token);
        let id = if self.rng.bool() { "request" } else { "again" };
        let later = self.rng.i64(0..150 * MINUTE_MS);
        self.say(&booking, id, request(&seating, token), self.now_ms + later);
    }

    /// Typed by hand: nothing but data. The booking is named after the SNS MessageId.
    fn bare(&mut self) {
        let seating = self.fresh("WA240", 1);
        let id = self.uuid();
        let booking = BookingId::parse(&id).expect("a UUID is a booking id");
        let text = wire::request_data(&request(&seating, "tok_visa")).to_string();
        self.plan.bookings.push(booking.clone());
        let about = About { kind: Kind::BookingRequested, booking, cause: None };
        self.push(self.now_ms, text, id, Some(about), None);
    }

    fn request(&mut self, seating: &Seating, token: &str) -> BookingId {
        let id = format!("b-{:04}", self.plan.bookings.len() + 1);
        let booking = BookingId::parse(&id).expect("letters and digits");
        self.plan.bookings.push(booking.clone());
        let at_ms = self.now_ms + self.rng.i64(0..500);
        self.say(&booking, "request", request(seating, token), at_ms);
        booking
    }

    fn say(&mut self, booking: &BookingId, id: &str, request: Request, at_ms: i64) {
        let cause = Cause { source: "/sim".to_owned(), id: format!("{booking}-{id}") };
        self.say_as(cause, booking, request, at_ms);
    }

    fn say_as(&mut self, cause: Cause, booking: &BookingId, request: Request, at_ms: i64) {
        let event = Event {
            cause: cause.clone(),
            booking: booking.clone(),
            time: Timestamp::from_millisecond(at_ms).expect("a day of 2027"),
            digest: wire::digest(wire::request_data(&request)),
            traceparent: None,
            data: Data::BookingRequested(request),
        };
        let text = wire::encode(&event).expect("it is small").body;
        self.requests.push(event.clone());
        let (booking, cause) = (booking.clone(), Some((cause, event.digest)));
        let about = About { kind: Kind::BookingRequested, booking, cause };
        let id = self.uuid();
        self.push(at_ms, text, id, Some(about), None);
    }

    fn push(
        &mut self,
        at_ms: i64,
        text: String,
        id: String,
        about: Option<About>,
        junk: Option<Fault>,
    ) {
        let kind = Kind::BookingRequested;
        self.plan.says.push(Say {
            at_ms,
            kind,
            text,
            id,
            about,
            junk,
            only: None,
            lost_at: None,
            wants_to_be: None,
        });
    }

    /// What a hostile client does about a booking that is on the way, before it or after:
    /// forgeries, which all must be refused, and now and then a request under its id, which makes
    /// it a twin.
    fn hostile(&mut self) {
        let from = self.requests.len().saturating_sub(5);
        let Some(victim) = self.rng.choice(&self.requests[from..]).cloned() else { return };
        let booking = victim.booking.clone();
        if self.rng.u8(0..6) == 0 {
            let kind = self.rng.choice(Kind::ALL).expect("there are eight");
            let cause = Cause { source: ELSEWHERE.to_owned(), id: outcome_id(&booking, kind) };
            let token = self.rng.choice(["tok_visa", "tok_declined"]).expect("there are two");
            let seating = self.fresh("WA240", 1);
            let at_ms = self.now_ms + self.rng.i64(0..20 * MINUTE_MS);
            self.plan.twins.insert(booking.clone());
            self.say_as(cause, &booking, request(&seating, token), at_ms);
            return;
        }
        for _ in 0..self.rng.u8(1..=4) {
            let it = hostile::forgery(&mut self.rng, &booking, &victim);
            let (id, at_ms) = (self.uuid(), self.now_ms + self.rng.i64(0..20 * MINUTE_MS));
            self.push(at_ms, it.text, id, None, Some(Fault::Forgery));
            let role = self.rng.choice(RoleName::ALL);
            if let Some(say) = self.plan.says.last_mut() {
                say.wants_to_be = Some(it.wants_to_be);
                say.only = if it.foreign { role } else { None };
            }
        }
    }

    /// What is no event: on a topic for everybody, or on one queue.
    fn noise(&mut self) {
        let kinds = [Fault::Malformed, Fault::Oversized, Fault::WrongType, Fault::WrongVersion];
        let junk = self.rng.choice(kinds).expect("there are four");
        let nobody = self.uuid();
        let text = match (junk, self.rng.u8(0..3)) {
            (Fault::Oversized, _) => format!("{nobody}{}", " ".repeat(1024 * 1024)),
            (Fault::Malformed, 0) => format!("{{\"not json\": {nobody}"),
            (Fault::Malformed, 1) => format!(r#"{{"nothing": "{nobody}"}}"#),
            (Fault::Malformed, _) => format!(
                r#"{{"specversion":"1.0","id":"{nobody}","type":"booking-requested","subject":"{nobody}","data":{{"seats":[]}}}}"#
            ),
            (Fault::WrongType, 0) => {
                format!(r#"{{"specversion":"1.0","id":"{nobody}","type":"seat-sold","data":{{}}}}"#)
            }
            (Fault::WrongType, _) => format!(
                r#"{{"specversion":"1.0","id":"{nobody}","type":"seat-sold","subject":"{nobody}","data":{{"reason":"declined"}}}}"#
            ),
            (_, 0) => format!(
                r#"{{"specversion":"2.0","id":"{nobody}","type":"booking-requested","subject":"{nobody}","data":{{}}}}"#
            ),
            (_, _) => format!(
                r#"{{"specversion":"1.0","id":"{nobody}","type":"booking-requested","subject":"{nobody}","dataschema":"urn:booking:schema:booking-requested:2","data":{{}}}}"#
            ),
        };
        self.push(self.now_ms, text, nobody, None, Some(junk));
        let direct = junk == Fault::Oversized || self.rng.bool();
        if direct && let Some(it) = self.plan.says.last_mut() {
            it.only = self.rng.choice(RoleName::ALL);
        }
    }

    /// Seats that nobody asked for yet.
    fn fresh(&mut self, flight: &str, count: u32) -> Seating {
        let seat = |at: u32| {
            let letter = char::from(b"ABCDEFGHJK"[at as usize % 10]);
            SeatId::parse(&format!("{}{letter}", at / 10 + 1)).expect("a row from 1 to 60")
        };
        let seats = (self.next_seat..self.next_seat + count).map(seat).collect();
        self.next_seat += count;
        let date = "2027-03-01".parse().expect("a day");
        Seating { flight: FlightNo::parse(flight).expect("a flight"), date, seats }
    }

    fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

fn request(seating: &Seating, token: &str) -> Request {
    let euro = Currency::parse("EUR").expect("the euro is a currency");
    Request {
        seating: seating.clone(),
        passenger: Passenger { name: "Ada Lovelace".into(), email: "ada@example.com".into() },
        payment: Payment {
            token: PaymentToken::parse(token).expect("a token"),
            amount: Money::new(12_900 * seating.seats.len() as u64, euro).expect("a fare"),
        },
    }
}
