//! The contracts that other teams read: the AsyncAPI document, as its official parser reads it.

use std::{collections::BTreeSet, fs, process::Command};

use booking::{domain::RoleName, topics};
use serde_json::Value;

use crate::harness::{Folder, root};

/// The version of the parser, which npm installs into `target/`.
const PARSER: &str = "@asyncapi/parser@3.6.6";

/// The parser's findings about a document, as it prints them.
const SCRIPT: &str = "
    const { Parser } = require('@asyncapi/parser');
    const text = require('fs').readFileSync(process.argv[2], 'utf8');
    new Parser().parse(text).then(({ document, diagnostics }) => {
        const operations = document ? document.operations().all().map(it => it.id()) : [];
        console.log(JSON.stringify({ diagnostics, operations }));
    });
";

fn document() -> Value {
    serde_json::from_str(&topics::asyncapi()).unwrap()
}

/// What the official parser says about this document.
fn parsed(document: &Value) -> Value {
    let home = root().join("target/asyncapi");
    fs::create_dir_all(&home).unwrap();
    if !home.join("node_modules/@asyncapi/parser").exists() {
        let npm = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix"])
            .arg(&home)
            .arg(PARSER)
            .output()
            .expect("Node with npm must be installed: https://nodejs.org/en/download");
        assert!(npm.status.success(), "{}", String::from_utf8_lossy(&npm.stderr));
    }
    let folder = Folder::new();
    let file = folder.join("asyncapi.json");
    fs::write(&file, document.to_string()).unwrap();
    let node = Command::new("node")
        .current_dir(&home)
        .args(["-e", SCRIPT, "--"])
        .arg("script")
        .arg(&file)
        .output()
        .expect("Node must be installed: https://nodejs.org/en/download");
    assert!(node.status.success(), "{}", String::from_utf8_lossy(&node.stderr));
    serde_json::from_slice(&node.stdout).unwrap()
}

fn errors(parsed: &Value) -> Vec<&Value> {
    parsed["diagnostics"].as_array().unwrap().iter().filter(|it| it["severity"] == 0).collect()
}

#[test]
fn the_official_parser_finds_no_error_in_the_asyncapi_document_and_every_operation() {
    let document = document();
    let told = parsed(&document);
    assert!(errors(&told).is_empty(), "{told:#}");
    let operations: BTreeSet<&str> =
        told["operations"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let topics = topics::all();
    let hears: usize = topics.iter().map(|it| it.subscribers.len()).sum();
    assert_eq!(operations.len(), topics.len() + hears);
    assert!(operations.contains("receipt.hears.payment-ok"), "{operations:?}");
    assert!(operations.contains("client.publishes.booking-requested"), "{operations:?}");
    // It would find one.
    let mut broken = document;
    broken["operations"]["receipt.hears.payment-ok"]["action"] = "hear".into();
    assert!(!errors(&parsed(&broken)).is_empty());
}

#[test]
fn each_message_of_the_asyncapi_document_describes_its_example() {
    let document = document();
    for topic in topics::all() {
        let message = &document["components"]["messages"][topic.topic.as_str()];
        let schema = &message["payload"]["schema"];
        jsonschema::draft202012::validate(schema, &topic.example)
            .unwrap_or_else(|it| panic!("{}: {it}", topic.topic));
        let mut other = topic.example.clone();
        other["type"] = "another".into();
        assert!(jsonschema::draft202012::validate(schema, &other).is_err());
    }
}

#[test]
fn the_graph_has_every_arrow_of_the_choreography() {
    let graph = topics::dot();
    for topic in topics::all() {
        assert!(graph.contains(&format!("{} -> \"{}\"", topic.publisher, topic.topic)));
        for role in RoleName::ALL {
            let hears = topic.subscribers.iter().any(|it| it.role == role);
            assert_eq!(graph.contains(&format!("\"{}\" -> {role}\n", topic.topic)), hears);
        }
    }
}
