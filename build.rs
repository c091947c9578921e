//! Which commit a binary was built from and when, for `booking --version`.

use std::{env, path::Path, process::Command};

use jiff::Timestamp;

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
    // The journal of where HEAD was changes with every commit.
    let heads = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&heads).exists() {
        println!("cargo::rerun-if-changed={heads}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}

/// The day in UTC on which this script ran last: with the first build, and after each commit. Of a
/// reproducible build the day that its maker gives.
#[expect(clippy::disallowed_methods, reason = "a build has a date, and no rule goes by it")]
fn today() -> String {
    let given = env::var("SOURCE_DATE_EPOCH").ok().and_then(|it| it.parse().ok());
    let given = given.and_then(|it| Timestamp::from_second(it).ok());
    given.unwrap_or_else(Timestamp::now).strftime("%Y-%m-%d").to_string()
}
