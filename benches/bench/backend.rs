//! The backend: fauxqs from npm stands in for SNS and SQS. It is installed under `target/bench`.
//! Two runs must never share one.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::place;

pub const REGION: &str = "eu-central-1";
/// The files that it is installed from. The lock file names no registry.
const FILES: [&str; 4] = ["package.json", "package-lock.json", ".npmrc", "serve.mjs"];

/// A running backend. It ends when this is dropped, and also when this process dies.
pub struct Backend {
    child: Child,
    pub address: SocketAddr,
}

/// Installs the backend, unless it was installed from the same lock file before. Call this once,
/// before the first run.
pub fn install() -> anyhow::Result<()> {
    let (from, to) = (Path::new(place::REPOSITORY).join("benches/backend"), installed());
    let stamp = to.join("installed");
    fs::create_dir_all(&to)?;
    for file in FILES {
        fs::copy(from.join(file), to.join(file)).with_context(|| format!("copy {file}"))?;
    }
    let lock = fs::read(to.join("package-lock.json"))?;
    if fs::read(&stamp).is_ok_and(|it| it == lock) {
        return Ok(());
    }
    println!("installing the backend into {} …", to.display());
    let mut npm = Command::new("npm");
    npm.args(["ci", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&to);
    let installed = npm.status().context("npm is needed to install the backend")?;
    ensure!(installed.success(), "npm ci failed in {}", to.display());
    Ok(fs::write(stamp, lock)?)
}

/// The installed version.
pub fn version() -> anyhow::Result<String> {
    let package = fs::read(installed().join("node_modules/fauxqs/package.json"))?;
    let package: serde_json::Value = serde_json::from_slice(&package)?;
    Ok(package["version"].as_str().unwrap_or("unknown").to_owned())
}

fn installed() -> PathBuf {
    place::folder().join("backend")
}

impl Backend {
    pub fn start() -> anyhow::Result<Backend> {
        let mut node = Command::new("node");
        node.arg("serve.mjs").current_dir(installed()).env("AWS_REGION", REGION);
        // The backend ends when its stdin is closed, which the system does if this process dies.
        let mut child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut port = String::new();
        BufReader::new(stdout).read_line(&mut port)?;
        let port: u16 = port.trim().parse().context("the backend did not say its port")?;
        Ok(Backend { child, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // Both fail harmlessly if the backend has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
