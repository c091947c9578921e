//! The HTTP API of a status service that really runs, against the documents that describe it.

use booking::{
    domain::{RoleName, event::Kind},
    http, topics,
};
use serde_json::Value;

use crate::harness::{Account, Folder, Service, Sketch, eventually, peer, root, skipped};

/// A canary that nobody has heard: it has no hops.
const CANARY: &str = "01997f6e-2f10-7d9a-9c53-6f2f5a1c9e01";

/// A status service that has heard of bookings in several phases.
async fn status(account: &Account, folder: &Folder) -> Service {
    let service = Service::start(RoleName::Status, &account.prefix, folder.path(), &[]).await;
    for at in 0..12 {
        let sketch = Sketch::new(&format!("api-{at}"), &["1A"], "tok_visa");
        account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    }
    account.publish(Kind::BookingRequested, r#"{"booking_id":"api-refused"}"#).await;
    eventually("status to hear of all", async || {
        let (_, page) = service.get("/bookings?limit=500").await;
        (page["bookings"].as_array()?.len() == 13).then_some(())
    })
    .await;
    service
}

/// The API does what its document says, whoever asks and whatever: all checks of schemathesis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_no_difference_between_the_api_and_its_document() {
    if skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = status(&account, &folder).await;
    let url = format!("http://{}", service.address);
    // From a file: asked for by its URL, the document would leave out its own path.
    let openapi = folder.join("openapi.json").display().to_string();
    let (_, served) = service.get("/openapi.json").await;
    let operations = served["paths"].as_object().unwrap().len();
    std::fs::write(&openapi, served.to_string()).unwrap();
    let output = tokio::task::spawn_blocking(move || {
        peer("api.py").args([&url, &openapi, "api-1", CANARY]).output().unwrap()
    });
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("Tested: {operations}\n")), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_serves_its_document_and_the_schema_that_each_event_names() {
    if skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = Service::start(RoleName::Status, &account.prefix, folder.path(), &[]).await;
    assert_eq!(service.get("/openapi.json").await, (200, http::openapi()));
    for topic in topics::all() {
        let file = root().join(format!("topics/{}.json", topic.topic));
        let file: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let named = file["example"]["dataschema"].as_str().unwrap().to_owned();
        for name in [topic.topic.to_string(), named] {
            let (code, schema) = service.get(&format!("/schemas/{name}")).await;
            assert_eq!((code, &schema), (200, &file["data"]), "{name}");
            assert!(jsonschema::draft202012::is_valid(&schema, &file["example"]["data"]), "{name}");
        }
    }
    for name in ["nothing", "payment-ok.json", "urn:booking:schema:payment-ok:2", "..%2Fpayment-ok"]
    {
        let (code, error) = service.get(&format!("/schemas/{name}")).await;
        assert_eq!(code, 404, "{name}");
        assert!(error["error"].is_string(), "{name}: {error}");
    }
}

/// RFC 9110: whoever is told 405 is also told which methods there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_a_method_is_not_allowed_names_those_that_are() {
    if skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = Service::start(RoleName::Status, &account.prefix, folder.path(), &[]).await;
    for path in ["/bookings", "/bookings/b-1", "/health", "/openapi.json", "/schemas/payment-ok"] {
        let url = format!("http://{}{path}", service.address);
        if path.starts_with("/bookings") {
            let headers = reqwest::get(&url).await.unwrap().headers().clone();
            let said = ["cache-control", "x-content-type-options", "cross-origin-resource-policy"];
            let said = said.map(|it| headers[it].to_str().unwrap().to_owned());
            assert_eq!(said, ["no-store", "nosniff", "same-origin"], "{path}");
        }
        let answer = reqwest::Client::new().delete(&url).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        assert_eq!(answer.headers()["allow"], "GET,HEAD", "{path}");
        let error: Value = answer.json().await.unwrap();
        assert_eq!(error["error"], "expected GET or HEAD", "{path}");
    }
}
