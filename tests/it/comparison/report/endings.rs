//! How the same bookings ended on each road. Those that a race decides are found by what was asked
//! for, never by hand.

use std::collections::{BTreeMap, BTreeSet};

use booking::domain::status::Phase;
use jiff::civil::date;

use super::cells::{head, row, table};
use crate::comparison::{
    asked::{Race, may_end, mixed},
    results::Measured,
};

/// Endings of the mix, on each road.
pub fn counts(all: &[Measured]) -> String {
    let count = |it: &Measured, ending| it.mix.endings.values().filter(|it| **it == ending).count();
    let mut rows = Vec::new();
    for ending in Phase::ENDINGS {
        if all.iter().any(|it| count(it, ending) > 0) {
            rows.push(row(ending.to_string(), all, |it| count(it, ending).to_string()));
        }
    }
    rows.push(row("violations that the audit finds", all, |it| it.violations.len().to_string()));
    table(&head("", all), &rows)
}

/// The race that each booking is in, if it is in one.
fn racing(all: &[Measured]) -> BTreeMap<String, Option<Race>> {
    let first = &all[0];
    for it in all {
        assert_eq!((it.seed, it.mix.bookings), (first.seed, first.mix.bookings), "one mix for all");
    }
    let asked = mixed(first.mix.bookings, first.seed, date(2027, 3, 1));
    may_end(&asked).into_iter().map(|(id, it)| (id.to_string(), it.race)).collect()
}

/// Of the bookings that no race decides, how many ended on this road as on the first one.
pub fn as_on_the_first(all: &[Measured], of: &Measured) -> String {
    let racing = racing(all);
    let alone: Vec<&String> = racing.iter().filter(|it| it.1.is_none()).map(|it| it.0).collect();
    let first = &all[0].mix.endings;
    let same = alone.iter().filter(|id| of.mix.endings[**id] == first[**id]).count();
    format!("{same} of {}", alone.len())
}

/// Bookings that a race decides: how many, and each that ended differently.
pub fn races(all: &[Measured]) -> String {
    let racing = racing(all);
    let endings = |id: &str| -> Vec<Phase> { all.iter().map(|it| it.mix.endings[id]).collect() };
    let mut text = String::new();
    let alone = racing.values().filter(|it| it.is_none()).count();
    for (id, race) in &racing {
        let endings: BTreeSet<Phase> = endings(id).into_iter().collect();
        assert!(
            race.is_some() || endings.len() == 1,
            "{id} is in no race and ended as {endings:?}"
        );
    }
    text.push_str(&format!(
        "Of {} bookings, {alone} are in no race, and each of them ended in the same way on every \
         road.\n",
        racing.len()
    ));
    for race in Race::ALL {
        let those: Vec<&String> =
            racing.iter().filter(|it| *it.1 == Some(race)).map(|it| it.0).collect();
        let mut groups = BTreeMap::<Vec<Phase>, Vec<&str>>::new();
        for id in &those {
            let number = id.rsplit('-').next().unwrap();
            groups.entry(endings(id)).or_default().push(number);
        }
        let differ = |it: &Vec<Phase>| it.iter().any(|phase| *phase != it[0]);
        let same: usize = groups.iter().filter(|it| !differ(it.0)).map(|it| it.1.len()).sum();
        text.push_str(&format!(
            "\n**{}.** {} {} bookings are in this race, and {same} of them ended in the same way on \
             every road. The others:\n\n",
            race.title(),
            race.why(),
            those.len()
        ));
        let rows: Vec<Vec<String>> = groups
            .iter()
            .filter(|it| differ(it.0))
            .map(|(endings, ids)| {
                let endings = endings.iter().map(ToString::to_string);
                [ids.join(" ")].into_iter().chain(endings).collect()
            })
            .collect();
        text.push_str(&table(&head("bookings", all), &rows));
    }
    text
}
