//! Lists by flight and day: what a page costs on DynamoDB, what a table says that has no indexes
//! for them yet, and how bookings of one phase are found among those of a flight.

use std::sync::Arc;

use booking::{
    clock::Clock,
    domain::{
        RoleName,
        decision::{Departure, Listing},
        event::Kind,
        status::Phase,
    },
    http::{self, Filter},
    metrics::{Metrics, RequestCount},
    roles::StatusRole,
    runtime::UnitOfWork,
    store::{Commit, Find, Start, Store, StoreError, Write, memory::Memory},
};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::harness::{Sketch, Tables, binary, skipped};

fn row(key: &str, day: &str, since_ms: i64) -> Write {
    let departure = Departure { flight: "WA1".to_owned(), day: day.to_owned(), since_ms };
    let listing = Listing {
        phase: "paid".to_owned(),
        at_ms: since_ms,
        open: true,
        departure: Some(departure),
    };
    Write {
        key: key.to_owned(),
        read_version: 0,
        body: format!("the row {key}"),
        listing: Some(listing),
    }
}

fn lists() -> [Find; 3] {
    let (flight, day) = ("WA1".to_owned(), "2027-03-02".to_owned());
    [
        Find::Flight { flight: flight.clone(), day: None },
        Find::Flight { flight, day: Some(day.clone()) },
        Find::Day { day },
    ]
}

