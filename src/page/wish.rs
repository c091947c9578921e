//! Which list somebody asks for, read from the query of an address. Every part has one of few
//! forms, so that it can be written into an address and a page again.

use jiff::civil::Date;
use serde::Deserialize;

use super::line::phase_words;
use crate::{
    domain::{
        seat::{FlightNo, parse_date},
        status::Phase,
    },
    http::{Cursor, Filter},
    store::{Find, Place, Start},
};

/// The query as a browser sends it: a field that was not filled in is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    show: String,
    flight: String,
    date: String,
    after: String,
    before: String,
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

/// Where the page of a list begins or ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum From {
    #[default]
    First,
    After(Cursor),
    Before(Cursor),
}

/// A list that can be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) show: Show,
    pub(super) flight: Option<FlightNo>,
    /// The local day of departure.
    pub(super) date: Option<Date>,
    from: From,
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
    /// The first page of a choice of the menu.
    pub(super) fn of(show: Show) -> Wish {
        Wish { show, ..Wish::default() }
    }

    /// Reads a query.
    ///
    /// # Errors
    /// Says which part is wrong, and never what stands there.
    pub(super) fn read(asked: &Asked) -> Result<Wish, String> {
        let show = Show::all().find(|it| it.value() == asked.show);
        let mut wish = Wish {
            show: show.ok_or("There is no such phase.")?,
            flight: given(&asked.flight, FlightNo::parse, "The flight")?,
            date: given(&asked.date, parse_date, "The day")?,
            from: From::First,
        };
        if wish.show == Show::Open && (wish.flight.is_some() || wish.date.is_some()) {
            let words = "The open bookings are those of every flight and day: leave these out.";
            return Err(words.to_owned());
        }
        let (after, before) = (wish.cursor(&asked.after)?, wish.cursor(&asked.before)?);
        wish.from = match (after, before) {
            (None, None) => From::First,
            (Some(it), None) => From::After(it),
            (None, Some(it)) => From::Before(it),
            (Some(_), Some(_)) => return Err("A page has one place in the list.".to_owned()),
        };
        Ok(wish)
    }

    /// A place in this list.
    fn cursor(&self, text: &str) -> Result<Option<Cursor>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let find = self.filter().map_or(Find::Stalest, |it| it.find());
        let read = text.parse::<Cursor>().and_then(|it| it.place_in(&find).map(|_| it));
        read.map(Some)
            .map_err(|_| "This place in the list is none that a page of it has given.".to_owned())
    }

    /// Whether it is what the page has if nobody asks for anything.
    pub(super) fn is_default(&self) -> bool {
        *self == Wish::default()
    }

    /// What the bookings have in common; `None` for the open ones, the stalest first.
    pub(super) fn filter(&self) -> Option<Filter> {
        let phase = match self.show {
            Show::Default | Show::Newest => None,
            Show::Open => return None,
            Show::Of(phase) => Some(phase),
        };
        Some(Filter { phase, flight: self.flight.clone(), date: self.date })
    }

    /// Where the page begins.
    pub(super) fn start(&self) -> Start {
        let place = |it: &Cursor| -> Place { it.place() };
        match &self.from {
            From::First => Start::First,
            From::After(it) => Start::After(place(it)),
            From::Before(it) => Start::Before(place(it)),
        }
    }

    /// What stands above the list.
    pub(super) fn heading(&self) -> String {
        let flight = self.flight.as_ref().map(ToString::to_string);
        let parts = [flight, self.date.map(|it| it.to_string())];
        let departure: Vec<String> = parts.into_iter().flatten().collect();
        let which = match self.show {
            Show::Default | Show::Newest => "All".to_owned(),
            Show::Open => return "Open, longest waiting first".to_owned(),
            Show::Of(phase) => phase_words(phase),
        };
        match departure.is_empty() {
            true => format!("{which}, newest first"),
            false => format!("{which} of {}", departure.join(" on ")),
        }
    }

    /// The address of the page after a booking.
    pub(super) fn address_after(&self, cursor: &Cursor) -> String {
        format!("/?{}&after={cursor}", self.query())
    }

    /// The address of the page before a booking.
    pub(super) fn address_before(&self, cursor: &Cursor) -> String {
        format!("/?{}&before={cursor}", self.query())
    }

    /// The address of this page's list alone.
    pub(super) fn part(&self) -> String {
        let place = match &self.from {
            From::First => String::new(),
            From::After(it) => format!("&after={it}"),
            From::Before(it) => format!("&before={it}"),
        };
        format!("/page/list?{}{place}", self.query())
    }

    /// The flight, as the form has it.
    pub(super) fn flight_text(&self) -> &str {
        self.flight.as_ref().map_or("", FlightNo::as_str)
    }

    /// The day, as the form has it.
    pub(super) fn date_text(&self) -> String {
        self.date.map(|it| it.to_string()).unwrap_or_default()
    }

    fn query(&self) -> String {
        let mut query = format!("show={}", self.show.value());
        if let Some(it) = &self.flight {
            query += &format!("&flight={it}");
        }
        if let Some(it) = self.date {
            query += &format!("&date={it}");
        }
        query
    }
}

/// A field of the form, if it was filled in.
fn given<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, crate::domain::Expected>,
    name: &str,
) -> Result<Option<T>, String> {
    match text.trim() {
        "" => Ok(None),
        text => parse(text).map(Some).map_err(|it| format!("{name}: {it}.")),
    }
}

#[cfg(test)]
#[path = "wish_tests.rs"]
mod tests;
