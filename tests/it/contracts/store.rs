//! One contract for every store, and what is true of SQLite alone. What is true of DynamoDB alone
//! is in `dynamodb`. One file: the parts of the contract run one after the other in one store.

use std::sync::Arc;

use booking::{
    domain::{
        RoleName,
        decision::{Departure, Listing},
    },
    durability::Durability,
    store::{
        Commit, Find, Place, Start, Store, Tally, Write,
        dynamodb::DynamoDb,
        memory::Memory,
        sqlite::{Engine, Inline, Sqlite},
    },
};

use tokio::sync::Semaphore;

use crate::harness::{Folder, Tables, skipped};

/// Opens the same store again, as another process or a restart would.
trait Reopen {
    type Store: Store;
    async fn open(&self) -> Self::Store;
}

struct InlineFile(Folder);
struct WriterFile(Folder);

pub fn engine(folder: &Folder) -> Engine {
    Engine::open(&folder.join("seats.db"), RoleName::Seats, Durability::PowerFailure).unwrap()
}

impl Reopen for InlineFile {
    type Store = Inline;
    async fn open(&self) -> Inline {
        Inline::new(engine(&self.0))
    }
}

impl Reopen for WriterFile {
    type Store = Sqlite;
    async fn open(&self) -> Sqlite {
        Sqlite::start(engine(&self.0)).unwrap()
    }
}

impl Reopen for Memory {
    type Store = Memory;
    async fn open(&self) -> Memory {
        self.clone()
    }
}