/// What was counted of queries: those that were sent, and their read units.
fn queries(count: &RequestCount) -> (f64, f64) {
    let text = Metrics::new(count.clone()).render();
    let sum = |name: &str| -> f64 {
        let lines = text.lines().filter(|it| it.starts_with(name) && it.contains("\"Query\""));
        lines.map(|it| it.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    (sum("booking_aws_requests_total"), sum("booking_capacity_units_total"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_flight_or_a_day_costs_the_same_wherever_it_is_in_a_list_of_any_length() {
    if skipped("dynamodb") {
        return;
    }
    let (tables, count) = (Tables::make().await, RequestCount::default());
    let store = tables.open_counted(RoleName::Status, count.clone()).await;
    // Entries of 1,000 bytes: whoever reads them all pays for it.
    let key = |at: i64| format!("booking/{at:0>992}");
    for lot in (0..300).collect::<Vec<i64>>().chunks(100) {
        let day = |at: i64| if at < 290 { "2027-03-02" } else { "2027-03-01" };
        let rows = lot.iter().map(|at| row(&key(*at), day(*at), *at)).collect();
        assert_eq!(store.commit(rows).await.unwrap(), Commit::Done);
    }
    for find in lists() {
        let before = queries(&count);
        let first = store.list(find.clone(), Start::First, 3).await.unwrap();
        let after = queries(&count);
        assert_eq!(first.rows.len(), 3);
        // Four entries of about 2 KB with their keys, read with eventual consistency.
        assert!((after.0 - before.0, after.1 - before.1) <= (1.0, 1.5), "{find:?}: {after:?}");
        let far = store.list(find.clone(), Start::First, 200).await.unwrap().next.unwrap();
        for start in [Start::After(far.clone()), Start::Before(far)] {
            let before = queries(&count);
            let page = store.list(find.clone(), start.clone(), 3).await.unwrap();
            let after = queries(&count);
            assert_eq!(page.rows.len(), 3);
            assert!(page.previous.is_some() && page.next.is_some());
            // And one entry on its other side.
            let (sent, units) = (after.0 - before.0, after.1 - before.1);
            assert!(
                sent <= 2.0 && units <= 2.0,
                "{find:?} {start:?}: {sent} queries, {units} units"
            );
        }
    }
}

/// A table that an earlier version of terraform/ made: the service works, and what it cannot do it
/// says by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_without_the_indexes_lists_by_phase_and_says_what_to_do_for_flight_and_day() {
    if skipped("dynamodb") {
        return;
    }
    let tables = Tables::make_without_departures().await;
    let store = tables.open(RoleName::Status).await;
    let work = Arc::new(UnitOfWork::new(StatusRole, store.clone(), Clock::Machine));
    work.attend(&Sketch::new("b-1", &["12A"], "tok_visa").event()).await.unwrap();
    let table = tables.names.table(RoleName::Status);
    for find in lists() {
        let error = store.list(find.clone(), Start::First, 9).await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, StoreError::NotIndexed { .. }), "{find:?}: {error:?}");
        let index = if matches!(find, Find::Day { .. }) { "of_day" } else { "of_flight" };
        for part in [table.as_str(), index, "terraform apply"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    assert_eq!(store.problem(), None, "the table is not lost");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let api = http::bookings(work, Clock::Machine, SignedDuration::from_mins(15));
    let server = tokio::spawn(http::serve(
        listener,
        api,
        Metrics::new(RequestCount::default()).connections,
        stop.clone(),
    ));
    let get = async |query: &str| {
        let answer = reqwest::get(format!("{url}/bookings?{query}")).await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    for query in ["flight=WA117", "date=2027-03-01", "flight=WA117&phase=paid"] {
        let (code, said) = get(query).await;
        let error = said["error"].as_str().unwrap();
        assert_eq!((code, error.contains("terraform apply")), (501, true), "{query}: {said}");
    }
    for query in ["", "phase=requested", "order=stalest"] {
        let (code, page) = get(query).await;
        assert_eq!((code, &page["bookings"][0]["booking_id"]), (200, &"b-1".into()), "{query}");
    }
    let list = tokio::task::spawn_blocking(move || {
        let args = ["list", "--flight", "WA117", "--status-url", &url];
        binary().args(args).output().unwrap()
    });
    let listed = list.await.unwrap();
    let said = String::from_utf8(listed.stderr).unwrap();
    assert_eq!(listed.status.code(), Some(78), "{said}");
    assert!(said.contains("terraform apply"), "{said}");
    stop.cancel();
    server.await.unwrap();
}

/// No index has flight and phase together, so rows are looked through: so many, and no more.
#[tokio::test]
async fn bookings_of_a_phase_are_found_among_those_of_a_flight_both_ways_and_with_an_end() {
    let (store, clock) =
        (Memory::default(), Clock::manual("2027-02-01T09:30:00Z".parse().unwrap()));
    let work = UnitOfWork::new(StatusRole, store.clone(), clock.clone());
    // Of 1,200 bookings, every fortieth has been paid as well.
    for at in 0..1_200 {
        let sketch = Sketch::new(&format!("b-{at}"), &["12A"], "tok_visa");
        work.attend(&sketch.event()).await.unwrap();
        if at % 40 == 0 {
            work.attend(&sketch.heard(Kind::PaymentOk)).await.unwrap();
        }
        clock.advance(std::time::Duration::from_millis(1));
    }
    let flight = Sketch::new("b", &["12A"], "tok_visa").request().seating.flight;
    let filter = Filter { phase: Some(Phase::Paid), flight: Some(flight), date: None };
    let ids = |page: &booking::store::Page| -> Vec<usize> {
        let id = |key: &str| key.trim_start_matches("booking/b-").parse().unwrap();
        page.rows.iter().map(|(key, _)| id(key)).collect()
    };
    let page = async |start| filter.page(&store, start, 4).await.unwrap();
    let one = page(Start::First).await;
    assert_eq!(ids(&one), [1160, 1120, 1080, 1040]);
    assert_eq!(one.previous, None);
    let two = page(Start::After(one.next.clone().unwrap())).await;
    assert_eq!(ids(&two), [1000, 960, 920, 880]);
    let back = page(Start::Before(two.previous.clone().unwrap())).await;
    assert_eq!(ids(&back), [1160, 1120, 1080, 1040]);
    let (mut all, mut start) = (Vec::new(), Start::First);
    loop {
        let page = page(start).await;
        all.extend(ids(&page));
        let Some(next) = page.next else { break };
        start = Start::After(next);
    }
    let wanted: Vec<usize> = (0..1_200).rev().filter(|it| it % 40 == 0).collect();
    assert_eq!(all, wanted);

    // A phase that nobody has: three pages of nothing, each with an end.
    let nobody = Filter { phase: Some(Phase::Refunded), ..filter.clone() };
    let (mut pages, mut start) = (0, Start::First);
    loop {
        let page = nobody.page(&store, start, 4).await.unwrap();
        assert_eq!(page.rows, []);
        pages += 1;
        let Some(next) = page.next else { break };
        start = Start::After(next);
    }
    assert_eq!(pages, 3, "500 rows are looked through for a page");
}
