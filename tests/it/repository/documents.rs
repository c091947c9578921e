//! The documents against the code.

use std::{collections::BTreeSet, fs};

use booking::{
    cli::Cli,
    metrics::{Metrics, RequestCount},
    topics,
};
use clap::CommandFactory;

use crate::{
    harness::{Folder, binary, root},
    repository::{coverage, layers},
};

/// A file of the repository.
pub fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|it| panic!("{name}: {it}"))
}

/// The text between two marks.
pub fn between<'a>(text: &'a str, mark: &str) -> &'a str {
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- end {mark} -->"));
    let rest = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin}")).1;
    rest.split_once(&end).unwrap_or_else(|| panic!("no {end}")).0
}

/// The README is for a reader who has two minutes.
const README_LINES_MAX: usize = 120;

#[test]
fn the_map_of_the_architecture_has_every_module_of_the_layout() {
    let (map, layout) = (document("ARCHITECTURE.md"), document("src/lib.rs"));
    let layout = layout.lines().filter_map(|it| it.strip_prefix("//! - ")?.split_once(':'));
    let modules: Vec<&str> = layout.map(|it| it.0.trim_matches(['[', ']', '`'])).collect();
    assert!(modules.len() > 25, "{modules:?}");
    for module in modules {
        let names =
            ["src/", ""].map(|at| [format!("`{at}{module}/`"), format!("`{at}{module}.rs`")]);
        assert!(
            names.iter().flatten().any(|it| map.contains(it)),
            "no {module} in ARCHITECTURE.md"
        );
    }
}

#[test]
fn the_readme_is_short() {
    let lines = document("README.md").lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines");
}

#[test]
fn the_readme_shows_exactly_what_the_demo_prints() {
    let folder = Folder::new();
    let output = binary().arg("demo").env("TMPDIR", folder.path()).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let readme = document("README.md");
    let block = between(&readme, "demo").strip_prefix("```text\n");
    let shown = block.and_then(|it| it.strip_suffix("```\n")).expect("one block of text");
    let Some(rest) = printed.strip_prefix(shown) else {
        panic!("README.md does not show what `booking demo` prints:\n{printed}");
    };
    // The two lines that the README leaves out: a folder, which is new each time, and what is next.
    assert_eq!(rest.lines().filter(|it| !it.is_empty()).count(), 2, "{rest}");
}

#[test]
fn the_picture_in_the_readme_is_drawn_from_topics() {
    assert!(document("README.md").contains("](docs/choreography.svg)"));
    assert!(
        document("docs/choreography.svg") == topics::svg(),
        "draw it anew: cargo run -q -- topics --format svg >docs/choreography.svg"
    );
}

#[test]
fn every_arrow_in_a_sequence_diagram_is_a_subscription_of_topics() {
    let topics = topics::all();
    for name in ["README.md", "docs/CHOREOGRAPHY.md"] {
        let text = document(name);
        let diagrams = text.split("sequenceDiagram\n").skip(1);
        let lines = diagrams.flat_map(|it| it.split("```").next().unwrap_or(it).lines());
        assert!(!text.contains(">>"), "{name} draws another kind of arrow");
        let arrows: Vec<(&str, &str)> = lines.filter_map(|it| it.trim().split_once("-)")).collect();
        assert!(arrows.len() > 5, "{name} has only {arrows:?}");
        for (from, rest) in arrows {
            let (to, event) = rest.split_once(": ").unwrap_or_else(|| panic!("{name}: {rest}"));
            let drawn = topics.iter().any(|it| {
                it.topic.to_string() == event
                    && it.publisher == from
                    && it.subscribers.iter().any(|it| it.role.as_str() == to)
            });
            assert!(
                drawn,
                "{name} draws {event} from {from} to {to}, and topics/ has no such thing"
            );
        }
    }
}

