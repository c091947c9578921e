//! Each receipt is a file, `<number>.eml`, that any mail program opens. Sent again it replaces
//! itself; it is there whole or not at all.
//!
//! One thread writes. What waits when it comes round is flushed together, as far as the folder
//! goes; more threads would wait for each other, for the folder.

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

/// A folder of receipts.
#[derive(Clone, Debug)]
pub struct FolderMailer {
    from: Mailbox,
    letters: mpsc::UnboundedSender<Letter>,
}

/// A letter that waits to be written, and who waits for it.
#[derive(Debug)]
struct Letter {
    name: String,
    text: Vec<u8>,
    written: oneshot::Sender<io::Result<()>>,
}

impl FolderMailer {
    /// Writes to this folder, which is made if it is not there. `from` is the sender, such as
    /// `Receipts <receipts@example.com>`.
    ///
    /// # Errors
    /// When `from` is no sender, the folder cannot be made, or the machine gives no thread.
    pub fn open(folder: &Path, from: &str, durability: Durability) -> io::Result<FolderMailer> {
        let from = from.parse().map_err(|it| io::Error::new(io::ErrorKind::InvalidInput, it))?;
        // What lies in it is for its owner alone; a folder that is there keeps its mode.
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // Not bounded here: whoever sends waits, and there are no more of them than deliveries.
        let (letters, waiting) = mpsc::unbounded_channel();
        let folder = folder.to_owned();
        // It ends with the last copy of the mailer, after what was handed in.
        std::thread::Builder::new()
            .name("mail".to_owned())
            .spawn(move || work(&folder, waiting, durability))?;
        Ok(FolderMailer { from, letters })
    }
}

/// Keeps an eye on the thread that writes.
#[derive(Clone, Debug)]
pub struct Watch(mpsc::WeakUnboundedSender<Letter>);

impl Watch {
    /// Why nothing is written any more, in words for `/health`, if that is so.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let died = self.0.upgrade().is_some_and(|it| it.is_closed());
        died.then(|| {
            "the thread that writes receipts died of a bug, which the log tells above; the service has to \
             be started again"
                .to_owned()
        })
    }
}

impl FolderMailer {
    /// What keeps an eye on it.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch(self.letters.downgrade())
    }
}

impl Mailer for FolderMailer {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        let text = letter::compose(receipt, &self.from)?;
        let failed = |source| MailError::Failed { number: receipt.number.clone(), source };
        let (written, answer) = oneshot::channel();
        let letter = Letter { name: format!("{}.eml", receipt.number), text, written };
        self.letters.send(letter).map_err(|_| failed("nobody writes any more".into()))?;
        answer.await.map_err(|it| failed(it.into()))?.map_err(|it| failed(it.into()))
    }
}

/// Removes a receipt; false when it is not there.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(folder: &Path, number: &str) -> io::Result<bool> {
    match fs::remove_file(folder.join(format!("{number}.eml"))) {
        Ok(()) => Ok(true),
        Err(it) if it.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(it) => Err(it),
    }
}

/// Each step is taken for all of them before the next: most file systems flush at once what was
/// written before the first is flushed. A letter that fails does so alone.
fn work(folder: &Path, mut waiting: mpsc::UnboundedReceiver<Letter>, durability: Durability) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        // Whose effect timed out asks again: on a slow disk those would be written for nobody.
        group.retain(|it| !it.written.is_closed());
        let drafts: Vec<_> = group.iter().map(|it| draft(folder, &it.text)).collect();
        drafts.iter().flatten().for_each(|it| durability.begin_flush(it.as_file()));
        let drafts: Vec<_> = drafts.into_iter().map(|it| flushed(it?, durability)).collect();
        let placed: Vec<_> =
            drafts.into_iter().zip(&group).map(|(it, of)| place(it?, folder, &of.name)).collect();
        // Until now a power failure could take the names away.
        let kept = File::open(folder).and_then(|it| durability.flush(&it));
        for (letter, placed) in group.drain(..).zip(placed) {
            let kept = kept.as_ref().map_err(|it| io::Error::new(it.kind(), it.to_string()));
            // Who has stopped waiting for an answer was cancelled.
            drop(letter.written.send(placed.and(kept.copied())));
        }
    }
}

fn draft(folder: &Path, text: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(folder)?;
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
mod tests {
    use super::*;

    #[test]
    fn a_mailer_whose_thread_died_says_so_to_health() {
        let (letters, waiting) = mpsc::unbounded_channel();
        let from = "receipts@booking.example".parse().unwrap();
        let mailer = FolderMailer { from, letters };
        let watch = mailer.watch();
        assert_eq!(watch.problem(), None);
        // What a thread that panics lets go.
        drop(waiting);
        assert!(watch.problem().unwrap().contains("died of a bug"));
        drop(mailer);
        assert_eq!(watch.problem(), None, "a service that ends is not ill");
    }

    #[test]
    fn a_letter_that_nobody_waits_for_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let (letters, waiting) = mpsc::unbounded_channel();
        let mut answers = ["wanted", "given-up"].map(|name| {
            let (written, answer) = oneshot::channel();
            letters.send(Letter { name: name.to_owned(), text: Vec::new(), written }).unwrap();
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
