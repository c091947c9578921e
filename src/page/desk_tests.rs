//! How often the store is asked when it cannot be read, and how old a backlog may be.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::FutureExt;

use super::*;
use crate::{
    domain::RoleName,
    page::testing::{STUCK_AFTER, at},
    store::{Commit, Find, Page, Start, StoreError, Tally, Versioned, Write, memory::Memory},
    vitals::{ServiceVitals, Vitals, Watch},
};

/// A store that cannot be read, and counts how often somebody tries.
#[derive(Clone, Default)]
struct Broken(Arc<AtomicUsize>);

impl Store for Broken {
    async fn read(&self, _: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn commit(&self, _: Vec<Write>) -> Result<Commit, StoreError> {
        Err(StoreError::Closed)
    }

    async fn list(&self, _: Find, _: Start, _: usize) -> Result<Page, StoreError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(StoreError::Closed)
    }

    async fn tally(&self, _: i64, _: usize) -> Result<Tally, StoreError> {
        Err(StoreError::Closed)
    }
}

fn over<S: Store>(store: S, clock: &Clock, watch: Option<Arc<dyn Watch>>) -> Arc<Desk<S>> {
    let work = Arc::new(UnitOfWork::new(StatusRole, store, clock.clone()));
    let settings = Settings { stuck_after: STUCK_AFTER, trace_url: None, watch };
    Arc::new(Desk::new(work, clock.clone(), settings))
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_asked_once_a_second_however_many_look() {
    let (store, clock) = (Broken::default(), Clock::manual(at(100.0)));
    let desk = over(store.clone(), &clock, None);
    for second in 1..4 {
        for _ in 0..200 {
            assert!(desk.look().await.is_err());
        }
        assert_eq!(store.0.load(Ordering::SeqCst), second);
        clock.advance(Duration::from_secs(1));
    }
}

/// After a long time in which a store did not answer, it may be well again.
#[tokio::test]
async fn a_look_that_took_long_is_followed_by_another_soon() {
    assert_eq!(pause_after(Duration::from_secs(8)), Duration::from_secs(10));
    assert_eq!(pause_after(Duration::ZERO), Duration::from_secs(1));
}

#[tokio::test]
async fn who_goes_away_does_not_make_the_page_look_again() {
    let (store, clock) = (Broken::default(), Clock::manual(at(100.0)));
    let desk = over(store.clone(), &clock, None);
    for _ in 0..9 {
        assert!(desk.look().now_or_never().is_none(), "a look takes a moment");
    }
    assert!(desk.look().await.is_err());
    assert_eq!(store.0.load(Ordering::SeqCst), 1);
}

/// Queues of which each has a thousand messages.
struct Full(Clock);

impl Watch for Full {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>> {
        let full = |role| ServiceVitals { waiting: 1_000, ..ServiceVitals::nothing(role) };
        let vitals = Vitals { read: self.0.now(), services: RoleName::ALL.map(full).into() };
        Box::pin(std::future::ready(vitals))
    }
}

#[tokio::test]
async fn a_backlog_that_nobody_has_looked_at_for_a_while_is_not_told_as_one_of_now() {
    let clock = Clock::manual(at(100.0));
    let desk = over(Memory::default(), &clock, Some(Arc::new(Full(clock.clone()))));
    let behind = async || {
        let look = desk.look().await.unwrap();
        look.services.iter().filter(|it| it.state == "behind").count()
    };
    assert!(desk.queues.now().await.is_some());
    assert_eq!(behind().await, 4);
    clock.advance(Duration::from_secs(29));
    assert_eq!(behind().await, 4);
    clock.advance(Duration::from_secs(1));
    assert_eq!(behind().await, 0);
}
