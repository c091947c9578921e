//! One test for each row of the table in docs/PAYMENTS.md.

use serde_json::json;

use super::*;

const DECLINED: &str = "Declined(Declined)";

fn intent(status: &str) -> Value {
    json!({"object": "payment_intent", "id": "pi_1", "status": status, "amount": 12900,
           "currency": "eur", "metadata": {"booking": "b-1"}})
}

fn refund(status: &str) -> Value {
    json!({"object": "refund", "id": "re_1", "status": status, "amount": 12900, "currency": "eur"})
}

fn error(error: &Value) -> Value {
    json!({ "error": error })
}

#[track_caller]
fn check(status: u16, body: Value, means: &str) {
    let answer = Answer { status, body, ..Answer::default() };
    assert_eq!(format!("{:?}", meaning(&answer)), means);
}

/// Checks an error whose message quotes the request. The meaning must not repeat the message. An
/// error without a type gets the type of most errors.
#[track_caller]
fn check_error(status: u16, mut of: Value, means: &str) {
    if of["type"].is_null() {
        of["type"] = "invalid_request_error".into();
    }
    of["message"] = "No such PaymentMethod: pm_secret; Ada Lovelace, sk_test_1".into();
    check(status, error(&of), means);
}

#[test]
fn succeeded_is_money_taken() {
    let taken = r#"Taken(Money { id: "pi_1", amount: 12900, currency: "eur" })"#;
    check(200, intent("succeeded"), taken);
}

