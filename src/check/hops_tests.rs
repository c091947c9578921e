//! Which hops a canary made, and what follows from it.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(60);

fn hop(topic: Kind, role: RoleName) -> Hop {
    Hop { topic, role }
}

/// A canary that arrived everywhere but where `lost` says, and the findings of the account.
fn sent_and_seen(lost: impl Fn(&Hop) -> bool, known: &[Finding]) -> (Vec<HopReport>, Vec<Finding>) {
    let topics = topics::all();
    let at = Timestamp::UNIX_EPOCH;
    let sent = Kind::ALL.into_iter().map(|it| (it, at)).collect();
    let later = at + Duration::from_millis(250);
    let arrived = hops(&topics).into_iter().filter(|it| !lost(it));
    let seen: Vec<Sighting> = arrived.map(|hop| Sighting { hop, at: later }).collect();
    judge(&topics, &sent, &seen, known, TIMEOUT)
}

fn known(hop: Hop) -> Finding {
    let text = String::new;
    Finding { subject: text(), wrong: text(), breaks: text(), mend: text(), hops: vec![hop] }
}

fn in_state(reports: &[HopReport], state: HopState) -> Vec<Hop> {
    reports.iter().filter(|it| it.state == state).map(|it| it.hop).collect()
}

fn subjects(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|it| it.subject.as_str()).collect()
}

#[test]
fn a_canary_that_was_everywhere_is_told_with_its_times_and_nothing_is_found() {
    let (reports, found) = sent_and_seen(|_| false, &[]);
    assert_eq!(found, []);
    assert_eq!(in_state(&reports, HopState::Arrived), hops(&topics::all()));
    assert!(reports.iter().all(|it| it.after_s == Some(0.25)));
}

#[test]
fn each_single_hop_that_is_missing_is_the_only_one_and_is_explained() {
    for lost in hops(&topics::all()) {
        let (reports, found) = sent_and_seen(|it| *it == lost, &[]);
        assert_eq!(in_state(&reports, HopState::Missing), [lost]);
        let subject = format!("hop {lost}");
        assert_eq!(subjects(&found), [subject.as_str()]);
    }
}

#[test]
fn what_the_account_explains_already_is_shown_and_not_found_again() {
    let lost = hop(Kind::SeatBooked, RoleName::Receipt);
    let (reports, found) = sent_and_seen(|it| *it == lost, &[known(lost)]);
    assert_eq!((in_state(&reports, HopState::Missing), found), (vec![lost], vec![]));
}

#[test]
fn a_role_that_says_nothing_is_one_finding() {
    let (reports, found) = sent_and_seen(|it| it.role == RoleName::Seats, &[]);
    assert_eq!(in_state(&reports, HopState::Missing).len(), 3);
    assert_eq!(subjects(&found), ["service seats"]);
    assert!(found[0].mend.contains("that it may publish on its topics"), "{found:?}");
}

#[test]
fn when_status_hears_nothing_the_others_are_not_known() {
    let (reports, found) = sent_and_seen(|_| true, &[]);
    assert_eq!(in_state(&reports, HopState::Unknown).len(), 9);
    assert_eq!(subjects(&found), ["service status"]);
}

#[test]
fn who_can_tell_status_on_no_topic_that_it_hears_is_not_known() {
    let way = hop(Kind::ReceiptSent, RoleName::Status);
    let (reports, found) =
        sent_and_seen(|it| *it == way || it.role == RoleName::Receipt, &[known(way)]);
    assert_eq!(in_state(&reports, HopState::Missing), [way]);
    assert_eq!(in_state(&reports, HopState::Unknown).len(), 4);
    assert_eq!(found, [], "the account explains it");
}

#[test]
fn a_hop_that_topics_does_not_have_is_found() {
    let topics = topics::all();
    let stray = hop(Kind::SeatReleased, RoleName::Seats);
    let mut seen: Vec<Hop> = hops(&topics);
    seen.push(stray);
    let at = Timestamp::UNIX_EPOCH;
    let seen: Vec<Sighting> = seen.into_iter().map(|hop| Sighting { hop, at }).collect();
    let (reports, found) = judge(&topics, &BTreeMap::new(), &seen, &[], TIMEOUT);
    assert_eq!(in_state(&reports, HopState::Unexpected), [stray]);
    assert_eq!(subjects(&found), ["hop seat-released -> seats"]);
    let (_, found) = judge(&topics, &BTreeMap::new(), &seen, &[known(stray)], TIMEOUT);
    assert_eq!(found, []);
}
