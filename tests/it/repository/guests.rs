//! `docs/ADD-A-SERVICE.md` against the files that it shows, and what its first step does to the
//! account: as a new team does it, in a copy of the repository.

use std::{collections::BTreeMap, fs, path::Path};

use booking::{domain::event::Kind, topics};
use serde_json::{Value, json};

use crate::{
    harness::{Folder, peer, planned_on_aws, planned_on_aws_of, root, skipped},
    repository::documents::{between, document},
};

const GUIDE: &str = "docs/ADD-A-SERVICE.md";

/// The blocks of code in this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    text.split(begin.as_str()).skip(1).map(|it| it.split("```").next().unwrap()).collect()
}

#[test]
fn the_guide_shows_the_whole_consumer_as_it_is_tested() {
    let guide = document(GUIDE);
    let [shown] = blocks(&guide, "python")[..] else { panic!("one consumer in Python") };
    let file = document("examples/loyalty.py");
    assert!(shown == file, "{GUIDE} does not show examples/loyalty.py as it is");
    let lines = file.lines().filter(|it| !it.trim().is_empty()).count();
    assert!(lines <= 45, "{lines} lines are more than about 40");
}

/// Runs the consumer on one body, with the lines that docs/EVENTBRIDGE.md has for an event bus.
fn heard_on_an_event_bus(body: &Value) -> (bool, String) {
    let page = document("docs/EVENTBRIDGE.md");
    let [lines] = blocks(&page, "python")[..] else { panic!("one block in Python") };
    let consumer = document("examples/loyalty.py");
    let begin = consumer.find("    envelope = json.loads(body)").unwrap();
    let canary = consumer.find("    if event[\"dataschema\"] == \"urn:booking:canary:0\"").unwrap();
    let rest: Vec<&str> =
        consumer[canary..].lines().filter(|it| !it.contains("\"TopicArn\"")).collect();
    let rest = rest.join("\n");
    let rest = rest.split("if __name__").next().unwrap();
    let folder = Folder::new();
    let file = folder.join("consumer.py");
    let (here, before) = ("ACCOUNT, REGION = '1', 'here'\n", &consumer[..begin]);
    let end = "print(fact_of(sys.argv[1]))\n";
    fs::write(&file, [before, lines, rest, here, end].concat()).unwrap();
    let output = peer(&file.display().to_string()).arg(body.to_string()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_consumer_hears_an_event_bus_with_the_lines_that_its_page_has() {
    let event = topics::all().into_iter().find(|it| it.topic == Kind::ReceiptSent).unwrap().example;
    let envelope = json!({
        "detail-type": "receipt-sent", "source": "booking.receipt", "account": "1",
        "region": "here", "detail": event,
    });
    let (well, said) = heard_on_an_event_bus(&envelope);
    assert!(well && said.contains("'receipt-sent'"), "{said}");
    for (field, value) in
        [("account", "2"), ("region", "there"), ("source", "booking.client"), ("detail-type", "x")]
    {
        let mut other = envelope.clone();
        other[field] = json!(value);
        let (well, said) = heard_on_an_event_bus(&other);
        assert!(!well && said.contains("Error"), "{field}: {said}");
    }
}

#[test]
fn the_guide_shows_rust_that_stands_in_the_example() {
    let files = ["examples/loyalty/points.rs", "examples/loyalty/main.rs"].map(document);
    let guide = document(GUIDE);
    let shown = blocks(&guide, "rust");
    assert!(shown.len() >= 2, "{shown:?}");
    for block in shown {
        // A part that is left out.
        for part in block.split("// …\n") {
            let part = part.trim_end();
            assert!(files.iter().any(|it| it.contains(part)), "no example has\n{part}");
        }
    }
}

#[test]
fn the_example_uses_only_what_any_other_crate_may_use() {
    let main = document("examples/loyalty/main.rs");
    for name in ["RoleName", "services::", "cli::", "wiring::"] {
        assert!(!main.contains(name), "the example uses {name}, which belongs to the four");
    }
}

/// Does the first step of the guide in a copy.
fn with_loyalty() -> Folder {
    let folder = Folder::new();
    for part in ["localstack/terraform", "terraform", "topics"] {
        copy(&root().join(part), &folder.join(part));
    }
    let guide = document(GUIDE);
    for topic in ["topics/receipt-sent.json", "topics/payment-refunded.json"] {
        let entry = between(&guide, topic);
        let [entry] = blocks(entry, "json")[..] else { panic!("one entry for {topic}") };
        let entry: Value = serde_json::from_str(entry).unwrap();
        let file = folder.join(topic);
        let mut text: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        text["subscribers"].as_array_mut().unwrap().push(entry);
        fs::write(&file, text.to_string()).unwrap();
    }
    folder
}

/// A file, or the files of a folder with the folders below it, but none that begins with a dot,
/// save the lock file.
fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        let hidden = name.to_string_lossy().starts_with('.');
        if !hidden || name == ".terraform.lock.hcl" {
            copy(&from.join(&name), &to.join(&name));
        }
    }
}

