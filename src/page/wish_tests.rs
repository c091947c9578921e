//! Every list has one address, and an address that somebody made up leads to none.

use super::*;

fn asked(show: &str, after: &str) -> Asked {
    Asked { show: show.to_owned(), after: after.to_owned() }
}

#[test]
fn every_choice_of_the_menu_is_read_as_it_was_written() {
    for show in Show::all() {
        let wish = Wish::read(&asked(show.value(), "")).unwrap();
        assert_eq!(wish, Wish { show, after: None });
        assert!(wish.address().ends_with(&format!("?show={}", show.value())));
    }
    assert!(Wish::read(&Asked::default()).unwrap().is_default());
    assert_eq!(Show::all().count(), Phase::ALL.len() + 3);
}

#[test]
fn a_place_goes_with_its_list_and_into_its_part() {
    let wish = Wish::read(&asked("paid", "7.paid.b-1")).unwrap();
    assert_eq!(wish.part(), "/page/list?show=paid&after=7.paid.b-1");
    assert!(!wish.is_default());
    assert_eq!(wish.find(), Find::Newest { phase: Some("paid".to_owned()) });
    assert_eq!(Wish::read(&asked("open", "")).unwrap().find(), Find::Stalest);
}

#[test]
fn what_is_wrong_is_said_and_not_repeated() {
    for (show, after) in [("<script>", ""), ("", "<script>"), ("paid", "7"), ("PAID", "")] {
        let problem = Wish::read(&asked(show, after)).unwrap_err();
        assert!(!problem.contains('<') && !problem.contains("PAID"), "{problem}");
    }
}
