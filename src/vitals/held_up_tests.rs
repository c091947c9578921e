//! A service is asked for the bookings that it holds up, and whatever answers instead is told.

use axum::{Json, Router, http::StatusCode, response::Redirect, routing::get};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::vitals::ServiceVitals;

/// Of a queue with three messages in flight.
struct Queues;

impl Watch for Queues {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>> {
        let services = RoleName::ALL
            .map(|role| ServiceVitals { in_flight: 3, ..ServiceVitals::nothing(role) });
        let read = Timestamp::UNIX_EPOCH;
        Box::pin(std::future::ready(Vitals { read, services: services.into() }))
    }
}

async fn listening(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

async fn answering(status: StatusCode, body: Value) -> String {
    listening(Router::new().route("/health", get(async move || (status, Json(body))))).await
}

async fn seen(url: &str) -> ServiceVitals {
    let url: HealthUrl = format!("payment={url}").parse().unwrap();
    let watch = with_held_up(Arc::new(Queues), &[url], Clock::Machine).unwrap();
    let mut services = watch.look().await.services;
    let others = services.iter().filter(|it| it.role != RoleName::Payment);
    assert!(others.clone().all(|it| it.held_up.is_none() && it.in_flight == 3));
    services.swap_remove(1)
}

#[tokio::test]
async fn a_service_says_how_many_bookings_it_holds_up_whether_or_not_it_is_healthy() {
    for status in [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE] {
        let health = json!({"healthy": true, "blocked_groups": {"count": 2, "longest_s": 41.5}});
        let url = answering(status, json!({"role": "payment", "health": health})).await;
        for url in [url.clone(), format!("{url}/"), format!("{url}/health")] {
            let payment = seen(&url).await;
            let held_up = HeldUp { bookings: 2, longest: Duration::from_millis(41_500) };
            assert_eq!((payment.in_flight, payment.held_up), (3, Some(Ok(held_up))));
        }
    }
    let url = answering(StatusCode::OK, json!({"role": "payment", "health": {}})).await;
    assert_eq!(seen(&url).await.held_up, Some(Ok(HeldUp::default())));
}

#[tokio::test]
async fn what_is_not_this_service_is_told_and_its_queue_is_shown_as_ever() {
    let other = answering(StatusCode::OK, json!({"role": "seats", "health": {}})).await;
    let strange = answering(StatusCode::NOT_FOUND, json!({"error": "no such page"})).await;
    let endless = answering(StatusCode::OK, json!("x".repeat(ANSWER_BYTES_MAX))).await;
    let elsewhere = answering(StatusCode::OK, json!({"role": "payment", "health": {}})).await;
    let to = format!("{elsewhere}/health");
    let leads_away = get(async move || Redirect::temporary(&to));
    let leads_away = listening(Router::new().route("/health", leads_away)).await;
    let health = json!({"blocked_groups": {"count": 1, "longest_s": -1.0}});
    let negative = answering(StatusCode::OK, json!({"role": "payment", "health": health})).await;
    let silent = get(async || std::future::pending::<()>().await);
    let silent = listening(Router::new().route("/health", silent)).await;
    let nobody = "http://user:secret@127.0.0.1:1".to_owned();
    for (url, says) in [
        (other, "seats answers"),
        (negative, "nothing answers like a service: 200"),
        (silent, "did not answer within 1 s"),
        (strange, "nothing answers like a service: 404"),
        (endless, "nothing answers like a service: 200"),
        (leads_away, "nothing answers like a service: 307"),
        (nobody, "cannot be asked"),
    ] {
        let payment = seen(&url).await;
        let problem = payment.held_up.unwrap().unwrap_err();
        assert!(problem.contains(says) && !problem.contains("secret"), "{problem}");
        assert_eq!((payment.in_flight, payment.problem), (3, None));
    }
}

#[test]
fn a_url_names_a_service_and_is_never_repeated() {
    for wrong in
        ["http://secret:1", "cook=http://secret", "payment=secret:1", "payment=", "=http://secret"]
    {
        let problem = wrong.parse::<HealthUrl>().unwrap_err();
        assert!(!problem.contains("secret"), "{problem}");
    }
    // As in a list with spaces.
    let url: HealthUrl = " payment=http://payment:8082".parse().unwrap();
    let twice = with_held_up(Arc::new(Queues), &[url.clone(), url], Clock::Machine).err();
    assert_eq!(twice.as_deref(), Some("payment has two URLs"));
}
