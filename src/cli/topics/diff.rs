//! `booking topics diff`: prints each difference and what it breaks. Everything that a stranger
//! wrote is printed in one line, and cut.

use std::ffi::OsString;

use clap::Args;

use super::other;
use crate::{
    cli::terminal::print,
    contracts::{self, Turn, Verdict},
    domain::RoleName,
    fault::Fault,
    printable::line,
};

/// The most characters that are printed of a name or a value from the other contracts.
const SHOWN_CHARS_MAX: usize = 120;

/// `booking topics diff`
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The other contracts: a file with the output of `booking topics --format json`, a folder of
    /// topic files, or a revision of the Git repository here, which needs git
    #[arg(value_name = "FILE|FOLDER|REVISION")]
    other: OsString,
}

/// Prints what is different, and whom it breaks.
pub(super) fn run(args: &DiffArgs) -> Result<(), Fault> {
    let there = other::contracts(&args.other)?;
    let verdicts = contracts::diff(&there).map_err(|it| Fault::Config(it.to_string()))?;
    let mut text = String::new();
    for verdict in &verdicts {
        text.push_str(&words(verdict));
    }
    text.push_str(&total(&verdicts));
    print(&text)?;
    match verdicts.iter().any(Verdict::breaks) {
        true => Err(Fault::No(String::new())),
        false => Ok(()),
    }
}

/// A text of a stranger in one line, cut where it is too long.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    line(&shown)
}

/// One difference, and below it what it breaks.
fn words(verdict: &Verdict) -> String {
    let change = &verdict.change;
    let (topic, field) = (shown(&change.topic), shown(&change.field));
    let mut text = format!("{topic} {field}: {}\n", shown(&change.how));
    if let Some(why) = change.untried {
        return text + &format!("  not tried: {why}\n");
    }
    if !verdict.breaks() {
        return text + "  breaks nobody\n";
    }
    let names = |roles: &[RoleName]| {
        let names: Vec<&str> = roles.iter().map(|it| it.as_str()).collect();
        names.join(", ")
    };
    text.push_str(&format!("  breaks {}", names(&verdict.broken())));
    if let Some(it) = &verdict.seen_with {
        text.push_str(&format!(", seen with {}", shown(&it.to_string())));
    }
    text.push('\n');
    let mut reasons: Vec<&str> = verdict.refused_by.values().map(String::as_str).collect();
    reasons.dedup();
    for reason in reasons {
        text.push_str(&format!("    sets the event aside: {}\n", shown(reason)));
    }
    for Turn { story, role, from, to } in &verdict.turns {
        text.push_str(&format!("    {story}: {role}: {from} → {to}\n"));
    }
    if verdict.turns.is_empty() {
        text.push_str("    every booking ends as before; the dead letters grow\n");
    }
    text
}

/// The last line.
fn total(verdicts: &[Verdict]) -> String {
    let breaks = verdicts.iter().filter(|it| it.breaks()).count();
    let untried = verdicts.iter().filter(|it| it.change.untried.is_some()).count();
    match verdicts.len() {
        0 => "no difference\n".to_owned(),
        all => {
            format!("differences: {all}; they break something: {breaks}; not tried: {untried}\n")
        }
    }
}
