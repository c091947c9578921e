//! A list is read page by page, both ways.

use booking::{
    domain::decision::{Departure, Listing},
    store::{Commit, Find, Place, Start, Store, Write},
};

use super::{
    Reopen,
    lists::{by_phase, day, flight, phase},
    write,
};

/// All pages of a list, from its beginning or from its end.
async fn pages(
    store: &impl Store,
    find: &Find,
    limit: usize,
    backwards: Option<Place>,
) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut start = backwards.clone().map_or(Start::First, Start::Before);
    loop {
        let page = store.list(find.clone(), start, limit).await.unwrap();
        assert!(page.rows.len() <= limit);
        // A place is that of the row at the edge, and there are rows on both sides of a page in the
        // middle.
        let edge = |it: Option<&(String, String)>| it.map(|it| it.0.clone());
        if let Some(it) = &page.previous {
            assert_eq!(Some(&it.key), edge(page.rows.first()).as_ref(), "{find:?} by {limit}");
        }
        if let Some(it) = &page.next {
            assert_eq!(Some(&it.key), edge(page.rows.last()).as_ref(), "{find:?} by {limit}");
        }
        let (ahead, behind) = match backwards {
            Some(_) => (page.previous, page.next),
            None => (page.next, page.previous),
        };
        let at_the_end = backwards.is_none() && pages.is_empty();
        assert_eq!(behind.is_none(), at_the_end, "{find:?} by {limit}, page {}", pages.len());
        pages.push(page.rows.into_iter().map(|it| it.0).collect());
        match ahead {
            None => return pages,
            Some(it) if backwards.is_some() => start = Start::Before(it),
            Some(it) => start = Start::After(it),
        }
    }
}

/// Rows that came meanwhile are on no later page of the newest, and rows that stayed are on one
/// each.
pub(super) async fn a_list_is_told_page_by_page_both_ways_each_row_once_also_those_of_one_time(
    at: &impl Reopen,
) {
    let store = at.open().await;
    let (one_day, other_day) = ("2027-05-01", "2027-05-02");
    let put = async |key: String, phase: &str, at_ms, version| {
        // Two flights and two days, and of each departure several rows of one time.
        let number = usize::from(key.as_bytes()[key.len() - 1]);
        let departure = Some(Departure {
            flight: ["WA8", "WA9"][number % 2].to_owned(),
            day: [one_day, one_day, other_day][number % 3].to_owned(),
            since_ms: at_ms,
        });
        let listing = Listing { departure, ..by_phase(phase, at_ms, phase != "completed") };
        let lot = vec![Write { listing: Some(listing), ..write(&key, version, &key) }];
        assert_eq!(store.commit(lot).await.unwrap(), Commit::Done);
    };
    // Later than all that other parts of the contract wrote. Seven of one time, of three phases.
    for at in 0..7 {
        let phase = ["paid", "completed", "requested"][at % 3];
        put(format!("booking/same-{at}"), phase, 2_000, 0).await;
    }
    for (at, phase) in ["paid", "completed", "paid", "requested"].into_iter().enumerate() {
        let at_ms = [1_998, 1_999, 2_001, 2_002][at];
        put(format!("booking/own-{at}"), phase, at_ms, 0).await;
    }
    let ours = |it: &String| it.starts_with("booking/");
    let whole = async |find: Find| -> Vec<String> {
        let page = store.list(find, Start::First, 99).await.unwrap();
        assert_eq!((page.previous, page.next), (None, None));
        page.rows.into_iter().map(|it| it.0).collect()
    };
    let counted = async |find: Find| whole(find).await.iter().filter(|it| ours(it)).count();
    let all = Find::Newest { phase: None };
    for (find, count) in [
        (all.clone(), 11),
        (phase("paid"), 5),
        (phase("completed"), 3),
        (Find::Stalest, 8),
        (flight("WA8", None), 6),
        (flight("WA9", None), 5),
        (flight("WA8", Some(one_day)), 4),
        (day(one_day), 8),
        (day(other_day), 3),
    ] {
        assert_eq!(counted(find.clone()).await, count, "{find:?}");
        let wanted = whole(find.clone()).await;
        // The place of the last row but one: before it are all rows but two.
        let most = store.list(find.clone(), Start::First, wanted.len() - 1).await.unwrap();
        let place = most.next.unwrap();
        for limit in 1..=wanted.len() + 1 {
            let forth = pages(&store, &find, limit, None).await;
            assert_eq!(forth.concat(), wanted, "{find:?} by {limit}");
            assert!(forth[..forth.len() - 1].iter().all(|it| it.len() == limit), "{forth:?}");
            let mut back = pages(&store, &find, limit, Some(place.clone())).await;
            back.reverse();
            assert_eq!(back.concat(), wanted[..wanted.len() - 2], "{find:?} by {limit}");
            assert!(back[1..].iter().all(|it| it.len() == limit), "{back:?}");
        }
        // From a page back to the one before, and forth again: the same two pages.
        let one = store.list(find.clone(), Start::First, 2).await.unwrap();
        let start = Start::After(one.next.clone().unwrap());
        let two = store.list(find.clone(), start.clone(), 2).await.unwrap();
        let back = Start::Before(two.previous.clone().unwrap());
        let again = store.list(find.clone(), back, 2).await.unwrap();
        assert_eq!(again, one, "{find:?}");
        assert_eq!(store.list(find.clone(), start, 2).await.unwrap(), two, "{find:?}");
        let nothing = store.list(find.clone(), Start::First, 0).await.unwrap();
        assert_eq!(nothing, booking::store::Page::default());
    }
    // In the order of time, whatever the pages are.
    let newest = whole(all.clone()).await;
    assert_eq!((newest[0].as_str(), newest[1].as_str()), ("booking/own-3", "booking/own-2"));
    assert_eq!((newest[9].as_str(), newest[10].as_str()), ("booking/own-1", "booking/own-0"));
    // Where the list goes on does not move: neither with new rows, nor with that of the place
    // itself.
    let first = store.list(all.clone(), Start::First, 4).await.unwrap();
    let next = first.next.clone().unwrap();
    assert_eq!(next.key, first.rows[3].0);
    for at in 0..3 {
        put(format!("booking/late-{at}"), "paid", 2_000 + 2 * at, 0).await;
    }
    put(next.key.clone(), "completed", 3_000, 1).await;
    let rest = store.list(all, Start::After(next), 99).await.unwrap();
    assert!(rest.previous.is_some() && rest.next.is_none());
    let rest: Vec<String> = rest.rows.into_iter().map(|it| it.0).filter(ours).collect();
    let old = |it: &&String| !it.contains("late-0");
    let mut all: Vec<&String> =
        first.rows.iter().map(|it| &it.0).chain(rest.iter().filter(old)).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 11, "{all:?}");
    assert_eq!(rest.iter().filter(old).count(), 7, "none of them twice: {rest:?}");
}

