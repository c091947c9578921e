//! Every list has one address, and an address that somebody made up leads to none.

use super::*;

fn asked(show: &str, flight: &str, date: &str) -> Asked {
    let (show, flight, date) = (show.to_owned(), flight.to_owned(), date.to_owned());
    Asked { show, flight, date, ..Asked::default() }
}

#[test]
fn every_choice_of_the_menu_is_read_as_it_was_written() {
    for show in Show::all() {
        let wish = Wish::read(&asked(show.value(), "", "")).unwrap();
        assert_eq!(wish, Wish { show, ..Wish::default() });
        assert!(wish.part().ends_with(&format!("?show={}", show.value())));
    }
    assert!(Wish::read(&Asked::default()).unwrap().is_default());
    assert_eq!(Show::all().count(), Phase::ALL.len() + 3);
}

#[test]
fn a_place_goes_with_its_list_and_into_its_part() {
    let after = Asked { after: "7.paid.b-1".to_owned(), ..asked("paid", "", "") };
    let wish = Wish::read(&after).unwrap();
    assert_eq!(wish.part(), "/page/list?show=paid&after=7.paid.b-1");
    assert!(!wish.is_default());
    let before = Asked { before: "7.2027-03-01.b-1".to_owned(), ..asked("", "WA117", "") };
    let wish = Wish::read(&before).unwrap();
    assert_eq!(wish.part(), "/page/list?show=&flight=WA117&before=7.2027-03-01.b-1");
    assert!(matches!(wish.start(), Start::Before(_)));
    assert_eq!(wish.heading(), "All of WA117");
    // A place of another list.
    assert!(Wish::read(&Asked { before: "7.paid.b-1".to_owned(), ..before.clone() }).is_err());
    assert!(Wish::read(&Asked { after: "7.2027-03-01.b-1".to_owned(), ..before }).is_err());
}

#[test]
fn flight_day_and_phase_go_together() {
    let wish = Wish::read(&asked("paid", " WA117 ", "2027-03-01")).unwrap();
    assert_eq!(wish.heading(), "paid of WA117 on 2027-03-01");
    let filter = wish.filter().unwrap();
    assert_eq!((filter.phase, filter.date), (Some(Phase::Paid), wish.date));
    assert_eq!((wish.flight_text(), wish.date_text().as_str()), ("WA117", "2027-03-01"));
    assert_eq!(wish.part(), "/page/list?show=paid&flight=WA117&date=2027-03-01");
    assert!(Wish::read(&asked("open", "WA117", "")).is_err());
    assert_eq!(Wish::read(&asked("open", "", "")).unwrap().filter(), None);
}

#[test]
fn what_is_wrong_is_said_and_not_repeated() {
    let bad = "<script>".to_owned();
    for asked in [
        Asked { show: bad.clone(), ..Asked::default() },
        Asked { flight: bad.clone(), ..Asked::default() },
        Asked { date: bad.clone(), ..Asked::default() },
        Asked { after: bad.clone(), ..Asked::default() },
        Asked { before: bad.clone(), ..Asked::default() },
        Asked { show: "PAID".to_owned(), ..Asked::default() },
    ] {
        let problem = Wish::read(&asked).unwrap_err();
        assert!(!problem.contains('<') && !problem.contains("PAID"), "{problem}");
    }
}
