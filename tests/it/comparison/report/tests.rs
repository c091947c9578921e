//! The document of a run that never was: every place of it is filled, whatever was measured.

use std::collections::BTreeMap;

use jiff::civil::date;

use super::{short_form, text};
use crate::comparison::{
    asked::{may_end, mixed},
    bill::Prices,
    report::tables,
    results::{Latency, Measured, Outage, Stretch},
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
        slow: Some(Latency::of(vec![101.0])),
        idle: Tally::default(),
        idle_s: 60.0,
        mix: stretch(),
        outages: vec![outage()],
        violations: Vec::new(),
        audited: BOOKINGS,
        took_s: 1.0,
    }
}

fn outage() -> Outage {
    Outage {
        stopped: "seats".to_owned(),
        bookings: 100,
        asked_before: 20,
        asked_meanwhile: 61,
        again: 0,
        decided_meanwhile: 23,
        ended_meanwhile: 22,
        stood: [("paid".to_owned(), 4)].into(),
        last_s: 1.5,
        endings: BTreeMap::new(),
        dead_letters: 2,
        failed_executions: 1,
    }
}

#[test]
fn every_place_of_the_document_is_filled_whatever_was_measured() {
    let all = [measured(Road::Sns), measured(Road::StepFunctions)];
    let document = text(&all);
    assert!(document.contains("2 (Step Functions: 1) of the mix"), "{document}");
    assert!(document.contains("| Step Functions | – | 200.00 |"), "{document}");
    assert!(document.contains("The cheapest: Step Functions; SNS from about "), "{document}");
    // Three of the 61 that were asked for meanwhile ended, if all of the 20 before them did.
    let outage = "| seats | SNS | 20, 61 | 23 | 22 | 4 paid, 73 not asked for yet | 1.5 s | 0 | \
                  put 2 dead letters back; redrive 1 executions |";
    assert!(document.contains(outage), "{document}");
    assert!(document.contains("ended by then | 3 to 3 of 61 | 3 to 3 of 61 |"), "{document}");
    assert!(document.contains("| **round trips one after the other** | **2.0** | **2.0** |"));
    let short = tables::short(&all, &Prices::read(), true);
    let readme = format!("before\n<!-- comparison -->\n{short}<!-- end comparison -->\nafter");
    assert_eq!(short_form(&readme), short);
    for line in short.lines().filter(|it| !it.starts_with("|---")) {
        assert!(document.contains(line), "{line}");
    }
}
