//! The tests of [`Batcher`], with paused time. They must never depend on the real clock.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{super::batched::LINGER_MAX, *};

/// The batches that were sent, each as its entries.
type Left = Arc<Mutex<Vec<Vec<u32>>>>;

/// Answers each entry with itself, but fails for entry 13.
fn batcher(joiners: &Joiners) -> (Batcher<u32, Result<u32, &'static str>>, Left) {
    let left = Left::default();
    let seen = Arc::clone(&left);
    let send = move |entries: Vec<u32>| {
        seen.lock().unwrap().push(entries.clone());
        let answer = |it| if it == 13 { Err("bad luck") } else { Ok(it) };
        async move { entries.into_iter().map(answer).collect() }
    };
    let (batcher, driver) = Batcher::new(joiners, Patience::Joiners, |_| sleep(LINGER_MAX), send);
    tokio::spawn(driver);
    (batcher, left)
}

/// Joins all entries, each in its own task. Their deliveries are all in flight from the start.
async fn join_all(
    joiners: &Joiners,
    batcher: &Batcher<u32, Result<u32, &'static str>>,
    all: &[u32],
) {
    let mut tasks = JoinSet::new();
    let joining: Vec<_> = all.iter().map(|_| joiners.take()).collect();
    for (it, joining) in all.iter().copied().zip(joining) {
        let batcher = batcher.clone();
        tasks.spawn(async move {
            let answer = batcher.join(it, 1).await;
            assert_eq!(answer, if it == 13 { Err("bad luck") } else { Ok(it) });
            drop(joining);
        });
    }
    while let Some(joined) = tasks.join_next().await {
        joined.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn alone_in_hand_it_leaves_at_once() {
    let (joiners, began) = (Joiners::default(), Instant::now());
    let (batcher, left) = batcher(&joiners);
    let _joiner = joiners.take();
    assert_eq!(batcher.join(1, 1).await, Ok(1));
    assert_eq!(*left.lock().unwrap(), [[1]]);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn all_that_is_in_hand_leaves_together_and_without_a_wait() {
    let (joiners, began) = (Joiners::default(), Instant::now());
    let (batcher, left) = batcher(&joiners);
    join_all(&joiners, &batcher, &[1, 2, 3, 4, 5]).await;
    assert_eq!(*left.lock().unwrap(), [[1, 2, 3, 4, 5]]);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_batch_has_more_than_ten() {
    let joiners = Joiners::default();
    let (batcher, left) = batcher(&joiners);
    let all: Vec<u32> = (100..123).collect();
    join_all(&joiners, &batcher, &all).await;
    let sizes: Vec<usize> = left.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 3]);
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_is_waited_for_no_longer_than_the_linger() {
    let (joiners, began) = (Joiners::default(), Instant::now());
    let (batcher, left) = batcher(&joiners);
    let _slow = joiners.take();
    join_all(&joiners, &batcher, &[1, 2]).await;
    assert_eq!(*left.lock().unwrap(), [[1, 2]]);
    assert_eq!(began.elapsed(), LINGER_MAX);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_is_waited_for_no_more() {
    let (joiners, began) = (Joiners::default(), Instant::now());
    let (batcher, left) = batcher(&joiners);
    let slow = joiners.take();
    let gives_up = tokio::spawn(async move {
        tokio::time::sleep(LINGER_MAX / 2).await;
        drop(slow);
    });
    join_all(&joiners, &batcher, &[1, 2]).await;
    gives_up.await.unwrap();
    assert_eq!(*left.lock().unwrap(), [[1, 2]]);
    assert_eq!(began.elapsed(), LINGER_MAX / 2);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_fails_fails_alone() {
    let joiners = Joiners::default();
    let (batcher, left) = batcher(&joiners);
    join_all(&joiners, &batcher, &[12, 13, 14]).await;
    assert_eq!(left.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_would_be_too_large_leaves_in_two() {
    let joiners = Joiners::default();
    let (batcher, left) = batcher(&joiners);
    let joining = [joiners.take(), joiners.take(), joiners.take()];
    let (half, more) = (BYTES_MAX / 2, BYTES_MAX / 2 + 2);
    let (one, two, three) =
        tokio::join!(batcher.join(1, half), batcher.join(2, more), batcher.join(3, 1));
    assert_eq!((one, two, three), (Ok(1), Ok(2), Ok(3)));
    assert_eq!(*left.lock().unwrap(), [vec![1], vec![2, 3]]);
    drop(joining);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_takes_nobody_with_him() {
    let joiners = Joiners::default();
    let (batcher, left) = batcher(&joiners);
    let (_slow, joining) = (joiners.take(), joiners.take());
    let gone = tokio::time::timeout(LINGER_MAX / 4, batcher.join(1, 1)).await;
    assert!(gone.is_err());
    drop(joining);
    join_all(&joiners, &batcher, &[2]).await;
    assert_eq!(*left.lock().unwrap(), [[1, 2]]);
}

/// A batcher whose requests take as long as their first entry says, in milliseconds.
fn slow(joiners: &Joiners) -> (Batcher<u32, u32>, Driver) {
    let send = |entries: Vec<u32>| async move {
        sleep(Duration::from_millis(entries[0].into())).await;
        entries
    };
    Batcher::new(joiners, Patience::Joiners, |_| sleep(LINGER_MAX), send)
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_slow_holds_up_nobody_else() {
    let (joiners, began) = (Joiners::default(), Instant::now());
    let (batcher, driver) = slow(&joiners);
    tokio::spawn(driver);
    let took = async |ms| {
        let _joiner = joiners.take();
        assert_eq!(batcher.join(ms, 1).await, ms);
        began.elapsed().as_millis()
    };
    // Each leaves at once since all deliveries wait, the second while the first is on its way.
    let (long, short) = tokio::join!(took(900), async {
        sleep(Duration::from_millis(50)).await;
        took(100).await
    });
    assert_eq!((long, short), (900, 150));
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_goes_on_while_the_next_batch_gathers() {
    let (joiners, began) = (Joiners::default(), Instant::now());
    let (batcher, driver) = slow(&joiners);
    tokio::spawn(driver);
    let (first, second) = (joiners.take(), joiners.take());
    let (one, two) = tokio::join!(
        async {
            let answer = batcher.join(LINGER_MAX.as_millis() as u32 / 2, 1).await;
            drop(first);
            (answer, began.elapsed())
        },
        async {
            sleep(LINGER_MAX + LINGER_MAX / 4).await;
            let _third = joiners.take();
            let answer = batcher.join(1, 1).await;
            drop(second);
            (answer, began.elapsed())
        },
    );
    // The first lingered in vain, and was answered while the second lingered.
    assert_eq!(one, (10, LINGER_MAX + LINGER_MAX / 2));
    assert_eq!(two, (1, LINGER_MAX * 9 / 4 + Duration::from_millis(1)));
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_with_the_last_copy_when_all_are_answered() {
    let (joiners, began) = (Joiners::default(), Instant::now());
    let (batcher, driver) = slow(&joiners);
    let joins = tokio::spawn(async move { batcher.clone().join(500, 1).await });
    driver.await;
    assert_eq!(joins.await.unwrap(), 500);
    assert_eq!(began.elapsed(), Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_lingers_for_those_who_are_not_in_hand_yet() {
    let (joiners, began) = (Joiners::default(), Instant::now());
    let left = Left::default();
    let seen = Arc::clone(&left);
    let send = move |entries: Vec<u32>| {
        seen.lock().unwrap().push(entries.clone());
        async move { entries.into_iter().map(Ok).collect() }
    };
    let linger = |_| sleep(LINGER_MAX);
    let (batcher, driver) = Batcher::new(&joiners, Patience::Lingering, linger, send);
    tokio::spawn(driver);
    let later = async {
        sleep(LINGER_MAX / 2).await;
        join_all(&joiners, &batcher, &[2]).await;
    };
    tokio::join!(join_all(&joiners, &batcher, &[1]), later);
    assert_eq!(*left.lock().unwrap(), [[1, 2]]);
    // It is asked anew with each entry.
    assert_eq!(began.elapsed(), LINGER_MAX * 3 / 2);
    // A full batch waits for no other entry.
    let ten: Vec<u32> = (10..20).filter(|it| *it != 13).chain([20]).collect();
    join_all(&joiners, &batcher, &ten).await;
    assert_eq!(left.lock().unwrap()[1].len(), 10);
    assert_eq!(began.elapsed(), LINGER_MAX * 3 / 2);
    // Neither does one for which no further delivery will come, whoever is still at work.
    let slow = joiners.take();
    let closing = async {
        sleep(LINGER_MAX / 4).await;
        joiners.close();
    };
    tokio::join!(join_all(&joiners, &batcher, &[30]), closing);
    join_all(&joiners, &batcher, &[31]).await;
    drop(slow);
    assert_eq!(left.lock().unwrap()[2..], [[30], [31]]);
    assert_eq!(began.elapsed(), LINGER_MAX * 7 / 4);
}
