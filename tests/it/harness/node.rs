//! Peers that npm installs, each in a folder of `target/`, once for a lock file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use serde_json::Value;

use super::root;

/// Only one at a time installs.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The folder with the peer of this name and what it needs. The lock file names no registry.
pub fn installed(peer: &str) -> PathBuf {
    let _installing = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (from, to) = (root().join("tests/it/peers").join(peer), root().join("target").join(peer));
    fs::create_dir_all(&to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    let (lock, stamp) = (fs::read(to.join("package-lock.json")).unwrap(), to.join("installed"));
    if !fs::read(&stamp).is_ok_and(|it| it == lock) {
        let npm = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&to)
            .output()
            .expect("Node 20 with npm must be installed: https://nodejs.org/en/download");
        assert!(npm.status.success(), "npm ci: {}", String::from_utf8_lossy(&npm.stderr));
        fs::write(stamp, lock).unwrap();
    }
    to
}

/// What the script of an installed peer says about a file, as JSON.
pub fn said(peer: &str, script: &str, file: &Path) -> Value {
    let node = Command::new("node").current_dir(installed(peer)).arg(script).arg(file).output();
    let node = node.expect("Node 20 must be installed: https://nodejs.org/en/download");
    assert!(node.status.success(), "{}", String::from_utf8_lossy(&node.stderr));
    serde_json::from_slice(&node.stdout).unwrap()
}
