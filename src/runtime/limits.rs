//! Every bound of the consumer, with its unit, and the rules between them.

use std::time::Duration;

use crate::bus::RECEIVE_MAX;

/// The bounds of one consumer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a receive waits for the first message; at most 20 s.
    pub long_poll: Duration,
    /// How long a received message is hidden from others.
    pub visibility: Duration,
    /// How long one delivery may be worked on, its visibility timeout extended again and again.
    pub heartbeat_cap: Duration,
    /// How long an outside effect may take.
    pub effect_timeout: Duration,
    /// How long work in hand may take after SIGTERM.
    pub drain: Duration,
    /// The most deliveries that are worked on at once.
    pub in_hand_max: usize,
    /// How many receives may be open at once.
    pub pollers: usize,
    /// How long a message may wait to be received together with others; zero for not at all.
    pub latency_target: Duration,
}

/// What must be left of the visibility timeout when an effect has timed out.
pub(super) const MARGIN: Duration = Duration::from_secs(2);

/// The bounds of how long a delete waits for others.
const DELETES_LINGER_MIN: Duration = Duration::from_millis(20);
const DELETES_LINGER_MAX: Duration = Duration::from_secs(1);

impl Default for Limits {
    fn default() -> Self {
        Limits {
            long_poll: Duration::from_secs(20),
            visibility: Duration::from_secs(60),
            heartbeat_cap: Duration::from_secs(600),
            effect_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(25),
            in_hand_max: 64,
            pollers: 4,
            latency_target: Duration::from_millis(100),
        }
    }
}

/// Two settings that cannot both be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {left} is {left_value:?}, {right} is {right_value:?}")]
pub struct Contradiction {
    /// What has to hold.
    pub rule: &'static str,
    /// One setting.
    pub left: &'static str,
    /// Its value.
    pub left_value: Duration,
    /// The other.
    pub right: &'static str,
    /// Its value.
    pub right_value: Duration,
}

impl Limits {
    /// How long a delete waits for others to leave with. Nobody waits for a delete: the message is
    /// done with and hidden. Twice the pauses, so that one receive's deletes leave with the next
    /// one's; what dies meanwhile is delivered again, and known. Hardly at all when so few may be
    /// in hand that they never fill a batch: each holds a permit until it is deleted.
    #[must_use]
    pub fn deletes_linger(&self) -> Duration {
        if self.in_hand_max < RECEIVE_MAX {
            return DELETES_LINGER_MIN;
        }
        (self.latency_target * 2).clamp(DELETES_LINGER_MIN, DELETES_LINGER_MAX)
    }

    /// How long a message must at least be hidden for an outside effect to end in time.
    #[must_use]
    pub fn visibility_min(&self) -> Duration {
        self.effect_timeout + MARGIN
    }

    /// Holds the bounds against each other.
    ///
    /// # Errors
    /// Names both settings and their values when they contradict each other.
    pub fn check(&self) -> Result<(), Contradiction> {
        let rules = [
            (
                "draining must outlast an open receive",
                ("--drain", self.drain),
                ("--long-poll", self.long_poll),
                Duration::ZERO,
            ),
            (
                "a message must stay hidden longer than an outside effect may take, with 2 s to spare",
                ("--visibility", self.visibility),
                ("--effect-timeout", self.effect_timeout),
                MARGIN,
            ),
            (
                "the heartbeat may not give up before the first visibility timeout is over",
                ("--heartbeat-cap", self.heartbeat_cap),
                ("--visibility", self.visibility),
                Duration::ZERO,
            ),
        ];
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
    fn deletes_linger_by_the_latency_target_unless_they_would_hold_up_receives() {
        let linger = |target_ms, in_hand_max| {
            let latency_target = Duration::from_millis(target_ms);
            let limits = Limits { latency_target, in_hand_max, ..Limits::default() };
            limits.deletes_linger().as_millis()
        };
        assert_eq!([0, 100, 500, 5000].map(|it| linger(it, 64)), [20, 200, 1000, 1000]);
        assert_eq!(linger(500, 9), 20);
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
    }
}
