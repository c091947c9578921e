//! Who may put which event on an event bus, by exactly the policies that Terraform plans.

use aws_sdk_eventbridge::{
    config::Credentials, error::ProvideErrorMetadata, types::PutEventsRequestEntry,
};
use booking::{
    aws::Names,
    domain::{RoleName, event::Kind},
    topics,
};
use serde_json::Value;

use crate::harness::{Enforcing, Environment, planned, skipped, unique};

/// A client of EventBridge with the credentials of somebody.
async fn client_of(who: &Environment) -> aws_sdk_eventbridge::Client {
    let value = |name: &str| who.iter().find(|it| it.0 == name).map(|it| it.1.clone());
    let (key, secret) = (value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"));
    let token = value("AWS_SESSION_TOKEN");
    let credentials = Credentials::new(key.unwrap(), secret.unwrap(), token, None, "test");
    let config = Enforcing::running().config().await;
    let config = aws_sdk_eventbridge::config::Builder::from(&config);
    aws_sdk_eventbridge::Client::from_conf(config.credentials_provider(credentials).build())
}

/// Whether somebody may put these events on a bus in one request: each by its source and its type.
async fn may_put(
    events: &aws_sdk_eventbridge::Client,
    bus: &str,
    entries: &[(&str, &str)],
) -> bool {
    let entry = |(source, kind): &(&str, &str)| {
        let entry = PutEventsRequestEntry::builder().event_bus_name(bus).source(*source);
        entry.detail_type(*kind).detail("{}").build()
    };
    let entries = entries.iter().map(entry).collect();
    match events.put_events().set_entries(Some(entries)).send().await {
        Ok(it) => it.failed_entry_count() == 0,
        Err(it) if it.code() == Some("AccessDeniedException") => false,
        Err(it) => panic!("{it:?}"),
    }
}

/// Failure matrix: K3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_an_event_bus_each_may_put_exactly_its_own_events() {
    if skipped("iam") || skipped("terraform") {
        return;
    }
    let enforcing = Enforcing::running();
    let name = unique("b");
    let (prefix, account) =
        (format!("prefix={name}"), format!("account_id={}", Enforcing::ACCOUNT));
    let plan = planned(enforcing.endpoint(), &[&prefix, &account, "events=eventbridge"]);
    let policy = |who: &str| -> Value {
        let wanted = format!("{name}booking-{who}");
        let is_it = |it: &&Value| it["type"] == "aws_iam_policy" && it["values"]["name"] == *wanted;
        let found = plan.iter().find(is_it).unwrap_or_else(|| panic!("no policy {wanted}"));
        serde_json::from_str(found["values"]["policy"].as_str().unwrap()).unwrap()
    };
    let bus = Names::new(&name).event_bus();
    let admin = aws_sdk_eventbridge::Client::new(&enforcing.config().await);
    admin.create_event_bus().name(&bus).send().await.unwrap();

    let all = topics::all();
    let sources: Vec<String> = ["client", "seats", "payment", "receipt", "status"]
        .map(|it| format!("booking.{it}"))
        .into_iter()
        .chain(["shop.web".to_owned(), "aws.events".to_owned()])
        .collect();
    let publishes =
        |who: &str, kind: Kind| all.iter().any(|it| it.topic == kind && it.publisher == who);
    for who in RoleName::ALL.map(RoleName::as_str).into_iter().chain(["client"]) {
        let somebody = enforcing.somebody("user", &format!("{name}{who}"), &policy(who)).await;
        let events = client_of(&somebody).await;
        assert!(events.describe_event_bus().name(&bus).send().await.is_ok(), "{who}");
        assert!(events.describe_event_bus().name("default").send().await.is_err(), "{who}");
        for (source, kind) in sources.iter().flat_map(|it| Kind::ALL.map(|kind| (it, kind))) {
            let own = *source == format!("booking.{who}") && publishes(who, kind);
            let put = may_put(&events, &bus, &[(source, kind.topic())]).await;
            assert_eq!(put, own, "{who}: {kind} from {source}");
        }
        let Some(own) = all.iter().find(|it| it.publisher == who) else { continue };
        let (source, own) = (format!("booking.{who}"), own.topic.topic());
        assert!(!may_put(&events, "default", &[(&source, own)]).await, "{who} on another bus");
        assert!(!may_put(&events, &bus, &[(&source, "something")]).await, "{who}");
        let strange = if who == "seats" { "booking.payment" } else { "booking.seats" };
        let both = [(source.as_str(), own), (strange, own)];
        assert!(!may_put(&events, &bus, &both).await, "{who}: not even beside one of its own");
        assert!(may_put(&events, &bus, &[both[0], both[0]]).await, "{who}");
    }
    // An operator announces again what any role decided.
    let (who, policy) = (format!("{name}operator"), policy("operator"));
    let events = client_of(&enforcing.somebody("user", &who, &policy).await).await;
    for topic in &all {
        let source = format!("booking.{}", topic.publisher);
        assert!(may_put(&events, &bus, &[(&source, topic.topic.topic())]).await, "{source}");
    }
    assert!(!may_put(&events, &bus, &[("aws.events", "seat-booked")]).await);
    assert!(!may_put(&events, &bus, &[("booking.seats", "something")]).await);
}
