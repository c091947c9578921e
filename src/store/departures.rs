//! The text by which lists by flight and day are sorted: day and time in one. It must sort as they
//! do, and no store may write it in another form.

use super::Place;
use crate::domain::decision::Departure;

/// Between the day and the time.
const BETWEEN: char = '/';
/// The character after [`BETWEEN`], so that a day with it is greater than all texts of that day.
const BEYOND: char = '0';
/// The digits of the time, so that texts of the same length sort as numbers do.
const DIGITS: usize = 15;

/// The text of a day and a time: `2027-03-01/001772357400000`.
pub(super) fn text(day: &str, at_ms: i64) -> String {
    // No booking was heard of before 1970.
    format!("{day}{BETWEEN}{:0DIGITS$}", at_ms.max(0))
}

/// The text of a row's departure.
pub(super) fn text_of(departure: &Departure) -> String {
    text(&departure.day, departure.since_ms)
}

/// The text of a place in a list by flight or day.
pub(super) fn text_at(place: &Place) -> String {
    text(&place.under, place.at_ms)
}

/// The day and the time of a text; `None` if it is none.
pub(super) fn read(text: &str) -> Option<(&str, i64)> {
    let (day, at_ms) = text.split_once(BETWEEN)?;
    Some((day, at_ms.parse().ok()?))
}

/// Two texts between which all texts of one day are, or without a day those of every day.
pub(super) fn range(day: Option<&str>) -> (String, String) {
    match day {
        Some(day) => (format!("{day}{BETWEEN}"), format!("{day}{BEYOND}")),
        None => (String::new(), "~".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_sort_by_day_then_by_time_and_are_read_as_they_were_written() {
        let all = [("2027-03-01", 7), ("2027-03-01", 1_000_000_000_000), ("2027-03-02", 0)];
        let texts = all.map(|(day, at_ms)| text(day, at_ms));
        assert_eq!(texts[1], "2027-03-01/001000000000000");
        assert!(texts.is_sorted(), "{texts:?}");
        assert_eq!(texts.each_ref().map(|it| read(it)), all.map(Some));
        assert_eq!(read("2027-03-01"), None);
        assert_eq!(text("2027-03-01", -7), text("2027-03-01", 0));
        let (low, high) = range(Some("2027-03-01"));
        assert!(low < texts[0] && texts[1] < high && high < texts[2]);
        let (low, high) = range(None);
        assert!(low < texts[0] && texts[2] < high);
    }
}
