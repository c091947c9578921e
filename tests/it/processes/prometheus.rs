//! What a real Prometheus makes of `/metrics` of the four real services, and the dashboard and the
//! alarms of docs/grafana, which are made of that.

use std::collections::BTreeSet;

use booking::domain::{RoleName, event::Kind};
use serde_json::{Value, json};

use crate::{
    harness::{Account, Folder, Prometheus, Sketch, all_four, eventually, promtool, root, skipped},
    repository::documents::{document, metrics},
};

/// What Grafana puts in place of these, for a dashboard that shows the last minutes.
const VARIABLES: [(&str, &str); 2] = [("$__rate_interval", "1m"), ("$__range", "5m")];

fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(&document("docs/grafana/booking.json")).unwrap();
    dashboard["panels"].as_array().unwrap().clone()
}

/// Each query of the dashboard, as Grafana sends it.
fn queries() -> Vec<String> {
    let panels = panels();
    let targets = panels.iter().filter_map(|it| it["targets"].as_array()).flatten();
    let queries = targets.map(|it| it["expr"].as_str().unwrap().to_owned());
    let filled =
        |it: String| VARIABLES.iter().fold(it, |it, (name, value)| it.replace(name, value));
    let queries: Vec<String> = queries.map(filled).collect();
    assert!(queries.len() > 20, "{queries:?}");
    queries
}

/// The metrics of ours that a text names, a histogram by its own name.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    let ends = ["_bucket", "_count", "_sum"];
    let whole =
        |it: &str| ends.iter().find_map(|end| it.strip_suffix(end)).unwrap_or(it).to_owned();
    words.filter(|it| it.starts_with("booking_")).map(whole).collect()
}

#[test]
fn the_dashboard_and_the_alarms_name_only_metrics_that_there_are() {
    let told = queries().join(" ") + &document("docs/grafana/alarms.yml");
    let unknown: Vec<String> = named(&told).difference(&metrics()).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    // All alarms are explained to whom they wake.
    let operations = document("docs/OPERATIONS.md");
    for alarm in alarms() {
        assert!(operations.contains(&format!("| `{alarm}` |")), "{alarm} in docs/OPERATIONS.md");
    }
}

fn alarms() -> Vec<String> {
    let text = document("docs/grafana/alarms.yml");
    let names = text.lines().filter_map(|it| it.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

#[test]
fn the_panels_of_the_dashboard_lie_side_by_side() {
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let side = |it: &str| panel["gridPos"][it].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24, "{panel}");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
        let is_row = panel["type"] == "row";
        assert_eq!(panel["description"].as_str().is_none_or(str::is_empty), is_row, "{panel}");
        assert_eq!(panel["datasource"]["uid"] == "${datasource}", !is_row, "{panel}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_answers_every_query_of_the_dashboard() {
    if skipped("localstack") || skipped("prometheus") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let services = all_four(&account.prefix, folder.path()).await;
    let status = &services[3];
    let prometheus = Prometheus::of(&services).await;
    // Each ending is there before the first booking: there is no increase from nothing to one.
    let ended = |it: &str| format!("sum(booking_time_to_ending_seconds_count{{ending=\"{it}\"}})");
    for ending in ["completed", "payment_failed", "refunded", "rejected"] {
        assert_eq!(prometheus.query(&ended(ending)).await, [0.0], "{ending}");
    }

    let mut bookings = vec![
        Sketch::new("timeout", &["20A"], "tok_timeout_then_ok"),
        Sketch::new("declined", &["21A"], "tok_declined"),
    ];
    for (id, seat) in [("b-1", "22A"), ("b-2", "22B"), ("b-3", "22C"), ("b-4", "22D")] {
        bookings.push(Sketch::new(id, &[seat], "tok_visa"));
    }
    // Each of them is requested twice.
    for sketch in bookings.iter().chain(&bookings) {
        account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    }
    let malformed = account.publish(Kind::BookingRequested, "no JSON").await;
    for id in bookings.iter().map(|it| it.id.as_str()).chain([malformed.as_str()]) {
        status.ending(id).await;
    }
    // Whatever comes again, too, has been dealt with.
    eventually("status to have done everything", async || {
        (account.depth(RoleName::Status).await == (0, 0)).then_some(())
    })
    .await;

    let told = [("completed", 5.0), ("payment_failed", 1.0), ("rejected", 1.0), ("refunded", 0.0)];
    for (ending, count) in told {
        eventually(&format!("{count} bookings to be {ending}"), async || {
            let found = prometheus.query(&ended(ending)).await;
            assert!(found[0] <= count, "{ending}: {found:?}");
            (found == [count]).then_some(())
        })
        .await;
    }
    assert_eq!(prometheus.query("sum(booking_time_to_ending_seconds_count)").await, [7.0]);
    for query in queries() {
        eventually(&format!("a figure for {query}"), async || {
            prometheus.query(&query).await.iter().any(|it| it.is_finite()).then_some(())
        })
        .await;
    }

    // Prometheus could evaluate every alarm, and none of them is raised.
    let wanted = alarms();
    let rules = eventually("all alarms to be evaluated", async || {
        let told = prometheus.get("rules", &[("type", "alert")]).await;
        let rules = told["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
        let known = rules.len() == wanted.len() && rules.iter().all(|it| it["health"] != "unknown");
        known.then_some(rules)
    })
    .await;
    for rule in rules {
        assert_eq!((&rule["health"], &rule["state"]), (&"ok".into(), &"inactive".into()), "{rule}");
    }

    for service in &services {
        let text = service.metrics().await;
        let said = promtool(root(), &["check", "metrics"], &text);
        let words = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
        assert!(said.status.success() && words.is_empty(), "{}: {words}\n{text}", service.role);
    }
}

/// Whatever the job is called, and also when the target is no longer found.
#[test]
fn the_alarm_of_a_service_that_is_down_needs_nothing_but_the_label_role() {
    if skipped("prometheus") {
        return;
    }
    let folder = Folder::new();
    std::fs::copy(root().join("docs/grafana/alarms.yml"), folder.join("alarms.yml")).unwrap();
    let up = |role: &str, up: u8| json!({"series": format!("up{{job=\"tasks\", role=\"{role}\"}}"), "values": format!("{up}x9")});
    let raised = |role: &str| {
        let told = json!({"summary": format!("no {role} service answers")});
        json!({"exp_labels": {"role": role}, "exp_annotations": told})
    };
    let test = json!({
        "rule_files": ["alarms.yml"],
        "tests": [{
            "interval": "1m",
            "input_series": [up("seats", 0), up("payment", 1), up("receipt", 1)],
            "alert_rule_test": [{
                "eval_time": "5m",
                "alertname": "BookingServiceDown",
                "exp_alerts": [raised("seats"), raised("status")],
            }],
        }],
    });
    std::fs::write(folder.join("test.yml"), test.to_string()).unwrap();
    let said = promtool(folder.path(), &["test", "rules", "test.yml"], "");
    let words = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
    assert!(said.status.success(), "{words}");
}

#[test]
fn promtool_has_nothing_against_the_configuration_and_the_alarms() {
    if skipped("prometheus") {
        return;
    }
    let folder = root().join("docs/grafana");
    let said = promtool(&folder, &["check", "config", "--lint=all", "prometheus.yml"], "");
    let words = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
    assert!(said.status.success(), "{words}");
    assert!(words.contains(&format!("{} rules found", alarms().len())), "{words}");
    // A complaint is seen.
    let said = promtool(
        &folder,
        &["check", "metrics"],
        "# TYPE a_seconds_total gauge\na_seconds_total 1\n",
    );
    assert!(!said.status.success());
}
