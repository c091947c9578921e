//! What is explored. In a debug build, which is some twenty times slower, with no or fewer workers
//! suspended at once; everything else is the same.

use booking::{
    domain::{event::Event, ids::Cause},
    wire::{self, Message},
};

use super::{
    hand::Provider,
    hostile::Hostile,
    search::{Scenario, Suspended},
};
use crate::harness::Sketch;

const DEBUG: bool = cfg!(debug_assertions);

/// A provider that does everything that is hard for payment.
const PROVIDER: Provider =
    Provider { forgets: true, lags: true, repeats_failures: true, is_not_looked_up: false };

/// The longest first.
pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    if !DEBUG {
        all.extend(two_bookings(Suspended { together: 1, receipt: 1, status: 1 }));
        all.extend(one_booking_together());
    }
    all.extend(one_id(Suspended {
        together: if DEBUG { 1 } else { 2 },
        receipt: usize::from(!DEBUG),
        status: 0,
    }));
    let many = if DEBUG { 1 } else { usize::MAX };
    all.extend(one_booking_apart(Suspended { together: many, receipt: many, status: many }));
    if DEBUG {
        all.extend(two_bookings(Suspended { together: 0, receipt: 0, status: 0 }));
    }
    all
}

/// (a) All four roles together, and one worker of any of them suspended.
fn one_booking_together() -> Vec<Scenario> {
    let suspended_max = Suspended { together: 1, receipt: 0, status: 0 };
    let together = |it: Scenario| Scenario {
        name: format!("{}, all roles together", it.name),
        provider: Provider::default(),
        listeners_apart: false,
        ..it
    };
    one_booking_apart(suspended_max)
        .into_iter()
        .filter(|it| it.requests.len() == 1)
        .map(together)
        .collect()
}

/// (a) Seats and payment together, then the listeners; and a worker of each role suspended.
fn one_booking_apart(suspended_max: Suspended) -> Vec<Scenario> {
    let one = |name: &str, token, ending| {
        let request = Sketch::new("ada", &["12A"], token).event();
        scenario(name, &[request], suspended_max, &[ending])
    };
    let request = Sketch::new("ada", &["12A"], "tok_visa").event();
    let cause = Cause { id: "the-same-request-again".to_owned(), ..request.cause.clone() };
    let again = Event { cause, ..request.clone() };
    let twice =
        scenario("one booking, asked for twice", &[request, again], suspended_max, &["completed"]);
    let nowhere = Sketch { flight: "ZZ404", ..Sketch::new("ada", &["12A"], "tok_visa") }.event();
    let endings = ["refunded", "seat_unavailable"];
    let no_seat = scenario("one booking, no such flight", &[nowhere], suspended_max, &endings);
    let all = [
        twice,
        no_seat,
        one("one booking, charged", "tok_visa", "completed"),
        one("one booking, declined", "tok_declined", "payment_failed"),
        one("one booking, charged and answered too late", "tok_timeout_then_ok", "completed"),
    ];
    all.map(|it| Scenario { provider: PROVIDER, ..it }).into()
}

/// The card is charged, and nobody looks that up before asking again: this must be missed.
pub fn not_looked_up() -> Scenario {
    let request = Sketch::new("ada", &["12A"], "tok_visa").event();
    let alone = Suspended { together: 0, receipt: 0, status: 0 };
    let it = scenario("one booking, charged, not looked up", &[request], alone, &["completed"]);
    Scenario { provider: Provider { is_not_looked_up: true, ..PROVIDER }, ..it }
}

/// (b) The second wants one of the two seats of the first; whoever is paid for is seated, and who
/// loses never keeps money or a valid receipt.
fn two_bookings(suspended_max: Suspended) -> [Scenario; 3] {
    let two = |name: &str, (ada, bob): (&'static str, &'static str), endings: &[&str]| {
        let requests =
            [Sketch::new("ada", &["12A", "12B"], ada), Sketch::new("bob", &["12B"], bob)];
        let requests = requests.map(|it| it.event());
        Scenario { expiry: true, ..scenario(name, &requests, suspended_max, endings) }
    };
    [
        two(
            "two bookings, both charged",
            ("tok_visa", "tok_visa"),
            &[
                "completed | refunded",
                "completed | refunded (receipt void)",
                "completed | seat_unavailable",
                "refunded | completed",
                "refunded (receipt void) | completed",
                "seat_unavailable | completed",
            ],
        ),
        two(
            "two bookings, the second declined",
            ("tok_visa", "tok_declined"),
            &[
                "completed | payment_failed",
                "completed | seat_and_payment_failed",
                "completed | seat_unavailable",
                "refunded | payment_failed",
                "refunded (receipt void) | payment_failed",
                "seat_unavailable | payment_failed",
            ],
        ),
        two(
            "two bookings, the first declined",
            ("tok_declined", "tok_visa"),
            &[
                "payment_failed | completed",
                "payment_failed | refunded",
                "payment_failed | refunded (receipt void)",
                "payment_failed | seat_unavailable",
                "seat_and_payment_failed | completed",
                "seat_unavailable | completed",
            ],
        ),
    ]
}

/// (c) Two different requests under one id, as two events and as one.
fn one_id(suspended_max: Suspended) -> [Scenario; 3] {
    let first = Sketch::new("ada", &["12A"], "tok_visa").event();
    let other = |token| Sketch::new("ada", &["12B"], token).event();
    let same_event = Event { cause: first.cause.clone(), ..other("tok_visa") };
    let both = |name: &str, other, endings: &[&str]| {
        let requests = [first.clone(), other];
        Scenario { conflicts: true, ..scenario(name, &requests, suspended_max, endings) }
    };
    let charged = ["completed (conflict)", "refunded (conflict)"];
    let declined = ["completed (conflict)", "payment_failed (conflict)", "refunded (conflict)"];
    [
        both("one id, two requests, both charged", other("tok_visa"), &charged),
        both("one id, two requests, one declined", other("tok_declined"), &declined),
        both("one id, two requests in one event", same_event, &charged),
    ]
}

pub(super) fn scenario(
    name: &str,
    requests: &[Event],
    suspended_max: Suspended,
    endings: &[&str],
) -> Scenario {
    let mut bookings: Vec<_> = requests.iter().map(|it| it.booking.clone()).collect();
    bookings.dedup();
    let requests = requests.iter().map(|it| wire::encode(it).unwrap()).collect::<Vec<Message>>();
    Scenario {
        name: name.to_owned(),
        bookings,
        requests,
        conflicts: false,
        expiry: false,
        provider: Provider::default(),
        suspended_max,
        listeners_apart: true,
        hostile: Hostile::default(),
        endings: endings.iter().map(|it| (*it).to_owned()).collect(),
    }
}
