//! How long messages waited on the queue. SQS says by its own clock when each was sent. What
//! that clock says now is reckoned: what the wall clock of this host said when it started, and what
//! the steady clock has counted since. So nothing that happens to the wall clock later makes a
//! backlog, or hides one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{bus::Delivery, clock::Clock};

/// What is known of the clock of SQS, and of the queue.
#[derive(Debug)]
pub(super) struct Ages(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// What the clock of SQS said when the steady one was at zero, in milliseconds since 1970.
    zero_ms: i64,
    /// When a receive last found nothing, by the steady clock.
    empty: Option<Duration>,
}

impl Ages {
    /// The clocks of SQS and of this host agree, until a message says otherwise.
    pub(super) fn new(clock: &Clock) -> Ages {
        let zero_ms = clock.now().as_millisecond() - milliseconds(clock.steady());
        Ages(Mutex::new(Known { zero_ms, empty: None }))
    }

    /// How long the oldest of what a receive brought was on the queue; `now` is the steady clock's.
    /// One that was given back waited for itself, not for us: its age says nothing of the queue.
    pub(super) fn waited(&self, deliveries: &[Delivery], now: Duration) -> Duration {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sent_ms = |it: &Delivery| it.incoming.sent_at.as_millisecond();
        let Some(newest_ms) = deliveries.iter().map(sent_ms).max() else {
            known.empty = Some(now);
            return Duration::ZERO;
        };
        let now_ms = milliseconds(now);
        // Nothing is received before it was sent: this host's clock was behind at the start.
        known.zero_ms = known.zero_ms.max(newest_ms.saturating_sub(now_ms));
        let first = deliveries.iter().filter(|it| it.incoming.attempt <= 1);
        let Some(oldest_ms) = first.map(sent_ms).min() else { return Duration::ZERO };
        let waited_ms = known.zero_ms.saturating_add(now_ms).saturating_sub(oldest_ms);
        let waited = Duration::from_millis(u64::try_from(waited_ms).unwrap_or(0));
        // Nothing on the queue is older than the last receive that found it empty, however far this
        // host's clock was ahead.
        waited.min(known.empty.map_or(Duration::MAX, |it| now.saturating_sub(it)))
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::{bus::ReceiptHandle, wire::Incoming};

    /// SQS, and a host whose clock was so far ahead of it at the start.
    struct Bench {
        ages: Ages,
        host: Clock,
        sqs: Clock,
    }

    fn bench(ahead: SignedDuration) -> Bench {
        let sqs = Clock::manual("2027-03-01T09:30:00Z".parse().unwrap());
        let host = Clock::manual(sqs.now() + ahead);
        Bench { ages: Ages::new(&host), host, sqs }
    }

    impl Bench {
        fn pass(&self, s: u64) {
            self.sqs.advance(Duration::from_secs(s));
            self.host.advance(Duration::from_secs(s));
        }

        /// What is said of a receive that brings these, in seconds: by attempt and age.
        fn waited(&self, these: &[(u32, i64)]) -> u64 {
            let delivery = |(attempt, age_s): &(u32, i64)| Delivery {
                incoming: Incoming {
                    body: String::new(),
                    kind_attribute: None,
                    sent_at: self.sqs.now() - SignedDuration::from_secs(*age_s),
                    attempt: *attempt,
                },
                message_id: String::new(),
                receipt_handle: ReceiptHandle(String::new()),
            };
            let these: Vec<Delivery> = these.iter().map(delivery).collect();
            self.ages.waited(&these, self.host.steady()).as_secs()
        }
    }

    const YEAR: SignedDuration = SignedDuration::from_hours(24 * 365);

    #[test]
    fn the_age_of_what_was_given_back_is_no_backlog() {
        let bench = bench(SignedDuration::ZERO);
        assert_eq!(bench.waited(&[(1, 3), (1, 8)]), 8);
        assert_eq!(bench.waited(&[(1, 3), (4, 90)]), 3);
        assert_eq!(bench.waited(&[(2, 90)]), 0);
    }

    #[test]
    fn a40_a_clock_that_steps_makes_no_backlog_and_hides_none() {
        for step in [-YEAR, YEAR, SignedDuration::from_secs(-5)] {
            let bench = bench(SignedDuration::ZERO);
            bench.host.step(step);
            assert_eq!(bench.waited(&[(1, 0)]), 0, "{step:?}");
            bench.pass(7);
            assert_eq!(bench.waited(&[(1, 3), (1, 0)]), 3, "{step:?}");
        }
    }

    #[test]
    fn a_clock_that_was_behind_at_the_start_hides_a_backlog_until_something_fresh_comes() {
        let bench = bench(-YEAR);
        assert_eq!(bench.waited(&[(1, 8), (1, 0)]), 8);
        bench.pass(60);
        assert_eq!(bench.waited(&[(1, 8)]), 8);
    }

    #[test]
    fn a_clock_that_was_ahead_at_the_start_makes_a_backlog_until_the_queue_is_empty() {
        let bench = bench(YEAR);
        assert!(bench.waited(&[(1, 0)]) > 3600);
        assert_eq!(bench.waited(&[]), 0);
        bench.pass(2);
        assert_eq!(bench.waited(&[(1, 1)]), 2, "no longer than since then");
    }
}
