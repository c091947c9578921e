//! docs/COVERAGE.md against the failure matrix and the tests: every row is held by something that
//! exists, or is said to be left out, and why. A test says in its doc comment which rows it holds:
//! `/// Failure matrix: A24, A25.`

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::harness::root;

/// The ids of sections A to F and I to L of the matrix. G's rows have no ids: they are in
/// docs/PHASES.md.
fn rows_of_the_matrix() -> BTreeSet<String> {
    let matrix = fs::read_to_string(root().join("docs/FAILURE-MATRIX.md")).unwrap();
    let ids = matrix.lines().filter_map(|it| it.strip_prefix("| ")?.split(' ').next());
    let is_id = |it: &&str| {
        let mut letters = it.chars();
        letters.next().is_some_and(|it| ('A'..='F').contains(&it) || ('I'..='M').contains(&it))
            && letters.next().is_some_and(|it| it.is_ascii_digit())
    };
    ids.filter(is_id).map(str::to_owned).collect()
}

/// What the doc comment of a test begins with that holds rows of the matrix.
const ROWS: &str = "/// Failure matrix: ";

/// Every test function of the project, by name, with the rows that its doc comment names.
pub fn tests() -> BTreeMap<String, BTreeSet<String>> {
    let mut tests = BTreeMap::new();
    for folder in ["src", "tests", "terraform/tests"] {
        collect(&root().join(folder), &mut tests);
    }
    tests
}

fn collect(path: &Path, tests: &mut BTreeMap<String, BTreeSet<String>>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), tests);
        }
        return;
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    let (mut rows, mut is_test) = (BTreeSet::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(named) = line.strip_prefix(ROWS) {
            rows.extend(named.trim_end_matches('.').split(", ").map(str::to_owned));
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = line.split_once("fn ").map(|it| it.1) {
            let rows = std::mem::take(&mut rows);
            if std::mem::take(&mut is_test) {
                let name = rest.split('(').next().unwrap().to_owned();
                tests.entry(name).or_default().extend(rows);
            }
        }
    }
}

#[test]
fn every_row_of_the_matrix_is_held_by_a_test_or_left_out_with_a_reason() {
    let document = fs::read_to_string(root().join("docs/COVERAGE.md")).unwrap();
    let rows: BTreeMap<String, String> = document
        .lines()
        .filter_map(|it| {
            let cells: Vec<&str> =
                it.strip_prefix("| ")?.trim_end_matches('|').split(" | ").collect();
            let [id, held] = cells[..] else { return None };
            Some((id.to_owned(), held.trim().to_owned()))
        })
        .collect();
    let tests = tests();
    for id in rows_of_the_matrix() {
        let held = rows.get(&id).unwrap_or_else(|| panic!("docs/COVERAGE.md has no row {id}"));
        if let Some(reason) = held.strip_prefix("left out: ") {
            assert!(reason.len() > 20, "{id}: say why");
            continue;
        }
        for name in held.split(", ") {
            let name = name.trim_matches('`');
            assert!(
                tests.contains_key(name),
                "{id} is said to be held by {name}, which is no test"
            );
        }
    }
}

#[test]
fn every_test_stands_in_the_rows_that_its_doc_comment_names() {
    let document = fs::read_to_string(root().join("docs/COVERAGE.md")).unwrap();
    let matrix = rows_of_the_matrix();
    let mut named = 0;
    for (test, rows) in tests() {
        for row in rows.into_iter().filter(|it| it != "section G") {
            assert!(matrix.contains(&row), "{test} names {row}, which is no row of the matrix");
            let line = document.lines().find(|it| it.starts_with(&format!("| {row} |")));
            let held = line.is_some_and(|it| it.contains(&format!("`{test}`")));
            assert!(held, "docs/COVERAGE.md does not say that {test} holds {row}");
            named += 1;
        }
    }
    assert!(named > 100, "only {named} rows are named by tests");
}

#[test]
fn what_is_built_in_part_is_said_for_each_row_that_says_so() {
    let read = |it: &str| fs::read_to_string(root().join("docs").join(it)).unwrap();
    let (matrix, coverage) = (read("FAILURE-MATRIX.md"), read("COVERAGE.md"));
    let rows = matrix.lines().filter(|it| it.contains("built in part: COVERAGE"));
    let rows: BTreeSet<&str> = rows.filter_map(|it| it.split(['|', ' ']).nth(2)).collect();
    let (_, said) = coverage.split_once("\n## Built in part\n").unwrap();
    let said = said.lines().filter_map(|it| it.strip_prefix("- **")?.split_once("**"));
    assert_eq!(rows, said.map(|it| it.0).collect());
    assert!(!rows.is_empty());
}
