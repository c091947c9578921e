//! Writes each receipt as a file, `<number>.eml`, which any mail program can open. A receipt that
//! is sent again replaces its file. A file must never be visible before it is complete.
//!
//! One thread writes. It flushes the folder once for all receipts that wait; several threads would
//! wait for each other to flush the folder.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::Arc,
};

use tempfile::NamedTempFile;
use tokio::sync::{mpsc, oneshot};

use super::{Letterhead, MailError, Mailer, letter};
use crate::{domain::receipt::Receipt, durability::Durability};

/// The most letters that are flushed together.
const GROUP_MAX: usize = 64;

/// Writes receipts to a folder. Copies share the thread that writes.
#[derive(Clone, Debug)]
pub struct FolderMailer {
    receipts: mpsc::UnboundedSender<Job>,
}

/// A receipt to be written, and the channel for the answer.
#[derive(Debug)]
struct Job {
    receipt: Receipt,
    written: oneshot::Sender<Result<(), MailError>>,
}

impl FolderMailer {
    /// Starts to write to `folder`, which is created if it does not exist.
    ///
    /// # Errors
    /// When the folder cannot be created, or the thread cannot be started.
    pub fn open(
        folder: &Path,
        head: Arc<Letterhead>,
        durability: Durability,
    ) -> io::Result<FolderMailer> {
        // Only the owner may read receipts. An existing folder keeps its mode.
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // The channel needs no bound: a sender waits for its answer, and a letter whose sender gave
        // up is not written.
        let (receipts, waiting) = mpsc::unbounded_channel();
        let folder = folder.to_owned();
        // It composes, too, since the thread that polls must not be held up by that. It ends after
        // the last copy of the mailer is dropped and all letters are written.
        std::thread::Builder::new()
            .name("mail".to_owned())
            .spawn(move || work(&folder, &head, waiting, durability))?;
        Ok(FolderMailer { receipts })
    }
}

/// Watches the thread that writes receipts.
#[derive(Clone, Debug)]
pub struct Watch(mpsc::WeakUnboundedSender<Job>);

impl Watch {
    /// Why no receipt is written any more, as a text for `/health`; `None` while the thread works.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let died = self.0.upgrade().is_some_and(|it| it.is_closed());
        died.then(|| {
            "the thread that writes receipts died of a bug (see the log above); restart the service"
                .to_owned()
        })
    }
}

impl FolderMailer {
    /// The watch over the thread that writes.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch(self.receipts.downgrade())
    }
}

impl Mailer for FolderMailer {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        let failed = |source| MailError::Failed { number: receipt.number.clone(), source };
        let (written, answer) = oneshot::channel();
        let job = Job { receipt: receipt.clone(), written };
        self.receipts.send(job).map_err(|_| failed("the thread that writes ended".into()))?;
        answer.await.map_err(|it| failed(it.into()))?
    }
}

/// Removes a receipt, and what a writer that was killed has left of it; false when neither exists.
///
/// # Errors
/// When it exists and cannot be removed.
pub fn remove(folder: &Path, number: &str) -> io::Result<bool> {
    let gone = |path: &Path| match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(it) if it.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(it) => Err(it),
    };
    let name = format!("{number}.eml");
    let mut removed = gone(&folder.join(&name))?;
    let drafts = match fs::read_dir(folder) {
        Err(it) if it.kind() == io::ErrorKind::NotFound => return Ok(removed),
        other => other?,
    };
    for file in drafts {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(&draft_prefix(&name)) {
            removed |= gone(&file.path())?;
        }
    }
    Ok(removed)
}

/// The beginning of the name of a letter that is being written.
fn draft_prefix(name: &str) -> String {
    format!(".{name}.")
}

/// Writes letters until the channel is closed. Takes each step for all waiting letters before the
/// next step, since on most file systems the first flush also flushes the files that were written
/// before it. A letter that fails does not affect the others.
fn work(
    folder: &Path,
    head: &Letterhead,
    mut waiting: mpsc::UnboundedReceiver<Job>,
    durability: Durability,
) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        // An effect that timed out will be asked for again. On a slow disk, such letters would
        // take up all the time.
        group.retain(|it| !it.written.is_closed());
        let drafts: Vec<_> = group.iter().map(|it| drafted(folder, &it.receipt, head)).collect();
        drafts.iter().flatten().for_each(|it| durability.begin_flush(it.as_file()));
        let failed = |of: &Job, it: io::Error| MailError::Failed {
            number: of.receipt.number.clone(),
            source: it.into(),
        };
        let drafts: Vec<_> = drafts
            .into_iter()
            .zip(&group)
            .map(|(it, of)| flushed(it?, durability).map_err(|it| failed(of, it)))
            .collect();
        let placed: Vec<_> = drafts
            .into_iter()
            .zip(&group)
            .map(|(it, of)| place(it?, folder, &name(&of.receipt)).map_err(|it| failed(of, it)))
            .collect();
        // Before the folder is flushed, a power failure could still remove the names of the files.
        let kept = File::open(folder).and_then(|it| durability.flush(&it));
        for (job, placed) in group.drain(..).zip(placed) {
            let kept = kept.as_ref().map_err(|it| io::Error::new(it.kind(), it.to_string()));
            let kept = kept.copied().map_err(|it| failed(&job, it));
            // A sender that no longer waits for the answer was cancelled.
            drop(job.written.send(placed.and(kept)));
        }
    }
}

/// The name of the file of a receipt.
fn name(receipt: &Receipt) -> String {
    format!("{}.eml", receipt.number)
}

/// A receipt that is composed and written, but not in its place yet.
fn drafted(
    folder: &Path,
    receipt: &Receipt,
    head: &Letterhead,
) -> Result<NamedTempFile, MailError> {
    let text = letter::compose(receipt, head)?.text;
    draft(folder, &name(receipt), &text)
        .map_err(|it| MailError::Failed { number: receipt.number.clone(), source: it.into() })
}

/// A draft has the name of its letter in its own, so that [`remove`] finds it.
fn draft(folder: &Path, name: &str, text: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(&draft_prefix(name)).tempfile_in(folder)?;
    file.write_all(text)?;
    Ok(file)
}

fn flushed(draft: NamedTempFile, durability: Durability) -> io::Result<NamedTempFile> {
    durability.flush(draft.as_file())?;
    Ok(draft)
}

fn place(draft: NamedTempFile, folder: &Path, name: &str) -> io::Result<()> {
    draft.persist(folder.join(name))?;
    Ok(())
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
