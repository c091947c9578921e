//! Which commit a binary was built from and when, for `booking --version`.

use std::{env, path::Path, process::Command};

use jiff::Timestamp;

/// The journal of where HEAD was: it changes with every commit.
const HEADS: &str = ".git/logs/HEAD";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BOOKING_COMMIT");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    // Where there is no repository, as in a container, the commit is told by the variable.
    let told = env::var("BOOKING_COMMIT").ok().filter(|it| !it.is_empty());
    let is_release = env::var("PROFILE").is_ok_and(|it| it == "release");
    let commit = told.or_else(|| if is_release { commit() } else { None });
    let origin = match commit {
        Some(commit) => format!("{commit}, built {}", today()),
        // Not the commit: a build while somebody works would begin anew after every one.
        None if !is_release => "development build".to_owned(),
        None => format!("unknown commit, built {}", today()),
    };
    println!("cargo::rustc-env=BOOKING_ORIGIN={origin}");
}

/// The commit of the working tree, if this is one.
fn commit() -> Option<String> {
    if Path::new(HEADS).exists() {
        println!("cargo::rerun-if-changed={HEADS}");
    }
    let git = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(git.stdout).ok()?.trim().to_owned();
    (git.status.success() && !commit.is_empty()).then_some(commit)
}

/// The day in UTC; of a reproducible build the day that its maker gives.
#[expect(clippy::disallowed_methods, reason = "a build has a date, and no rule goes by it")]
fn today() -> String {
    let given = env::var("SOURCE_DATE_EPOCH").ok().and_then(|it| it.parse().ok());
    let given = given.and_then(|it| Timestamp::from_second(it).ok());
    given.unwrap_or_else(Timestamp::now).strftime("%Y-%m-%d").to_string()
}
