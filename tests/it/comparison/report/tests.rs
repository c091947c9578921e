//! The document of a run that never was: every place of it is filled, whatever was measured.

use std::collections::BTreeMap;

use jiff::civil::date;

use super::{short_form, text};
use crate::comparison::{
    asked::{may_end, mixed},
    bill::Prices,
    report::tables,
    results::{Latency, Measured, Stretch},
    road::Road,
    stage::Transitions,
    tally::Tally,
};

const SEED: u64 = 5;
const BOOKINGS: usize = 12;

/// As few figures as there can be.
fn measured(road: Road) -> Measured {
    let asked = mixed(BOOKINGS, SEED, date(2027, 3, 1));
    let ended = may_end(&asked)
        .into_iter()
        .map(|(id, it)| (id.to_string(), *it.endings(road).iter().next_back().unwrap()));
    let endings: BTreeMap<_, _> = ended.collect();
    let transitions: BTreeMap<_, _> = match road {
        Road::StepFunctions => {
            endings.keys().map(|id| (id.clone(), Transitions { states: 8, sent: 8 })).collect()
        }
        _ => BTreeMap::new(),
    };
    let latency = endings.values().map(|it| (*it, Latency::of(vec![1.0])));
    let stretch = || Stretch {
        bookings: BOOKINGS,
        tally: Tally::default(),
        transitions: transitions.clone(),
        functions: None,
        endings: endings.clone(),
        latency: latency.clone().collect(),
    };
    Measured {
        road,
        date: "2027-03-01".to_owned(),
        seed: SEED,
        per_s: 1.0,
        mix_per_s: if road.is_choreographed() { 2.0 } else { 1.0 },
        happy: stretch(),
        slow: None,
        idle: Tally::default(),
        idle_s: 60.0,
        mix: stretch(),
        outages: Vec::new(),
        violations: Vec::new(),
        audited: BOOKINGS,
        took_s: 1.0,
    }
}

#[test]
fn every_place_of_the_document_is_filled_whatever_was_measured() {
    let all = [measured(Road::Sns), measured(Road::StepFunctions)];
    let document = text(&all);
    assert!(document.contains("2 (Step Functions: 1) of the mix"), "{document}");
    assert!(document.contains("| Step Functions | – | 200.00 |"), "{document}");
    assert!(document.contains("SNS from ") || document.contains("The cheapest: "), "{document}");
    let short = tables::short(&all, &Prices::read(), true);
    let readme = format!("before\n<!-- comparison -->\n{short}<!-- end comparison -->\nafter");
    assert_eq!(short_form(&readme), short);
    for line in short.lines().filter(|it| !it.starts_with("|---")) {
        assert!(document.contains(line), "{line}");
    }
}
