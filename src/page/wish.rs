//! Which list somebody asks for, read from the query of an address. Every part has one of few
//! forms, so that it can be written into an address and a page again.

use serde::Deserialize;

use super::line::phase_words;
use crate::{domain::status::Phase, http::Cursor, store::Find};

/// The query as a browser sends it: a field that was not filled in is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    show: String,
    after: String,
}

/// Which bookings a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Show {
    /// What needs a look, then the newest.
    #[default]
    Default,
    /// All, newest first.
    Newest,
    /// The open ones, the one that waits longest first.
    Open,
    /// Those of one phase, newest first.
    Of(Phase),
}

/// A list that can be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) show: Show,
    /// The booking after which the page begins.
    pub(super) after: Option<Cursor>,
}

impl Show {
    /// Every choice, in the order of the menu.
    pub(super) fn all() -> impl Iterator<Item = Show> {
        let phases = Phase::ALL.into_iter().map(Show::Of);
        [Show::Default, Show::Newest, Show::Open].into_iter().chain(phases)
    }

    /// Its value in a query.
    pub(super) fn value(self) -> &'static str {
        match self {
            Show::Default => "",
            Show::Newest => "newest",
            Show::Open => "open",
            Show::Of(phase) => phase.as_str(),
        }
    }

    /// Its name in the menu.
    pub(super) fn words(self) -> String {
        match self {
            Show::Default => "stuck and failed first".to_owned(),
            Show::Newest => "all, newest first".to_owned(),
            Show::Open => "open, longest waiting first".to_owned(),
            Show::Of(phase) => phase_words(phase),
        }
    }
}

impl Wish {
    /// Reads a query.
    ///
    /// # Errors
    /// Says which part is wrong, and never what stands there.
    pub(super) fn read(asked: &Asked) -> Result<Wish, &'static str> {
        let show = Show::all().find(|it| it.value() == asked.show);
        let show = show.ok_or("There is no such phase.")?;
        let after = Some(asked.after.as_str()).filter(|it| !it.is_empty());
        let after = after.map(str::parse).transpose();
        let after = after.map_err(|_| "This place in the list is none that a page has given.")?;
        Ok(Wish { show, after })
    }

    /// Whether it is what the page has if nobody asks for anything.
    pub(super) fn is_default(&self) -> bool {
        *self == Wish::default()
    }

    /// What is asked of the store.
    pub(super) fn find(&self) -> Find {
        match self.show {
            Show::Default | Show::Newest => Find::Newest { phase: None },
            Show::Open => Find::Stalest,
            Show::Of(phase) => Find::Newest { phase: Some(phase.to_string()) },
        }
    }

    /// What stands above the list.
    pub(super) fn heading(&self) -> String {
        match self.show {
            Show::Default | Show::Newest => "All, newest first".to_owned(),
            Show::Open => "Open, longest waiting first".to_owned(),
            Show::Of(phase) => format!("{}, newest first", phase_words(phase)),
        }
    }

    /// The address of its first page.
    pub(super) fn address(&self) -> String {
        format!("/?{}", self.query())
    }

    /// The address of the page after a booking.
    pub(super) fn address_after(&self, after: &Cursor) -> String {
        format!("/?{}&after={after}", self.query())
    }

    /// The address of this page's list alone.
    pub(super) fn part(&self) -> String {
        let after = self.after.as_ref().map(|it| format!("&after={it}")).unwrap_or_default();
        format!("/page/list?{}{after}", self.query())
    }

    fn query(&self) -> String {
        format!("show={}", self.show.value())
    }
}

#[cfg(test)]
#[path = "wish_tests.rs"]
mod tests;
