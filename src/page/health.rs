//! How the services are doing: what waits on their queues, and what was set aside. It shows counts
//! and reasons in our own words, never a message, and nothing on it acts.

use std::sync::Arc;

use askama::Template;

use super::queues::Queues;
use crate::vitals::Vitals;

/// The section about the services, as HTML.
#[derive(Template)]
#[template(path = "health.html")]
pub(super) struct Health {
    is_watched: bool,
    vitals: Option<Arc<Vitals>>,
}

impl Health {
    /// What the queues say now.
    pub(super) async fn of(queues: &Queues) -> Health {
        Health { is_watched: queues.are_watched(), vitals: queues.now().await }
    }

    fn read(&self) -> String {
        let read = self.vitals.as_ref().map(|it| it.read.strftime("%H:%M:%S").to_string());
        read.unwrap_or_default()
    }

    /// Whether any message was set aside for a known reason.
    fn has_reasons(&self) -> bool {
        let mut services = self.vitals.iter().flat_map(|it| &it.services);
        services.any(|it| !it.reasons.is_empty())
    }
}
