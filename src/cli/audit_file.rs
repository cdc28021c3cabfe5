//! Archive files of the audit log: written completely or not at all, and verified line by line.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::model::audit_chain::ChainHead;
use crate::model::event::Event;
use crate::model::secret::Digest;
use crate::wire::{ArchiveHeader, ArchivedEvent};

/// Longest line read, in bytes. An event has a few thousand at most.
const LINE_BYTES_MAX: u64 = 1 << 20;
const CUT_OFF: &str = "the file is cut off";

/// An archive file whose header was read.
pub struct ArchiveFile {
    pub path: PathBuf,
    /// The place before the first event.
    pub start: ChainHead,
    /// The place of the last event.
    pub head: ChainHead,
    reader: BufReader<File>,
}

/// Known hashes by event number, to be compared between files and the database.
pub type Marks = BTreeMap<i64, Option<Digest>>;

/// Notes the hash at a marked place. False when another one is known there.
pub fn matches_known(marks: &mut Marks, place: &ChainHead) -> bool {
    match marks.get_mut(&place.number) {
        None => true,
        Some(known) => known.get_or_insert(place.hash).matches(&place.hash),
    }
}

impl ArchiveFile {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<Self, String> {
        let opened = File::open(path).map_err(|error| failed(path, &error.to_string()))?;
        let mut reader = BufReader::new(opened);
        let places = next_line(&mut reader)
            .and_then(|line| line.ok_or_else(|| CUT_OFF.to_owned()))
            .map(|line| serde_json::from_slice::<ArchiveHeader>(&line).ok())
            .map_err(|why| failed(path, &why))?
            .and_then(|header| header.places());
        let Some((start, head)) = places else {
            return Err(failed(path, "this is not an audit archive of this version"));
        };
        Ok(Self {
            path: path.to_owned(),
            start,
            head,
            reader,
        })
    }

    /// Verifies each event. Hashes at the marked numbers are noted, and have to agree with those noted before.
    pub fn verify(mut self, marks: &mut Marks) -> Result<(), String> {
        let mut place = self.start;
        loop {
            if !matches_known(marks, &place) {
                let why = format!(
                    "event {} is another one than in the other files or the database",
                    place.number
                );
                return Err(failed(&self.path, &why));
            }
            let line = next_line(&mut self.reader).map_err(|why| failed(&self.path, &why))?;
            let Some(line) = line else {
                break;
            };
            let next = serde_json::from_slice::<ArchivedEvent>(&line)
                .ok()
                .and_then(ArchivedEvent::into_event)
                .and_then(|(event, hash)| place.followed_by(&event, &hash));
            let Some(next) = next else {
                let number = place.number + 1;
                let why = format!("event {number} does not follow from the one before it");
                return Err(failed(&self.path, &why));
            };
            place = next;
        }
        if place.is(&self.head) {
            Ok(())
        } else if place.number < self.head.number {
            Err(failed(&self.path, CUT_OFF))
        } else {
            Err(failed(
                &self.path,
                "it does not end with the event that its header names",
            ))
        }
    }
}

fn failed(path: &Path, why: &str) -> String {
    format!("{}: {why}", path.display())
}

/// The next line without its end; `None` at the end of the file.
fn next_line(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>, String> {
    let mut line = Vec::new();
    let read = reader
        .take(LINE_BYTES_MAX)
        .read_until(b'\n', &mut line)
        .map_err(|error| error.to_string())?;
    if read == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(CUT_OFF.to_owned());
    }
    Ok(Some(line))
}

/// An unfinished archive file beside its final path. A killed command leaves it; the next one overwrites it.
pub struct UnfinishedArchive {
    path: PathBuf,
    partial: PathBuf,
    writer: BufWriter<File>,
}

impl UnfinishedArchive {
    /// Begins a file for the events from behind `start` up to `head`.
    pub fn create(path: &Path, start: &ChainHead, head: &ChainHead) -> Result<Self, String> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = open_partial(&partial).map_err(|error| failed(&partial, &error))?;
        let mut unfinished = Self {
            path: path.to_owned(),
            partial,
            writer: BufWriter::new(file),
        };
        unfinished.line(&ArchiveHeader::new(start, head))?;
        Ok(unfinished)
    }

    pub fn add(&mut self, event: Event, hash: &Digest) -> Result<(), String> {
        self.line(&ArchivedEvent::new(event, hash))
    }

    fn line(&mut self, value: &impl serde::Serialize) -> Result<(), String> {
        serde_json::to_writer(&mut self.writer, value)
            .map_err(io::Error::from)
            .and_then(|()| self.writer.write_all(b"\n"))
            .map_err(|error| failed(&self.partial, &error.to_string()))
    }

    /// Puts the bytes and then the name on disk. Nothing that exists at the path is replaced.
    pub fn publish(mut self) -> Result<(), String> {
        let put = |writer: &mut BufWriter<File>| {
            writer.flush()?;
            writer.get_ref().sync_all()?;
            fs::hard_link(&self.partial, &self.path)?;
            sync_folder(&self.path)?;
            fs::remove_file(&self.partial)
        };
        put(&mut self.writer).map_err(|error| failed(&self.path, &error.to_string()))
    }

    /// Removes what was written.
    pub fn discard(self) {
        let _ = fs::remove_file(&self.partial);
    }
}

/// Opens the file in the making for this process alone, mode 0600, and empties it.
fn open_partial(partial: &Path) -> Result<File, String> {
    let is_ours = |file: &File| -> io::Result<bool> {
        let (named, opened) = (fs::symlink_metadata(partial)?, file.metadata()?);
        let same = (named.dev(), named.ino()) == (opened.dev(), opened.ino());
        Ok(named.is_file() && same && opened.nlink() == 1)
    };
    // A run that was killed after publishing the file left this second name of an archive.
    let mut found = fs::symlink_metadata(partial).ok();
    if found.as_ref().is_some_and(|found| found.nlink() > 1) {
        fs::remove_file(partial).map_err(|error| error.to_string())?;
        found = None;
    }
    // Not created through a link, and not emptied before it is locked.
    let exists = found.is_some();
    let file = OpenOptions::new()
        .write(true)
        .create_new(!exists)
        .mode(0o600)
        .open(partial)
        .map_err(|error| error.to_string())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err("another `keycroft audit archive` writes it".to_owned());
        }
        Err(TryLockError::Error(error)) => return Err(error.to_string()),
    }
    if !is_ours(&file).map_err(|error| error.to_string())? {
        return Err("it is a link, or was replaced; remove it".to_owned());
    }
    file.set_permissions(fs::Permissions::from_mode(0o600))
        .and_then(|()| file.set_len(0))
        .map_err(|error| error.to_string())?;
    Ok(file)
}

/// Puts the names in a file's folder on disk.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Rejects a file that others can read.
pub fn require_private(path: &Path) -> Result<(), String> {
    let found = fs::symlink_metadata(path).map_err(|error| failed(path, &error.to_string()))?;
    if !found.is_file() {
        return Err(failed(path, "this is not a file"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(failed(path, "permissions too open; run `chmod 600` on it"));
    }
    Ok(())
}
