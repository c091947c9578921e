//! The four processes of a run: the real binary, or a yardstick loop. A process must never outlive
//! its run.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use booking::{
    domain::RoleName,
    durability::Durability,
    wiring::{begin, new_deployment, store_file},
};
use clap::ValueEnum;

use crate::{
    backend::REGION,
    bookings,
    counts::Counts,
    loops, place,
    proc::{Usage, usage},
    proxy::{Door, Proxy},
    topology::PREFIX,
};

/// A port that is free now. It is below the range from which the system takes ports for outgoing
/// connections, so it is still free when the service starts to listen on it.
fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let free = |it: &u16| TcpListener::bind(("127.0.0.1", *it)).is_ok();
    let mut ports = (0..5_000).map(|_| 10_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 5_000);
    ports.find(free).context("no port from 10000 to 14999 is free")
}

/// The program that works on the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    Booking {
        store: Store,
        /// `--latency-target`
        target: Duration,
    },
    Loop(loops::Style),
}

/// `--store`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Store {
    Sqlite,
    Memory,
}

impl Store {
    pub const fn as_str(self) -> &'static str {
        match self {
            Store::Sqlite => "sqlite",
            Store::Memory => "memory",
        }
    }
}

/// The four processes. They are killed when this is dropped.
pub struct Services {
    pub all: Vec<Service>,
    http: reqwest::Client,
}

pub struct Service {
    pub role: RoleName,
    /// The address of its HTTP server. A loop has none.
    http: Option<String>,
    log: PathBuf,
    spawned: Instant,
    child: Child,
}

