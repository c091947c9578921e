//! The paths of the bench: the measured binary, and the folder under `target/`. Except for the
//! report, the bench must never write anywhere else.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The binary that is measured. It is built with the release profile.
pub const BOOKING: &str = env!("CARGO_BIN_EXE_booking");
/// The root of the repository.
pub const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// `target/bench`, which is on a disk, as the data of a service is.
pub fn folder() -> PathBuf {
    let target = Path::new(BOOKING).ancestors().nth(2);
    target.expect("the binary is in target/release").join("bench")
}

/// Removes what all runs left behind. Never called between runs: after thousands of files were
/// removed, a file system may be slow at creating files for minutes (ext4 without a journal is),
/// and the next run would look slower.
pub fn clear() -> anyhow::Result<()> {
    let runs = folder().join("runs");
    if runs.exists() {
        std::fs::remove_dir_all(runs)?;
    }
    Ok(())
}

/// Removes the few large files of a run. The many small ones stay until the end.
pub fn spent(data: &Path) -> anyhow::Result<()> {
    for file in std::fs::read_dir(data)? {
        let file = file?;
        if file.file_type()?.is_file() {
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// Creates an empty folder for one run.
pub fn fresh(name: &str) -> anyhow::Result<PathBuf> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = folder().join("runs").join(format!("{}-{number}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
