//! How tests wait until there is nothing left to do.

use std::time::{Duration, Instant};

use booking::{aws::Names, domain::RoleName};

use super::{Account, PATIENCE};

/// Waits until no queue of these names has anything, visible or in flight, and `rests` says that
/// nothing else is going on either. Fails when nothing moves for longer than the tests' patience.
pub async fn drained(account: &Account, names: &Names, mut rests: impl AsyncFnMut() -> bool) {
    let (mut before, mut moved, mut quiet) = (Vec::new(), Instant::now(), 0);
    // Twice in a row: a message may go from a queue not yet looked at to one that was.
    while quiet < 2 {
        assert!(moved.elapsed() < PATIENCE, "nothing moves; (visible, in flight): {before:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut now = Vec::new();
        for role in RoleName::ALL {
            now.push(account.depth_of(&names.queue(role)).await);
        }
        let rests = rests().await;
        quiet = if rests && now.iter().all(|it| *it == (0, 0)) { quiet + 1 } else { 0 };
        if now != before {
            (before, moved) = (now, Instant::now());
        }
    }
}
