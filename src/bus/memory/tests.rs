//! What the queues in memory hand out.

use super::{super::Queue as _, *};

#[tokio::test]
async fn dead_messages_do_not_hide_the_ones_behind_them() {
    let exchange = Exchange::new(Clock::Machine, "", 7, Unkindness::default());
    let bus = exchange.bus(RoleName::Seats);
    exchange.put_raw(RoleName::Seats, "dies");
    for _ in 0..10 {
        let [it] = &bus.receive(1, Duration::ZERO, Duration::from_secs(60)).await.unwrap()[..]
        else {
            panic!("it is there");
        };
        bus.give_back(&it.receipt_handle, Duration::ZERO).await.unwrap();
    }
    exchange.put_raw(RoleName::Seats, "lives");
    let received = bus.receive(1, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
    assert_eq!(received.iter().map(|it| &*it.incoming.body).collect::<Vec<_>>(), ["lives"]);
    assert_eq!(exchange.dead(RoleName::Seats).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stands_still_receives_nothing_until_it_goes_on() {
    let exchange = Exchange::new(Clock::Machine, "", 7, Unkindness::default());
    let (role, hidden) = (RoleName::Seats, Duration::from_secs(60));
    let bus = exchange.bus(role);
    let receive = |wait| bus.receive(1, wait, hidden);
    exchange.stand_still(role, true);
    exchange.put_raw(role, "waits");
    assert!(receive(Duration::from_secs(5)).await.unwrap().is_empty());
    assert_eq!(exchange.waiting(role), 1);
    let go_on = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        exchange.stand_still(role, false);
    };
    let began = tokio::time::Instant::now();
    let (received, ()) = tokio::join!(receive(Duration::from_secs(20)), go_on);
    assert_eq!(received.unwrap().len(), 1);
    assert_eq!(began.elapsed().as_secs(), 5, "it goes on at once");
}
