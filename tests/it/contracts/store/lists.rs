//! Which rows are in a list, and in which order.

use booking::{
    domain::decision::{Departure, Listing},
    store::{Commit, Find, Start, Store, Write},
};

use super::{Reopen, write};

/// A row that is listed by phase and age alone.
pub(super) fn by_phase(phase: &str, at_ms: i64, open: bool) -> Listing {
    Listing { phase: phase.to_owned(), at_ms, open, departure: None }
}

pub(super) fn phase(it: &str) -> Find {
    Find::Newest { phase: Some(it.to_owned()) }
}

pub(super) fn flight(flight: &str, day: Option<&str>) -> Find {
    Find::Flight { flight: flight.to_owned(), day: day.map(str::to_owned) }
}

pub(super) fn day(day: &str) -> Find {
    Find::Day { day: day.to_owned() }
}

/// The keys of the first rows.
async fn first(store: &impl Store, find: Find, limit: usize) -> Vec<String> {
    let page = store.list(find, Start::First, limit).await.unwrap();
    page.rows.into_iter().map(|(key, _)| key).collect()
}

pub(super) async fn lists_are_by_phase_and_age(at: &impl Reopen) {
    let store = at.open().await;
    let rows =
        [("f/1", "paid", 30, true), ("f/2", "completed", 10, false), ("f/3", "paid", 20, true)];
    for (key, phase, at_ms, open) in rows {
        let listing = Some(by_phase(phase, at_ms, open));
        let lot = vec![Write { listing, ..write(key, 0, key) }];
        store.commit(lot).await.unwrap();
    }
    let all = Find::Newest { phase: None };
    assert_eq!(first(&store, all, 9).await, ["f/1", "f/3", "f/2"]);
    assert_eq!(first(&store, phase("paid"), 9).await, ["f/1", "f/3"]);
    assert_eq!(first(&store, phase("paid"), 1).await, ["f/1"]);
    assert_eq!(first(&store, Find::Stalest, 9).await, ["f/3", "f/1"]);
    // A row that is rewritten moves.
    let listing = Some(by_phase("completed", 40, false));
    store.commit(vec![Write { listing, ..write("f/3", 1, "f/3") }]).await.unwrap();
    assert_eq!(first(&store, Find::Stalest, 9).await, ["f/1"]);
    assert_eq!(first(&store, phase("completed"), 9).await, ["f/3", "f/2"]);
}

pub(super) async fn lists_are_by_flight_and_day(at: &impl Reopen) {
    let store = at.open().await;
    let put = async |key: &str, version, at_ms, departure: Option<(&str, &str, i64)>| {
        let departure = departure.map(|(flight, day, since_ms)| Departure {
            flight: flight.to_owned(),
            day: day.to_owned(),
            since_ms,
        });
        let listing = Some(Listing { departure, ..by_phase("paid", at_ms, true) });
        let end = store.commit(vec![Write { listing, ..write(key, version, key) }]).await;
        assert_eq!(end.unwrap(), Commit::Done, "{key}");
    };
    let (early, late) = ("2027-04-01", "2027-04-10");
    put("g/1", 0, 1, Some(("WA1", early, 100))).await;
    put("g/2", 0, 2, Some(("WA1", late, 50))).await;
    // The time has more digits, and is later all the same.
    put("g/3", 0, 3, Some(("WA1", early, 1_000))).await;
    put("g/4", 0, 4, Some(("WA11", early, 70))).await;
    put("g/5", 0, 5, None).await;
    assert_eq!(first(&store, flight("WA1", None), 9).await, ["g/2", "g/3", "g/1"]);
    assert_eq!(first(&store, flight("WA1", None), 2).await, ["g/2", "g/3"]);
    assert_eq!(first(&store, flight("WA1", Some(early)), 9).await, ["g/3", "g/1"]);
    assert_eq!(first(&store, flight("WA1", Some("2027-04-02")), 9).await, [""; 0]);
    assert_eq!(first(&store, flight("WA", None), 9).await, [""; 0]);
    assert_eq!(first(&store, day(early), 9).await, ["g/3", "g/1", "g/4"]);
    assert_eq!(first(&store, day("2027-04-1"), 9).await, [""; 0]);
    // A new fact changes nothing, except that the row has a new body.
    let listing = Some(Listing {
        departure: Some(Departure { flight: "WA1".into(), day: early.into(), since_ms: 100 }),
        ..by_phase("completed", 9, false)
    });
    store.commit(vec![Write { listing, ..write("g/1", 1, "news") }]).await.unwrap();
    let page = store.list(day(early), Start::First, 9).await.unwrap();
    let bodies: Vec<&str> = page.rows.iter().map(|it| it.1.as_str()).collect();
    assert_eq!(bodies, ["g/3", "news", "g/4"]);
    // A departure that has become known, one that has changed, and one that is not known any more.
    put("g/5", 1, 6, Some(("WA1", late, 60))).await;
    put("g/3", 1, 7, Some(("WA11", late, 1_000))).await;
    put("g/2", 1, 8, None).await;
    assert_eq!(first(&store, flight("WA1", None), 9).await, ["g/5", "g/1"]);
    assert_eq!(first(&store, flight("WA11", None), 9).await, ["g/3", "g/4"]);
    assert_eq!(first(&store, day(late), 9).await, ["g/3", "g/5"]);
    assert_eq!(store.commit(vec![write("g/3", 1, "late")]).await.unwrap(), Commit::Conflict);
}
