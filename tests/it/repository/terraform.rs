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

#[test]
fn the_topology_and_every_policy_are_what_topics_says() {
    passes(&["test"]);
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
