use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{super::batched::LINGER_MAX, *};

/// The batches that left, each as the entries it had.
type Left = Arc<Mutex<Vec<Vec<u32>>>>;

/// Answers an entry with itself, and 13 with bad luck.
fn batcher(hands: &Hands) -> (Batcher<u32, Result<u32, &'static str>>, Left) {
    let left = Left::default();
    let seen = Arc::clone(&left);
    let send = move |entries: Vec<u32>| {
        seen.lock().unwrap().push(entries.clone());
        let answer = |it| if it == 13 { Err("bad luck") } else { Ok(it) };
        async move { entries.into_iter().map(answer).collect() }
    };
    let (batcher, driver) = Batcher::new(hands, || sleep(LINGER_MAX), send);
    tokio::spawn(driver);
    (batcher, left)
}

/// Each of these in a task of its own, all in hand from the start.
async fn join_all(hands: &Hands, batcher: &Batcher<u32, Result<u32, &'static str>>, all: &[u32]) {
    let mut tasks = JoinSet::new();
    let in_hand: Vec<_> = all.iter().map(|_| hands.take()).collect();
    for (it, in_hand) in all.iter().copied().zip(in_hand) {
        let batcher = batcher.clone();
        tasks.spawn(async move {
            let answer = batcher.join(it, 1).await;
            assert_eq!(answer, if it == 13 { Err("bad luck") } else { Ok(it) });
            drop(in_hand);
        });
    }
    while let Some(joined) = tasks.join_next().await {
        joined.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn alone_in_hand_it_leaves_at_once() {
    let (hands, began) = (Hands::default(), Instant::now());
    let (batcher, left) = batcher(&hands);
    let _in_hand = hands.take();
    assert_eq!(batcher.join(1, 1).await, Ok(1));
    assert_eq!(*left.lock().unwrap(), [[1]]);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn all_that_is_in_hand_leaves_together_and_without_a_wait() {
    let (hands, began) = (Hands::default(), Instant::now());
    let (batcher, left) = batcher(&hands);
    join_all(&hands, &batcher, &[1, 2, 3, 4, 5]).await;
    assert_eq!(*left.lock().unwrap(), [[1, 2, 3, 4, 5]]);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_batch_has_more_than_ten() {
    let hands = Hands::default();
    let (batcher, left) = batcher(&hands);
    let all: Vec<u32> = (100..123).collect();
    join_all(&hands, &batcher, &all).await;
    let sizes: Vec<usize> = left.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 3]);
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_is_waited_for_no_longer_than_the_linger() {
    let (hands, began) = (Hands::default(), Instant::now());
    let (batcher, left) = batcher(&hands);
    let _slow = hands.take();
    join_all(&hands, &batcher, &[1, 2]).await;
    assert_eq!(*left.lock().unwrap(), [[1, 2]]);
    assert_eq!(began.elapsed(), LINGER_MAX);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_is_waited_for_no_more() {
    let (hands, began) = (Hands::default(), Instant::now());
    let (batcher, left) = batcher(&hands);
    let slow = hands.take();
    let gives_up = tokio::spawn(async move {
        tokio::time::sleep(LINGER_MAX / 2).await;
        drop(slow);
    });
    join_all(&hands, &batcher, &[1, 2]).await;
    gives_up.await.unwrap();
    assert_eq!(*left.lock().unwrap(), [[1, 2]]);
    assert_eq!(began.elapsed(), LINGER_MAX / 2);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_fails_fails_alone() {
    let hands = Hands::default();
    let (batcher, left) = batcher(&hands);
    join_all(&hands, &batcher, &[12, 13, 14]).await;
    assert_eq!(left.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_would_be_too_large_leaves_in_two() {
    let hands = Hands::default();
    let (batcher, left) = batcher(&hands);
    let in_hand = [hands.take(), hands.take(), hands.take()];
    let (half, more) = (BYTES_MAX / 2, BYTES_MAX / 2 + 2);
    let (one, two, three) =
        tokio::join!(batcher.join(1, half), batcher.join(2, more), batcher.join(3, 1));
    assert_eq!((one, two, three), (Ok(1), Ok(2), Ok(3)));
    assert_eq!(*left.lock().unwrap(), [vec![1], vec![2, 3]]);
    drop(in_hand);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_takes_nobody_with_him() {
    let hands = Hands::default();
    let (batcher, left) = batcher(&hands);
    let (_slow, in_hand) = (hands.take(), hands.take());
    let gone = tokio::time::timeout(LINGER_MAX / 4, batcher.join(1, 1)).await;
    assert!(gone.is_err());
    drop(in_hand);
    join_all(&hands, &batcher, &[2]).await;
    assert_eq!(*left.lock().unwrap(), [[1, 2]]);
}

/// A batcher whose requests take as long as their first entry says, in milliseconds.
fn slow(hands: &Hands) -> (Batcher<u32, u32>, Driver) {
    let send = |entries: Vec<u32>| async move {
        sleep(Duration::from_millis(entries[0].into())).await;
        entries
    };
    Batcher::new(hands, || sleep(LINGER_MAX), send)
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_slow_holds_up_nobody_else() {
    let (hands, began) = (Hands::default(), Instant::now());
    let (batcher, driver) = slow(&hands);
    tokio::spawn(driver);
    let took = async |ms| {
        let _in_hand = hands.take();
        assert_eq!(batcher.join(ms, 1).await, ms);
        began.elapsed().as_millis()
    };
    // All wait, so each leaves at once, one while the other is under way.
    let (long, short) = tokio::join!(took(900), async {
        sleep(Duration::from_millis(50)).await;
        took(100).await
    });
    assert_eq!((long, short), (900, 150));
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_goes_on_while_the_next_batch_gathers() {
    let (hands, began) = (Hands::default(), Instant::now());
    let (batcher, driver) = slow(&hands);
    tokio::spawn(driver);
    let (first, second) = (hands.take(), hands.take());
    let (one, two) = tokio::join!(
        async {
            let answer = batcher.join(LINGER_MAX.as_millis() as u32 / 2, 1).await;
            drop(first);
            (answer, began.elapsed())
        },
        async {
            sleep(LINGER_MAX + LINGER_MAX / 4).await;
            let _third = hands.take();
            let answer = batcher.join(1, 1).await;
            drop(second);
            (answer, began.elapsed())
        },
    );
    // The first lingered in vain; it was answered while the second lingered.
    assert_eq!(one, (10, LINGER_MAX + LINGER_MAX / 2));
    assert_eq!(two, (1, LINGER_MAX * 9 / 4 + Duration::from_millis(1)));
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_with_the_last_copy_when_all_are_answered() {
    let (hands, began) = (Hands::default(), Instant::now());
    let (batcher, driver) = slow(&hands);
    let joins = tokio::spawn(async move { batcher.clone().join(500, 1).await });
    driver.await;
    assert_eq!(joins.await.unwrap(), 500);
    assert_eq!(began.elapsed(), Duration::from_millis(500));
}
