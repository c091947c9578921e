//! What the tests talk to, and how they wait: for conditions, never for time.

mod account;
mod asked;
mod browser;
mod collector;
mod demo;
mod drained;
pub mod dynamodb;
pub mod emulator;
mod ended;
mod enforcing;
mod guest;
mod localstack;
mod logged;
mod machine;
mod mail;
mod ministack;
pub mod node;
mod peers;
mod planned;
mod prometheus;
mod running;
mod runtime_api;
mod service;
mod sketch;
mod stripe;
mod tmux;
mod way;

pub use account::Account;
pub use asked::{has_good_card, is_never_sold, requested};
pub use browser::Browser;
pub use collector::{Collector, Spans};
pub use demo::{Cable, Demo};
pub use drained::drained;
pub use dynamodb::{DynamoDbLocal, Tables, definitions};
pub use ended::{Ended, says};
pub use enforcing::{Enforcing, Environment};
pub use guest::{Form, Guest, HEARD, LOYALTY};
pub use localstack::{LocalStack, say, skipped};
pub use logged::without_chance;
pub use machine::{Machine, SEAL_KEY};
pub use mail::{MAIL_PASSWORD, MAIL_USER, Mail, MailServer, Ses};
pub use ministack::MiniStack;
pub use peers::{Front, peer};
pub use planned::{planned, planned_on_aws, planned_on_aws_of};
pub use prometheus::{Prometheus, promtool};
pub use runtime_api::{Answered, Function};
pub use service::{CANARY_KEY, Service, all_four, binary, free_port};
pub use sketch::{Sketch, as_read, bare, delivery, enveloped, incoming, intake};
pub use stripe::{KEY, Moved, Stripe};
pub use tmux::Terminal;
pub use way::{Fate, Way};

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// How long a condition may take to come true before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `look` finds something; fails with what was waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(it) = look().await {
            return it;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A name that no other test and no other run uses.
pub fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{what}{}-{count}-", std::process::id())
}

/// A folder that ends with the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::Builder::new().prefix("booking-test-").tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