#[test]
fn the_index_of_the_documents_has_every_document() {
    let index = document("docs/README.md");
    let listed = |folder: &str, before: &str| {
        for file in fs::read_dir(root().join(folder)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let link = format!("]({before}{name})");
            let is_document = name.ends_with(".md") || folder == "docs";
            let is_index = folder == "docs" && name == "README.md";
            if is_document && !is_index {
                assert!(index.contains(&link), "docs/README.md does not list {folder}/{name}");
            }
        }
    };
    listed("docs", "");
    listed("", "../");
    listed("terraform", "../terraform/");
    listed("localstack", "../localstack/");
}

#[test]
fn the_document_of_the_choreography_has_the_table_of_topics() {
    let shown = document("docs/CHOREOGRAPHY.md");
    assert_eq!(between(&shown, "topics").trim(), topics::table().trim());
}

#[test]
fn architecture_draws_the_choreography_of_topics() {
    let drawn = format!("```mermaid\n{}```\n", topics::mermaid());
    assert_eq!(between(&document("ARCHITECTURE.md"), "diagram"), drawn);
}

#[test]
fn booking_topics_prints_topics() {
    let print = |args: &[&str]| {
        let output = binary().arg("topics").args(args).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(print(&[]), topics::table());
    assert_eq!(print(&["--format", "mermaid"]), topics::mermaid());
    assert_eq!(print(&["--format", "svg"]), topics::svg());
    let json: Vec<serde_json::Value> = serde_json::from_str(&print(&["--format", "json"])).unwrap();
    assert_eq!(json.len(), topics::all().len());
    for (file, topic) in json.iter().zip(topics::all()) {
        let text = document(&format!("topics/{}.json", topic.topic));
        assert_eq!(*file, serde_json::from_str::<serde_json::Value>(&text).unwrap());
    }
}

#[test]
fn the_help_has_the_exit_codes_of_the_document_that_the_readme_leads_to() {
    let help = binary().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let codes = document("docs/COMMANDS.md");
    assert!(document("README.md").contains("(docs/COMMANDS.md)"));
    for code in ["0", "1", "2", "70", "75", "78", "130"] {
        assert!(
            help.lines().any(|it| it.trim_start().starts_with(&format!("{code} "))),
            "{code} in --help"
        );
        assert!(codes.contains(&format!("| {code} |")), "{code} in docs/COMMANDS.md");
    }
}

/// Whatever docs/SECURITY.md says a test holds, a test of that name is there; and each table names
/// some.
#[test]
fn every_test_that_the_threat_model_names_exists() {
    let document = document("docs/SECURITY.md");
    let text = document;
    let tests = coverage::tests();
    // Nothing else there is as long as the name of a test and in one word.
    let is_name = |it: &&str| {
        it.len() > 12
            && it.contains('_')
            && it.bytes().all(|it| it.is_ascii_lowercase() || b"_0123456789".contains(&it))
    };
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(tests.contains_key(name), "docs/SECURITY.md names {name}, which is no test");
    }
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let letters = heading.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    letters.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let folders = ["", "docs", "terraform", "localstack"].map(|it| fs::read_dir(root().join(it)));
    let files = folders.into_iter().flat_map(Result::unwrap).map(|it| it.unwrap().path());
    let mut links = 0;
    for document in files.filter(|it| it.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|it| it.split(')').next()) {
            if target.starts_with("http") {
                continue;
            }
            assert!(!target.starts_with('/'), "{} leads to {target}", document.display());
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let led_to = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            let place = document.display();
            assert!(led_to.exists(), "{place} leads to {target}");
            if !heading.is_empty() {
                let text = fs::read_to_string(&led_to).unwrap();
                let headings = text.lines().filter(|it| it.starts_with('#'));
                let mut anchors = headings.map(|it| anchor(it.trim_start_matches('#').trim()));
                assert!(anchors.any(|it| it == heading), "{place} leads to {target}");
            }
            links += 1;
        }
    }
    assert!(links > 20, "only {links} links were found");
}

