//! When polling stops, when it is tried again, and what says nothing about a dependency.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// The trial that may begin now.
fn trial(breaker: &Arc<Breaker>, now: Duration) -> Trial {
    match breaker.permission(now) {
        Permission::Trial(it) => it,
        other @ (Permission::Closed | Permission::Open { .. }) => panic!("{other:?}"),
    }
}

fn is_closed(breaker: &Arc<Breaker>, now: Duration) -> bool {
    matches!(breaker.permission(now), Permission::Closed)
}

/// How a trial ends that the gateway fails.
fn fail_trial(breaker: &Breaker, trial: &Trial, now: Duration) -> Trip {
    let mut jitter = fastrand::Rng::with_seed(1);
    breaker.failed(
        Dependency::Outside,
        "the gateway is down",
        Some(trial),
        attempt(now, now),
        &mut jitter,
    )
}

/// The next delivery, of another message than all before it.
fn attempt(began: Duration, ended: Duration) -> Attempt {
    static MESSAGES: AtomicU64 = AtomicU64::new(0);
    let message = MESSAGES.fetch_add(1, Ordering::Relaxed).to_string();
    Attempt::of(&message, began, ended)
}

fn at(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn fail(breaker: &Breaker, times: u32, now: Duration) -> bool {
    fail_on(breaker, Dependency::Outside, times, now)
}

/// Whether the breaker opens when so many deliveries fail that begin now.
fn fail_on(breaker: &Breaker, on: Dependency, times: u32, now: Duration) -> bool {
    let mut jitter = fastrand::Rng::with_seed(1);
    let mut fail =
        || breaker.failed(on, "the gateway is down", None, attempt(now, now), &mut jitter);
    (0..times).map(|_| fail()).any(|it| it == Trip::Opens)
}

/// Whether the breaker closes when a delivery works that begins now and needs all of these.
fn works(breaker: &Breaker, needed: &[Dependency], now: Duration) -> bool {
    breaker.worked(needed, attempt(now, now))
}

/// Failure matrix: A21.
#[test]
fn it_opens_after_failures_in_a_row_and_says_why() {
    for on in Dependency::ALL {
        let breaker = Arc::new(Breaker::default());
        assert!(!fail_on(&breaker, on, 4, at(0)), "{on:?}");
        assert!(is_closed(&breaker, at(0)), "{on:?}");
        assert!(fail_on(&breaker, on, 1, at(0)), "{on:?}");
        let why = match breaker.permission(at(0)) {
            Permission::Open { why, .. } => why,
            other @ (Permission::Closed | Permission::Trial(_)) => panic!("{on:?}: {other:?}"),
        };
        assert_eq!(why, "the gateway is down", "{on:?}");
    }
}

/// Failure matrix: A21.
#[test]
fn one_that_works_in_between_keeps_it_closed() {
    for on in [Dependency::Store, Dependency::Topics] {
        let breaker = Arc::new(Breaker::default());
        for _ in 0..10 {
            assert!(!fail_on(&breaker, on, 4, at(0)), "{on:?}");
            works(&breaker, &[on], at(0));
        }
        assert!(is_closed(&breaker, at(0)), "{on:?}");
    }
}

/// Sixty-four ask at once. Thirteen of them get no answer, ten seconds later, and all at once.
/// Failure matrix: A21.
#[test]
fn some_who_wait_in_vain_stop_nobody_else() {
    let breaker = Arc::new(Breaker::default());
    let mut jitter = fastrand::Rng::with_seed(1);
    for _ in 0..51 {
        works(&breaker, &[Dependency::Store, Dependency::Outside], at(0));
    }
    for _ in 0..13 {
        let late = attempt(at(0), at(10));
        let trip = breaker.failed(Dependency::Outside, "no answer", None, late, &mut jitter);
        assert_eq!(trip, Trip::Counted);
    }
    assert!(is_closed(&breaker, at(10)));
}

/// Failure matrix: A21.
#[test]
fn what_fails_for_a_third_stops_nobody_and_what_fails_for_most_stops_polling() {
    let opens = |failed: u64, worked: u64| {
        let breaker = Breaker::default();
        (0..100).any(|round| {
            for _ in 0..worked {
                works(&breaker, &[Dependency::Outside], at(round));
            }
            (0..failed).any(|_| fail(&breaker, 1, at(round)))
        })
    };
    assert!(!opens(10, 20));
    assert!(opens(16, 4));
}

/// What worked before it was down does not keep it closed for long.
/// Failure matrix: A21.
#[test]
fn a_provider_that_goes_down_is_down_two_seconds_later() {
    let breaker = Arc::new(Breaker::default());
    for _ in 0..1_000 {
        works(&breaker, &[Dependency::Outside], at(0));
    }
    assert!(!fail(&breaker, 10, at(1)));
    assert!(fail(&breaker, 1, at(2)));
}

/// A failure of the store says nothing about the outside.
/// Failure matrix: A21.
#[test]
fn failures_of_the_outside_and_of_the_store_are_counted_apart() {
    let breaker = Breaker::default();
    for _ in 0..2 {
        assert!(!fail_on(&breaker, Dependency::Store, 2, at(0)));
        assert!(!fail(&breaker, 2, at(0)));
    }
    assert!(fail(&breaker, 1, at(0)), "the fifth of the outside");
    assert_eq!(breaker.open().map(|it| it.0), Some(Dependency::Outside));
}

/// Failure matrix: A21.
#[test]
fn what_does_not_need_it_says_nothing_about_it() {
    let breaker = Arc::new(Breaker::default());
    fail(&breaker, 4, at(0));
    assert!(!works(&breaker, &[Dependency::Store, Dependency::Topics], at(0)));
    assert!(fail(&breaker, 1, at(0)));
    let first = trial(&breaker, at(60));
    assert!(
        !works(&breaker, &[Dependency::Store], at(60)),
        "still not known whether the gateway works"
    );
    drop(first);
    trial(&breaker, at(60));
}

/// Failure matrix: A21.
#[test]
fn after_a_pause_one_delivery_is_tried_and_closes_it() {
    let breaker = Arc::new(Breaker::default());
    fail(&breaker, 5, at(0));
    let empty = trial(&breaker, at(60));
    assert!(matches!(breaker.permission(at(60)), Permission::Open { .. }), "only one");
    drop(empty);
    let _trial = trial(&breaker, at(60));
    assert!(works(&breaker, &[Dependency::Outside], at(60)));
    assert!(is_closed(&breaker, at(60)));
    assert_eq!(breaker.open(), None);
}

/// Failure matrix: A21.
#[test]
fn a_trial_that_fails_opens_it_for_longer() {
    let breaker = Arc::new(Breaker::default());
    fail(&breaker, 5, at(0));
    let mut now = 60;
    let mut waits = Vec::new();
    for _ in 0..8 {
        let trial = trial(&breaker, at(now));
        assert_eq!(fail_trial(&breaker, &trial, at(now)), Trip::StaysOpen);
        assert_eq!(breaker.open(), Some((Dependency::Outside, "the gateway is down".to_owned())));
        let Permission::Open { wait, .. } = breaker.permission(at(now)) else {
            panic!("it is open")
        };
        waits.push(wait);
        now += 60;
    }
    assert!(waits.last() > waits.first(), "{waits:?}");
}

/// Failure matrix: A21.
#[test]
fn what_was_in_flight_when_it_opened_is_no_trial_however_it_ends() {
    let breaker = Arc::new(Breaker::default());
    let mut jitter = fastrand::Rng::with_seed(1);
    fail(&breaker, 5, at(0));
    let trial = trial(&breaker, at(60));
    let mut failed =
        |on| breaker.failed(on, "it was in flight", None, attempt(at(0), at(60)), &mut jitter);
    assert_eq!(failed(Dependency::Outside), Trip::Counted);
    assert_eq!(failed(Dependency::Store), Trip::Counted);
    assert!(!works(&breaker, &[Dependency::Store], at(60)), "the gateway is still down");
    assert!(matches!(breaker.permission(at(60)), Permission::Open { .. }), "one is tried");
    assert_eq!(breaker.open(), Some((Dependency::Outside, "the gateway is down".to_owned())));
    assert_eq!(fail_trial(&breaker, &trial, at(60)), Trip::StaysOpen);
}

/// Failure matrix: A21.
#[test]
fn a_slow_booking_does_not_make_an_outage_of_the_store_one_of_the_outside() {
    let breaker = Arc::new(Breaker::default());
    assert!(fail_on(&breaker, Dependency::Store, 5, at(0)));
    let first = trial(&breaker, at(60));
    assert_eq!(fail_trial(&breaker, &first, at(60)), Trip::StaysOpen);
    assert_eq!(breaker.open().map(|(on, _)| on), Some(Dependency::Store));
    // The next one asks nobody outside, and shows that the store is back.
    let _second = trial(&breaker, at(120));
    assert!(works(&breaker, &[Dependency::Store], at(120)));
    assert!(is_closed(&breaker, at(120)));
}

/// Failure matrix: A21.
#[test]
fn a_trial_that_has_failed_and_is_dropped_late_does_not_end_the_next_one() {
    let breaker = Arc::new(Breaker::default());
    fail(&breaker, 5, at(0));
    let first = trial(&breaker, at(60));
    assert_eq!(fail_trial(&breaker, &first, at(60)), Trip::StaysOpen);
    let second = trial(&breaker, at(120));
    drop(first);
    assert!(matches!(breaker.permission(at(120)), Permission::Open { .. }), "one is tried");
    assert_eq!(fail_trial(&breaker, &second, at(120)), Trip::StaysOpen);
}

#[tokio::test(start_paused = true)]
async fn who_rests_for_an_open_breaker_goes_on_as_soon_as_it_closes() {
    let breaker = Arc::new(Breaker::default());
    fail(&breaker, 5, at(0));
    let began = tokio::time::Instant::now();
    let close = async {
        tokio::task::yield_now().await;
        assert!(works(&breaker, &[Dependency::Outside], at(0)));
    };
    let hour = || tokio::time::sleep(Duration::from_hours(1));
    tokio::join!(breaker.rest(hour()), breaker.rest(hour()), close);
    assert_eq!(began.elapsed(), Duration::ZERO, "and not when its rest is over");

    breaker.rest(tokio::time::sleep(at(2))).await;
    assert_eq!(began.elapsed(), at(2), "what is no pause for a breaker is a pause");
}
