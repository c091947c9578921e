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
};

use lettre::message::Mailbox;
use tempfile::NamedTempFile;
use tokio::sync::{mpsc, oneshot};

use super::{MailError, Mailer, letter};
use crate::{domain::receipt::Receipt, durability::Durability};

/// The most letters that are flushed together.
const GROUP_MAX: usize = 64;

/// Writes receipts to a folder. Copies share the thread that writes.
#[derive(Clone, Debug)]
pub struct FolderMailer {
    from: Mailbox,
    letters: mpsc::UnboundedSender<Job>,
}

/// A letter to be written, and the channel for the answer.
#[derive(Debug)]
struct Job {
    name: String,
    text: Vec<u8>,
    written: oneshot::Sender<io::Result<()>>,
}

impl FolderMailer {
    /// Starts to write to `folder`, which is created if it does not exist. `from` is the sender,
    /// such as `Receipts <receipts@example.com>`.
    ///
    /// # Errors
    /// When `from` is not a valid sender, or the folder cannot be created, or the thread cannot be
    /// started.
    pub fn open(folder: &Path, from: &str, durability: Durability) -> io::Result<FolderMailer> {
        let from = from.parse().map_err(|it| io::Error::new(io::ErrorKind::InvalidInput, it))?;
        // Only the owner may read receipts. An existing folder keeps its mode.
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // The channel needs no bound: a sender waits for its answer, and a letter whose sender gave
        // up is not written.
        let (letters, waiting) = mpsc::unbounded_channel();
        let folder = folder.to_owned();
        // The thread ends after the last copy of the mailer is dropped and all letters are written.
        std::thread::Builder::new()
            .name("mail".to_owned())
            .spawn(move || work(&folder, waiting, durability))?;
        Ok(FolderMailer { from, letters })
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
        Watch(self.letters.downgrade())
    }
}

impl Mailer for FolderMailer {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        let text = letter::compose(receipt, &self.from)?.text;
        let failed = |source| MailError::Failed { number: receipt.number.clone(), source };
        let (written, answer) = oneshot::channel();
        let letter = Job { name: format!("{}.eml", receipt.number), text, written };
        self.letters.send(letter).map_err(|_| failed("the thread that writes ended".into()))?;
        answer.await.map_err(|it| failed(it.into()))?.map_err(|it| failed(it.into()))
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
fn work(folder: &Path, mut waiting: mpsc::UnboundedReceiver<Job>, durability: Durability) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        // An effect that timed out will be asked for again. On a slow disk, such letters would
        // take up all the time.
        group.retain(|it| !it.written.is_closed());
        let drafts: Vec<_> = group.iter().map(|it| draft(folder, it)).collect();
        drafts.iter().flatten().for_each(|it| durability.begin_flush(it.as_file()));
        let drafts: Vec<_> = drafts.into_iter().map(|it| flushed(it?, durability)).collect();
        let placed: Vec<_> =
            drafts.into_iter().zip(&group).map(|(it, of)| place(it?, folder, &of.name)).collect();
        // Before the folder is flushed, a power failure could still remove the names of the files.
        let kept = File::open(folder).and_then(|it| durability.flush(&it));
        for (job, placed) in group.drain(..).zip(placed) {
            let kept = kept.as_ref().map_err(|it| io::Error::new(it.kind(), it.to_string()));
            // A sender that no longer waits for the answer was cancelled.
            drop(job.written.send(placed.and(kept.copied())));
        }
    }
}

/// A draft has the name of its letter in its own, so that [`remove`] finds it.
fn draft(folder: &Path, letter: &Job) -> io::Result<NamedTempFile> {
    let mut file =
        tempfile::Builder::new().prefix(&draft_prefix(&letter.name)).tempfile_in(folder)?;
    file.write_all(&letter.text)?;
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
mod tests {
    use super::*;

    #[test]
    fn a_mailer_whose_thread_died_says_so_to_health() {
        let (letters, waiting) = mpsc::unbounded_channel();
        let from = "receipts@booking.example".parse().unwrap();
        let mailer = FolderMailer { from, letters };
        let watch = mailer.watch();
        assert_eq!(watch.problem(), None);
        // A thread that panics drops its receiver.
        drop(waiting);
        assert!(watch.problem().unwrap().contains("died of a bug"));
        drop(mailer);
        assert_eq!(watch.problem(), None, "a service that ends has no problem");
    }

    #[test]
    fn what_a_killed_writer_left_of_a_receipt_is_removed_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let letter = |name: &str| {
            let (written, _) = oneshot::channel();
            Job { name: name.to_owned(), text: b"Ada".to_vec(), written }
        };
        let drafts = ["R-1.eml", "R-1.eml", "R-2.eml"]
            .map(|it| draft(folder.path(), &letter(it)).unwrap().keep().unwrap().1);
        assert!(remove(folder.path(), "R-1").unwrap());
        assert_eq!(drafts.map(|it| it.exists()), [false, false, true]);
        assert!(!remove(folder.path(), "R-1").unwrap());
        assert!(!remove(&folder.path().join("nowhere"), "R-1").unwrap());
    }

    #[test]
    fn a_letter_that_nobody_waits_for_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let (letters, waiting) = mpsc::unbounded_channel();
        let mut answers = ["wanted", "given-up"].map(|name| {
            let (written, answer) = oneshot::channel();
            letters.send(Job { name: name.to_owned(), text: Vec::new(), written }).unwrap();
            answer
        });
        answers[1].close();
        drop(letters);
        work(folder.path(), waiting, Durability::ProcessDeath);
        assert!(answers[0].try_recv().unwrap().is_ok());
        let written = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name());
        assert_eq!(written.collect::<Vec<_>>(), ["wanted"]);
    }
}
