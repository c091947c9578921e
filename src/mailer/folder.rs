//! Each receipt is a file, `<number>.eml`, that any mail program opens. Sent again it replaces
//! itself; it is there whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{MailError, Mailer, letter};
use crate::{domain::receipt::Receipt, durability::Durability};

/// A folder of receipts.
#[derive(Clone, Debug)]
pub struct FolderMailer {
    folder: PathBuf,
    from: String,
    durability: Durability,
}

impl FolderMailer {
    /// Writes to this folder, which is made if it is not there. `from` is the sender, such as
    /// `Receipts <receipts@example.com>`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path, from: &str, durability: Durability) -> io::Result<FolderMailer> {
        fs::create_dir_all(folder)?;
        Ok(FolderMailer { folder: folder.to_owned(), from: from.to_owned(), durability })
    }
}

impl Mailer for FolderMailer {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        let letter = letter::compose(receipt, &self.from)?;
        let (folder, durability) = (self.folder.clone(), self.durability);
        let name = format!("{}.eml", receipt.number);
        let written =
            tokio::task::spawn_blocking(move || write(&folder, &name, &letter, durability));
        let failed = |source| MailError::Failed { number: receipt.number.clone(), source };
        written.await.map_err(|it| failed(Box::new(it)))?.map_err(|it| failed(Box::new(it)))
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

fn write(folder: &Path, name: &str, letter: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(letter)?;
    if durability == Durability::PowerFailure {
        file.as_file().sync_all()?;
    }
    file.persist(folder.join(name))?;
    if durability == Durability::PowerFailure {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
