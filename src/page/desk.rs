//! What all routes of the page share. However many people look, the store is read at most once a
//! second for the overview, and the queues at most once in ten seconds.

use std::sync::Arc;

use tracing::error;

use super::{
    look::{Look, pause_after},
    queues::Queues,
    rows,
    settings::Settings,
};
use crate::{
    clock::Clock,
    roles::StatusRole,
    runtime::{Chain, UnitOfWork},
    store::Store,
};

/// What all routes of the page share.
pub(super) struct Desk<S> {
    pub(super) work: Arc<UnitOfWork<StatusRole, S>>,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) queues: Queues,
    /// The newest look. Whoever needs a newer one looks, and the others wait for it.
    newest: tokio::sync::Mutex<Option<Arc<Look>>>,
}

/// The store cannot be read just now. The log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unread;

impl<S: Store> Desk<S> {
    pub(super) fn new(
        work: Arc<UnitOfWork<StatusRole, S>>,
        clock: Clock,
        settings: Settings,
    ) -> Desk<S> {
        let queues = Queues::new(settings.watch.clone(), clock.clone());
        Desk { work, clock, settings, queues, newest: tokio::sync::Mutex::new(None) }
    }

    /// The newest look, which is a new one if it is time for that.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn look(&self) -> Result<Arc<Look>, Unread> {
        let mut newest = self.newest.lock().await;
        let began = self.clock.steady();
        if let Some(look) = newest.as_ref().filter(|it| began < it.until) {
            return Ok(Arc::clone(look));
        }
        let now = self.clock.now();
        let rows = rows::look(self.work.store()).await.map_err(|it| unread(&it))?;
        let vitals = self.queues.known();
        let stuck_after = self.settings.stuck_after;
        let look = Look::of(&rows, newest.as_deref(), vitals.as_deref(), now, stuck_after);
        let mut look = look.map_err(|it| unread(&it))?;
        let ended = self.clock.steady();
        look.until = ended + pause_after(ended.saturating_sub(began));
        let look = Arc::new(look);
        *newest = Some(Arc::clone(&look));
        Ok(look)
    }
}

#[cfg(test)]
impl<S> Desk<S> {
    /// Keeps everybody from looking, as a look that does not end would.
    pub(super) async fn hold(&self) -> tokio::sync::MutexGuard<'_, Option<Arc<Look>>> {
        self.newest.lock().await
    }
}

/// Logs why the store cannot be read.
pub(super) fn unread(error: &(dyn std::error::Error + 'static)) -> Unread {
    error!(error = %Chain(error), "could not read bookings for the page");
    Unread
}
