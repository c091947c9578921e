//! Chooses the attributes of a dead letter that fit beside its body. A dead letter must never be
//! refused by SQS because of its attributes: the body is what matters.

/// The largest message that a queue holds, in bytes: for queues created until 2025, and for queues
/// with the present maximum.
const QUEUE_BYTES_MAX: [usize; 2] = [256 * 1024, 1024 * 1024];
/// The data type of an attribute, whose name counts as part of the size.
const TYPE: &str = "String";
/// The only attribute that is useful even if it is cut off.
const REASON: &str = "reason";

/// The attributes that fit beside a body, in this order, and as much of the reason as fits then.
/// Relies on a dead-letter queue that holds messages at least as large as its queue does.
pub(super) fn beside<'a>(
    body: &str,
    attributes: &'a [(&'static str, String)],
) -> Vec<(&'static str, &'a str)> {
    let limit = QUEUE_BYTES_MAX.into_iter().find(|it| body.len() <= *it);
    let mut room = limit.map_or(0, |it| it - body.len());
    let (reasons, others): (Vec<_>, Vec<_>) =
        attributes.iter().partition(|(name, _)| *name == REASON);
    let mut fitting = Vec::with_capacity(attributes.len());
    for (name, value) in others.into_iter().chain(reasons) {
        let left = room.saturating_sub(name.len() + TYPE.len());
        let end = if *name == REASON { value.floor_char_boundary(left) } else { value.len() };
        // SQS refuses empty values.
        if end == 0 || end > left {
            continue;
        }
        room = left - end;
        fitting.push((*name, &value[..end]));
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> Vec<(&'static str, String)> {
        [("class", "malformed"), (REASON, "flight: expected text, grö\u{df}er"), ("empty", "")]
            .map(|(name, value)| (name, value.to_owned()))
            .into()
    }

    fn bytes(fitting: &[(&str, &str)]) -> usize {
        fitting.iter().map(|(name, value)| name.len() + TYPE.len() + value.len()).sum()
    }

    #[test]
    fn a_dead_letter_has_as_many_attributes_as_fit_and_always_its_body() {
        let attributes = attributes();
        let all = beside("{}", &attributes);
        assert_eq!(all, [("class", "malformed"), (REASON, "flight: expected text, größer")]);
        let whole = bytes(&all);
        for limit in QUEUE_BYTES_MAX {
            assert_eq!(beside(&"x".repeat(limit - whole), &attributes), all);
            for less in 0..=whole {
                let body = "x".repeat(limit - less);
                let fitting = beside(&body, &attributes);
                assert!(body.len() + bytes(&fitting) <= limit, "{less} bytes of room");
            }
            assert_eq!(beside(&"x".repeat(limit), &attributes), []);
        }
    }

    #[test]
    fn the_class_stays_longer_than_the_reason() {
        let attributes = attributes();
        let class = bytes(&[("class", "malformed")]);
        let body = "x".repeat(QUEUE_BYTES_MAX[0] - class - REASON.len() - TYPE.len() - 6);
        let fitting = beside(&body, &attributes);
        assert_eq!(fitting, [("class", "malformed"), (REASON, "flight")]);
    }
}
