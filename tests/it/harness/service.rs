//! The real binary as a real process.

use std::{
    net::TcpListener,
    ops::{Deref, DerefMut},
    path::Path,
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
};

use booking::{
    domain::RoleName,
    durability::Durability,
    wiring::{begin, new_deployment, store_file},
};
use serde_json::Value;

use super::{LocalStack, eventually, machine::SEAL_KEY, running::Running};

/// The binary under test.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_booking"));
    // The user's own settings must not decide a test.
    for (name, _) in std::env::vars() {
        let settings = ["BOOKING_", "AWS_", "OTEL_"];
        if settings.iter().any(|it| name.starts_with(it)) || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    // Services and operators of the tests have one key.
    command.env("BOOKING_CANARY_KEY", CANARY_KEY);
    command.env("BOOKING_SEAL_KEY", SEAL_KEY);
    command
}

/// What canaries of the tests are made with.
pub const CANARY_KEY: &str = "a-key-of-the-tests-that-is-long-enough";

/// One running service. Killed when dropped.
pub struct Service {
    pub role: RoleName,
    pub address: String,
    running: Running,
}

impl Service {
    /// Starts a role on LocalStack and waits until it polls. Logs to `<data>/<role>.log`.
    pub async fn start(role: RoleName, prefix: &str, data: &Path, more: &[&str]) -> Service {
        let mut service = Service::spawn(LocalStack::running(), role, prefix, data, |it| {
            it.args(more);
        });
        service.polls().await;
        service
    }

    /// Starts a role and does not wait. `adapt` has the last word on arguments and environment.
    pub fn spawn(
        localstack: &LocalStack,
        role: RoleName,
        prefix: &str,
        data: &Path,
        adapt: impl FnOnce(&mut Command),
    ) -> Service {
        Service::spawn_at(localstack.environment(), role, prefix, data, adapt)
    }

    /// The same wherever an environment leads.
    pub fn spawn_at(
        environment: Vec<(&'static str, String)>,
        role: RoleName,
        prefix: &str,
        data: &Path,
        adapt: impl FnOnce(&mut Command),
    ) -> Service {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let log = data.join(format!("{role}.log"));
        let mut command = binary();
        command.args([role.as_str(), "--http", &address]);
        // By environment, so that a test can say otherwise with a flag.
        command.env("BOOKING_PREFIX", prefix).env("BOOKING_DATA", data).envs([
            ("BOOKING_LONG_POLL", "1s"),
            ("BOOKING_VISIBILITY", "5s"),
            ("BOOKING_EFFECT_TIMEOUT", "2s"),
            ("BOOKING_DRAIN", "10s"),
            ("BOOKING_FLIGHTS", "sample"),
            ("BOOKING_GATEWAY", "simulated"),
            ("BOOKING_GATEWAY_PATIENCE", "200ms"),
            ("BOOKING_MAILER", "folder"),
        ]);
        command.env("BOOKING_LOG_FORMAT", "json").envs(environment);
        adapt(&mut command);
        begun(&command, role, data);
        let running = Running::start(&mut command, role.as_str(), log);
        Service { role, address, running }
    }

    /// Waits until it polls.
    pub async fn polls(&mut self) {
        let role = self.role;
        eventually(&format!("{role} to poll"), async || {
            assert!(!self.has_ended(), "{role} ended at once:\n{}", self.logged());
            let asked = reqwest::get(format!("http://{}/health", self.address)).await.ok()?;
            asked.json::<Value>().await.ok()?["health"]["last_poll_age_s"].as_f64()
        })
        .await;
    }

    /// Waits until it has ended, and returns its exit code.
    pub async fn ended(mut self) -> Option<i32> {
        self.running.ended().await
    }

    /// What it answers at a path: code and JSON.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        let answer = reqwest::get(format!("http://{}{path}", self.address)).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    pub async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("http://{}/metrics", self.address)).await.unwrap();
        answer.text().await.unwrap()
    }

    /// Waits until it has dealt with so many deliveries of an event. Each service hears what
    /// another one says in its own time: status may tell a payment that failed before seats has
    /// freed the seat.
    pub async fn has_heard(&self, event: &str, times: u64) {
        let counted = format!("booking_deliveries_total{{event=\"{event}\",verdict=\"done\"}} ");
        eventually(&format!("{} to have heard {times} {event}", self.role), async || {
            let metrics = self.metrics().await;
            let done = metrics.lines().find_map(|it| it.strip_prefix(&counted));
            (done.is_some_and(|it| it.parse::<u64>().unwrap() >= times)).then_some(())
        })
        .await;
    }

    /// Waits until a booking is at an end, and returns how status tells it.
    pub async fn ending(&self, id: &str) -> Value {
        eventually(&format!("booking {id} to end"), async || {
            let (code, view) = self.get(&format!("/bookings/{id}")).await;
            (code == 200 && view["final"] == true).then_some(view)
        })
        .await
    }
}

impl Deref for Service {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl DerefMut for Service {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

/// A port that nobody has, and that no connection gets before the service listens on it: from below
/// those that the system gives to connections.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    // Other runs on this machine begin elsewhere.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    (0..COUNT)
        .map(|_| FIRST + begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .find(|it| TcpListener::bind(("127.0.0.1", *it)).is_ok())
        .expect("one of so many ports is free")
}

/// What a person does once, where the command keeps its rows in a file of this folder.
fn begun(command: &Command, role: RoleName, data: &Path) {
    let elsewhere = command.get_program() != binary().get_program()
        || command.get_envs().any(|(name, _)| name == "BOOKING_STORE");
    if !elsewhere && !store_file(data, role).exists() {
        begin(data, &[role], new_deployment(), Durability::ProcessDeath).unwrap();
    }
}

/// The four services of one prefix.
pub async fn all_four(prefix: &str, data: &Path) -> Vec<Service> {
    let mut services = Vec::new();
    for role in RoleName::ALL {
        services.push(Service::start(role, prefix, data, &[]).await);
    }
    services
}
