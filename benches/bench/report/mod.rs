//! The report: `target/bench/results.json` after each measurement, and `docs/BENCHMARKS.md` after a
//! complete one. An incomplete measurement must never overwrite `docs/BENCHMARKS.md`; its report is
//! printed.

mod acceptance;
mod bill;
mod figure;
mod floor;
mod machine;
mod tables;

use std::{fs, path::Path, time::Duration};

use crate::{place, results::Results, sizes::Sizes};

const METHOD: &str = include_str!("method.md");
/// Found with a profiler while the services were developed. No run measures it again.
const PROFILE: &str = include_str!("profile.md");

/// Writes the report. `whole` says that everything was measured, and as often as required.
pub fn write(
    results: &Results,
    sizes: &Sizes,
    runs: usize,
    took: Duration,
    whole: bool,
) -> anyhow::Result<()> {
    let json = place::folder().join("results.json");
    fs::write(&json, serde_json::to_string_pretty(results)?)?;
    let text = text(results, sizes, runs, took)?;
    if whole {
        fs::write(Path::new(place::REPOSITORY).join("docs/BENCHMARKS.md"), text)?;
        println!("docs/BENCHMARKS.md and {} are written", json.display());
    } else {
        println!("{text}");
    }
    Ok(())
}

fn text(results: &Results, sizes: &Sizes, runs: usize, took: Duration) -> anyhow::Result<String> {
    let mut text = String::from(
        "# Benchmarks\n\n`just bench` writes this report. It installs what it needs, and measures \
         everything again.\n\n",
    );
    let lines = acceptance::lines(results, sizes)?;
    let missed = lines.iter().filter(|it| it.met() == Some(false)).count();
    text.push_str(&format!(
        "{} of {} acceptance lines are met. A figure is the median of {runs} runs, with the \
         smallest and the largest in brackets. A figure without brackets was the same in all runs, \
         or was measured once.\n\n",
        lines.iter().filter(|it| it.met() == Some(true)).count(),
        lines.len(),
    ));
    if missed > 0 {
        let are = if missed == 1 { "is" } else { "are" };
        text.push_str(&format!("**{missed} {are} missed.**\n\n"));
    }
    text.push_str("## Where\n\n");
    text.push_str(&machine::table(took)?);
    text.push_str(METHOD);
    for section in tables::sections(results, sizes)? {
        text.push_str(&format!("\n## {}\n\n{}", section.title, section.text));
        let of_section: Vec<_> = lines.iter().filter(|it| it.letter == section.letter).collect();
        if !of_section.is_empty() {
            text.push_str(&format!("\n{}", acceptance::table(&of_section)));
        }
    }
    text.push_str(PROFILE);
    Ok(text)
}
