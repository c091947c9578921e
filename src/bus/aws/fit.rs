//! What fits beside a body that is set aside: the reason must never cost the message.

/// How large a message may be on a queue, in bytes: as queues were made until 2025, and as SQS
/// allows.
const QUEUE_BYTES_MAX: [usize; 2] = [256 * 1024, 1024 * 1024];
/// The name of an attribute's type, which counts as well.
const TYPE: &str = "String";
/// The one attribute of which a part is better than nothing.
const REASON: &str = "reason";

/// The attributes that fit beside a body, in this order, and as much of the reason as fits then.
/// The dead-letter queue takes at least as much as the queue that held the body.
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
        // SQS takes no empty value.
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
