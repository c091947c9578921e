//! Counts the bookings of status when somebody reads `/metrics`, from the store, so that each
//! replica says the same. It must never read the rows of bookings, only the indexes, up to a bound.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use jiff::SignedDuration;
use tracing::warn;

use super::fresh::Fresh;
use crate::{
    clock::Clock,
    domain::status::Phase,
    metrics::{Bookings, Metrics, Survey},
    roles::StatusRole,
    runtime::{Chain, UnitOfWork},
    store::Store,
};

/// The most open bookings that are counted. If there are more, the metrics say this number, and
/// mean at least so many.
const OPEN_MAX: usize = 10_000;
/// How long a count is good for, however often the metrics are read.
const FRESH: Duration = Duration::from_secs(10);
/// How long a count may take: less than Prometheus waits for an answer, which is ten seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// Counts open and stuck bookings for `/metrics`.
pub struct Census<S> {
    work: Arc<UnitOfWork<StatusRole, S>>,
    clock: Clock,
    stuck_after: SignedDuration,
    /// The last count, which may have failed.
    last: Fresh<Option<Bookings>>,
}

impl<S: Store> Census<S> {
    /// Has the bookings in the store of `work` counted whenever `metrics` are read, and names the
    /// endings that bookings have. A booking counts as stuck if it is open and its newest fact is
    /// older than `stuck_after`.
    pub fn begin(
        metrics: &Metrics,
        work: Arc<UnitOfWork<StatusRole, S>>,
        clock: Clock,
        stuck_after: SignedDuration,
    ) {
        metrics.endings(Phase::ENDINGS.map(Phase::as_str));
        let last = Fresh::new(clock.clone(), FRESH);
        metrics.surveyed_by(Census { work, clock, stuck_after, last });
    }

    fn count(&self) -> impl Future<Output = Option<Bookings>> + Send + 'static {
        let before = self.clock.now().checked_sub(self.stuck_after);
        // A limit that no time is older than: nothing is stuck.
        let before_ms = before.map_or(i64::MIN, |it| it.as_millisecond());
        let work = Arc::clone(&self.work);
        async move {
            let asked = work.store().tally(before_ms, OPEN_MAX);
            match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok(it)) => {
                    Some(Bookings { open: it.open, stuck: it.older, newest_ms: it.newest_ms })
                }
                Ok(Err(error)) => {
                    warn!(error = %Chain(&error), "could not count the open bookings for the metrics");
                    None
                }
                Err(_) => {
                    warn!(
                        within_s = PATIENCE.as_secs(),
                        "counting the open bookings took too long"
                    );
                    None
                }
            }
        }
    }
}

impl<S: Store> Survey for Census<S> {
    fn bookings(&self) -> Pin<Box<dyn Future<Output = Option<Bookings>> + Send + '_>> {
        Box::pin(self.last.or(self.count()))
    }
}

impl<S> fmt::Debug for Census<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Census").field("stuck_after", &self.stuck_after).finish_non_exhaustive()
    }
}
