//! Where things are: the binaries, and the folder under `target/` that everything is written to.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The binary that is measured: built with the profile of a release.
pub const BOOKING: &str = env!("CARGO_BIN_EXE_booking");
/// The repository.
pub const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// `target/bench`: on a disk, as a service's data is.
pub fn folder() -> PathBuf {
    let target = Path::new(BOOKING).ancestors().nth(2);
    target.expect("the binary is in target/release").join("bench")
}

/// Forgets what runs left behind. Not between runs: a file system may be slower at making files for
/// minutes after thousands were removed (ext4 without a journal is), and the next run would be
/// charged.
pub fn clear() -> anyhow::Result<()> {
    let runs = folder().join("runs");
    if runs.exists() {
        std::fs::remove_dir_all(runs)?;
    }
    Ok(())
}

/// Forgets the large files of a run, which are few; the many small ones stay until the end.
pub fn spent(data: &Path) -> anyhow::Result<()> {
    for file in std::fs::read_dir(data)? {
        let file = file?;
        if file.file_type()?.is_file() {
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// An empty folder for one run.
pub fn fresh(name: &str) -> anyhow::Result<PathBuf> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = folder().join("runs").join(format!("{}-{number}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
