//! docs/COVERAGE.md against the failure matrix and the tests: every row is held by something that
//! exists, or is said to be left out, and why.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::harness::root;

/// The ids of sections A to F and I of the matrix. G's rows have no ids: they are in
/// docs/PHASES.md.
fn rows_of_the_matrix() -> BTreeSet<String> {
    let matrix = fs::read_to_string(root().join("docs/FAILURE-MATRIX.md")).unwrap();
    let ids = matrix.lines().filter_map(|it| it.strip_prefix("| ")?.split(' ').next());
    let is_id = |it: &&str| {
        let mut letters = it.chars();
        letters.next().is_some_and(|it| ('A'..='F').contains(&it) || it == 'I')
            && letters.next().is_some_and(|it| it.is_ascii_digit())
    };
    ids.filter(is_id).map(str::to_owned).collect()
}

/// Every test function of the project, by name.
pub fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["src", "tests", "terraform/tests"] {
        collect(&root().join(folder), &mut names);
    }
    names
}

fn collect(path: &Path, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), names);
        }
        return;
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        }
        if let Some(rest) = line.split_once("fn ").map(|it| it.1)
            && std::mem::take(&mut is_test)
        {
            names.insert(rest.split('(').next().unwrap().to_owned());
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
            assert!(tests.contains(name), "{id} is said to be held by {name}, which is no test");
        }
    }
}
