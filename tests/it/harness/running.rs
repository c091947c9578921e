//! A process of the real binary that a test has started. It is killed when it is dropped.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::{emulator::signal, eventually};

/// A process that logs into a file.
pub struct Running {
    pub log: PathBuf,
    /// What it is called when it does not do what it should.
    name: String,
    child: Child,
}

impl Running {
    /// Starts it. What it says on stderr is appended to `log`.
    pub fn start(command: &mut Command, name: &str, log: PathBuf) -> Running {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        Running { child: quiet.stderr(file).spawn().unwrap(), log, name: name.to_owned() }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until it has ended, and returns its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let name = self.name.clone();
        eventually(&format!("{name} to end"), async || self.child.try_wait().unwrap()).await.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail harmlessly when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
