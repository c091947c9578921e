//! How a figure and a table are written.

use crate::comparison::results::Measured;

/// A figure with three digits that count.
pub fn figure(it: f64) -> String {
    match it.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{it:.2}"),
        size if size < 100.0 => format!("{it:.1}"),
        _ => format!("{it:.0}"),
    }
}

/// A table of Markdown.
pub fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head);
    text.push_str(&format!("|{}\n", "---|".repeat(head.len())));
    rows.iter().for_each(|it| text.push_str(&line(it)));
    text
}

/// The head of a table with a column for each road.
pub fn head(first: &str, all: &[Measured]) -> Vec<String> {
    let roads = all.iter().map(|it| it.road.title().to_owned());
    [first.to_owned()].into_iter().chain(roads).collect()
}

/// A row with a cell for each road.
pub fn row(
    first: impl Into<String>,
    all: &[Measured],
    cell: impl Fn(&Measured) -> String,
) -> Vec<String> {
    [first.into()].into_iter().chain(all.iter().map(cell)).collect()
}

/// The widest line of prose.
const COLUMNS: usize = 120;

/// The text with its paragraphs at full width: what was filled in has made lines longer or shorter.
pub fn wrapped(text: &str) -> String {
    let is_prose = |it: &str| {
        let first = it.chars().next();
        first.is_some_and(|it| it.is_alphanumeric() || "*(~".contains(it))
    };
    let (mut out, mut words) = (String::new(), Vec::<&str>::new());
    for line in text.lines().chain([""]) {
        if is_prose(line) {
            words.extend(line.split_whitespace());
            continue;
        }
        let mut column = 0;
        for word in words.drain(..) {
            let width = word.chars().count();
            if column > 0 && column + 1 + width > COLUMNS {
                out.push('\n');
                column = 0;
            } else if column > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += width;
        }
        if column > 0 {
            out.push('\n');
        }
        out.push_str(line);
        out.push('\n');
    }
    format!("{}\n", out.trim_end())
}

#[test]
fn paragraphs_fill_their_lines_and_tables_stay() {
    let long = ["word"; 40].join(" ");
    let text = wrapped(&format!("# Head\n\n{long}\nshort\n| a table | {long} |\n\nend"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{lines:?}");
    assert!(lines[2].len() <= 120 && lines[3].ends_with("short") && lines[4].len() > 120);
}
