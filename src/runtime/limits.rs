//! Every bound of a worker, and the rules between the bounds. A worker must never start with bounds
//! that contradict each other.

use std::time::Duration;

use crate::bus::RECEIVE_MAX;

/// The bounds of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a receive waits for the first message. SQS accepts at most 20 s.
    pub long_poll: Duration,
    /// The visibility timeout: how long a received message stays hidden from other receivers.
    pub visibility: Duration,
    /// How long one delivery may be worked on in all, visibility extensions included.
    pub heartbeat_cap: Duration,
    /// How long an outside effect may take.
    pub effect_timeout: Duration,
    /// How long the messages in flight may take after SIGTERM.
    pub drain: Duration,
    /// The most deliveries that are worked on at once. As many more may wait for their delete.
    pub in_flight_max: usize,
    /// The most receives that are open at the same time.
    pub pollers: usize,
    /// How long a message may wait to be received together with others. Zero means not at all.
    pub latency_target: Duration,
}

/// How much of the visibility timeout must be left when an effect times out.
pub(super) const MARGIN: Duration = Duration::from_secs(2);

/// The longest that SQS hides a received message, extensions included.
pub const HIDDEN_MAX: Duration = Duration::from_hours(12);

/// The shortest time that a delete waits for others to share its request.
pub const DELETES_LINGER_MIN: Duration = Duration::from_millis(20);
/// The longest: at a few messages a second, ten have come by then.
const DELETES_LINGER_MAX: Duration = Duration::from_secs(5);
/// The part of the visibility timeout that a delete may wait. The heartbeat extends it when a third
/// is over, so that a redelivery stays impossible.
const DELETES_LINGER_PART: u32 = 12;
/// How many batches of deletes `in_flight_max` must have room for, so that deletes that linger do
/// not hold up receives.
const DELETES_ROOM: usize = 4;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            long_poll: Duration::from_secs(20),
            visibility: Duration::from_secs(60),
            heartbeat_cap: Duration::from_secs(600),
            effect_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(25),
            in_flight_max: 64,
            pollers: 4,
            latency_target: Duration::from_millis(100),
        }
    }
}

/// Two settings that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {left} is {left_value:?}, {right} is {right_value:?}")]
pub struct Contradiction {
    /// The rule that they violate.
    pub rule: &'static str,
    /// The flag of the setting that breaks it.
    pub left: &'static str,
    pub left_value: Duration,
    /// The flag of the other setting.
    pub right: &'static str,
    pub right_value: Duration,
}

impl Limits {
    /// How long a delete waits at most for others to share its request.
    ///
    /// Waiting costs little, since the message is finished and hidden. Should the process die
    /// meanwhile, the message is delivered again, and its memo is found. But a delete beyond
    /// `in_flight_max` others holds up a message to work on. So where that is small, the wait is
    /// only twice as long as the longest pause between receives, so that the deletes of one receive
    /// leave together with those of the next; and where no batch could ever fill up, it is as short
    /// as possible.
    #[must_use]
    pub fn deletes_linger(&self) -> Duration {
        let long = (self.visibility / DELETES_LINGER_PART).min(DELETES_LINGER_MAX);
        let wanted = match self.in_flight_max {
            ..RECEIVE_MAX => Duration::ZERO,
            it if it < DELETES_ROOM * RECEIVE_MAX => (self.latency_target * 2).min(long),
            _ => long,
        };
        wanted.max(DELETES_LINGER_MIN)
    }

    /// The shortest visibility timeout in which an outside effect can end in time.
    #[must_use]
    pub fn visibility_min(&self) -> Duration {
        self.effect_timeout + MARGIN
    }

    /// Checks the rules between the bounds.
    ///
    /// # Errors
    /// Names the first two settings that contradict each other, with their values.
    pub fn check(&self) -> Result<(), Contradiction> {
        let rules = [
            (
                "the drain limit must be longer than a long poll",
                ("--drain", self.drain),
                ("--long-poll", self.long_poll),
                Duration::ZERO,
            ),
            (
                "the visibility timeout must exceed the effect timeout by more than 2 s",
                ("--visibility", self.visibility),
                ("--effect-timeout", self.effect_timeout),
                MARGIN,
            ),
            (
                "the heartbeat cap must be longer than the visibility timeout",
                ("--heartbeat-cap", self.heartbeat_cap),
                ("--visibility", self.visibility),
                Duration::ZERO,
            ),
        ];
        if self.heartbeat_cap.saturating_add(self.visibility) > HIDDEN_MAX {
            return Err(Contradiction {
                rule: "SQS hides a received message for at most 12 h in all, so the heartbeat cap \
                       and the visibility timeout together must not exceed 12 h",
                left: "--heartbeat-cap",
                left_value: self.heartbeat_cap,
                right: "--visibility",
                right_value: self.visibility,
            });
        }
        for (rule, (left, left_value), (right, right_value), margin) in rules {
            if left_value <= right_value + margin {
                return Err(Contradiction { rule, left, left_value, right, right_value });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletes_linger_for_others_unless_they_would_hold_up_receives() {
        let linger = |visibility_s, target_ms, in_flight_max| {
            let latency_target = Duration::from_millis(target_ms);
            let visibility = Duration::from_secs(visibility_s);
            let limits = Limits { latency_target, visibility, in_flight_max, ..Limits::default() };
            limits.deletes_linger().as_millis()
        };
        assert_eq!([1, 12, 60, 600].map(|it| linger(it, 0, 64)), [83, 1000, 5000, 5000]);
        assert_eq!([0, 100, 5000].map(|it| linger(60, it, 39)), [20, 200, 5000]);
        assert_eq!(linger(60, 500, 9), 20);
    }

    #[test]
    fn the_defaults_agree_and_a_contradiction_names_both_numbers() {
        assert_eq!(Limits::default().check(), Ok(()));
        let limits = Limits { visibility: Duration::from_secs(11), ..Limits::default() };
        let text = limits.check().unwrap_err().to_string();
        assert!(
            text.contains("--visibility is 11s") && text.contains("--effect-timeout is 10s"),
            "{text}"
        );
        let limits = Limits { drain: Duration::from_secs(20), ..Limits::default() };
        assert!(limits.check().unwrap_err().to_string().contains("--drain is 20s"));
        // A beat just before the cap extends by a whole visibility timeout.
        let heartbeat_cap = HIDDEN_MAX - Limits::default().visibility;
        let limits = Limits { heartbeat_cap, ..Limits::default() };
        assert_eq!(limits.check(), Ok(()));
        let heartbeat_cap = heartbeat_cap + Duration::from_secs(1);
        let text = Limits { heartbeat_cap, ..limits }.check().unwrap_err().to_string();
        assert!(text.contains("at most 12 h in all"), "{text}");
    }
}
