//! Measures how long messages waited on the queue. SQS says when each message was sent, by its own
//! clock. The present time of that clock is estimated: the wall clock of this host at the start,
//! plus the time that the steady clock has counted since. The wall clock must never be read again
//! later, so that a step of it can neither feign a backlog nor hide one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{bus::Delivery, clock::Clock};

/// An estimate of the clock of SQS, which the messages of each receive improve.
#[derive(Debug)]
pub(super) struct Ages(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// The time by the clock of SQS when the steady clock was at zero, in milliseconds since 1970.
    zero_ms: i64,
    /// When a receive last found the queue empty, by the steady clock.
    empty: Option<Duration>,
}

impl Ages {
    /// Assumes that the clocks of SQS and of this host agree, until a message shows otherwise.
    pub(super) fn new(clock: &Clock) -> Ages {
        let zero_ms = clock.now().as_millisecond() - milliseconds(clock.steady());
        Ages(Mutex::new(Known { zero_ms, empty: None }))
    }

    /// How long the oldest message of one receive was on the queue. `now` is by the steady clock.
    /// Messages that were given back before do not count: they were hidden for their own delay, so
    /// their age says nothing about the queue.
    pub(super) fn waited(&self, deliveries: &[Delivery], now: Duration) -> Duration {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sent_ms = |it: &Delivery| it.incoming.sent_at.as_millisecond();
        let Some(newest_ms) = deliveries.iter().map(sent_ms).max() else {
            known.empty = Some(now);
            return Duration::ZERO;
        };
        let now_ms = milliseconds(now);
        // A message cannot be received before it was sent. If it seems so, the clock of this host
        // was behind at the start.
        known.zero_ms = known.zero_ms.max(newest_ms.saturating_sub(now_ms));
        let first = deliveries.iter().filter(|it| it.incoming.attempt <= 1);
        let Some(oldest_ms) = first.map(sent_ms).min() else { return Duration::ZERO };
        let waited_ms = known.zero_ms.saturating_add(now_ms).saturating_sub(oldest_ms);
        let waited = Duration::from_millis(u64::try_from(waited_ms).unwrap_or(0));
        // No message on the queue is older than the last receive that found the queue empty,
        // however far the clock of this host was ahead.
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

    /// SQS, and a host whose clock may differ from that of SQS.
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

        /// What [`Ages::waited`] says of messages with these attempts and ages, in seconds.
        fn waited(&self, these: &[(u32, i64)]) -> u64 {
            let delivery = |(attempt, age_s): &(u32, i64)| Delivery {
                incoming: Incoming {
                    body: String::new(),
                    kind_attribute: None,
                    sent_at: self.sqs.now() - SignedDuration::from_secs(*age_s),
                    attempt: *attempt,
                    hop: None,
                },
                message_id: String::new(),
                receipt_handle: ReceiptHandle(String::new()),
                group: None,
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

    /// Failure matrix: A40.
    #[test]
    fn a_clock_that_steps_makes_no_backlog_and_hides_none() {
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
