//! The wire decoder against messages nobody thought of.

mod damage;
mod events;

use booking::{
    domain::{
        event::Kind,
        ids::BookingId,
        money::{MINOR_MAX, Money},
        seat::SEATS_MAX,
    },
    wire::{self, Why},
};
use proptest::{collection, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::harness::{Sketch, as_read, incoming};

use self::{damage::*, events::*};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_was_encoded_is_read_back(event in event()) {
        let message = wire::encode(&event).unwrap();
        let event = as_read(event);
        prop_assert_eq!(&wire::decode(&incoming(message.body.clone()), &crate::harness::intake()).unwrap(), &event);
        let enveloped = enveloped(message.kind, &message.body);
        prop_assert_eq!(wire::decode(&incoming(enveloped), &crate::harness::intake()).unwrap(), event);
    }

    #[test]
    fn arbitrary_text_never_panics(bytes in collection::vec(any::<u8>(), 0..400), text in any::<String>()) {
        for it in [String::from_utf8_lossy(&bytes).into_owned(), text] {
            for refusal in read(&it).into_iter().filter_map(Result::err) {
                tells_nothing(&refusal, &json!(it));
            }
        }
    }

    #[test]
    fn arbitrary_json_never_panics_and_is_never_quoted(value in json_value()) {
        for refusal in read(&value.to_string()).into_iter().filter_map(Result::err) {
            tells_nothing(&refusal, &value);
        }
    }

    #[test]
    fn a_wrong_value_in_any_place_is_never_quoted(
        mut event in secret_request(), place in select(PLACES.to_vec()), value in json_value(),
    ) {
        if let Some(it) = event.pointer_mut(place) {
            *it = value.clone();
        }
        for refusal in read(&event.to_string()).into_iter().filter_map(Result::err) {
            tells_nothing(&refusal, &json!([value, event["data"]["passenger"]["name"]]));
        }
    }

    #[test]
    fn a_damaged_message_never_panics_and_is_never_quoted(
        event in secret_request(), blows in collection::vec(blow(), 1..8),
    ) {
        let text = struck(&event.to_string(), &blows);
        for refusal in read(&text).into_iter().filter_map(Result::err) {
            tells_nothing(&refusal, &event["data"]["passenger"]["name"]);
        }
        // The envelope damaged, too.
        let text = struck(&enveloped(Kind::BookingRequested, &event.to_string()), &blows);
        for refusal in read(&text).into_iter().filter_map(Result::err) {
            tells_nothing(&refusal, &event["data"]["passenger"]["name"]);
        }
    }

    #[test]
    fn of_two_fields_with_one_name_the_last_counts_for_the_event_and_for_its_digest(
        first in request(), last in request(),
    ) {
        let [first, last] = [first, last].map(|it| wire::request_data(&it));
        let fields = |it: &Value| {
            let text = it.to_string();
            text[1..text.len() - 1].to_owned()
        };
        let twice = format!("{{{},{},\"booking_id\":\"b\"}}", fields(&first), fields(&last));
        let once = format!("{{{},\"booking_id\":\"b\"}}", fields(&last));
        let [twice, once] = [twice, once].map(|it| wire::decode(&incoming(it), &crate::harness::intake()).unwrap());
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn the_digest_is_the_same_however_the_request_is_written(
        request in request(), more in json_value(), seed in any::<u64>(),
    ) {
        let mut data = wire::request_data(&request);
        data["booking_id"] = json!("b");
        data["more"] = more;
        let mut text = String::new();
        rewritten(&data, &mut fastrand::Rng::with_seed(seed), &mut text);
        match [data.to_string(), text].map(|it| wire::decode(&incoming(it), &crate::harness::intake())) {
            [Ok(one), Ok(other)] => {
                prop_assert_eq!(one.digest, other.digest);
                prop_assert_eq!(one, other);
            }
            // Something in `more` that could be a card number.
            [Err(one), Err(other)] => prop_assert_eq!(one.why, other.why),
            [one, other] => prop_assert!(false, "{one:?} and {other:?}"),
        }
    }

    #[test]
    fn a_card_number_is_refused_wherever_it_stands_in_the_data_of_a_request(
        card in card(), seed in any::<u64>(), before in before(), after in "([ .,)][a-z]*)?",
        place in select(vec!["/data/flight", "/data/passenger/name", "/data/passenger/email",
            "/data/payment/token", "/data/payment/amount/currency", "/data/seats/0", "/data/note"]),
    ) {
        let mut event: Value = serde_json::from_str(
            &Sketch::new("b-1", &["12A"], "tok_visa").cloud_event()).unwrap();
        event["data"]["note"] = json!([{"deep": null}]);
        let written = format!("{before}{}{after}", grouped(&card, seed));
        let number: Value = serde_json::from_str(&card).unwrap();
        for value in [json!(written), number, json!({"a": [written]})] {
            *event.pointer_mut(place).unwrap() = value;
            for refusal in read(&event.to_string()) {
                let refusal = refusal.expect_err("a card number");
                prop_assert_eq!(refusal.why, Why::CardNumber);
                let said = refusal.to_string();
                prop_assert!(!card.as_bytes().windows(5).any(|it| {
                    said.contains(std::str::from_utf8(it).unwrap())
                }), "{}", said);
            }
        }
    }

    #[test]
    fn money_reads_back_what_it_prints(money in money(), text in any::<String>()) {
        let printed = money.to_string();
        prop_assert_eq!(Money::parse(&printed), Ok(money));
        let (code, number) = printed.split_once(' ').unwrap();
        prop_assert_eq!(Money::parse(&format!("{number} {code}")), Ok(money));
        let _ = Money::parse(&text);
    }

    #[test]
    fn money_takes_what_it_prints_and_nothing_impossible(
        text in "([A-Z]{3}|EUR|JPY|KWD) [0-9.,+e-]{1,24}",
    ) {
        if let Ok(money) = Money::parse(&text) {
            prop_assert!((1..=MINOR_MAX).contains(&money.minor()));
            prop_assert_eq!(Money::parse(&money.to_string()), Ok(money));
        }
    }

    #[test]
    fn a_booking_id_is_safe_in_a_url_a_file_name_and_a_log(text in "[ -~]{0,70}|\\PC{0,70}|[0-9-]{1,24}|[a-z]-[0-9]{13,19}") {
        if let Ok(id) = BookingId::parse(&text) {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(text.len() <= 64 && !text.starts_with(['-', '_', '.']));
            prop_assert!(text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it)));
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let bare = text.bytes().all(|it| it.is_ascii_digit() || b"-_".contains(&it));
            prop_assert!(!bare || !(13..=19).contains(&digits), "it could be a card's");
        }
    }
}

