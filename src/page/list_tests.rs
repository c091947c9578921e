//! What stands first, how much stands there, and that nothing in it can be taken for HTML.

use super::*;
use crate::{
    domain::{
        event::Kind,
        request::Rejection,
        status::{Phase, Record},
    },
    page::testing::{STUCK_AFTER, at, booking, completed, declined, stuck},
};

fn ids(group: &Group) -> Vec<&str> {
    group.lines.iter().map(|it| it.id.as_str()).collect()
}

#[test]
fn contradictions_stuck_and_failed_ones_stand_first_and_each_once() {
    let wrong = booking("b-0", &[(Kind::PaymentOk, 990.0), (Kind::PaymentFailed, 990.0)]);
    let rows = Rows {
        newest: vec![
            completed("b-9", 999.0),
            stuck("b-8", 995.0),
            declined("b-7", 992.0),
            wrong.clone(),
            stuck("b-5", 700.0),
        ],
        is_all: true,
        stalest: vec![stuck("b-5", 700.0), stuck("b-8", 995.0)],
        inconsistent: vec![wrong],
    };
    let list = by_default(&rows, at(1_000.0), STUCK_AFTER);
    let [top, newest] = list.groups.as_slice() else { panic!("{list:?}") };
    assert_eq!(ids(top), ["b-0", "b-5", "b-7"]);
    assert_eq!(ids(newest), ["b-9", "b-8"]);
    assert_eq!(top.heading, "Stuck or failed (1 stuck)");
    assert_eq!(top.lines[1].waits, ["waits for payment-ok from payment, 5 min, late"]);
    assert_eq!(newest.lines[1].waits, ["waits for payment-ok from payment, 5 s"]);
}

#[test]
fn however_many_there_are_a_page_has_at_most_200_lines_and_goes_on_after_them() {
    let many = |count: usize, make: fn(&str, f64) -> Row| -> Vec<Row> {
        (0..count).map(|it| make(&format!("b-{it}"), 10_000.0 - it as f64)).collect()
    };
    let rows = Rows {
        newest: many(200, completed),
        is_all: false,
        stalest: many(20, |id, time| stuck(&format!("s{id}"), time - 5_000.0)),
        inconsistent: Vec::new(),
    };
    let list = by_default(&rows, at(10_001.0), STUCK_AFTER);
    let lines: usize = list.groups.iter().map(|it| it.lines.len()).sum();
    assert_eq!(lines, 20 + LINES_MAX);
    let older = list.older.as_deref().unwrap();
    assert!(older.starts_with("/?show=newest&after=") && older.ends_with(".completed.b-59"));
    assert_eq!(list.groups[0].heading, "Stuck or failed (20 or more stuck)");
    // Nothing follows the last line.
    let all = Rows { newest: many(LINES_MAX, completed), is_all: true, ..Rows::default() };
    assert_eq!(by_default(&all, at(10_001.0), STUCK_AFTER).older, None);
    let one_more = Rows { newest: many(LINES_MAX + 1, completed), is_all: true, ..all };
    assert!(by_default(&one_more, at(10_001.0), STUCK_AFTER).older.is_some());
    let failed = Rows { newest: many(200, declined), ..Rows::default() };
    let list = by_default(&failed, at(10_001.0), STUCK_AFTER);
    assert_eq!(list.groups[0].lines.len(), FAILED_MAX);
    assert!(list.render().unwrap().matches("<tr role=\"row\" data-booking").count() <= 200);
}

#[test]
fn an_empty_store_says_so() {
    let html = by_default(&Rows::default(), at(0.0), STUCK_AFTER).render().unwrap();
    assert!(html.contains("No booking has come yet.") && !html.contains("<table"), "{html}");
}

#[test]
fn whatever_stands_in_a_booking_it_is_text() {
    let reason = "\"><script>alert(1)</script>".to_owned();
    let record = Record::default().rejecting(Rejection { time: at(1.0), reason }).unwrap();
    let id = crate::domain::ids::BookingId::parse("b-1").unwrap();
    let mut list = by_default(
        &Rows { newest: vec![Row { id, record }], ..Rows::default() },
        at(2.0),
        STUCK_AFTER,
    );
    list.groups[0].lines[0].departure = Some("<b>".to_owned());
    list.groups[0].lines[0].waits = vec!["'\"<img src=x>".to_owned()];
    let html = list.render().unwrap();
    for raw in ["<script", "<b>", "<img", " style=", " onclick="] {
        assert!(!html.contains(raw), "{raw}: {html}");
    }
}

#[tokio::test]
async fn what_is_asked_for_is_paged_from_the_store() {
    let store = crate::store::memory::Memory::default();
    for at in 0..LINES_MAX + 5 {
        crate::page::testing::keep(&store, &completed(&format!("c-{at:03}"), at as f64)).await;
    }
    crate::page::testing::keep(&store, &declined("d-1", 500.0)).await;
    let of = Phase::Completed;
    let first = Wish::of(Show::Of(of));
    let page = asked(&store, &first, at(600.0), STUCK_AFTER).await.unwrap();
    assert_eq!(page.groups[0].lines.len(), LINES_MAX);
    assert_eq!(page.groups[0].lines[0].id, format!("c-{:03}", LINES_MAX + 4));
    assert_eq!(page.newer, None);
    let second = follow(page.older);
    let page = asked(&store, &second, at(600.0), STUCK_AFTER).await.unwrap();
    assert_eq!((page.groups[0].lines.len(), &page.older), (5, &None));
    // And back.
    let back = asked(&store, &follow(page.newer), at(600.0), STUCK_AFTER).await.unwrap();
    assert_eq!(back.groups[0].lines[0].id, format!("c-{:03}", LINES_MAX + 4));
    assert_eq!((back.groups[0].lines.len(), back.newer), (LINES_MAX, None));
    // By flight and day, and of these one phase.
    for (query, found) in [
        ("flight=WA117", LINES_MAX),
        ("flight=WA999", 0),
        ("date=2027-03-01&show=payment_failed", 1),
    ] {
        let wish = follow(Some(format!("/?{query}")));
        let page = asked(&store, &wish, at(600.0), STUCK_AFTER).await.unwrap();
        assert_eq!(page.groups[0].lines.len(), found, "{query}");
    }
}

/// The list that a link leads to.
fn follow(address: Option<String>) -> Wish {
    let address: axum::http::Uri = address.unwrap().parse().unwrap();
    let asked = axum::extract::Query::try_from_uri(&address).unwrap();
    Wish::read(&asked).unwrap()
}
