//! Reads the contracts of somebody else: from a file, from a folder, or from a Git revision. All of
//! it is a stranger's, so everything is read up to a bound, and a revision must never be taken for
//! an option of git.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read, Seek},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    bounded,
    contracts::{Contract, NoContract, TOPICS_MAX, once_each, parse},
    fault::Fault,
};

/// The most bytes of one file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The most bytes that are shown of what git says about a failure.
const GIT_WORDS_BYTES_MAX: u64 = 300;
/// Where the contracts are in a repository.
const FOLDER: &str = "topics";

/// The contracts at this place. A file or folder goes before a revision of the same name.
pub(super) fn contracts(other: &OsStr) -> Result<Vec<Contract>, Fault> {
    let path = Path::new(other);
    let name = path.display();
    let found = match fs::metadata(path) {
        Ok(it) if it.is_dir() => folder(path)?,
        Ok(_) => file(path)?,
        Err(no) if no.kind() == io::ErrorKind::NotFound => revision(other)?,
        Err(no) => return Err(Fault::Config(format!("cannot read {name}: {no}"))),
    };
    match found.is_empty() {
        true => Err(Fault::Config(format!(
            "{name} has no topics: expected a folder of topic files, like topics/, or what `booking \
             topics --format json` prints"
        ))),
        false => once_each(found).map_err(|it| unreadable(&name, &it)),
    }
}

fn unreadable(name: &dyn std::fmt::Display, no: &NoContract) -> Fault {
    Fault::Config(format!("{name}: {no}"))
}

fn file(path: &Path) -> Result<Vec<Contract>, Fault> {
    let name = path.display();
    let bytes = bounded::read(path, FILE_BYTES_MAX)
        .map_err(|it| Fault::Config(format!("cannot read {name}: {it}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Fault::Config(format!("{name}: expected JSON in UTF-8")))?;
    parse(&text).map_err(|it| unreadable(&name, &it))
}

/// The topic files of a folder: all whose names end in `.json`.
fn folder(path: &Path) -> Result<Vec<Contract>, Fault> {
    let no = |it: io::Error| Fault::Config(format!("cannot read {}: {it}", path.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(no)? {
        let entry = entry.map_err(no)?.path();
        if entry.extension().is_some_and(|it| it == "json") {
            files.push(entry);
        }
        if files.len() > TOPICS_MAX {
            let most = format!("{} has more than {TOPICS_MAX} topic files", path.display());
            return Err(Fault::Config(most));
        }
    }
    files.sort();
    let mut all = Vec::new();
    for it in files {
        all.extend(file(&it)?);
    }
    Ok(all)
}

/// The topic files of a revision of the repository around the current folder.
fn revision(other: &OsStr) -> Result<Vec<Contract>, Fault> {
    let Some(revision) = other.to_str().filter(|it| !it.is_empty() && !it.starts_with('-')) else {
        let expected = "expected a file, a folder or a revision that git knows";
        return Err(Fault::Config(expected.to_owned()));
    };
    // `tree REVISION:topics`, an empty line, and then one name a line.
    let listed = git(revision, FOLDER)?;
    let files: Vec<&str> = listed.lines().skip(2).filter(|it| it.ends_with(".json")).collect();
    if files.len() > TOPICS_MAX {
        let most = format!("{revision} has more than {TOPICS_MAX} topic files");
        return Err(Fault::Config(most));
    }
    let mut all = Vec::new();
    for file in files {
        let place = format!("{FOLDER}/{file}");
        let text = git(revision, &place)?;
        let contracts = parse(&text);
        all.extend(contracts.map_err(|it| unreadable(&format!("{revision}:{place}"), &it))?);
    }
    Ok(all)
}

/// What `git show REVISION:PLACE` prints.
fn git(revision: &str, place: &str) -> Result<String, Fault> {
    let what = format!("{revision}:{place}");
    let failed = |why: String| Fault::Config(format!("cannot read {what} by git: {why}"));
    let broken = |it: io::Error| failed(it.to_string());
    // In a file, so that git never waits for a reader.
    let mut words = tempfile::tempfile().map_err(broken)?;
    let mut child = Command::new("git")
        .args(["--no-pager", "show", "--no-textconv", "--no-color", "--end-of-options", &what])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(words.try_clone().map_err(broken)?)
        .spawn()
        .map_err(|it| failed(format!("is git installed? {it}")))?;
    let mut bytes = Vec::new();
    let read = match child.stdout.take() {
        Some(it) => it.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map(|_| ()),
        None => Ok(()),
    };
    if bytes.len() as u64 > FILE_BYTES_MAX {
        // Fails harmlessly if git has ended already.
        let _ = child.kill();
    }
    let status = child.wait().map_err(broken)?;
    read.map_err(broken)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(format!("more than {FILE_BYTES_MAX} bytes")));
    }
    if !status.success() {
        let mut said = Vec::new();
        words.rewind().map_err(broken)?;
        words.take(GIT_WORDS_BYTES_MAX).read_to_end(&mut said).map_err(broken)?;
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        return Err(failed(format!("there is no such file or folder, and {said}")));
    }
    String::from_utf8(bytes).map_err(|_| failed("expected JSON in UTF-8".to_owned()))
}
