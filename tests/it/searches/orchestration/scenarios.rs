//! What is explored of the state machine.

use booking::domain::{RoleName, event::Event};

use crate::harness::Sketch;

/// What can be taken out, to see that it is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// An execution has the name of its booking, so that the second one does not start.
    NameAsId,
    /// A time-out is no answer: the same is asked again.
    TimeOutIsNoAnswer,
    /// A role answers again what it remembers.
    Memo,
}

/// A scenario: the requests that are started, and what can happen.
pub struct Scenario {
    pub name: &'static str,
    pub requests: Vec<Event>,
    /// How often each execution can time out.
    pub timeouts_max: u8,
    /// Whether the holds can expire.
    pub expiry: bool,
    /// Whether the first execution can be aborted.
    pub aborts: bool,
    /// The roles whose workers die and whose operations fail. The others' deliveries come to their
    /// end, in any order and any number of times.
    pub failing: &'static [RoleName],
    pub guard: Option<Guard>,
    pub endings: &'static [&'static str],
}

/// One booking.
pub fn one(name: &'static str, sketch: &Sketch, ending: &'static [&'static str]) -> Scenario {
    Scenario {
        name,
        requests: vec![sketch.event()],
        timeouts_max: 1,
        expiry: false,
        aborts: false,
        failing: &RoleName::ALL,
        guard: None,
        endings: ending,
    }
}

/// The second wants one of the two seats of the first. They meet at seats alone, so only
/// seats fails: how the others fail is explored with one booking.
fn two(
    name: &'static str,
    (ada, bob): (&'static str, &'static str),
    endings: &'static [&'static str],
) -> Scenario {
    let ada = Sketch::new("ada", &["12A", "12B"], ada);
    let bob = Sketch::new("bob", &["12B"], bob);
    Scenario {
        requests: vec![ada.event(), bob.event()],
        timeouts_max: 0,
        expiry: true,
        failing: &[RoleName::Seats],
        ..one(name, &ada, endings)
    }
}

/// A request that is charged.
pub fn charged() -> Sketch {
    Sketch::new("ada", &["12A"], "tok_visa")
}

/// A client that has no answer starts its booking again.
pub fn asked_twice() -> Scenario {
    let request = charged().event();
    Scenario {
        requests: vec![request.clone(), request],
        ..one("asked for twice", &charged(), &["completed"])
    }
}

/// All of it.
pub fn all() -> Vec<Scenario> {
    let nowhere = Sketch { flight: "ZZ404", ..charged() };
    let late = Sketch::new("ada", &["12A"], "tok_timeout_then_ok");
    vec![
        one("charged", &charged(), &["completed"]),
        one("declined", &Sketch::new("ada", &["12A"], "tok_declined"), &["payment_failed"]),
        one("charged, and answered too late", &late, &["completed"]),
        one("no such flight", &nowhere, &["seat_unavailable"]),
        asked_twice(),
        Scenario {
            aborts: true,
            ..one(
                "an execution that dies",
                &charged(),
                &[
                    "completed",
                    "completed (aborted)",
                    "confirmed (aborted)",
                    "seat_booked (aborted)",
                ],
            )
        },
        two(
            "two bookings, both charged",
            ("tok_visa", "tok_visa"),
            &[
                "completed | refunded",
                "completed | seat_unavailable",
                "refunded | completed",
                "seat_unavailable | completed",
            ],
        ),
        two(
            "two bookings, the first declined",
            ("tok_declined", "tok_visa"),
            &[
                "payment_failed | completed",
                "payment_failed | refunded",
                "payment_failed | seat_unavailable",
                "seat_and_payment_failed | completed",
                "seat_unavailable | completed",
            ],
        ),
        Scenario {
            aborts: true,
            ..two(
                "an execution that dies, and a rival",
                ("tok_visa", "tok_visa"),
                &[
                    "completed (aborted) | refunded",
                    "completed (aborted) | seat_unavailable",
                    "completed | refunded",
                    "completed | seat_unavailable",
                    "confirmed (aborted) | refunded",
                    "confirmed (aborted) | seat_unavailable",
                    // Dead, and the rival has its seats: the money went back.
                    "refunded (aborted) | completed",
                    "refunded | completed",
                    "seat_booked (aborted) | refunded",
                    "seat_booked (aborted) | seat_unavailable",
                    "seat_unavailable (aborted) | completed",
                    "seat_unavailable | completed",
                ],
            )
        },
    ]
}
