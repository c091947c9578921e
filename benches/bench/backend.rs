//! SNS and SQS for one run: fauxqs from npm, installed under `target/bench`.

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
/// What it is made of; the lock file names no registry.
const FILES: [&str; 4] = ["package.json", "package-lock.json", ".npmrc", "serve.mjs"];

/// A backend that runs. Ended when dropped, and when this process ends in whatever way.
pub struct Backend {
    child: Child,
    pub address: SocketAddr,
}

/// Installs it, unless that was done from the same lock file. Once, before the first run.
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

/// Which version it is.
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
        // Its stdin is the leash: it ends when that is closed.
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
        // Both fail harmlessly when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
