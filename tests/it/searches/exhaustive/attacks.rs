//! The scenarios with a hostile client, and what each lock that is opened costs.

use booking::domain::{
    RoleName,
    event::{Event, Kind},
    ids::outcome_id,
};

use super::{
    hostile::{self, Disguise, Hostile, Lock},
    scenarios::scenario,
    search::{Scenario, Suspended},
};
use crate::harness::Sketch;

/// In a debug build nobody stands suspended.
const SUSPENDED_MAX: Suspended = if cfg!(debug_assertions) {
    Suspended { together: 0, receipt: 0, status: 0 }
} else {
    Suspended { together: 1, receipt: 1, status: 0 }
};

const ELSEWHERE: &str = "https://elsewhere.example";

fn strangers() -> Hostile {
    Hostile { strangers: true, ..Hostile::default() }
}

/// What a hostile client does to the bookings of others, with every lock in its place.
pub fn all() -> Vec<Scenario> {
    vec![
        beside(strangers()),
        under_one_id(strangers()),
        named_as_its_decline(&[]),
        named_as_its_lost_seat(&[]),
        named_as_anothers_decline(&[]),
        // Each of the two alone keeps a request from being taken for an outcome.
        named_as_its_decline(&[Lock::OwnSources]),
        named_as_its_decline(&[Lock::MemoKind]),
        named_as_its_lost_seat(&[Lock::OwnSources]),
        named_as_its_lost_seat(&[Lock::MemoKind]),
        named_as_anothers_decline(&[Lock::OwnSources]),
        named_as_anothers_decline(&[Lock::MemoKind]),
    ]
}

/// The same with locks opened: each must be missed.
pub fn opened() -> Vec<(&'static str, Scenario)> {
    let both = [Lock::MemoKind, Lock::OwnSources];
    let one = |lock: Lock| {
        let hostile = Hostile { opened: vec![lock], ..strangers() };
        (lock.words(), under_one_id(hostile))
    };
    vec![
        one(Lock::OwnSources),
        one(Lock::OutcomeSource),
        one(Lock::TopicArn),
        one(Lock::TopicType),
        one(Lock::Envelope),
        one(Lock::Answered),
        ("type and source: its own decline", named_as_its_decline(&both)),
        ("type and source: its own lost seat", named_as_its_lost_seat(&both)),
        ("type and source: another's decline", named_as_anothers_decline(&both)),
    ]
}

/// An honest booking beside one of the hostile client that wants other seats: it completes,
/// whatever the other does.
fn beside(hostile: Hostile) -> Scenario {
    let honest = Sketch::new("ada", &["12A"], "tok_visa").event();
    let other = Sketch::new("mallory", &["12B"], "tok_declined");
    let id = outcome_id(&honest.booking, Kind::SeatBooked);
    let other = hostile::request(&other, ELSEWHERE, &id);
    Scenario {
        hostile,
        ..scenario(
            "a hostile client: other seats",
            &[honest, other],
            SUSPENDED_MAX,
            &["completed | payment_failed"],
        )
    }
}

/// Another request under the id of an honest booking, which calls itself one of its outcomes.
fn under_one_id(hostile: Hostile) -> Scenario {
    let honest = Sketch::new("ada", &["12A"], "tok_visa").event();
    let other = Sketch::new("ada", &["12B"], "tok_declined");
    let id = outcome_id(&honest.booking, Kind::PaymentOk);
    let other = hostile::request(&other, ELSEWHERE, &id);
    let endings = ["completed (conflict)", "payment_failed (conflict)", "refunded (conflict)"];
    Scenario {
        hostile,
        conflicts: true,
        ..scenario("a hostile client: another's id", &[honest, other], SUSPENDED_MAX, &endings)
    }
}

/// A request that calls itself what its own `kind` will be called.
fn named(sketch: &Sketch, kind: Kind, opened: &[Lock]) -> (Event, Hostile) {
    let id = outcome_id(&sketch.booking(), kind);
    let publisher = kind.publisher().map_or("client", RoleName::source);
    let request = hostile::request(sketch, ELSEWHERE, &id);
    // With the lock in its place such a request is a stranger, and calls itself something else.
    let disguise = opened.contains(&Lock::OwnSources).then(|| Disguise {
        alias: ELSEWHERE.to_owned(),
        source: publisher.to_owned(),
        id,
    });
    (request, Hostile { opened: opened.to_vec(), disguise, ..Hostile::default() })
}

fn name(called: &str, opened: &[Lock]) -> String {
    let opened: Vec<&str> = opened.iter().map(|it| it.words()).collect();
    let opened = if opened.is_empty() { "nothing".to_owned() } else { opened.join(", ") };
    format!("a hostile client: called as {called}, without: {opened}")
}

/// Seats that hear of the decline must free them.
fn named_as_its_decline(opened: &[Lock]) -> Scenario {
    let sketch = Sketch::new("mallory", &["12A"], "tok_declined");
    let (request, hostile) = named(&sketch, Kind::PaymentFailed, opened);
    let name = name("its own decline", opened);
    Scenario { hostile, ..scenario(&name, &[request], SUSPENDED_MAX, &["payment_failed"]) }
}

/// Payment that hears of the lost seat must give the money back.
fn named_as_its_lost_seat(opened: &[Lock]) -> Scenario {
    let first = Sketch::new("ada", &["12A"], "tok_visa").event();
    let sketch = Sketch::new("mallory", &["12A"], "tok_visa");
    let (request, hostile) = named(&sketch, Kind::SeatUnavailable, opened);
    let endings = [
        "completed | refunded",
        "completed | seat_unavailable",
        "refunded | completed",
        "seat_unavailable | completed",
    ];
    let name = name("its own lost seat", opened);
    Scenario { hostile, ..scenario(&name, &[first, request], SUSPENDED_MAX, &endings) }
}

/// A request under somebody's id that calls itself what that booking's decline will be called.
fn named_as_anothers_decline(opened: &[Lock]) -> Scenario {
    let honest = Sketch::new("ada", &["12A"], "tok_declined").event();
    let (request, hostile) =
        named(&Sketch::new("ada", &["12B"], "tok_declined"), Kind::PaymentFailed, opened);
    let name = name("another's decline", opened);
    let endings = ["payment_failed (conflict)"];
    let it = scenario(&name, &[honest, request], SUSPENDED_MAX, &endings);
    Scenario { hostile, conflicts: true, ..it }
}
