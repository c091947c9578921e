//! The live page of a real status service: its pages, its files and its stream.

use booking::domain::{RoleName, event::Kind};
use serde_json::{Value, json};

use crate::harness::{Account, Folder, Service, Sketch, eventually, skipped};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Publishes a request that belongs to a trace.
async fn request(account: &Account, id: &str) {
    let mut event: Value =
        serde_json::from_str(&Sketch::new(id, &["1A"], "tok_visa").cloud_event()).unwrap();
    event["traceparent"] = json!(format!("00-{TRACE}-b7ad6b7169203331-01"));
    account.publish(Kind::BookingRequested, &event.to_string()).await;
}

async fn is_known(service: &Service, id: &str) {
    eventually(&format!("status to hear of {id}"), async || {
        (service.get(&format!("/bookings/{id}")).await.0 == 200).then_some(())
    })
    .await;
}

async fn started(account: &Account, folder: &Folder) -> Service {
    let more = ["--trace-url", "https://traces.example.com/t/{trace_id}", "--stuck-after", "1h"];
    Service::start(RoleName::Status, &account.prefix, folder.path(), &more).await
}

async fn asked(service: &Service, path: &str) -> reqwest::Response {
    reqwest::get(format!("http://{}{path}", service.address)).await.unwrap()
}

/// The values of an attribute, wherever it stands.
fn values<'h>(html: &'h str, attribute: &str) -> Vec<&'h str> {
    let begin = format!(" {attribute}=\"");
    html.split(&begin).skip(1).filter_map(|it| it.split('"').next()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_whole_without_a_script_and_loads_nothing_from_elsewhere() {
    if skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = started(&account, &folder).await;
    request(&account, "page-1").await;
    is_known(&service, "page-1").await;
    // The overview is at most as old as its look.
    let overview = eventually("the overview to have the booking", async || {
        let html = asked(&service, "/").await.text().await.unwrap();
        html.contains("data-booking=\"page-1\" data-phase=\"requested\"").then_some(html)
    })
    .await;
    assert!(overview.contains("data-edge=\"payment-ok:receipt\""), "{overview}");
    assert!(overview.contains("waits for seat-booked from seats"), "{overview}");
    let one = asked(&service, "/booking/page-1").await.text().await.unwrap();
    assert!(one.contains(&format!("href=\"https://traces.example.com/t/{TRACE}\"")), "{one}");
    assert!(one.contains("data-step=\"seat-booked\"") && one.contains("EUR 129.00"), "{one}");

    for path in [
        "/",
        "/?show=requested",
        "/?show=open",
        "/?show=newest&after=1.paid.b-1",
        "/?show=nothing",
        "/booking/page-1",
        "/booking/page-2",
        "/booking/%3Cscript%3E",
        "/booking?id=%3Cscript%3E",
        "/?show=open&show=newest",
        "/booking/%FF",
        "/events?list=yes&list=yes",
        "/page/list?show=requested",
        "/page/booking/page-1",
        "/page/health",
    ] {
        let answer = asked(&service, path).await;
        let headers = answer.headers().clone();
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "script-src 'self'"] {
            assert!(policy.contains(rule) && !policy.contains("unsafe"), "{path}: {policy}");
        }
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("content-type"), "text/html; charset=utf-8", "{path}");
        let html = answer.text().await.unwrap();
        assert!(!html.contains("<style") && values(&html, "style").is_empty(), "{path}");
        assert!(!html.contains("<script>") && !html.contains(" onclick"), "{path}");
        let links = [values(&html, "href"), values(&html, "src"), values(&html, "action")];
        for link in links.concat() {
            let is_own = link.starts_with('/') && !link.starts_with("//") || link == "#main";
            assert!(is_own || link.starts_with("https://traces.example.com/t/"), "{path}: {link}");
        }
        for mark in ["Ada", "Lovelace", "ada@", "tok_visa"] {
            assert!(!html.contains(mark), "{path} tells {mark}");
        }
    }
    files_are_kept_for_good(&service, &overview).await;
}

