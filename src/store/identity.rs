//! Identity of the open files: a check that their paths still lead to them.
//!
//! A running server keeps its files open even if the database, its WAL or its shared-memory index is replaced or
//! removed. Its writes are then lost, and it never sees those of others.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::sidecar::sidecar_path;
use crate::model::error::Error;

/// Device and inode of a file.
type Inode = (u64, u64);

/// The files that a process has open.
pub(super) struct FileIdentity {
    files: Vec<(PathBuf, Inode)>,
    lost: AtomicBool,
}

fn place(path: &Path) -> io::Result<Inode> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl FileIdentity {
    /// The files of the database that `connection` has open at `path`.
    pub(super) fn new(path: &Path, connection: &Connection) -> io::Result<Self> {
        // A read makes SQLite create and open the WAL and its shared-memory index.
        connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .map_err(io::Error::other)?;
        let mut files = Vec::new();
        for path in [
            path.to_owned(),
            sidecar_path(path, "-wal"),
            sidecar_path(path, "-shm"),
        ] {
            let place = place(&path)?;
            files.push((path, place));
        }
        Ok(Self {
            files,
            lost: AtomicBool::new(false),
        })
    }

    /// Compares the open files with those at their paths.
    pub(super) fn check(&self) -> Result<(), Error> {
        let lost = self
            .files
            .iter()
            .find(|(path, known)| place(path).ok() != Some(*known));
        let was_lost = self.lost.swap(lost.is_some(), Ordering::SeqCst);
        match lost {
            None => Ok(()),
            Some((path, _)) => {
                if !was_lost {
                    log::error!(
                        "{} was replaced or removed while this server has it open; nothing is accepted until a restart",
                        path.display()
                    );
                }
                Err(Error::DatabaseReplaced)
            }
        }
    }

    /// True if the last check failed.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}
