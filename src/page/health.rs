//! How the services are doing: how long bookings wait for each, what waits on their queues, and
//! what was set aside. It shows counts and reasons in our own words, never a message, and nothing
//! on it acts.

use std::sync::Arc;

use askama::Template;
use jiff::SignedDuration;

use super::{look::Look, queues::Queues, words};
use crate::{
    domain::RoleName,
    vitals::{HeldUp, ServiceVitals, Vitals},
};

/// The section about the services, as HTML.
#[derive(Template)]
#[template(path = "health.html")]
pub(super) struct Health {
    is_watched: bool,
    /// How long the booking that waits the longest for a service has waited, if the bookings can be
    /// read.
    waits: Vec<(RoleName, String)>,
    vitals: Option<Arc<Vitals>>,
}

impl Health {
    /// What the queues said last, and what the bookings tell of each service.
    pub(super) fn of(queues: &Queues, vitals: Option<Arc<Vitals>>, look: Option<&Look>) -> Health {
        let wait = |look: &Look, role: RoleName| {
            let state = look.services.iter().find(|it| it.name == role.as_str());
            let since = state.and_then(|it| it.awaited_since);
            since.map_or("–".to_owned(), |it| words::short_span(look.now.duration_since(it)))
        };
        let waits = look.iter().flat_map(|look| RoleName::ALL.map(|role| (role, wait(look, role))));
        Health { is_watched: queues.are_watched(), waits: waits.collect(), vitals }
    }

    fn read(&self) -> String {
        let read = self.vitals.as_ref().map(|it| it.read.strftime("%H:%M:%S").to_string());
        read.unwrap_or_default()
    }

    /// How long somebody waits for a service.
    fn wait(&self, role: RoleName) -> &str {
        let wait = self.waits.iter().find(|it| it.0 == role);
        wait.map_or("?", |it| &it.1)
    }

    /// What the queues of a service said, if they were read.
    fn queue(&self, role: RoleName) -> Option<&ServiceVitals> {
        self.vitals.as_ref()?.services.iter().find(|it| it.role == role)
    }

    /// What a service holds up, if it holds up anything or does not say so, and whether that is
    /// bad.
    fn held_up(&self, of: &ServiceVitals) -> Option<(String, bool)> {
        match of.held_up.as_ref()? {
            Ok(HeldUp { bookings: 0, .. }) => None,
            Ok(HeldUp { bookings, longest }) => {
                let longest = SignedDuration::try_from(*longest).unwrap_or(SignedDuration::MAX);
                let what = if *bookings == 1 { "booking" } else { "bookings" };
                Some((
                    format!("{bookings} {what} held up for {}", words::short_span(longest)),
                    true,
                ))
            }
            Err(problem) => Some((problem.clone(), false)),
        }
    }

    /// Whether any message was set aside for a known reason.
    fn has_reasons(&self) -> bool {
        let mut services = self.vitals.iter().flat_map(|it| &it.services);
        services.any(|it| !it.reasons.is_empty())
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
