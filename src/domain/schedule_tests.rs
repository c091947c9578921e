//! What a schedule answers to a request for seats, and which schedules are refused.

use super::*;

/// A price for flights without fares, which accept any amount.
const ANY: &str = "EUR 129.00";

fn wish(flight: &str, date: &str, seats: &[&str]) -> Seating {
    Seating {
        flight: FlightNo::parse(flight).unwrap(),
        date: date.parse().unwrap(),
        seats: seats.iter().map(|it| SeatId::parse(it).unwrap()).collect(),
    }
}

fn at(now: &str) -> Timestamp {
    now.parse().unwrap()
}

/// An error with its cause, as a user reads it.
fn chain(error: &ScheduleError) -> String {
    let cause = std::error::Error::source(error).map(|it| format!(": {it}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// What a schedule answers on 1 February 2027 at noon in Greenwich.
fn refusal(schedule: &Schedule, wanted: &Seating, amount: &str) -> Option<(NoSeat, Vec<SeatId>)> {
    schedule.refusal(wanted, Money::parse(amount).unwrap(), at("2027-02-01T12:00:00Z"))
}

/// A schedule with one flight, XX1 at 06:00 every day, and the fields that a case adds.
fn schedule(more: &str, flight: &str) -> Result<Schedule, ScheduleError> {
    Schedule::parse(&format!(
        r#"{{{more}"flights":[{{"flight":"XX1","from":"A","to":"B","departs":"06:00",{flight}
            "cabin":{{"rows":20,"letters":"ABC","without":["13A"]}}}}]}}"#
    ))
}

#[test]
fn the_sample_sells_any_day_so_no_example_goes_stale() {
    let sample = Schedule::sample();
    assert_eq!(sample.sells(), Sells::AnyDay);
    for date in ["1999-01-01", "2027-03-01", "2027-03-02", "2050-12-31"] {
        assert_eq!(refusal(&sample, &wish("WA117", date, &["12A"]), ANY), None);
    }
}

/// Failure matrix: I8.
#[test]
fn one_flight_of_the_sample_has_fares_and_the_others_take_what_they_get() {
    let sample = Schedule::sample();
    let with: Vec<&str> =
        sample.flights().filter(|(_, it)| it.has_fares()).map(|it| it.0.as_str()).collect();
    assert_eq!(with, ["WA241"]);
    let said = |flight, seats: &[&str], amount| {
        refusal(&sample, &wish(flight, "2027-03-01", seats), amount).map(|it| it.0)
    };
    assert_eq!(said("WA117", &["12A"], "EUR 0.01"), None);
    assert_eq!(said("WA241", &["12A"], "EUR 0.01"), Some(NoSeat::Fare));
    assert_eq!(said("WA241", &["12A"], "EUR 529.00"), None);
    assert_eq!(said("WA241", &["8K", "9A"], "EUR 2428.00"), None);
}

/// Failure matrix: B5.
#[test]
fn an_unknown_flight_or_seat_is_an_answer() {
    let sample = Schedule::sample();
    let (reason, _) = refusal(&sample, &wish("ZZ999", "2027-03-01", &["12A"]), ANY).unwrap();
    assert_eq!(reason, NoSeat::UnknownFlight);
    let (reason, seats) =
        refusal(&sample, &wish("WA117", "2027-03-01", &["12A", "99A"]), ANY).unwrap();
    assert_eq!((reason, seats), (NoSeat::UnknownSeat, vec![SeatId::parse("99A").unwrap()]));
}

#[test]
fn days_dates_and_missing_seats_are_kept_to() {
    let days = r#""days":["mon"],"dates":["2027-03-01","2027-03-02"],"#;
    let schedule = schedule("", days).unwrap();
    let refusal = |date, seat| refusal(&schedule, &wish("XX1", date, &[seat]), ANY).map(|it| it.0);
    assert_eq!(refusal("2027-03-01", "1A"), None);
    assert_eq!(refusal("2027-03-02", "1A"), Some(NoSeat::UnknownFlight)); // a Tuesday
    assert_eq!(refusal("2027-03-08", "1A"), Some(NoSeat::UnknownFlight)); // not a listed date
    assert_eq!(refusal("2027-03-01", "13A"), Some(NoSeat::UnknownSeat));
}