impl Services {
    /// Starts the processes, each with its own door of the proxy, on FIFO queues if `fifo`. They
    /// send their traces to `collector`, if there is one.
    pub fn spawn(
        (consumer, fifo): (Consumer, bool),
        proxy: &Proxy,
        data: &Path,
        collector: Option<SocketAddr>,
    ) -> anyhow::Result<Services> {
        let schedule = data.join("flights.json");
        fs::write(&schedule, bookings::schedule().to_string())?;
        // A run over stored bookings has its files already.
        let stored = matches!(consumer, Consumer::Booking { store: Store::Sqlite, .. });
        if stored && !store_file(data, RoleName::Seats).exists() {
            begin(data, &RoleName::ALL, new_deployment(), Durability::PowerFailure)
                .map_err(|it| anyhow::anyhow!("{it}"))?;
        }
        let mut all = Vec::new();
        for (role, door) in RoleName::ALL.into_iter().zip(&proxy.services) {
            let mut http = None;
            let mut command = match consumer {
                Consumer::Booking { store, target } => {
                    let port = free_port()?;
                    http = Some(format!("127.0.0.1:{port}"));
                    booking(role, store, target, &format!("127.0.0.1:{port}"))
                }
                Consumer::Loop(style) => loops::command(style, role)?,
            };
            match role {
                RoleName::Seats => drop(command.env("BOOKING_FLIGHTS", &schedule)),
                RoleName::Payment => drop(command.env("BOOKING_GATEWAY", "simulated")),
                RoleName::Receipt => drop(command.env("BOOKING_MAILER", "folder")),
                RoleName::Status => {}
            }
            command.env("BOOKING_DATA", data).env("BOOKING_PREFIX", PREFIX);
            command.envs(account(door));
            command.envs(fifo.then_some(("BOOKING_FIFO", "true")));
            command
                .envs(collector.map(|it| ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{it}"))));
            let log = data.join(format!("{role}.log"));
            let file = File::create(&log)?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
            let spawned = Instant::now();
            let child = command.spawn().with_context(|| format!("start {role}"))?;
            all.push(Service { role, http, log, spawned, child });
        }
        Ok(Services { all, http: reqwest::Client::new() })
    }

    /// Fails when one of the processes has ended.
    pub fn alive(&mut self) -> anyhow::Result<()> {
        for it in &mut self.all {
            if let Some(code) = it.child.try_wait()? {
                let log = fs::read_to_string(&it.log).unwrap_or_default();
                bail!("{} ended with {code}:\n{log}", it.role);
            }
        }
        Ok(())
    }

    /// The CPU time and memory of each process.
    pub fn usage(&self) -> anyhow::Result<Vec<Usage>> {
        self.all.iter().map(|it| usage(it.child.id())).collect()
    }

    /// The bytes of log lines that the processes have written.
    pub fn log_bytes(&self) -> anyhow::Result<u64> {
        self.all.iter().map(|it| Ok(fs::metadata(&it.log)?.len())).sum()
    }

    /// Compares the requests that each service counted with those that came through its door. They
    /// have to be equal once no request is on its way.
    pub async fn agree(&self, proxy: &Proxy) -> anyhow::Result<()> {
        const TRIES: usize = 50;
        for (service, door) in self.all.iter().zip(&proxy.services) {
            let Some(http) = &service.http else { continue };
            let mut seen = (Counts::default(), Counts::default());
            for _ in 0..TRIES {
                let answer = self.http.get(format!("http://{http}/metrics")).send().await?;
                let answer = answer.text().await?;
                seen = (Counts::of_metrics(&answer), door.counts());
                if seen.0 == seen.1 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let (own, proxied) = seen;
            ensure!(
                own == proxied,
                "{} counted {own:?}, the proxy {proxied:?}: one of them is wrong",
                service.role
            );
        }
        Ok(())
    }

    /// The answer of a role at a path.
    pub async fn get(&self, role: RoleName, path: &str) -> anyhow::Result<serde_json::Value> {
        let http = self.http(role).context("a loop answers nothing")?;
        let answer = self.http.get(format!("http://{http}{path}")).send().await?;
        Ok(answer.json().await?)
    }

    /// The address of the HTTP server of a role. A loop has none.
    pub fn http(&self, role: RoleName) -> Option<&str> {
        self.all.iter().find(|it| it.role == role)?.http.as_deref()
    }

    /// Tells the processes to stop. They wait for their open receives, which end when the proxy is
    /// dropped.
    pub fn terminate(&self) -> anyhow::Result<()> {
        for it in &self.all {
            let kill = Command::new("kill").args(["-TERM", &it.child.id().to_string()]).status()?;
            ensure!(kill.success(), "could not stop {}", it.role);
        }
        Ok(())
    }

    /// Waits until all processes have ended, and fails if a service ended with an error.
    pub fn ended(&mut self) -> anyhow::Result<()> {
        for it in &mut self.all {
            let code = it.child.wait()?;
            // A loop does not catch the signal, so it always ends with an error.
            ensure!(it.http.is_none() || code.success(), "{} ended with {code}", it.role);
        }
        Ok(())
    }
}

impl Service {
    /// The time from the start of the process to its first receive.
    pub fn first_poll(&self, door: &Door) -> Option<Duration> {
        Some(door.first_receive()?.duration_since(self.spawned))
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for it in &mut self.all {
            // Both fail harmlessly if the process has ended already.
            let _ = it.child.kill();
            let _ = it.child.wait();
        }
    }
}

fn booking(role: RoleName, store: Store, target: Duration, http: &str) -> Command {
    let mut command = Command::new(place::BOOKING);
    // The environment of the user must not change what is measured.
    for (name, _) in std::env::vars() {
        if name.starts_with("BOOKING_") || name.starts_with("AWS_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.args([role.as_str(), "--http", http, "--store", store.as_str()]);
    command.args(["--latency-target", &format!("{}ms", target.as_millis())]);
    // As in the image, and as Terraform sets it.
    command.args(["--log-format", "json"]);
    command
}

/// The environment that lets the SDK send its requests to a door.
fn account(door: &Door) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", format!("http://{}", door.address)),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}
