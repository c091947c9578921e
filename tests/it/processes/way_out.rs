//! The way out to AWS: through a proxy, and with certificates that only the user trusts.

use booking::domain::{RoleName, event::Kind};

use crate::harness::{
    Account, Folder, Front, LocalStack, Service, Sketch, binary, eventually, free_port, skipped,
};

/// `booking request` with this environment: its exit code and what it says.
fn request(prefix: &str, environment: &[(&str, String)]) -> (Option<i32>, String) {
    let output = binary()
        .args(["request", "--flight", "WA117", "--date", "2027-03-01", "--seat", "12A"])
        .args(["--name", "Ada", "--email", "ada@example.com", "--amount", "EUR 129.00"])
        .args(["--token", "tok_visa", "--prefix", prefix])
        .envs(LocalStack::running().environment())
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn proxies_and_certificates_are_heeded_as_other_aws_tools_do() {
    if skipped("localstack") {
        return;
    }
    let account = Account::make(false).await;
    let prefix = account.prefix.as_str();
    let localstack = &LocalStack::running().endpoint;
    let port = localstack.rsplit(':').next().unwrap().parse().unwrap();
    let front = Front::of(port);
    let folder = Folder::new();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };

    let endpoint = ("AWS_ENDPOINT_URL", format!("https://localhost:{}", front.https));
    let trusted = ("AWS_CA_BUNDLE", front.authority());
    let proxy = format!("http://127.0.0.1:{}", front.proxy);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let connect = format!("CONNECT localhost:{}", front.https);
    let by = |name: &'static str| (name, proxy.clone());

    // A tunnel through the proxy, whatever the case of the variable.
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let before = front.asked(&connect);
        let done = request(prefix, &[endpoint.clone(), trusted.clone(), by(name)]);
        assert_eq!(done, (Some(0), String::new()), "{name}");
        eventually("a line in the log of the proxy", async || {
            (front.asked(&connect) > before).then_some(())
        })
        .await;
    }
    // Past it, where NO_PROXY says so: a proxy that is not there is not missed.
    let past = [("HTTPS_PROXY", nobody.clone()), ("NO_PROXY", "localhost".to_owned())];
    let settings = [&[endpoint.clone(), trusted.clone()][..], &past].concat();
    assert_eq!(request(prefix, &settings), (Some(0), String::new()));
    let (code, says) =
        request(prefix, &[endpoint.clone(), trusted.clone(), ("HTTPS_PROXY", nobody)]);
    assert_eq!(code, Some(75), "a proxy that is not there is heeded, too: {says}");

    // A plain endpoint is asked through the other variable. This proxy says the length of a body
    // twice, which LocalStack refuses; that it was asked is what counts.
    request(prefix, &[by("http_proxy")]);
    let post = format!("POST 127.0.0.1:{port}");
    eventually("a request through the proxy", async || (front.asked(&post) > 0).then_some(()))
        .await;

    // Certificates: of the profile, of nobody, and what is none.
    let bundle = format!("[default]\nca_bundle = {}\n", front.authority());
    let profile = ("AWS_CONFIG_FILE", file("config", &bundle));
    assert_eq!(request(prefix, &[endpoint.clone(), profile]), (Some(0), String::new()));
    let (code, says) = request(prefix, std::slice::from_ref(&endpoint));
    assert_eq!(code, Some(75), "nobody trusts it: {says}");
    let begins = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (bundle, says) in [
        (folder.join("nowhere.pem").to_str().unwrap().to_owned(), "cannot be read"),
        (file("empty.pem", "no certificate\n"), "has no certificate in it"),
        (file("broken.pem", begins), "has no certificate in it"),
    ] {
        let (code, text) = request(prefix, &[endpoint.clone(), ("AWS_CA_BUNDLE", bundle)]);
        assert_eq!(code, Some(78), "{text}");
        assert!(text.contains("AWS_CA_BUNDLE") && text.contains(says), "{text}");
    }

    // One that nobody can read beside one that is good is left out.
    let authority = std::fs::read_to_string(front.authority()).unwrap();
    let odd = ("AWS_CA_BUNDLE", file("odd.pem", &format!("{begins}{authority}")));
    assert_eq!(request(prefix, &[endpoint.clone(), odd]).0, Some(0));
    // What a profile leaves empty is not set.
    let empty = ("AWS_CONFIG_FILE", file("empty", "[default]\nca_bundle =\n"));
    assert_eq!(request(prefix, &[empty]).0, Some(0));

    // A service works through both from its start to a booking that it has heard of.
    let environment = [
        LocalStack::running().environment(),
        vec![endpoint, trusted, by("HTTPS_PROXY"), ("BOOKING_PREFIX", prefix.to_owned())],
    ]
    .concat();
    let mut status =
        Service::spawn_at(environment, RoleName::Status, prefix, folder.path(), |_| {});
    status.polls().await;
    let sketch = Sketch::new("by-proxy", &["1A"], "tok_visa");
    account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    eventually("status to hear of the booking", async || {
        let (code, _) = status.get("/bookings/by-proxy").await;
        (code == 200).then_some(())
    })
    .await;
}