/// Everything that Terraform would make, by address.
fn by_address(resources: Vec<Value>) -> BTreeMap<String, Value> {
    let of = |it: Value| (it["address"].as_str().unwrap().to_owned(), it["values"].clone());
    resources.into_iter().map(of).collect()
}

/// With tables and tasks, so that it is seen that a guest gets neither.
const WHOLE: [&str; 10] = [
    "account_id=123456789012",
    "region=eu-central-1",
    "store=dynamodb",
    "watch_queues=true",
    "image=registry.example/booking:1.4.0",
    "vpc_id=vpc-0a1b2c3d",
    r#"subnet_ids=["subnet-0a1b2c3d"]"#,
    "flights=sample",
    "gateway=simulated",
    "mailer=folder",
];

#[test]
fn a_guest_in_topics_adds_what_is_its_own_and_changes_nothing_of_the_four() {
    if skipped("terraform") {
        return;
    }
    let before = by_address(planned_on_aws(&WHOLE));
    let repository = with_loyalty();
    let after = by_address(planned_on_aws_of(repository.path(), &WHOLE));
    let added: Vec<&String> = after.keys().filter(|it| !before.contains_key(*it)).collect();
    let alarm =
        |it: &str| format!("aws_cloudwatch_metric_alarm.queue_or_topic[\"booking-loyalty{it}\"]");
    let mut own = vec![
        alarm("-dlq"),
        alarm("-in-flight"),
        alarm("-oldest-message"),
        alarm("-undelivered"),
        r#"aws_iam_policy.publisher["loyalty"]"#.to_owned(),
        r#"aws_sns_topic_subscription.role["loyalty/payment-refunded"]"#.to_owned(),
        r#"aws_sns_topic_subscription.role["loyalty/receipt-sent"]"#.to_owned(),
        r#"aws_sqs_queue.dlq["loyalty"]"#.to_owned(),
        r#"aws_sqs_queue.role["loyalty"]"#.to_owned(),
        r#"aws_sqs_queue.undelivered["loyalty"]"#.to_owned(),
        r#"aws_sqs_queue_redrive_policy.role["loyalty"]"#.to_owned(),
    ];
    own.sort();
    assert_eq!(added, own.iter().collect::<Vec<_>>());
    let changed: Vec<&str> = before
        .iter()
        .filter(|(address, values)| after.get(*address) != Some(values))
        .map(|(address, _)| address.as_str())
        .collect();
    // A row more on the dashboard; and operators may look at the guest's queues.
    assert_eq!(changed, ["aws_cloudwatch_dashboard.booking[0]", "aws_iam_policy.operator"]);
    let policy = after[r#"aws_iam_policy.publisher["loyalty"]"#]["policy"].as_str().unwrap();
    for never in ["sns:Publish", "dynamodb:", "booking-seats", "*"] {
        assert!(!policy.contains(never), "loyalty may {never}: {policy}");
    }
}
