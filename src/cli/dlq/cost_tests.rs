//! What `dlq` does with a message is at most linear in its bytes.

use std::hint::black_box;

use jiff::Timestamp;

use super::show::page;
use crate::{
    aws::DeadQueue,
    cost_tests::{
        assert_linear, delivery, enveloped, intake,
        shapes::{Shape, any_unit, shapes},
    },
    dead_letters::{
        Dead, mask,
        why::{Case, why},
    },
};

/// Does everything that `ls`, `show` and `redrive --dry-run` do with a message before its role's
/// rules see it.
fn look(text: &str) {
    let attributes = ["class", "reason", "booking", "ErrorMessage", text]
        .map(|it| (it.to_owned(), text.to_owned()))
        .into();
    let dead = Dead {
        place: DeadQueue::Dlq,
        delivery: delivery(text.to_owned()),
        moved: false,
        attributes,
    };
    let why = why(&dead, Some(10));
    let case = Case::new(dead, why, &intake());
    black_box(page(&case, "a queue", Timestamp::UNIX_EPOCH, false));
}

#[test]
fn reading_showing_and_masking_a_dead_letter_is_linear() {
    for shape in shapes() {
        let (name, text) = (shape.name, |bytes| shape.text(bytes));
        assert_linear(name, text, look);
        assert_linear(&format!("{name}, enveloped"), |bytes| enveloped(&text(bytes)), look);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(16))]
    #[test]
    fn what_nobody_thought_of_is_shown_in_linear_time_when_it_is_repeated(unit in any_unit()) {
        let text = |bytes: usize| unit.repeat(bytes.div_ceil(unit.len()));
        assert_linear(&format!("{unit:?}"), text, look);
        assert_linear(&format!("{unit:?} in a list"), |bytes| format!("[{}0]", text(bytes)), look);
    }
}

/// Each string that is opened may hold a value of the same depth again, whose lines would be
/// indented further by that depth: the page would have gigabytes, and would overflow any stack.
#[test]
fn texts_within_texts_are_opened_twice_and_no_deeper() {
    let brackets = |inside: &str| format!("{}{inside}{}", "[".repeat(120), "]".repeat(120));
    let mut body = brackets("1,".repeat(10_000).trim_end_matches(','));
    for _ in 0..12 {
        // A string in the place of a message is opened.
        let inside = serde_json::to_string(&body).unwrap();
        body = format!("{{\"seats\":{},\"Message\":{inside}}}", brackets("0"));
    }
    let shown = mask::body(&body);
    assert!(shown.contains("too deep inside other texts"), "{}", shown.len());
    assert!(shown.len() < 2 * body.len(), "{} bytes of {}", shown.len(), body.len());
}

#[test]
fn a_page_of_brackets_is_not_much_longer_than_the_body() {
    let text = Shape::text(
        &shapes().into_iter().find(|it| it.name == "a list of digits").unwrap(),
        65_536,
    );
    let deep = format!("{}{text}{}", "[".repeat(110), "]".repeat(110));
    let body = format!("{{\"seats\":{deep}}}");
    let shown = mask::body(&body);
    assert!(shown.len() < 4 * body.len(), "{} bytes of {}", shown.len(), body.len());
}