async fn files_are_kept_for_good(service: &Service, overview: &str) {
    let files = [values(overview, "href"), values(overview, "src")].concat();
    let files: Vec<&str> = files.into_iter().filter(|it| it.contains("?v=")).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let answer = asked(service, file).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(answer.status(), 200, "{file}");
        assert!(header("cache-control").contains("immutable"), "{file}");
        let url = format!("http://{}{file}", service.address);
        let again = reqwest::Client::new().get(&url).header("if-none-match", header("etag"));
        assert_eq!(again.send().await.unwrap().status(), 304, "{file}");
        // The file of another version must not be kept as that one.
        let other = asked(service, &format!("{file}0")).await;
        assert_eq!(other.headers()["cache-control"], "no-cache", "{file}");
    }
}

/// A stream, read event by event.
struct Stream {
    answer: reqwest::Response,
    read: Vec<u8>,
}

impl Stream {
    async fn open(service: &Service, last: Option<&str>) -> Stream {
        let url = format!("http://{}/events?list=yes", service.address);
        let asked = reqwest::Client::new().get(url);
        let asked = last.iter().fold(asked, |asked, it| asked.header("last-event-id", *it));
        Stream { answer: asked.send().await.unwrap(), read: Vec::new() }
    }

    /// The id and the data of the next event of this name; `None` at the end of the stream.
    async fn next(&mut self, name: &str) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.read.windows(2).position(|it| it == b"\n\n") {
                let event: Vec<u8> = self.read.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                let field = |name: &str| {
                    let field = format!("{name}: ");
                    let line = event.lines().find_map(|it| it.strip_prefix(&field));
                    line.unwrap_or_default().to_owned()
                };
                let found = (field("event") == name)
                    .then(|| (field("id"), serde_json::from_str(&field("data")).unwrap()));
                if found.is_some() {
                    return found;
                }
                continue;
            }
            self.read.extend(self.answer.chunk().await.unwrap()?);
        }
    }

    /// The id and the data of the first news of which this is true.
    async fn until(&mut self, what: impl Fn(&Value) -> bool) -> (String, Value) {
        loop {
            let news = self.next("news").await.expect("the stream goes on");
            if what(&news.1) {
                return news;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_tells_what_happens_goes_on_where_it_was_and_ends_with_the_service() {
    if skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = started(&account, &folder).await;
    let names = |id: &'static str| {
        move |news: &Value| news["bookings"].as_array().is_some_and(|it| it.contains(&json!(id)))
    };
    let mut stream = Stream::open(&service, None).await;
    assert_eq!(stream.answer.headers()["content-type"], "text/event-stream");
    let (_, first) = stream.next("news").await.unwrap();
    assert_eq!(first["passed"], json!({}));
    assert!(stream.next("list").await.unwrap().1["html"].as_str().unwrap().contains("No booking"));
    request(&account, "stream-1").await;
    let (position, news) = stream.until(names("stream-1")).await;
    assert_eq!(news["passed"], json!({"booking-requested": 1}));
    let (_, list) = stream.next("list").await.unwrap();
    assert!(list["html"].as_str().unwrap().contains("data-booking=\"stream-1\""), "{list}");

    // Lost: what happens meanwhile is told at once when it is back.
    drop(stream);
    request(&account, "stream-2").await;
    is_known(&service, "stream-2").await;
    let mut stream = Stream::open(&service, Some(&position)).await;
    let (_, news) = stream.until(names("stream-2")).await;
    assert_eq!(news["passed"], json!({"booking-requested": 1}));
    assert_eq!(news["bookings"], json!(["stream-2"]));

    service.signal("TERM");
    while stream.next("news").await.is_some() {}
    assert_eq!(service.ended().await, Some(0));
}
