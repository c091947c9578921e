//! Which bookings a list has: of a phase, a flight, a day, or several of these. A page must never
//! cost more than a bounded number of rows.

use jiff::civil::Date;

use crate::{
    domain::{
        decision::Rules,
        seat::FlightNo,
        status::{Phase, Record, Statuses},
    },
    runtime::StoredRow,
    store::{Find, Page, Place, Start, Store, StoreError},
};

/// How many rows of a flight or a day are read at once to find those of a phase.
const ROWS_A_LOOK: usize = 100;
/// How often that is done for one page.
const LOOKS_MAX: usize = 5;

/// What the bookings of a list have in common. Without any field, the list has all bookings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub phase: Option<Phase>,
    pub flight: Option<FlightNo>,
    /// The local day of departure.
    pub date: Option<Date>,
}

impl Filter {
    /// The list of the store that the bookings are in. Its rows may have other phases, too, if a
    /// flight or a day is wanted.
    #[must_use]
    pub fn find(&self) -> Find {
        let day = self.date.map(|it| it.to_string());
        match (&self.flight, day) {
            (Some(flight), day) => Find::Flight { flight: flight.as_str().to_owned(), day },
            (None, Some(day)) => Find::Day { day },
            (None, None) => Find::Newest { phase: self.phase.map(|it| it.to_string()) },
        }
    }

    /// At most `limit` of the bookings. No index has phase and flight or day together, so for both
    /// it looks through at most 500 rows of the flight or the day: such a page may have fewer
    /// bookings, even none, although the list continues.
    ///
    /// # Errors
    /// When the store cannot be read, or has no index for this list yet.
    pub async fn page(
        &self,
        store: &impl Store,
        start: Start,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let find = self.find();
        match (&find, self.phase) {
            (Find::Flight { .. } | Find::Day { .. }, Some(phase)) => {
                look_through(store, &find, phase, start, limit).await
            }
            _ => store.list(find, start, limit).await,
        }
    }
}

async fn look_through(
    store: &impl Store,
    find: &Find,
    phase: Phase,
    mut start: Start,
    limit: usize,
) -> Result<Page, StoreError> {
    let backwards = matches!(start, Start::Before(_));
    let mut found = Vec::new();
    // Where the list has further rows, on the side it comes from and on the side it goes to.
    let (mut behind, mut ahead) = (None, None);
    for look in 0..LOOKS_MAX {
        let mut page = store.list(find.clone(), start, ROWS_A_LOOK).await?;
        if backwards {
            page.rows.reverse();
            std::mem::swap(&mut page.previous, &mut page.next);
        }
        if look == 0 {
            behind = page.previous;
        }
        ahead = page.next;
        let mut rows = page.rows.into_iter();
        for (key, body) in rows.by_ref() {
            let Some(place) = place(&key, &body, phase) else { continue };
            found.push((key, body));
            if found.len() == limit {
                ahead = (rows.len() > 0 || ahead.is_some()).then_some(place);
                break;
            }
        }
        match &ahead {
            Some(it) if found.len() < limit => {
                let it = it.clone();
                start = if backwards { Start::Before(it) } else { Start::After(it) };
            }
            Some(_) | None => break,
        }
    }
    if backwards {
        found.reverse();
        std::mem::swap(&mut behind, &mut ahead);
    }
    Ok(Page { rows: found, previous: behind, next: ahead })
}

/// The place of a row in a list by flight or day; `None` if the row has another phase or cannot be
/// read.
fn place(key: &str, body: &str, phase: Phase) -> Option<Place> {
    let kept: StoredRow<Record> = serde_json::from_str(body).ok()?;
    let listing = Statuses::listing(&kept.row)?;
    let departure = listing.departure.filter(|_| listing.phase == phase.as_str())?;
    Some(Place { at_ms: departure.since_ms, under: departure.day, key: key.to_owned() })
}