#[test]
fn the_table_of_what_the_tests_need_has_every_name_that_leaves_tests_out() {
    let text = document("CONTRIBUTING.md");
    let table = text.split("\n## ").find(|it| it.starts_with("What the tests need")).unwrap();
    let rows = table.lines().filter(|it| it.starts_with("| `"));
    let names = rows.flat_map(|it| it.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let documented: BTreeSet<&str> = names.collect();
    let tests: Vec<String> = layers::sources(&root().join("tests"))
        .iter()
        .map(|it| fs::read_to_string(it).unwrap())
        .collect();
    // In this file the call is followed by a backslash, so this file finds no name in itself.
    let calls = tests.iter().flat_map(|it| it.split("skipped(\"").skip(1));
    let asked: BTreeSet<&str> =
        calls.map(|it| it.split('"').next().unwrap()).filter(|it| *it != "\\").collect();
    assert_eq!(documented, asked);
}

/// Every setting with a variable: the variable, and its default if it has one.
fn settings(command: &clap::Command) -> BTreeSet<(String, Option<String>)> {
    let own = command.get_arguments().filter_map(|it| {
        let variable = it.get_env()?.to_str()?.to_owned();
        let default = it.get_default_values().first().and_then(|it| it.to_str());
        let named = default.filter(|it| !it.is_empty() && *it != "false");
        Some((variable, named.map(str::to_owned)))
    });
    let below = command.get_subcommands().flat_map(settings);
    own.chain(below).collect()
}

#[test]
fn the_table_of_settings_has_every_setting_with_its_default() {
    let text = document("docs/COMMANDS.md");
    let table = text.split("\n### Every setting\n").nth(1).expect("the section of settings");
    let table = table.split("\n#").next().unwrap_or(table);
    let rows = table.lines().filter(|it| it.starts_with("| `BOOKING_"));
    let mut documented = BTreeSet::new();
    let settings = settings(&Cli::command());
    for row in rows {
        let variable = row.split('`').nth(1).unwrap();
        let default = row.split('|').nth(3).unwrap();
        for (_, wanted) in settings.iter().filter(|it| it.0 == variable) {
            let shown = wanted.as_ref().is_none_or(|it| default.contains(it.as_str()));
            assert!(shown, "{variable}: {wanted:?} is its default, not {default}");
        }
        documented.insert(variable.to_owned());
    }
    let there: BTreeSet<String> = settings.into_iter().map(|it| it.0).collect();
    assert_eq!(documented, there);
}

#[test]
fn the_table_of_metrics_has_every_metric() {
    let text = document("docs/COMMANDS.md");
    let table = text.split("\n### Metrics\n").nth(1).expect("the section of metrics");
    let rows = table.lines().filter_map(|it| it.strip_prefix("| `"));
    let rows = rows.take_while(|it| it.starts_with("booking_"));
    let documented: BTreeSet<String> =
        rows.map(|it| it.split('`').next().unwrap().to_owned()).collect();
    assert_eq!(documented, metrics());
}

/// Every metric that a service exposes, with the name that its samples have; a histogram by its own
/// name.
pub fn metrics() -> BTreeSet<String> {
    let count = RequestCount::default();
    count.add("sqs", "ReceiveMessage");
    count.took("GetItem", 1.0);
    let metrics = Metrics::new(count);
    // A metric with labels is there once it has been counted.
    metrics.delivered(None, "done");
    metrics.published("seat-booked");
    metrics.effects("answered", 1);
    metrics.breaker("store", false);
    metrics.ended("completed", 1.0);
    let text = metrics.render();
    let types = text.lines().filter_map(|it| it.strip_prefix("# TYPE ")?.split_once(' '));
    let ends = |kind| if kind == "counter" { "_total" } else { "" };
    let found: BTreeSet<String> =
        types.map(|(name, kind)| format!("{name}{}", ends(kind))).collect();
    // None is missing above: the metrics of bookings are registered together.
    let code = document("src/metrics.rs");
    let together = code.matches("\n        tell(").count();
    assert_eq!(found.len(), code.matches("registry.register(").count() + together + 1);
    found
}
