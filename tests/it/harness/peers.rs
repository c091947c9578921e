//! Programs of others that the tests talk to: their Python, made when it is first needed.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

use super::{Folder, root};

/// A script of `tests/it/peers`, run by a Python that has their packages.
pub fn peer(script: &str) -> Command {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let folder = root().join("tests/it/peers");
    let python = PYTHON.get_or_init(|| {
        let made = Command::new("python3")
            .arg(folder.join("python.py"))
            .stderr(Stdio::inherit())
            .output()
            .expect("python3 must be installed: https://www.python.org/downloads/");
        assert!(made.status.success(), "tests/it/peers/python.py says above why, and what to do");
        String::from_utf8(made.stdout).unwrap().trim().into()
    });
    let mut command = Command::new(python);
    command.arg(folder.join(script));
    command
}

/// Starts a peer, and returns the line of JSON that it prints when it listens. Its stdin is open as
/// long as the child is kept.
pub fn started(command: &mut Command) -> (Child, Value) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{command:?} says why above"));
    (child, told)
}

/// The port of this name in such a line.
pub fn port(told: &Value, name: &str) -> u16 {
    u16::try_from(told[name].as_u64().unwrap()).unwrap()
}

/// HTTPS in front of a port, whose certificate no system trusts, and a proxy beside it.
pub struct Front {
    /// Where HTTPS is spoken.
    pub https: u16,
    /// Where the proxy is.
    pub proxy: u16,
    folder: Folder,
    child: Child,
}

impl Front {
    /// Both, ended when this is dropped.
    pub fn of(behind: u16) -> Front {
        let folder = Folder::new();
        let (child, ports) = started(peer("front.py").arg(behind.to_string()).arg(folder.path()));
        Front { https: port(&ports, "https"), proxy: port(&ports, "proxy"), folder, child }
    }

    /// The file with the authority that made the certificate.
    pub fn authority(&self) -> String {
        self.folder.join("authority.pem").to_str().unwrap().to_owned()
    }

    /// How many connections and requests the proxy was asked for, by what stands in its log.
    pub fn asked(&self, what: &str) -> usize {
        let log = std::fs::read_to_string(self.folder.join("proxy.log")).unwrap_or_default();
        log.lines().filter(|it| it.contains(what)).count()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // It ends when its stdin closes.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
