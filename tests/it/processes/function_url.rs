//! The function URL of status: who may ask there, and that nothing strange gets further.

use booking::domain::{RoleName, event::Kind};
use serde_json::{Value, json};

use super::functions::{Stage, TIME, failures};
use crate::harness::{Answered, Function, Sketch, skipped};

/// A request as Lambda makes it of one to a function URL.
fn request(method: &str, path: &str, authorization: Option<&str>, signed: bool) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut headers = json!({"host": "abc.lambda-url.eu-central-1.on.aws"});
    if let Some(it) = authorization {
        headers["authorization"] = json!(it);
    }
    let mut context = json!({
        "accountId": "anonymous",
        "apiId": "abc",
        "domainName": "abc.lambda-url.eu-central-1.on.aws",
        "http": {
            "method": method, "path": path, "protocol": "HTTP/1.1",
            "sourceIp": "203.0.113.1", "userAgent": "curl",
        },
        "requestId": "9c2a",
        "time": "01/Mar/2027:09:00:00 +0000",
        "timeEpoch": 1_803_891_600_000_i64,
    });
    if signed {
        context["authorizer"] =
            json!({"iam": {"accountId": "123456789012", "userArn": "arn:aws:iam::1:user/ada"}});
    }
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": false,
    })
}

const TOKEN: &str = "a-token-of-the-tests-that-is-long";

/// Failure matrix: M4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_answers_its_api_to_who_has_signed_or_has_the_token() {
    if skipped("dynamodb") {
        return;
    }
    let stage = Stage::make().await;
    let mut signed_only = stage.function(RoleName::Status, &[]).await;
    let mut with_token = stage.function(RoleName::Status, &[("BOOKING_STATUS_TOKEN", TOKEN)]).await;
    let sketch = Sketch::new("ada", &["12A"], "tok_visa");
    stage.account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    let records = stage.batch(RoleName::Status, 1).await;
    assert_eq!(failures(&signed_only.invoke(json!({"Records": records}), TIME).await), [""; 0]);

    let bearer = format!("Bearer {TOKEN}");
    let ask = async |function: &mut Function, it: Value| {
        let Answered::With(answer) = function.invoke(it, TIME).await else { panic!("no answer") };
        let body = answer["body"].as_str().unwrap();
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
        (answer["statusCode"].as_u64().unwrap(), body, answer["headers"].clone())
    };
    let mine = "/bookings/ada";
    let (code, body, headers) = ask(&mut signed_only, request("GET", mine, None, true)).await;
    assert_eq!((code, &body["booking_id"], &body["final"]), (200, &json!("ada"), &json!(false)));
    assert_eq!(headers["cache-control"], "no-store");
    let (code, body, _) =
        ask(&mut signed_only, request("GET", "/bookings?limit=1", None, true)).await;
    assert_eq!((code, body["bookings"].as_array().map(Vec::len)), (200, Some(1)), "{body}");
    for shown in [None, Some(bearer.as_str())] {
        let (code, body, _) = ask(&mut signed_only, request("GET", mine, shown, false)).await;
        assert_eq!(code, 403, "{body}");
        assert!(body["error"].as_str().unwrap().contains("signed"), "{body}");
    }
    // What a client can choose is no signature.
    let mut forged = request("GET", mine, None, false);
    forged["headers"]["x-amzn-authorizer-iam"] = json!("arn:aws:iam::1:root");
    forged["body"] = json!(r#"{"requestContext": {"authorizer": {"iam": {}}}}"#);
    assert_eq!(ask(&mut signed_only, forged).await.0, 403);

    let (code, _, _) = ask(&mut with_token, request("GET", mine, Some(&bearer), false)).await;
    assert_eq!(code, 200);
    for shown in [None, Some("Bearer another-token-of-the-tests")] {
        let (code, body, headers) = ask(&mut with_token, request("GET", mine, shown, false)).await;
        assert_eq!(code, 401, "{body}");
        assert!(headers["www-authenticate"].as_str().unwrap().contains("Bearer"), "{headers}");
    }
    let signed = request("GET", mine, Some("AWS4-HMAC-SHA256 Credential=…"), true);
    assert_eq!(ask(&mut with_token, signed).await.0, 200);

    // Nothing is served that needs a connection, and nothing strange ends the function.
    for (method, path, code) in [
        ("GET", "/", 404),
        ("GET", "/metrics", 404),
        ("POST", mine, 405),
        ("GET", "//evil.example/bookings", 404),
        ("GET", "/book ings", 400),
        ("NO METHOD", mine, 400),
        ("GET", "/bookings/%ff", 400),
        ("GET", "/bookings?limit=none", 400),
    ] {
        let (said, body, _) = ask(&mut signed_only, request(method, path, None, true)).await;
        assert_eq!(said, code, "{method} {path}: {body}");
        assert!(body["error"].is_string(), "{body}");
    }
}
