//! Lists of bookings over HTTP and on the command line: they go on where they ended, and back.

use std::collections::BTreeSet;

use axum::{Json, Router, http::Uri};
use booking::{
    clock::Clock,
    domain::{RoleName, event::Event},
    durability::Durability,
    roles::StatusRole,
    runtime::UnitOfWork,
    store::sqlite::{Engine, Inline},
    wiring::store_file,
};
use serde_json::{Value, json};

use super::flood::{says, told};
use crate::harness::{Account, Folder, Service, Sketch, binary};

/// All of one millisecond, which is what a flood looks like.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_goes_on_where_it_ended_until_there_is_no_more() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let engine = Engine::open(
        &store_file(folder.path(), RoleName::Status),
        RoleName::Status,
        Durability::PowerFailure,
    );
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let work = UnitOfWork::new(StatusRole, Inline::new(engine.unwrap()), clock);
    for at in 0..25 {
        let event: Event = Sketch::new(&format!("b-{at}"), &["12A"], "tok_visa").event();
        work.attend(&event).await.unwrap();
    }
    drop(work);
    let status = Service::start(RoleName::Status, &account.prefix, folder.path(), &[]).await;
    let ids = |page: &Value| -> Vec<String> {
        let lines = page["bookings"].as_array().unwrap().iter();
        lines.map(|it| it["booking_id"].as_str().unwrap().to_owned()).collect()
    };
    for query in [
        "",
        "order=stalest&",
        "phase=requested&",
        "flight=WA117&",
        "date=2027-03-01&",
        "flight=WA117&date=2027-03-01&",
        "flight=WA117&phase=requested&",
    ] {
        let (mut all, mut sizes, mut after) = (Vec::new(), Vec::new(), String::new());
        loop {
            let (code, page) = status.get(&format!("/bookings?{query}limit=10{after}")).await;
            assert_eq!(code, 200, "{page}");
            sizes.push(ids(&page).len());
            all.extend(ids(&page));
            let Some(next) = page["next"].as_str() else {
                // And back, from the last page to the one before.
                let previous = page["previous"].as_str().expect("there are pages before");
                let back = format!("/bookings?{query}limit=10&before={previous}");
                let (code, page) = status.get(&back).await;
                assert_eq!((code, ids(&page).as_slice()), (200, &all[10..20]), "{query}");
                break;
            };
            after = format!("&after={next}");
        }
        assert_eq!(sizes, [10, 10, 5], "{query}");
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 25, "{query}: each once");
    }
    let exact = status.get("/bookings?limit=25").await.1;
    assert!(exact.get("next").is_none(), "the end is known to be the end");
    assert!(exact.get("previous").is_none(), "and so is the beginning");
    for nobody in ["flight=WA118", "date=2027-03-02", "flight=WA117&phase=completed"] {
        let (code, none) = status.get(&format!("/bookings?{nobody}")).await;
        assert_eq!((code, none), (200, json!({"bookings": []})), "{nobody}");
    }
    for wrong in ["", "7", "7.paid", "7.paid.b'--", "x.paid.b", "%00", "7.paid.b%2Fc", "7.nil.b"] {
        for side in ["after", "before"] {
            let (code, said) = status.get(&format!("/bookings?{side}={wrong}")).await;
            assert_eq!((code, said["error"].is_string()), (400, true), "{wrong}: {said}");
        }
    }
    for wrong in [
        "flight=wa117",
        "flight=",
        "date=2027-3-1",
        "date=2027-02-30",
        "flight=WA117&order=stalest",
        "date=2027-03-01&order=stalest",
        "after=7.paid.b&before=7.paid.b",
        "flight=WA117&after=7.paid.b",
        "after=7.2027-03-01.b",
        "date=2027-03-02&after=7.2027-03-01.b",
    ] {
        let (code, said) = status.get(&format!("/bookings?{wrong}")).await;
        assert_eq!((code, said["error"].is_string()), (400, true), "{wrong}: {said}");
    }

    let url = format!("http://{}", status.address);
    let list = |args: &[&str]| {
        let mut list = binary();
        list.args(["list", "--status-url", &url]).args(args);
        list
    };
    let (code, first, beside) = told(list(&["--limit", "20"]).output().unwrap());
    assert_eq!((code, first.lines().count()), (Some(0), 21), "{first}");
    let next = beside.trim_end().strip_prefix("there are more: --after ").expect(&beside);
    let rest = says(list(&["--after", next]), 0, &[]);
    assert_eq!(rest.lines().count(), 6, "{rest}");
    assert_eq!(says(list(&["--all"]), 0, &[]).lines().count(), 26);
    let pages = says(list(&["--all", "--json", "--open"]), 0, &[]);
    assert_eq!(ids(&serde_json::from_str(&pages).unwrap()).len(), 25);
    let no =
        says(list(&["--after", "4111111111111111"]), 2, &["expected the `next` or `previous`"]);
    assert!(!no.contains("4111"));
    let of_day = ["--date", "2027-03-01", "--limit", "20"];
    let (code, first, beside) = told(list(&of_day).output().unwrap());
    assert_eq!((code, first.lines().count()), (Some(0), 21), "{first}");
    let next = beside.trim_end().strip_prefix("there are more: --after ").expect(&beside);
    let of_both = ["--date", "2027-03-01", "--flight", "WA117", "--json", "--after", next];
    let rest: Value = serde_json::from_str(&says(list(&of_both), 0, &[])).unwrap();
    assert_eq!(ids(&rest).len(), 5);
    let back = ["--date", "2027-03-01", "--before", rest["previous"].as_str().unwrap()];
    assert_eq!(says(list(&back), 0, &[]), first);
    assert_eq!(says(list(&["--flight", "WA118"]), 0, &[]), "no bookings\n");
    says(list(&["--flight", "wa117"]), 2, &["a flight such as WA117"]);
    says(list(&["--date", "1.3.2027"]), 2, &["YYYY-MM-DD"]);
    says(list(&["--flight", "WA117", "--open"]), 2, &["cannot be used with"]);
}

/// Of a flight and a phase, so many rows are looked through for a page: the first pages may be
/// empty, although the list goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_without_bookings_is_not_the_end_of_a_list() {
    let line = json!({"booking_id": "b-1", "phase": "paid", "final": false, "conflict": false,
                      "stuck": false, "as_of": "2027-02-01T09:30:00Z", "waiting_for": []});
    let answer = move |uri: Uri| {
        let page = match uri.query().unwrap_or_default() {
            it if it.contains("after=7.2027-03-01.b-8") => json!({ "bookings": [line] }),
            it if it.contains("after=9.2027-03-01.b-9") => {
                json!({"bookings": [], "next": "7.2027-03-01.b-8"})
            }
            it if it.contains("flight=WA118") => json!({"bookings": []}),
            _ => json!({"bookings": [], "next": "9.2027-03-01.b-9"}),
        };
        async move { Json(page) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let list = |flight: &str, more: &[&str]| {
        let mut list = binary();
        list.args(["list", "--phase", "paid", "--flight", flight, "--status-url", &url]).args(more);
        told(list.output().unwrap())
    };
    let (code, all, _) = list("WA117", &["--all"]);
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!((code, lines.len()), (Some(0), 2), "{all}");
    assert!(lines[0].starts_with("BOOKING ") && lines[1].starts_with("b-1 "), "{all}");
    let (code, first, beside) = list("WA117", &[]);
    assert_eq!((code, first.as_str()), (Some(0), ""), "there are more");
    assert_eq!(beside, "there are more: --after 9.2027-03-01.b-9\n");
    assert_eq!(list("WA118", &["--all"]).1, "no bookings\n");
}