/// A client may make a place up, of any time and of a row that does not exist.
pub(super) async fn a_place_that_nobody_gave_is_before_or_after_all_rows_by_its_time(
    at: &impl Reopen,
) {
    let store = at.open().await;
    let (one_day, no_key) = ("2027-05-01", "booking/nobody".to_owned());
    let keys = async |find: &Find, start| -> Vec<String> {
        let page = store.list(find.clone(), start, 99).await.unwrap();
        page.rows.into_iter().map(|it| it.0).collect()
    };
    for (find, latest, earliest) in [
        (Find::Newest { phase: None }, "completed", "requested"),
        // The place of another phase.
        (phase("paid"), "completed", "completed"),
        (Find::Stalest, "requested", "completed"),
        (flight("WA8", None), "9999-12-31", "0000-01-01"),
        (flight("WA8", Some(one_day)), one_day, one_day),
        (day(one_day), one_day, one_day),
    ] {
        let place =
            |at_ms, under: &str| Place { at_ms, under: under.to_owned(), key: no_key.clone() };
        let (mut begin, mut end) = (place(i64::MAX, latest), place(i64::MIN, earliest));
        if find == Find::Stalest {
            (begin, end) = (end, begin);
        }
        let all = keys(&find, Start::First).await;
        assert!(!all.is_empty(), "{find:?}");
        assert_eq!(keys(&find, Start::After(begin.clone())).await, all, "{find:?}");
        assert_eq!(keys(&find, Start::Before(end.clone())).await, all, "{find:?}");
        assert_eq!(keys(&find, Start::Before(begin)).await, [""; 0], "{find:?}");
        assert_eq!(keys(&find, Start::After(end)).await, [""; 0], "{find:?}");
    }
}
