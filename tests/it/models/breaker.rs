//! The breaker in a real worker: polling stops while a dependency is down, and resumes by itself.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use booking::{
    bus::Queue,
    clock::Clock,
    domain::{RoleName, event::Kind},
    runtime::Limits,
    telemetry::{LogFormat, lines},
};
use tokio_util::sync::CancellationToken;

use crate::harness::eventually;

use super::leases::{bench, manual, no_seat};

/// The messages are hidden, or another replica has them. So no delivery can be a trial, but the
/// loop is alive.
/// Failure matrix: A21.
#[tokio::test(start_paused = true)]
async fn a_breaker_that_stays_open_over_an_empty_queue_leaves_the_service_healthy() {
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let bench = bench(clock, Limits { pollers: 1, ..Limits::default() });
    bench.gateway.down.store(true, Ordering::SeqCst);
    for at in 0..5 {
        bench.request(&format!("down-{at}"));
    }
    let stop = CancellationToken::new();
    let working = tokio::spawn(Arc::clone(&bench.worker).run(stop.clone()));
    eventually("polling to stop", async || bench.poll_health.health().paused).await;
    bench.clock.advance(Duration::from_hours(1));
    let elsewhere = bench.exchange.bus(RoleName::Payment);
    while !elsewhere
        .receive(10, Duration::ZERO, Duration::from_secs(12 * 3600))
        .await
        .unwrap()
        .is_empty()
    {}
    for _ in 0..20 {
        // Longer than the time after which a silent loop counts as dead.
        bench.clock.advance(Duration::from_secs(61));
        tokio::time::sleep(Duration::from_secs(61)).await;
        let health = bench.poll_health.health();
        assert!(health.healthy && health.paused.is_some(), "{health:?}");
    }
    stop.cancel();
    working.await.unwrap().unwrap();
}

/// Failure matrix: A21.
#[tokio::test]
async fn a_dependency_that_is_down_stops_polling_says_why_and_closes_by_itself() {
    let limits = Limits { long_poll: Duration::from_millis(50), ..Limits::default() };
    let bench = bench(Clock::Machine, limits);
    bench.gateway.at_once.store(true, Ordering::SeqCst);
    bench.gateway.down.store(true, Ordering::SeqCst);
    for at in 0..100 {
        bench.request(&format!("down-{at}"));
        // A delivery that succeeds without the gateway says nothing about the gateway.
        bench.exchange.publish_text(Kind::SeatUnavailable, &no_seat(&format!("no-seat-{at}")));
    }
    let stop = CancellationToken::new();
    let working = tokio::spawn(Arc::clone(&bench.worker).run(stop.clone()));
    let why = eventually("polling to stop", async || bench.poll_health.health().paused).await;
    assert!(why.contains("no route to the gateway"), "{why}");
    assert!(bench.poll_health.health().healthy, "a restart would mend nothing");
    let asked = bench.gateway.asked.load(Ordering::SeqCst);
    assert!(asked < 100, "{asked} of 100 messages were tried before polling stopped");

    bench.gateway.down.store(false, Ordering::SeqCst);
    eventually("every booking to be paid", async || {
        (bench.exchange.published(Kind::PaymentOk) >= 100).then_some(())
    })
    .await;
    assert_eq!(bench.poll_health.health().paused, None);
    assert!(bench.exchange.dead(RoleName::Payment).is_empty(), "none was set aside");
    stop.cancel();
    working.await.unwrap().unwrap();
}

