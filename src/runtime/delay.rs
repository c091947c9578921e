//! How long to wait before trying again. The only place that uses `backoff`, for its arithmetic
//! alone: jitter comes from our own seed, time from our own clock.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff};

/// The longest a message is given back for. SQS would take 12 hours.
const GIVE_BACK_MAX: Duration = Duration::from_secs(900);
/// The longest pause between two receives that fail.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// How long a message stays hidden after its `attempt`-th receive failed: full jitter over
/// 2^attempt seconds, at most 15 minutes.
pub fn give_back_delay(attempt: u32, jitter: &mut fastrand::Rng) -> Duration {
    let ceiling = nth(growing(Duration::from_secs(2), GIVE_BACK_MAX), attempt);
    ceiling.mul_f64(jitter.f64())
}

/// How long to wait after the `failures`-th receive in a row that failed: at least half of a
/// ceiling that doubles up to 20 s, so that a broken account is not asked in a hot loop.
pub fn pause(failures: u32, jitter: &mut fastrand::Rng) -> Duration {
    let ceiling = nth(growing(Duration::from_millis(200), PAUSE_MAX), failures);
    ceiling.mul_f64(0.5 + jitter.f64() / 2.0)
}

/// Doubles from `first` to `most`, for ever: whoever asks has his own bound.
fn growing(first: Duration, most: Duration) -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(first)
        .with_multiplier(2.0)
        .with_randomization_factor(0.0)
        .with_max_interval(most)
        .with_max_elapsed_time(None)
        .build()
}

/// The `n`-th delay, from 1. It grows no more after a few dozen.
fn nth(mut delays: ExponentialBackoff, n: u32) -> Duration {
    let mut delay = Duration::ZERO;
    for _ in 0..n.clamp(1, 40) {
        delay = delays.next_backoff().unwrap_or(delay);
    }
    delay
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a23_the_delay_grows_with_the_receive_count_up_to_a_cap() {
        let mut jitter = fastrand::Rng::with_seed(1);
        for (attempt, ceiling_s) in [(1, 2), (2, 4), (3, 8), (9, 512), (10, 900), (60, 900)] {
            let delays: Vec<Duration> =
                (0..200).map(|_| give_back_delay(attempt, &mut jitter)).collect();
            let ceiling = Duration::from_secs(ceiling_s);
            assert!(delays.iter().all(|it| *it <= ceiling), "attempt {attempt}");
            assert!(delays.iter().any(|it| *it > ceiling / 2), "attempt {attempt}");
        }
    }

    #[test]
    fn a31_a_receive_that_fails_is_never_followed_by_a_hot_loop() {
        let mut jitter = fastrand::Rng::with_seed(1);
        for failures in 1..50 {
            let pause = pause(failures, &mut jitter);
            assert!(pause >= Duration::from_millis(100) && pause <= PAUSE_MAX);
        }
    }
}
