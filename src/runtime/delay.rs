//! Computes how long to wait before trying again. This is the only place that uses the crate
//! `backoff`, and only for its arithmetic. It must never use that crate's jitter or clock: jitter
//! comes from our own seed, and time from our own clock.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff};

/// The longest time for which a message that is given back stays hidden. SQS accepts 12 hours.
const GIVE_BACK_MAX: Duration = Duration::from_secs(900);
/// The delay of the first give-back is below this; each further one may be twice as long.
const GIVE_BACK_FIRST: Duration = Duration::from_secs(2);
/// The pause after the first receive that fails is below this.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// How often a delay is doubled at most. All delays have reached their longest long before.
const DOUBLINGS_MAX: u32 = 40;
/// The longest pause after a receive that fails.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// How long a message that is given back at its `attempt`-th delivery stays hidden: a random time
/// of up to 2^attempt seconds (full jitter), at most 15 minutes.
pub fn give_back_delay(attempt: u32, jitter: &mut fastrand::Rng) -> Duration {
    let ceiling = nth(growing(GIVE_BACK_FIRST, GIVE_BACK_MAX), attempt);
    ceiling.mul_f64(jitter.f64())
}

/// How long a message stays hidden that is given back at its `attempt`-th delivery without having
/// been tried: 2^attempt seconds, at most 15 minutes. It need not keep away from others, so it
/// takes the longest time: each delivery counts towards `max_receive_count`.
pub(super) fn held_back_delay(attempt: u32) -> Duration {
    nth(growing(GIVE_BACK_FIRST, GIVE_BACK_MAX), attempt)
}

/// The longer one of `delay` and the time for which the provider asked to wait. Of the provider's
/// time at most 15 minutes count, because a provider may ask for any time.
pub(super) fn not_before(delay: Duration, asked_to_wait: Option<Duration>) -> Duration {
    delay.max(asked_to_wait.unwrap_or_default().min(GIVE_BACK_MAX))
}

/// How long to wait after the `failures`-th failed receive in a row: at least half of a ceiling
/// that doubles from 0.2 s up to 20 s, so that a broken account is not asked in a hot loop.
pub fn pause(failures: u32, jitter: &mut fastrand::Rng) -> Duration {
    let ceiling = nth(growing(PAUSE_FIRST, PAUSE_MAX), failures);
    ceiling.mul_f64(0.5 + jitter.f64() / 2.0)
}

/// Delays that double from `first` to `most` and never end. The caller bounds their number.
fn growing(first: Duration, most: Duration) -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(first)
        .with_multiplier(2.0)
        .with_randomization_factor(0.0)
        .with_max_interval(most)
        .with_max_elapsed_time(None)
        .build()
}

/// The `n`-th delay, counted from 1.
fn nth(mut delays: ExponentialBackoff, n: u32) -> Duration {
    let mut delay = Duration::ZERO;
    for _ in 0..n.clamp(1, DOUBLINGS_MAX) {
        delay = delays.next_backoff().unwrap_or(delay);
    }
    delay
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Failure matrix: A23.
    #[test]
    fn the_delay_grows_with_the_receive_count_up_to_a_cap() {
        let mut jitter = fastrand::Rng::with_seed(1);
        for (attempt, ceiling_s) in [(1, 2), (2, 4), (3, 8), (9, 512), (10, 900), (60, 900)] {
            let delays: Vec<Duration> =
                (0..200).map(|_| give_back_delay(attempt, &mut jitter)).collect();
            let ceiling = Duration::from_secs(ceiling_s);
            assert!(delays.iter().all(|it| *it <= ceiling), "attempt {attempt}");
            assert!(delays.iter().any(|it| *it > ceiling / 2), "attempt {attempt}");
            assert_eq!(held_back_delay(attempt), ceiling, "attempt {attempt}");
        }
        let ten: Duration = (1..=10).map(held_back_delay).sum();
        assert_eq!(ten.as_secs() / 60, 32, "docs/LAMBDA.md says how long that is");
    }

    #[test]
    fn who_asks_to_wait_is_asked_no_sooner_and_never_after_more_than_15_minutes() {
        let s = Duration::from_secs;
        assert_eq!(not_before(s(4), None), s(4));
        assert_eq!(not_before(s(4), Some(s(2))), s(4));
        assert_eq!(not_before(s(4), Some(s(30))), s(30));
        assert_eq!(not_before(s(4), Some(s(86_400))), s(900));
    }

    /// Failure matrix: A31.
    #[test]
    fn a_receive_that_fails_is_never_followed_by_a_hot_loop() {
        let mut jitter = fastrand::Rng::with_seed(1);
        for failures in 1..50 {
            let pause = pause(failures, &mut jitter);
            assert!(pause >= Duration::from_millis(100) && pause <= PAUSE_MAX);
        }
    }
}
