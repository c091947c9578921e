//! Streams share one look, skip what they could not read, go on where they were, and end when told.

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::page::testing::{at, completed, desk, keep, stuck};

async fn opened(
    desk: &Arc<Desk<crate::store::memory::Memory>>,
    query: &str,
    last: Option<&str>,
    stop: &CancellationToken,
) -> axum::body::BodyDataStream {
    let uri: axum::http::Uri = format!("/events?{query}").parse().unwrap();
    let wanted = Query::try_from_uri(&uri).unwrap();
    let mut headers = HeaderMap::new();
    if let Some(last) = last {
        headers.insert("last-event-id", last.parse().unwrap());
    }
    let stopping = Some(Extension(Stopping::new(stop.clone())));
    let answer = events(State(Arc::clone(desk)), stopping, wanted, headers).await;
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let mut stream = answer.into_body().into_data_stream();
    assert_eq!(next(&mut stream).await, "retry: 2000\n\n");
    stream
}

async fn next(stream: &mut axum::body::BodyDataStream) -> String {
    String::from_utf8(stream.next().await.expect("it goes on").unwrap().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn all_streams_share_a_look_and_a_slow_one_gets_what_it_missed_at_once() {
    let (desk, store, clock) = desk(at(100.0));
    let stop = CancellationToken::new();
    keep(&store, &completed("b-1", 90.0)).await;
    let mut fast = opened(&desk, "", None, &stop).await;
    let mut slow = opened(&desk, "list=yes", None, &stop).await;
    let first = next(&mut fast).await;
    assert_eq!(next(&mut slow).await, first);
    assert!(next(&mut slow).await.starts_with("event: list\ndata: {\"html\":"));
    for (number, time, id) in [(2, 101.0, "b-2"), (3, 102.0, "b-3")] {
        clock.advance(Duration::from_secs(1));
        keep(&store, &stuck(id, time)).await;
        let news = next(&mut fast).await;
        assert!(news.contains("\"passed\":{\"booking-requested\":1,\"seat-booked\":1}"), "{news}");
        assert_eq!(desk.look().await.unwrap().number, number);
    }
    let news = next(&mut slow).await;
    assert!(news.contains("\"passed\":{\"booking-requested\":2,\"seat-booked\":2}"), "{news}");
    assert!(next(&mut slow).await.starts_with("event: list\n"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_lost_goes_on_where_it_was_by_header_or_by_query() {
    let (desk, store, clock) = desk(at(100.0));
    let stop = CancellationToken::new();
    keep(&store, &completed("b-1", 90.0)).await;
    let mut lost = opened(&desk, "", None, &stop).await;
    let said = next(&mut lost).await;
    let id = said.lines().find_map(|it| it.strip_prefix("id: ")).unwrap().to_owned();
    drop(lost);
    keep(&store, &stuck("b-2", 100.5)).await;
    clock.advance(Duration::from_secs(3));
    for (query, last) in [("", Some(id.as_str())), (format!("since={id}").as_str(), None)] {
        let mut again = opened(&desk, query, last, &stop).await;
        let news = next(&mut again).await;
        assert!(news.contains("\"passed\":{\"booking-requested\":1,\"seat-booked\":1}"), "{news}");
        assert!(news.contains("\"bookings\":[\"b-2\"]"), "{news}");
    }
    // Who names no position, or one that nobody gave, begins anew.
    for last in [None, Some("<script>"), Some("")] {
        let mut anew = opened(&desk, "", last, &stop).await;
        assert!(next(&mut anew).await.contains("\"passed\":{}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_at_once_when_the_server_stops() {
    let (desk, _, _) = desk(at(100.0));
    let stop = CancellationToken::new();
    let mut stream = opened(&desk, "", None, &stop).await;
    next(&mut stream).await;
    let end = tokio::spawn(async move { stream.next().await.is_none() });
    tokio::task::yield_now().await;
    assert!(!end.is_finished());
    stop.cancel();
    assert!(end.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_nothing_to_say_shows_that_it_is_alive() {
    let (desk, _, _) = desk(at(100.0));
    let stop = CancellationToken::new();
    let mut stream = opened(&desk, "", None, &stop).await;
    next(&mut stream).await;
    // Somebody else looks, and does not end.
    let looks = desk.hold().await;
    assert_eq!(next(&mut stream).await, ": alive\n\n");
    drop(looks);
    assert!(next(&mut stream).await.starts_with("event: news\n"));
}
