//! The lists of bookings. By default, what needs a look stands first: bookings that contradict
//! themselves, that are stuck, that failed lately. A list must never have more lines than a person
//! would read and a browser shows at once.

use std::collections::HashSet;

use askama::Template;
use jiff::{SignedDuration, Timestamp};

use super::{
    line::Line,
    rows::{Row, Rows, STALEST_MAX, decoded},
    wish::{Show, Wish},
};
use crate::{
    domain::decision::Key,
    http::Cursor,
    store::{Find, Place, Store, StoreError},
};

/// The most failed bookings that stand on top.
const FAILED_MAX: usize = 10;
/// The lines of a page, and of the newest bookings below those on top. With all that stands on top,
/// no page has more than 200 lines.
pub(super) const LINES_MAX: usize = 60;

/// Some bookings under one heading.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) heading: String,
    pub(super) lines: Vec<Line>,
    /// What is said when there are none.
    pub(super) empty: &'static str,
}

/// A list as HTML.
#[derive(Debug, Template)]
#[template(path = "list.html")]
pub(super) struct List {
    pub(super) groups: Vec<Group>,
    /// Where the page before this one is, and the one after it.
    pub(super) newer: Option<String>,
    pub(super) older: Option<String>,
}

/// The list that stands on the page unless somebody asks for another.
pub(super) fn by_default(rows: &Rows, now: Timestamp, stuck_after: SignedDuration) -> List {
    let line = |it: &Row| Line::of(it, now, stuck_after);
    let stuck = rows.stalest.iter().map(line).filter(|it| it.is_late);
    let newest: Vec<Line> = rows.newest.iter().map(line).collect();
    let failed = newest.iter().filter(|it| it.phase.is_failure() && it.is_final);
    let failed = failed.take(FAILED_MAX).cloned();
    let mut top: Vec<Line> =
        rows.inconsistent.iter().map(line).chain(stuck).chain(failed).collect();
    // One that contradicts itself is among the failed ones as well.
    let mut seen = HashSet::new();
    top.retain(|it| seen.insert(it.id.clone()));
    let late = top.iter().filter(|it| it.is_late).count();
    let more = if late >= STALEST_MAX { " or more" } else { "" };
    let heading = match late {
        0 => "Failed lately".to_owned(),
        late => format!("Stuck or failed ({late}{more} stuck)"),
    };
    let others = newest.into_iter().filter(|it| !seen.contains(&it.id)).take(LINES_MAX);
    let others: Vec<Line> = others.collect();
    let empty = "Nothing is stuck, and nothing failed lately.";
    let top = Group { name: "top", heading, lines: top, empty };
    let empty = match top.lines.is_empty() {
        true => "No booking has come yet.",
        false => "There is no other booking.",
    };
    let newest = Group { name: "newest", heading: "Newest".to_owned(), lines: others, empty };
    let last = newest.lines.last().filter(|_| newest.lines.len() == LINES_MAX);
    let at = last.and_then(|line| rows.newest.iter().position(|it| it.id.as_str() == line.id));
    let at = at.filter(|at| !rows.is_all || at + 1 < rows.newest.len());
    let last = at.map(|it| &rows.newest[it]);
    let all = Wish::of(Show::Newest);
    let older = last.and_then(place).map(|it| all.address_after(&it));
    List { groups: vec![top, newest], newer: None, older }
}

/// The list that somebody asks for.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn asked(
    store: &impl Store,
    wish: &Wish,
    now: Timestamp,
    stuck_after: SignedDuration,
) -> Result<List, StoreError> {
    let start = wish.start();
    let page = match wish.filter() {
        Some(it) => it.page(store, start, LINES_MAX).await?,
        None => store.list(Find::Stalest, start, LINES_MAX).await?,
    };
    let lines = decoded(&page).iter().map(|it| Line::of(it, now, stuck_after)).collect();
    let older = page.next.as_ref().and_then(Cursor::of).map(|it| wish.address_after(&it));
    let newer = page.previous.as_ref().and_then(Cursor::of).map(|it| wish.address_before(&it));
    let group =
        Group { name: "asked", heading: wish.heading(), lines, empty: "There is no such booking." };
    Ok(List { groups: vec![group], newer, older })
}

/// The place of a booking among the newest.
fn place(row: &Row) -> Option<Cursor> {
    Cursor::of(&Place {
        at_ms: row.record.newest()?.as_millisecond(),
        under: row.record.standing().phase.to_string(),
        key: Key::Booking(row.id.clone()).to_string(),
    })
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