/// A writer that keeps what is written to it.
#[derive(Clone, Default)]
pub struct Written(pub Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The next receive may take a whole long poll, so `/health` and the metric must not wait for it.
/// Failure matrix: A21.
#[tokio::test]
async fn an_open_breaker_is_a_metric_and_log_lines_and_health_forgets_it_once_it_works() {
    let written = Written::default();
    let all_lines = lines(LogFormat::Json, false, std::io::sink);
    let lines = {
        let written = written.clone();
        lines(LogFormat::Json, false, move || written.clone())
    };
    // `tracing` caches for the whole process whether anybody wants a log line. With only one
    // subscriber, a test on another thread that reaches the line first could turn it off for us.
    let _another = tracing::Dispatch::new(all_lines);
    let _logging = tracing::subscriber::set_default(lines);
    let bench = manual();
    let gauge = |open| {
        let text = bench.metrics.render();
        [("store", 0), ("outside", open), ("topics", 0)].iter().all(|(on, value)| {
            text.contains(&format!("booking_breaker_open{{on=\"{on}\"}} {value}\n"))
        })
    };
    assert!(gauge(0), "{}", bench.metrics.render());
    bench.gateway.at_once.store(true, Ordering::SeqCst);
    bench.gateway.down.store(true, Ordering::SeqCst);
    let receive_and_attend = async |times: usize| {
        for _ in 0..times {
            for (delivery, in_flight) in bench.worker.receive(1).await.deliveries {
                bench.worker.attend(delivery, &in_flight).await;
            }
        }
    };
    for at in 0..6 {
        bench.request(&format!("down-{at}"));
    }
    receive_and_attend(5).await;
    assert!(gauge(1), "{}", bench.metrics.render());
    // A trial that fails.
    bench.clock.advance(Duration::from_mins(1));
    receive_and_attend(1).await;
    assert!(bench.poll_health.health().paused.is_some() && gauge(1));

    bench.gateway.down.store(false, Ordering::SeqCst);
    bench.clock.advance(Duration::from_mins(1));
    receive_and_attend(1).await;
    assert_eq!(bench.exchange.published(Kind::PaymentOk), 1, "the one that was tried");
    let health = bench.poll_health.health();
    assert_eq!((health.paused, health.problem), (None, None), "before the next receive");
    assert!(gauge(0), "{}", bench.metrics.render());

    // The alarm finds these lines by their field `breaker`.
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let open: Vec<_> = lines.iter().filter(|it| it["breaker"] == "open").collect();
    assert_eq!(open.len(), 2, "when it opened, and when the trial failed: {text}");
    assert!(open.iter().all(|it| it["on"] == "outside"), "{text}");
    assert_eq!(lines.iter().filter(|it| it["breaker"] == "closed").count(), 1, "{text}");
    let alarms = std::fs::read_to_string(crate::harness::root().join("terraform/alarms.tf"));
    assert!(alarms.unwrap().contains(r#"{ $.breaker = \"open\" }"#));
}

/// Failure matrix: A21.
#[tokio::test]
async fn a_trial_that_is_dropped_is_in_flight_no_more_and_only_then_the_next_one_is_the_trial() {
    let bench = manual();
    bench.gateway.at_once.store(true, Ordering::SeqCst);
    bench.gateway.down.store(true, Ordering::SeqCst);
    for at in 0..6 {
        bench.request(&format!("down-{at}"));
    }
    // One that is still in flight when the breaker opens.
    let slow = bench.worker.receive(1).await.deliveries;
    for _ in 0..5 {
        for (delivery, in_flight) in bench.worker.receive(1).await.deliveries {
            bench.worker.attend(delivery, &in_flight).await;
        }
    }
    let in_hand = |many: u32| {
        let text = bench.metrics.render();
        assert!(text.contains(&format!("booking_in_hand {many}\n")), "{text}");
    };
    bench.clock.advance(Duration::from_mins(1));
    let trial = bench.worker.receive(1).await.deliveries;
    assert_eq!(trial.len(), 1);
    in_hand(2);
    assert_eq!(bench.worker.receive(1).await.deliveries.len(), 0, "only one is tried");
    drop(slow);
    in_hand(1);
    assert_eq!(bench.worker.receive(1).await.deliveries.len(), 0, "the trial is still under way");
    drop(trial);
    in_hand(0);
    assert_eq!(bench.worker.receive(1).await.deliveries.len(), 1);
}
