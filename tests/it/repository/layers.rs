//! Who may import whom, read from the sources.

use std::{fs, path::Path};

use crate::harness::root;

/// What a module may name of ours, where that is less than the order of `src/lib.rs` allows.
const MAY: [(&str, &[&str]); 27] = [
    ("domain", &["domain"]),
    ("address.rs", &[]),
    ("answer.rs", &[]),
    ("aws", &["address", "domain", "metrics"]),
    ("bounded.rs", &[]),
    ("clock.rs", &[]),
    ("durability.rs", &[]),
    ("email.rs", &["domain"]),
    ("metrics.rs", &[]),
    ("outlook", &["domain", "topics"]),
    ("topics.rs", &["domain"]),
    ("traces", &["domain", "wire"]),
    ("topics", &["domain"]),
    ("wire", &["domain", "email", "topics"]),
    ("bus", &["domain", "wire", "aws", "clock", "topics"]),
    ("store", &["domain", "aws", "clock", "durability", "metrics"]),
    ("gateway", &["answer", "domain", "store"]),
    ("mailer", &["domain", "aws", "bounded", "durability", "metrics"]),
    ("roles", &["domain", "gateway", "mailer"]),
    ("printable.rs", &[]),
    ("dead_letters", &["domain", "wire", "aws", "bus", "runtime", "printable"]),
    (
        "vitals",
        &["address", "answer", "domain", "aws", "bus", "clock", "dead_letters", "runtime", "wire"],
    ),
    ("check", &["domain", "wire", "aws", "bus", "topics", "runtime"]),
    ("contracts", &["domain", "topics", "wire"]),
    ("http", &["domain", "clock", "metrics", "roles", "runtime", "store", "topics", "vitals"]),
    (
        "page",
        &[
            "address", "clock", "domain", "http", "outlook", "roles", "runtime", "store", "topics",
            "vitals",
        ],
    ),
    ("runtime", &["domain", "wire", "clock", "metrics", "traces", "bus", "store", "roles"]),
];

#[test]
fn every_module_imports_only_what_it_may() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for (module, may) in MAY {
        for file in sources(&src.join(module)) {
            let text = fs::read_to_string(&file).unwrap();
            for used in ours(&text) {
                if !may.contains(&used.as_str()) && used != module {
                    wrong.push(format!("{} uses crate::{used}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The modules of the layout in `src/lib.rs`, in its order.
fn layout() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let lines = text.lines().filter_map(|it| it.strip_prefix("//! - "));
    let names = lines.filter_map(|it| it.split('`').nth(1)).filter(|it| !it.contains(':'));
    names.map(str::to_owned).collect()
}

#[test]
fn a_module_imports_only_modules_above_it_in_the_layout() {
    let layout = layout();
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared = text.lines().filter_map(|it| it.split_once("mod ").map(|it| it.1));
    let declared: Vec<&str> = declared.filter_map(|it| it.strip_suffix(';')).collect();
    for module in declared.iter().filter(|it| **it != "cost_tests") {
        assert!(layout.iter().any(|it| it == module), "src/lib.rs has no line for {module}");
    }
    let place = |name: &str| layout.iter().position(|it| it == name);
    let mut wrong = Vec::new();
    for (own, module) in layout.iter().enumerate() {
        let src = root().join("src");
        let (file, folder) = (src.join(format!("{module}.rs")), src.join(module));
        let both = [file, folder].into_iter().filter(|it| it.exists());
        for file in both.flat_map(|it| sources(&it)) {
            let text = fs::read_to_string(&file).unwrap();
            let above = |it: &String| it == "cost_tests" || place(it).is_some_and(|it| it <= own);
            let below = ours(&text).into_iter().filter(|it| !above(it));
            wrong.extend(below.map(|it| format!("{} uses crate::{it}", file.display())));
        }
    }
    assert!(layout.len() > 20, "{layout:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_runtime_publishes_and_deletes() {
    for file in sources(&root().join("src/roles")) {
        let text = fs::read_to_string(&file).unwrap();
        for verb in ["crate::bus", ".send(incoming", ".publish(", ".delete(", ".set_aside("] {
            assert!(!text.contains(verb), "{} has {verb}", file.display());
        }
    }
}

#[test]
fn the_domain_has_no_clock_no_io_and_no_randomness() {
    for file in sources(&root().join("src/domain")) {
        let text = fs::read_to_string(&file).unwrap();
        for word in
            ["::now(", "now_v7", "std::fs", "std::net", "tokio", "fastrand", "async ", "rusqlite"]
        {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
    }
}

#[test]
fn nothing_stands_on_the_command_line() {
    for file in sources(&root().join("src")) {
        let place = file.strip_prefix(root().join("src")).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let is_cli = place.starts_with("cli") || place.starts_with("main.rs");
        assert!(is_cli || !ours(&text).iter().any(|it| it == "cli"), "{}", place.display());
    }
}

#[test]
fn adapters_are_named_by_the_wiring_and_by_what_stands_on_it() {
    // The demo wires its own bench, the command line resends from a file, the audit reads files.
    let may = ["wiring", "services", "demo", "cli", "audit"];
    for file in sources(&root().join("src")) {
        let place = file.strip_prefix(root().join("src")).unwrap();
        let adapters = ["bus", "store", "gateway", "mailer", "dead_letters", "check"];
        let top = place.iter().next().unwrap().to_str().unwrap();
        if may.contains(&top) || adapters.contains(&top) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for name in [
            "sqlite::",
            "dynamodb::",
            "simulated::",
            "stripe::",
            "folder::",
            "SmtpMailer",
            "SesMailer",
            "bus::aws",
            "bus::memory",
        ] {
            assert!(!text.contains(name), "{} names {name}", place.display());
        }
    }
}

/// The names after `crate::`, and in `use crate::{…}` the names at its top level.
fn ours(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut name = String::new();
            for letter in list.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 1 && (letter.is_alphanumeric() || letter == '_' || letter == ':') {
                    name.push(letter);
                } else if depth <= 1 && (letter == ',' || letter == '}' || letter == '{') {
                    names.extend(name.split("::").next().map(str::to_owned));
                    name.clear();
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            names.extend(
                rest.split(|it: char| !it.is_alphanumeric() && it != '_' && it != '*')
                    .next()
                    .map(str::to_owned),
            );
        }
    }
    names.retain(|it| !it.is_empty());
    names
}

/// Every source file in a folder, or the file itself.
pub fn sources(path: &Path) -> Vec<std::path::PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|it| panic!("{}: {it}", path.display()));
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() || path.extension().is_some_and(|it| it == "rs") {
            found.extend(sources(&path));
        }
    }
    found
}

#[test]
fn the_reader_of_imports_sees_what_there_is() {
    let text = "use crate::{\n    bus::{Bus, aws::{self}}, wire::{self},\n    domain::event::Kind,\n};\nlet x = crate::clock::Clock;\nuse crate::*;";
    assert_eq!(ours(text), ["bus", "wire", "domain", "clock", "*"]);
}