#[test]
fn what_may_be_so_long_may_not_be_longer() {
    let ok = |field: &str, value: Value| {
        let mut event: Value =
            serde_json::from_str(&Sketch::new("b-1", &["12A"], "tok_visa").cloud_event()).unwrap();
        *event.pointer_mut(field).unwrap() = value;
        let read = read(&event.to_string());
        assert_eq!(read[0].is_ok(), read[1].is_ok(), "{field}");
        read[0].is_ok()
    };
    let text = |length: usize| json!("ß".repeat(length));
    let ascii = |length: usize| json!("x".repeat(length));
    let seats = |count: usize| json!((1..=count).map(|it| format!("{it}A")).collect::<Vec<_>>());
    let address = |length: usize| {
        json!(format!(
            "{}@{}.com",
            "x".repeat(60),
            ["y".repeat(60), "y".repeat(60), "y".repeat(60), "z".repeat(length - 61 - 183 - 4)]
                .join(".")
        ))
    };
    let both: [(&str, [Value; 2]); 8] = [
        ("/id", [text(127), text(128)]),
        ("/source", [ascii(255), ascii(256)]),
        ("/subject", [ascii(64), ascii(65)]),
        ("/data/passenger/name", [text(200), text(201)]),
        ("/data/passenger/email", [address(254), address(255)]),
        ("/data/payment/token", [ascii(255), ascii(256)]),
        ("/data/seats", [seats(SEATS_MAX), seats(SEATS_MAX + 1)]),
        ("/data/payment/amount/minor", [json!(MINOR_MAX), json!(MINOR_MAX + 1)]),
    ];
    for (field, [longest, longer]) in both {
        assert!(ok(field, longest), "{field}");
        assert!(!ok(field, longer), "{field}");
    }
    let padded = |length: usize| {
        let event = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
        let padding = " ".repeat(length - event.len());
        wire::decode(&incoming(event + &padding), &crate::harness::intake())
    };
    assert!(padded(1024 * 1024).is_ok());
    assert!(padded(1024 * 1024 + 1).unwrap_err().to_string().contains("expected at most"));
}

#[test]
fn a_hundred_thousand_levels_are_refused_or_ignored_wherever_they_stand() {
    let event = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    let kinds = [("[", "]", 100_000), ("{\"a\":", "}", 100_000), ("[[{\"data\":", "}]]", 50_000)];
    for (open, close, times) in kinds {
        for closed in [true, false] {
            let (left, right) = (open.repeat(times), close.repeat(times * usize::from(closed)));
            let deep = format!("{left}1{right}");
            let _ = read(&deep);
            let _ = wire::decode(
                &incoming(format!("{{\"TopicArn\":{deep},\"Message\":{deep}}}")),
                &crate::harness::intake(),
            );
            for place in ["/type", "/data", "/data/seats", "/data/passenger/name"] {
                let mut event: Value = serde_json::from_str(&event).unwrap();
                *event.pointer_mut(place).unwrap() = json!("@");
                let _ = read(&event.to_string().replace("\"@\"", &deep));
            }
            // An unknown field of the event is none of ours; in the data it counts for the digest.
            let beside = event.replacen('{', &format!("{{\"more\":{deep},"), 1);
            assert_eq!(wire::decode(&incoming(beside), &crate::harness::intake()).is_ok(), closed);
            let inside = event.replacen("\"seats\"", &format!("\"more\":{deep},\"seats\""), 1);
            assert!(wire::decode(&incoming(inside), &crate::harness::intake()).is_err());
        }
    }
}