/// Failure matrix: I9.
#[test]
fn a_schedule_sells_what_has_not_left_and_is_not_too_far_ahead() {
    let said = |more, flight, date: &str| {
        let schedule = schedule(more, flight).unwrap();
        refusal(&schedule, &wish("XX1", date, &["1A"]), ANY).map(|it| it.0)
    };
    let (not, thirty, any) =
        (Some(NoSeat::NotOnSale), r#""sells":{"days_ahead":30},"#, r#""sells":"any_day","#);
    // It leaves at 06:00 of the last zone on earth, which is twelve hours later in Greenwich.
    assert_eq!(said("", "", "2027-02-01"), None);
    assert_eq!(said("", r#""zone":"UTC","#, "2027-02-01"), not);
    assert_eq!(said("", r#""zone":"Pacific/Pago_Pago","#, "2027-02-01"), None);
    assert_eq!(said("", "", "2027-01-31"), not);
    // 400 days ahead of today in the first zone on earth, where it is already a day later
    assert_eq!(said("", r#""zone":"UTC","#, "2028-03-07"), None);
    assert_eq!(said("", r#""zone":"UTC","#, "2028-03-08"), not);
    assert_eq!(said("", "", "2028-03-08"), None);
    assert_eq!(said("", "", "2028-03-09"), not);
    assert_eq!(said(thirty, r#""zone":"UTC","#, "2027-03-03"), None);
    assert_eq!(said(thirty, r#""zone":"UTC","#, "2027-03-04"), not);
    for date in ["1999-01-01", "2027-02-01", "9999-12-31"] {
        assert_eq!(said(any, r#""zone":"UTC","#, date), None);
    }
}

/// Failure matrix: I8, I9.
#[test]
fn what_can_never_be_is_said_before_the_day_and_the_day_before_the_price() {
    let fares = r#""zone":"UTC","fares":{"currency":"EUR","rows":[{"from":1,"to":20,"minor":5}]},"#;
    let schedule = schedule("", fares).unwrap();
    let said = |flight, date, seat, amount| {
        refusal(&schedule, &wish(flight, date, &[seat]), amount).map(|it| it.0)
    };
    assert_eq!(said("XX2", "2027-01-01", "99A", "EUR 0.01"), Some(NoSeat::UnknownFlight));
    assert_eq!(said("XX1", "2027-01-01", "99A", "EUR 0.01"), Some(NoSeat::UnknownSeat));
    assert_eq!(said("XX1", "2027-01-01", "1A", "EUR 0.01"), Some(NoSeat::NotOnSale));
    assert_eq!(said("XX1", "2027-03-01", "1A", "EUR 0.01"), Some(NoSeat::Fare));
    assert_eq!(said("XX1", "2027-03-01", "1A", "EUR 0.05"), None);
}

#[test]
fn a_schedule_that_cannot_be_is_refused() {
    for bad in [
        "[]",
        r#"{"flights":[{"flight":"XX1"}]}"#,
        r#"{"flights":[{"flight":"XX1","from":"A","to":"B","departs":"06:00","cabin":{"rows":0,"letters":"A"}}]}"#,
        r#"{"flights":[{"flight":"XX1","from":"A","to":"B","departs":"06:00","cabin":{"rows":1,"letters":"Z"}}]}"#,
    ] {
        assert!(Schedule::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_schedule_with_a_zone_a_time_a_window_or_fares_that_cannot_be_says_what_and_where() {
    let rows = |rows| format!(r#""fares":{{"currency":"EUR","rows":[{rows}]}},"#);
    for (more, flight, says) in [
        ("", r#""zone":"Europe/Nowhere","#, "expected a time zone of the IANA database such as"),
        ("", r#""zone":"Europe/Nowhere","#, "at line 1 column"),
        (r#""sells":{"days_ahead":4000},"#, "", "expected 0 to 3660 days ahead at line 1"),
        (r#""sells":"always","#, "", "unknown variant `always`"),
        ("", r#""fares":null,"#, "invalid type: null"),
        ("", r#""zone":null,"#, "invalid type: null"),
        ("", r#""fare":{"currency":"EUR","rows":[]},"#, "unknown field `fare`"),
        ("", r#""fares":{"currency":"XXY","rows":[]},"#, "expected an ISO 4217 currency code"),
        ("", &rows(""), "the fares of flight XX1: row 1 has no fare"),
        (
            "",
            &rows(r#"{"from":1,"to":20,"minor":1},{"from":13,"to":13,"minor":1}"#),
            "the fares of flight XX1: row 13 has more than one fare",
        ),
        (
            "",
            &rows(r#"{"from":1,"to":21,"minor":1}"#),
            "the fares of flight XX1: a fare from row 1 to row 21",
        ),
    ] {
        let error = chain(&schedule(more, flight).unwrap_err());
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    }
    let text = r#"{"flights":[{"flight":"XX1","from":"A","to":"B","departs":"6:00"}]}"#;
    let error = chain(&Schedule::parse(text).unwrap_err());
    assert!(error.contains("expected a time of day as HH:MM, 00:00 to 23:59 at line 1"), "{error}");
}