#[test]
fn what_was_received_counts_and_not_what_was_asked_for() {
    let mut body = intent("succeeded");
    body["amount_received"] = 12901.into();
    check(200, body, r#"Taken(Money { id: "pi_1", amount: 12901, currency: "eur" })"#);
}

#[test]
fn money_that_was_given_back_later_is_not_money_taken() {
    let mut body = intent("succeeded");
    body["latest_charge"] = json!({"id": "ch_1", "refunded": true, "amount_refunded": 12900});
    let undone = r#"Undone(Money { id: "pi_1", amount: 12900, currency: "eur" })"#;
    check(200, body.clone(), undone);
    body["latest_charge"] = json!({"id": "ch_1", "refunded": false, "amount_refunded": 1});
    check(200, body.clone(), r#"Error(Refused("part of it was given back"))"#);
    let taken = r#"Taken(Money { id: "pi_1", amount: 12900, currency: "eur" })"#;
    body["latest_charge"] = json!({"id": "ch_1", "refunded": false, "amount_refunded": 0});
    check(200, body.clone(), taken);
    body["latest_charge"] = "ch_1".into();
    check(200, body.clone(), taken);
    body["latest_charge"] = json!({"id": "ch_1"});
    check(200, body, r#"Error(Unreachable("an answer that cannot be read"))"#);
}

#[test]
fn an_id_that_no_event_can_carry_is_no_answer_of_stripe() {
    for id in ["", "pi 1", "pi_\u{e9}", "pi\n1", &"p".repeat(256)] {
        let mut body = intent("succeeded");
        body["id"] = id.into();
        check(200, body, r#"Error(Unreachable("an answer that cannot be read"))"#);
    }
    let mut body = intent("processing");
    body["id"] = "p".repeat(255).into();
    check(200, body, &format!("Taking({:?})", "p".repeat(255)));
}

#[test]
fn processing_is_to_be_looked_at_again() {
    check(200, intent("processing"), r#"Taking("pi_1")"#);
}

#[test]
fn a_charge_that_waits_for_its_holder_is_to_be_cancelled() {
    check(200, intent("requires_action"), r#"Unconfirmed("pi_1")"#);
    let mut body = intent("requires_payment_method");
    body["last_payment_error"] = json!({"code": "authentication_required"});
    check(200, body, r#"Unconfirmed("pi_1")"#);
}

#[test]
fn a_cancelled_intent_is_a_decline_with_the_reason_it_had() {
    check(200, intent("canceled"), DECLINED);
    let mut body = intent("canceled");
    body["last_payment_error"] = json!({"code": "authentication_required"});
    check(200, body, "Declined(AuthenticationRequired)");
}

#[test]
fn an_intent_whose_card_failed_is_a_decline() {
    let mut body = intent("requires_payment_method");
    body["last_payment_error"] =
        json!({"code": "card_declined", "decline_code": "insufficient_funds"});
    check(200, body, "Declined(InsufficientFunds)");
}

#[test]
fn an_intent_that_nobody_confirmed_is_no_answer() {
    check(200, intent("requires_confirmation"), "Unfinished");
    check(200, intent("requires_payment_method"), "Unfinished");
}

#[test]
fn money_that_is_held_and_not_taken_is_set_aside() {
    let means = r#"Error(Refused("it holds the money and does not take it"))"#;
    check(200, intent("requires_capture"), means);
}

#[test]
fn a_state_that_this_version_does_not_know_is_no_answer() {
    let means = r#"Error(Unreachable("an answer that cannot be read"))"#;
    check(200, intent("requires_patience"), means);
    check(200, refund("requires_patience"), means);
}

#[test]
fn a_card_that_is_declined_is_declined_for_good() {
    for code in ["generic_decline", "lost_card", "expired_card", "try_again_later", "new_one"] {
        check_error(
            402,
            json!({"type": "card_error", "code": "card_declined", "decline_code": code}),
            DECLINED,
        );
    }
    check_error(402, json!({"type": "card_error", "code": "expired_card"}), DECLINED);
}

#[test]
fn an_error_that_is_not_in_the_form_of_stripe_is_no_answer() {
    let means = r#"Error(Unreachable("an answer that cannot be read"))"#;
    for status in [400, 401, 402, 403, 404, 407, 408, 409, 451, 499] {
        // A page in HTML has no JSON, and so its body is null.
        for body in [Value::Null, json!({}), json!({"error": {}}), json!({"error": "no card"})] {
            check(status, body, means);
        }
    }
    check(402, error(&json!({"code": "card_declined", "decline_code": "lost_card"})), means);
    check(402, error(&json!({"type": "a_new_error", "code": "card_declined"})), means);
}

#[test]
fn only_an_error_of_the_card_is_a_decline_of_the_card() {
    let means = r#"Error(Malformed { code: "card_declined", parameter: "none" })"#;
    check_error(402, json!({"code": "card_declined"}), means);
    check_error(400, json!({"type": "card_error", "code": "card_declined"}), DECLINED);
}

#[test]
fn a_card_without_the_money_is_declined_with_that_reason() {
    for code in ["insufficient_funds", "withdrawal_count_limit_exceeded"] {
        let of = json!({"type": "card_error", "code": "card_declined", "decline_code": code});
        check_error(402, of, "Declined(InsufficientFunds)");
    }
}

#[test]
fn a_card_that_cannot_pay_this_amount_or_currency_is_declined_as_invalid() {
    for code in ["currency_not_supported", "invalid_amount"] {
        let of = json!({"type": "card_error", "code": "card_declined", "decline_code": code});
        check_error(402, of, "Declined(Invalid)");
    }
}

/// Failure matrix: D23.
#[test]
fn a_demand_for_authentication_cancels_the_intent_and_declines() {
    let with =
        |code: &str| json!({"type": "card_error", "code": code, "payment_intent": intent("x")});
    check_error(402, with("authentication_required"), r#"Unconfirmed("pi_1")"#);
    let mut failed = with("payment_intent_authentication_failure");
    failed["type"] = "invalid_request_error".into();
    check_error(400, failed, r#"Unconfirmed("pi_1")"#);
    let of = json!({"type": "card_error", "code": "card_declined",
                    "decline_code": "authentication_required"});
    check_error(402, of, "Declined(AuthenticationRequired)");
}

#[test]
fn an_amount_or_currency_that_stripe_does_not_take_is_declined_as_invalid() {
    for of in [
        json!({"code": "amount_too_small"}),
        json!({"code": "amount_too_large"}),
        json!({"param": "currency"}),
        json!({"code": "parameter_invalid_integer", "param": "amount"}),
    ] {
        check_error(400, of, "Declined(Invalid)");
    }
}

#[test]
fn a_token_that_is_no_card_is_declined() {
    for of in [
        json!({"code": "resource_missing", "param": "payment_method"}),
        json!({"code": "resource_missing", "param": "payment_method_data[card][token]"}),
        json!({"code": "token_already_used"}),
        // The client sent the token of another account: this is not our account's fault.
        json!({"code": "livemode_mismatch", "param": "payment_method"}),
    ] {
        check_error(400, of, DECLINED);
    }
}

#[test]
fn a_token_that_another_request_uses_is_asked_again() {
    let means =
        r#"Error(Undecided { why: "the token is being used by another request", after: None })"#;
    check_error(400, json!({"code": "token_in_use"}), means);
}

/// Failure matrix: D24.
#[test]
fn a_key_that_is_refused_is_no_bookings_fault_and_the_key_is_not_told() {
    check_error(401, json!({}), r#"Error(KeyRefused { code: "none" })"#);
    let of = json!({"code": "api_key_expired"});
    check_error(401, of, r#"Error(KeyRefused { code: "api_key_expired" })"#);
    check_error(403, json!({"code": "sk_test_1 X"}), r#"Error(KeyRefused { code: "not shown" })"#);
    // A client chose the token, so it must not stop the bookings of others.
    let of = json!({"type": "invalid_request_error", "param": "payment_method"});
    check_error(403, of, "Declined(Declined)");
}

/// Failure matrix: D24.
#[test]
fn an_account_that_may_not_charge_is_no_bookings_fault() {
    let of = json!({"type": "invalid_request_error", "code": "testmode_charges_only"});
    check_error(400, of, r#"Error(KeyRefused { code: "testmode_charges_only" })"#);
    let of = json!({"code": "payment_method_unactivated", "param": "payment_method_types[0]"});
    check_error(400, of, r#"Error(KeyRefused { code: "payment_method_unactivated" })"#);
}

#[test]
fn a_conflict_is_asked_again_with_the_same_key() {
    let of = json!({"type": "idempotency_error", "code": "idempotency_key_in_use"});
    let means = r#"Error(Undecided { why: "an earlier request under this key is still running", after: None })"#;
    check_error(409, of, means);
}

#[test]
fn a_rate_limit_is_for_all_and_a_lock_for_one_booking_and_both_say_when_to_ask_again() {
    for (code, means) in [
        ("rate_limit", r#"NotNow { why: "it gets too many requests", after: Some(7s) }"#),
        (
            "lock_timeout",
            r#"Undecided { why: "another request is using the same objects", after: Some(7s) }"#,
        ),
    ] {
        let retry_after = Some(Duration::from_secs(7));
        let body = error(&json!({"type": "invalid_request_error", "code": code}));
        let answer = Answer { status: 429, retry_after, body, ..Answer::default() };
        assert_eq!(format!("{:?}", meaning(&answer)), format!("Error({means})"));
    }
}

/// Failure matrix: D22.
#[test]
fn a_failure_is_no_answer_and_one_that_is_repeated_says_so() {
    for status in [424, 500, 503] {
        let means = format!("Error(Failed {{ status: {status}, after: None }})");
        check(status, Value::Null, &means);
        check(status, error(&json!({"type": "invalid_request_error"})), &means);
        let answer = Answer { status, replayed: true, ..Answer::default() };
        let means = format!("Error(FailedAsBefore {{ status: {status} }})");
        assert_eq!(format!("{:?}", meaning(&answer)), means);
    }
}

#[test]
fn a_failure_that_says_how_long_to_wait_is_believed() {
    let retry_after = Some(Duration::from_secs(7));
    let answer = Answer { status: 503, retry_after, ..Answer::default() };
    let means = "Error(Failed { status: 503, after: Some(7s) })";
    assert_eq!(format!("{:?}", meaning(&answer)), means);
}

#[test]
fn the_same_key_for_something_else_is_set_aside() {
    let of = json!({"type": "idempotency_error"});
    let means = r#"Error(Refused("the idempotency key was used for something else"))"#;
    check_error(400, of, means);
}

#[test]
fn a_malformed_request_is_set_aside_with_code_and_parameter_and_no_word_more() {
    let of = json!({"type": "invalid_request_error", "code": "parameter_unknown",
                    "param": "payment_method_types[0]"});
    let means =
        r#"Error(Malformed { code: "parameter_unknown", parameter: "payment_method_types[0]" })"#;
    check_error(400, of, means);
    let of = json!({"code": "Ada", "param": "x".repeat(65)});
    check_error(404, of, r#"Error(Malformed { code: "not shown", parameter: "not shown" })"#);
    for secret in ["sk_test_1", "rk_live_1", "pm_1", "tok_visa", "[tok_visa]"] {
        let of = json!({"code": secret, "param": secret});
        check_error(404, of, r#"Error(Malformed { code: "not shown", parameter: "not shown" })"#);
    }
}

#[test]
fn what_is_no_answer_of_stripe_is_no_answer() {
    let means = r#"Error(Unreachable("an answer that cannot be read"))"#;
    check(200, Value::Null, means);
    check(200, json!({"object": "payment_intent", "id": "pi_1"}), means);
    check(302, Value::Null, means);
}

#[test]
fn a_refund_that_succeeded_is_money_given_back() {
    let means = r#"GivenBack(Money { id: "re_1", amount: 12900, currency: "eur" })"#;
    check(200, refund("succeeded"), means);
}

#[test]
fn a_refund_on_its_way_is_to_be_looked_at_again() {
    check(200, refund("pending"), r#"GivingBack("re_1")"#);
}

/// Failure matrix: D13.
#[test]
fn a_refund_that_does_not_arrive_is_set_aside() {
    check(200, refund("failed"), r#"Error(Refused("the refund did not arrive"))"#);
    check(200, refund("canceled"), r#"Error(Refused("the refund was called off"))"#);
    let means = r#"Error(Refused("the refund waits for the customer"))"#;
    check(200, refund("requires_action"), means);
}

#[test]
fn what_was_given_back_before_is_looked_up() {
    check_error(400, json!({"code": "charge_already_refunded"}), "GivenBackBefore");
}

#[test]
fn an_intent_that_cannot_be_cancelled_any_more_is_looked_at_again() {
    check_error(400, json!({"code": "payment_intent_unexpected_state"}), "OtherState");
}

#[test]
fn a_search_answers_with_a_list_and_of_a_booking_is_what_has_exactly_its_id() {
    let body = json!({"object": "search_result", "has_more": false, "data": [intent("succeeded")]});
    let found = listed(&Answer { status: 200, body, ..Answer::default() }).unwrap();
    assert!(found[0].is_of("b-1") && !found[0].is_of("B-1"));
    let mut without = intent("succeeded");
    without["metadata"] = Value::Null;
    let body = json!({"object": "search_result", "has_more": false, "data": [without]});
    let found = listed(&Answer { status: 200, body, ..Answer::default() }).unwrap();
    assert!(!found[0].is_of("b-1"), "it names no booking");
    let body = json!({"has_more": true, "data": []});
    assert!(listed(&Answer { status: 200, body, ..Answer::default() }).is_err());
    assert!(listed(&Answer { status: 503, ..Answer::default() }).is_err());
}
