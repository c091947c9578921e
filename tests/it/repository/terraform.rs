//! Terraform's own checks: format, validity, and `terraform test` with a mocked provider.

use std::process::Command;

use crate::harness::{Folder, root, say, skipped};

#[track_caller]
fn passes(action: &[&str]) {
    if skipped("terraform") {
        return;
    }
    let folder = Folder::new();
    let output = Command::new("python3")
        .arg(root().join("localstack/terraform"))
        .args(["--workdir", &folder.path().display().to_string()])
        .args(action)
        .arg("-no-color")
        .output()
        .expect("python3 must be installed: https://www.python.org/downloads/");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "terraform {action:?} failed; it can be had from https://developer.hashicorp.com/terraform/install\n\
         (or leave these tests out with BOOKING_TEST_SKIP=terraform)\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    say(said.lines().last().unwrap_or_default());
}

#[test]
fn terraform_is_valid() {
    passes(&["validate"]);
}

/// How many run side by side: one alone keeps one core busy.
const PARTS: usize = 3;

#[test]
fn the_topology_and_every_policy_are_what_topics_says() {
    let names = std::fs::read_dir(root().join("terraform/tests")).unwrap();
    let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|it| it.ends_with(".tftest.hcl"));
    let mut filters: Vec<String> = names.map(|it| format!("-filter=tests/{it}")).collect();
    filters.sort();
    std::thread::scope(|scope| {
        for part in 0..PARTS {
            let filters = filters.iter().skip(part).step_by(PARTS).map(String::as_str);
            let action: Vec<&str> = ["test"].into_iter().chain(filters).collect();
            scope.spawn(move || passes(&action));
        }
    });
}

#[test]
fn terraform_is_formatted() {
    if skipped("terraform") {
        return;
    }
    let formatted = Command::new("terraform")
        .args(["fmt", "-check", "-recursive", "-diff"])
        .arg(root().join("terraform"))
        .output()
        .expect("terraform is missing: https://developer.hashicorp.com/terraform/install");
    assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stdout));
}
