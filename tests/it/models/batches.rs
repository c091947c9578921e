//! Batches that somebody else has received, as Lambda hands them to a function.

use std::{sync::atomic::Ordering, time::Duration};

use booking::{
    bus::{Delivery, Queue},
    domain::{RoleName, event::Kind},
    runtime::Ended,
};

use super::leases::{Bench, manual};

const TIME: Duration = Duration::from_secs(29);
/// A function's queue hides a message for six times as long as the function may take.
const HIDDEN: Duration = Duration::from_secs(180);

async fn received(bench: &Bench) -> Vec<Delivery> {
    let queue = bench.exchange.bus(RoleName::Payment);
    queue.receive(10, Duration::ZERO, HIDDEN).await.unwrap()
}

/// Failure matrix: M6.
#[tokio::test]
async fn while_the_provider_is_down_one_message_of_a_batch_finds_out_for_all() {
    let bench = manual();
    bench.gateway.at_once.store(true, Ordering::SeqCst);
    bench.gateway.down.store(true, Ordering::SeqCst);
    let asked = || bench.gateway.asked.load(Ordering::SeqCst);
    // Provider or mailer may be slow for some bookings only, so it takes several to tell.
    loop {
        bench.request(&format!("down-{}", asked()));
        let ended = bench.worker.attend_all(received(&bench).await, TIME).await;
        if ended.contains(&None) {
            break;
        }
        assert!(ended.iter().all(|it| *it == Some(Ended::Retry)) && asked() < 100, "{ended:?}");
    }

    let before = asked();
    for number in 0..10 {
        bench.request(&format!("later-{number}"));
    }
    let ended = bench.worker.attend_all(received(&bench).await, TIME).await;
    assert_eq!((ended.len(), asked()), (10, before), "it is open: nobody is asked");
    assert!(ended.iter().all(Option::is_none), "{ended:?}");

    // The pause is over, and the first of them finds that it is still down.
    bench.clock.advance(Duration::from_hours(1));
    let ended = bench.worker.attend_all(received(&bench).await, TIME).await;
    assert_eq!(asked(), before + 1, "{ended:?}");
    assert_eq!(ended[0], Some(Ended::Retry));
    assert!(ended.len() > 1 && ended[1..].iter().all(Option::is_none), "{ended:?}");

    bench.gateway.down.store(false, Ordering::SeqCst);
    bench.clock.advance(Duration::from_hours(1));
    let ended = bench.worker.attend_all(received(&bench).await, TIME).await;
    assert_eq!(ended, [Some(Ended::Done); 10], "the first one works, and all follow");
    assert_eq!(bench.exchange.published(Kind::PaymentOk), 10);
}

/// Failure matrix: M3.
#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_dropped_and_the_others_are_done() {
    let bench = manual();
    // Nobody answers the first one.
    bench.request("slow");
    let text = super::leases::no_seat("quick");
    bench.exchange.publish_text(Kind::SeatUnavailable, &text);
    let begun = tokio::time::Instant::now();
    let ended = bench.worker.attend_all(received(&bench).await, TIME).await;
    assert_eq!(ended.iter().filter(|it| **it == Some(Ended::Done)).count(), 1, "{ended:?}");
    assert_eq!(ended.iter().filter(|it| it.is_none()).count(), 1, "{ended:?}");
    assert_eq!(begun.elapsed(), TIME, "not before, and not later");
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(received(&bench).await.len(), 1, "it was given back, and not left where it was");
}
