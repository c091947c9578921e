//! What a run must have left behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use booking::{
    audit::Evidence,
    demo::Wish,
    domain::{RoleName, ids::BookingId, status::Phase},
};
use serde_json::Value;

use crate::harness::{has_good_card, is_never_sold};

/// Holds the stores, the ledger and the receipts against each other and against what was asked for;
/// says what there is. `letters` are the numbers of the receipts that are out.
pub fn check(
    evidence: &Evidence,
    letters: &BTreeSet<String>,
    asked: &[(BookingId, Wish)],
) -> String {
    assert_eq!(evidence.violations(), []);
    let (endings, open) = evidence.endings();
    assert_eq!(open, 0, "every booking is at an end: {endings:?}");
    let records: BTreeMap<_, _> = evidence.records().collect();
    let known: BTreeSet<&BookingId> = records.keys().copied().collect();
    assert_eq!(known, asked.iter().map(|(id, _)| id).collect(), "0 lost, 0 invented");

    let (mut charges, mut refunds, mut receipts) = (0, 0, BTreeSet::new());
    let mut seats = BTreeMap::<String, Vec<(&BookingId, Phase, bool)>>::new();
    for (id, wish) in asked {
        let (phase, request) = (records[id].standing().phase, wish.request());
        let (good, unsold) = (has_good_card(&request), is_never_sold(&request));
        let fits = match phase {
            Phase::Completed => good && !unsold,
            Phase::Refunded => good,
            Phase::SeatUnavailable => true,
            Phase::PaymentFailed => !good && !unsold,
            Phase::SeatAndPaymentFailed => !good,
            _ => false,
        };
        assert!(fits, "{id} ended as {phase}: {request:?}");

        let moved = |kind: &str| evidence.movements(id).filter(|it| it.movement == kind).count();
        let wanted = match phase {
            Phase::Completed => (1, 0),
            Phase::Refunded => (1, 1),
            _ => (0, 0),
        };
        assert_eq!((moved("charge"), moved("refund")), wanted, "{id} ended as {phase}");
        (charges, refunds) = (charges + wanted.0, refunds + wanted.1);

        let sent: BTreeSet<String> =
            records[id].timeline().into_iter().filter_map(|it| it.receipt.clone()).collect();
        let one = if phase == Phase::Completed { 1..=1 } else { 0..=1 };
        assert!(one.contains(&sent.len()), "{id} ended as {phase} with receipts {sent:?}");
        assert!(phase == Phase::Completed || phase == Phase::Refunded || sent.is_empty());
        receipts.extend(sent);
        if !unsold {
            seats.entry(format!("{:?}", request.seating)).or_default().push((id, phase, good));
        }
    }
    for (seats, rivals) in seats {
        let served = rivals.iter().filter(|it| it.1 == Phase::Completed).count();
        // Whoever holds the seats last can pay for them, if everybody can.
        let least = usize::from(rivals.iter().all(|it| it.2));
        assert!((least..=1).contains(&served), "{seats} went to {served} of {rivals:?}");
    }

    let (voids, letters): (BTreeSet<&String>, BTreeSet<&String>) =
        letters.iter().partition(|it| it.starts_with("V-"));
    let announced: BTreeSet<&String> = receipts.iter().collect();
    assert_eq!(letters, announced, "what is out are the receipts that were announced");

    let endings: Vec<String> = endings.iter().map(|(phase, n)| format!("{n} {phase}")).collect();
    let void = receipts.len() - endings_of(&records, Phase::Completed);
    assert_eq!(voids.len(), void, "whoever has a void receipt was told so");
    format!(
        "{}; {charges} charges, {refunds} refunds, {} receipts ({void} void)",
        endings.join(", "),
        letters.len(),
    )
}

/// The receipts in a folder, and how many are half written. These have a temporary name, since a
/// service was killed while it wrote one, and count for nothing.
pub fn letters(data: &Path) -> (BTreeSet<String>, usize) {
    let files = fs::read_dir(data.join("receipts")).unwrap();
    let files = files.map(|it| it.unwrap().file_name().into_string().unwrap());
    let (letters, scraps): (Vec<String>, Vec<String>) = files.partition(|it| it.ends_with(".eml"));
    let number = |it: String| it.trim_end_matches(".eml").to_owned();
    (letters.into_iter().map(number).collect(), scraps.len())
}

pub fn endings_of(
    records: &BTreeMap<&BookingId, &booking::domain::status::Record>,
    phase: Phase,
) -> usize {
    records.values().filter(|it| it.standing().phase == phase).count()
}

/// What the logs of all four add up to.
#[derive(Default)]
pub struct Logs {
    pub settled: usize,
    pub attempts_max: u64,
    pub recalled: usize,
}

impl Logs {
    pub fn read(data: &Path) -> Logs {
        let mut logs = Logs::default();
        for role in RoleName::ALL {
            let text = fs::read_to_string(data.join(format!("{role}.log"))).unwrap();
            assert!(!text.contains("panicked"), "{role} panicked:\n{text}");
            // A line that a SIGKILL cut off is no JSON.
            for line in text.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok()) {
                let attempt = line["span"]["delivery.attempt"].as_u64().unwrap_or(0);
                logs.attempts_max = logs.attempts_max.max(attempt);
                logs.settled += usize::from(line["message"] == "settled");
                logs.recalled += usize::from(line["recalled"] == true);
            }
        }
        logs
    }
}
