//! What all routes of the page share. However many people look, the store is read at most once a
//! second for the overview, and the queues at most once in ten seconds.

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use jiff::SignedDuration;
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

/// How old what is known of the queues may be, to call a service behind.
const QUEUES_KNOWN_FOR: SignedDuration = SignedDuration::from_secs(30);

/// What all routes of the page share.
pub(super) struct Desk<S> {
    pub(super) work: Arc<UnitOfWork<StatusRole, S>>,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) queues: Queues,
    /// Whoever needs a newer look looks, and the others wait for it.
    newest: Arc<tokio::sync::Mutex<Newest>>,
}

/// The newest look.
#[derive(Debug, Default)]
pub(super) struct Newest {
    look: Option<Arc<Look>>,
    /// Not before this time of the steady clock is a store asked again that could not be read.
    unread_until: Duration,
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
        Desk { work, clock, settings, queues, newest: Arc::default() }
    }

    /// The newest look, which is a new one if it is time for that. Once begun, a look goes on by
    /// itself, so that no client makes it begin again by going away.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn look(self: &Arc<Self>) -> Result<Arc<Look>, Unread> {
        let mut newest = Arc::clone(&self.newest).lock_owned().await;
        let began = self.clock.steady();
        if let Some(look) = newest.look.as_ref().filter(|it| began < it.until) {
            return Ok(Arc::clone(look));
        }
        if began < newest.unread_until {
            return Err(Unread);
        }
        let desk = Arc::clone(self);
        let looking = tokio::spawn(async move {
            let look = desk.look_after(newest.look.as_deref()).await;
            let ended = desk.clock.steady();
            let until = ended + pause_after(ended.saturating_sub(began));
            match look {
                Ok(look) => {
                    let look = Arc::new(Look { until, ..look });
                    newest.look = Some(Arc::clone(&look));
                    Ok(look)
                }
                Err(unread) => {
                    newest.unread_until = until;
                    Err(unread)
                }
            }
        });
        match looking.await {
            Ok(look) => look,
            Err(ended) => resume_unwind(ended.into_panic()),
        }
    }

    /// Looks at the store.
    async fn look_after(&self, before: Option<&Look>) -> Result<Look, Unread> {
        let now = self.clock.now();
        let rows = rows::look(self.work.store()).await.map_err(|it| unread(&it))?;
        // Nobody may have asked for the queues for hours.
        let vitals = self.queues.known();
        let vitals = vitals.filter(|it| now.duration_since(it.read) < QUEUES_KNOWN_FOR);
        let look = Look::of(&rows, before, vitals.as_deref(), now, self.settings.stuck_after);
        look.map_err(|it| unread(&it))
    }
}

#[cfg(test)]
impl<S> Desk<S> {
    /// Keeps everybody from looking, as a look that does not end would.
    pub(super) async fn hold(&self) -> tokio::sync::MutexGuard<'_, Newest> {
        self.newest.lock().await
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;

/// Logs why the store cannot be read.
pub(super) fn unread(error: &(dyn std::error::Error + 'static)) -> Unread {
    error!(error = %Chain(error), "could not read bookings for the page");
    Unread
}