impl Reopen for Tables {
    type Store = DynamoDb;
    async fn open(&self) -> DynamoDb {
        // The one that has indexes.
        Tables::open(self, RoleName::Status).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_keeps_the_contract() {
    if !skipped("dynamodb") {
        the_contract(Tables::make().await).await;
    }
}

#[tokio::test]
async fn the_engine_inline_keeps_the_contract() {
    the_contract(InlineFile(Folder::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_writer_thread_keeps_the_contract() {
    the_contract(WriterFile(Folder::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract() {
    the_contract(Memory::default()).await;
}

async fn the_contract(at: impl Reopen) {
    a_row_is_read_as_it_was_written(&at).await;
    a_row_that_changed_meanwhile_is_not_overwritten(&at).await;
    a_commit_is_whole_or_not_at_all(&at).await;
    one_of_many_at_once_wins(&at).await;
    two_openers_see_each_others_commits(&at).await;
    lists_are_by_phase_and_age(&at).await;
    lists_are_by_flight_and_day(&at).await;
    a_list_is_told_page_by_page_both_ways_each_row_once_also_those_of_one_time(&at).await;
    open_rows_are_counted_up_to_a_bound_the_oldest_first(&at).await;
}

pub fn write(key: &str, read_version: u64, body: &str) -> Write {
    Write { key: key.to_owned(), read_version, body: body.to_owned(), listing: None }
}

pub async fn body(store: &impl Store, key: &str) -> Option<String> {
    store.read(vec![key.to_owned()]).await.unwrap().pop().unwrap().map(|it| it.body)
}

async fn a_row_is_read_as_it_was_written(at: &impl Reopen) {
    let store = at.open().await;
    assert_eq!(
        store.commit(vec![write("a/1", 0, "one"), write("a/2", 0, "two")]).await.unwrap(),
        Commit::Done
    );
    let rows = store.read(vec!["a/2".into(), "a/3".into(), "a/1".into()]).await.unwrap();
    let rows: Vec<_> = rows.into_iter().map(|it| it.map(|it| (it.version, it.body))).collect();
    assert_eq!(rows, [Some((1, "two".into())), None, Some((1, "one".into()))]);
}

async fn a_row_that_changed_meanwhile_is_not_overwritten(at: &impl Reopen) {
    let store = at.open().await;
    store.commit(vec![write("b", 0, "first")]).await.unwrap();
    assert_eq!(store.commit(vec![write("b", 0, "late")]).await.unwrap(), Commit::Conflict);
    assert_eq!(store.commit(vec![write("b", 1, "second")]).await.unwrap(), Commit::Done);
    assert_eq!(store.commit(vec![write("b", 1, "late")]).await.unwrap(), Commit::Conflict);
    assert_eq!(body(&store, "b").await.as_deref(), Some("second"));
}

async fn a_commit_is_whole_or_not_at_all(at: &impl Reopen) {
    let store = at.open().await;
    store.commit(vec![write("c/1", 0, "old")]).await.unwrap();
    let lot = vec![write("c/2", 0, "new"), write("c/1", 7, "new"), write("c/3", 0, "new")];
    assert_eq!(store.commit(lot).await.unwrap(), Commit::Conflict);
    assert_eq!(body(&store, "c/1").await.as_deref(), Some("old"));
    assert_eq!(body(&store, "c/2").await, None);
    assert_eq!(body(&store, "c/3").await, None);
}

async fn one_of_many_at_once_wins(at: &impl Reopen) {
    let store = Arc::new(at.open().await);
    let mut tasks = tokio::task::JoinSet::new();
    // As many as one service has in hand: an emulator on a busy machine answers no more in time.
    let in_hand = Arc::new(Semaphore::new(64));
    for at in 0..200 {
        let (store, in_hand) = (Arc::clone(&store), Arc::clone(&in_hand));
        // Each also writes a row of its own, so that the losers must leave nothing behind.
        let lot = vec![write("d/seat", 0, &at.to_string()), write(&format!("d/{at}"), 0, "mine")];
        tasks.spawn(async move {
            let _turn = in_hand.acquire().await.unwrap();
            store.commit(lot).await.unwrap()
        });
    }
    let ends = tasks.join_all().await;
    assert_eq!(ends.iter().filter(|it| **it == Commit::Done).count(), 1);
    let winner = body(&*store, "d/seat").await.unwrap();
    for at in 0..200 {
        let row = body(&*store, &format!("d/{at}")).await;
        assert_eq!(row.is_some(), at.to_string() == winner, "row {at}, winner {winner}");
    }
}

async fn two_openers_see_each_others_commits(at: &impl Reopen) {
    let (one, other) = (at.open().await, at.open().await);
    one.commit(vec![write("e", 0, "by one")]).await.unwrap();
    assert_eq!(body(&other, "e").await.as_deref(), Some("by one"));
    assert_eq!(other.commit(vec![write("e", 0, "too late")]).await.unwrap(), Commit::Conflict);
    assert_eq!(other.commit(vec![write("e", 1, "by the other")]).await.unwrap(), Commit::Done);
    assert_eq!(body(&one, "e").await.as_deref(), Some("by the other"));
    drop((one, other));
    assert_eq!(body(&at.open().await, "e").await.as_deref(), Some("by the other"));
}

/// A row that is listed by phase and age alone.
fn by_phase(phase: &str, at_ms: i64, open: bool) -> Listing {
    Listing { phase: phase.to_owned(), at_ms, open, departure: None }
}

fn phase(it: &str) -> Find {
    Find::Newest { phase: Some(it.to_owned()) }
}

fn flight(flight: &str, day: Option<&str>) -> Find {
    Find::Flight { flight: flight.to_owned(), day: day.map(str::to_owned) }
}

fn day(day: &str) -> Find {
    Find::Day { day: day.to_owned() }
}

/// The keys of the first rows.
async fn first(store: &impl Store, find: Find, limit: usize) -> Vec<String> {
    let page = store.list(find, Start::First, limit).await.unwrap();
    page.rows.into_iter().map(|(key, _)| key).collect()
}

async fn lists_are_by_phase_and_age(at: &impl Reopen) {
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

async fn lists_are_by_flight_and_day(at: &impl Reopen) {
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
async fn a_list_is_told_page_by_page_both_ways_each_row_once_also_those_of_one_time(
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

/// After all other parts of the contract, whose rows count as well.
async fn open_rows_are_counted_up_to_a_bound_the_oldest_first(at: &impl Reopen) {
    let store = at.open().await;
    let before = store.tally(i64::MIN, 999).await.unwrap();
    assert_eq!(before.older, 0);
    let rows = [
        ("t/1", "paid", -30, true),
        ("t/2", "requested", -20, true),
        ("t/3", "paid", -10, true),
        ("t/4", "completed", 9_000, false),
    ];
    for (key, phase, at_ms, open) in rows {
        let listing = Some(by_phase(phase, at_ms, open));
        store.commit(vec![Write { listing, ..write(key, 0, key) }]).await.unwrap();
    }
    let newest_ms = Some(9_000);
    let tally = async |before_ms, limit| store.tally(before_ms, limit).await.unwrap();
    let open = before.open + 3;
    assert_eq!(tally(i64::MIN, 999).await, Tally { open, older: 0, newest_ms });
    assert_eq!(tally(-20, 999).await, Tally { open, older: 1, newest_ms });
    assert_eq!(tally(-9, 999).await, Tally { open, older: 3, newest_ms });
    assert_eq!(tally(i64::MAX, 999).await, Tally { open, older: open, newest_ms });
    // The oldest are counted, of whatever phase.
    assert_eq!(tally(-9, 2).await, Tally { open: 2, older: 2, newest_ms });
    assert_eq!(tally(-20, 2).await, Tally { open: 2, older: 1, newest_ms });
    assert_eq!(tally(-9, 0).await, Tally { open: 0, older: 0, newest_ms });
    // A row that is rewritten counts once, at its new time, until it has ended.
    let listing = Some(by_phase("paid", -5, true));
    store.commit(vec![Write { listing, ..write("t/1", 1, "t/1") }]).await.unwrap();
    assert_eq!(tally(-9, 999).await, Tally { open, older: 2, newest_ms });
    let listing = Some(by_phase("completed", -4, false));
    store.commit(vec![Write { listing, ..write("t/1", 2, "t/1") }]).await.unwrap();
    assert_eq!(tally(-9, 999).await, Tally { open: open - 1, older: 2, newest_ms });
}
