//! A new database: complete at its path, or not there.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{OpenFlags, params};

use super::WRITER_BUSY;
use super::file::open;
use super::open_error::OpenError;
use super::schema::SCHEMA;
use super::sidecar::{SIDECAR_ENDINGS, folder_of, sidecar_path, sync_folder};
use crate::model::policy::Policy;
use crate::model::secret::{Id, random_bytes};
use crate::model::time::Time;

/// Creates a new database at `path`, where nothing may exist.
pub(super) fn create(path: &Path, now: Time) -> Result<(), OpenError> {
    require_nothing_at(path)?;
    let unfinished = UnfinishedDatabase::beside(path)?;
    fill(&unfinished.path, now)
        .and_then(|()| unfinished.publish(path))
        .map_err(|why| OpenError::new(path, &format!("it can't be created: {why}")))
}

/// Rejects a path with a database, or with only a WAL: then the database was moved away.
pub(super) fn require_nothing_at(path: &Path) -> Result<(), OpenError> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(OpenError::new(path, "a file of this name exists"));
    }
    for ending in ["-wal", "-shm"] {
        if fs::symlink_metadata(sidecar_path(path, ending)).is_ok() {
            return Err(OpenError::new(
                path,
                &format!(
                    "the database is missing, but its WAL ({ending}) exists: put the database back, or move the WAL away to start with a new one"
                ),
            ));
        }
    }
    Ok(())
}

/// An unfinished file of mode 0600 beside its final path. Removed on drop.
pub(super) struct UnfinishedDatabase {
    pub(super) path: PathBuf,
}

impl UnfinishedDatabase {
    pub(super) fn beside(path: &Path) -> Result<Self, OpenError> {
        Self::create(path, sidecar_path(path, &format!(".new-{}", Id::random())))
    }

    /// The same with a fixed ending, for the holder of the lock. Removes what a killed process left under that name.
    pub(super) fn again(path: &Path, ending: &str) -> Result<Self, OpenError> {
        let unfinished = sidecar_path(path, ending);
        drop(Self {
            path: unfinished.clone(),
        });
        Self::create(path, unfinished)
    }

    fn create(path: &Path, unfinished: PathBuf) -> Result<Self, OpenError> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(|error| {
                OpenError::new(path, &format!("nothing can be created beside it: {error}"))
            })?;
        Ok(Self { path: unfinished })
    }

    /// Syncs the complete file, then links it to its name.
    pub(super) fn publish(self, path: &Path) -> Result<(), String> {
        // `hard_link` fails if another process created that name meanwhile; `rename` would replace it.
        self.put(path, |from, to| fs::hard_link(from, to))
    }

    /// Syncs the complete file, then replaces the file at `path` in one step.
    pub(super) fn replace(self, path: &Path) -> Result<(), String> {
        self.put(path, |from, to| fs::rename(from, to))
    }

    fn put(
        &self,
        path: &Path,
        give: impl Fn(&Path, &Path) -> std::io::Result<()>,
    ) -> Result<(), String> {
        give_to_folder_owner(&self.path)?;
        File::open(&self.path)
            .and_then(|file| file.sync_all())
            .and_then(|()| give(&self.path, path))
            .and_then(|()| sync_folder(path))
            .map_err(|error| error.to_string())
    }
}

impl Drop for UnfinishedDatabase {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        for ending in SIDECAR_ENDINGS {
            let _ = fs::remove_file(sidecar_path(&self.path, ending));
        }
    }
}

/// A file that root creates in another user's folder belongs to that user.
fn give_to_folder_owner(path: &Path) -> Result<(), String> {
    let give = || {
        let folder = fs::metadata(folder_of(path))?;
        if rustix::process::geteuid().is_root() && folder.uid() != 0 {
            std::os::unix::fs::lchown(path, Some(folder.uid()), Some(folder.gid()))?;
        }
        Ok::<(), std::io::Error>(())
    };
    give().map_err(|error| error.to_string())
}

fn fill(path: &Path, now: Time) -> Result<(), String> {
    let text_of = |error: rusqlite::Error| error.to_string();
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_BUSY).map_err(text_of)?;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(text_of)?;
    connection
        .execute_batch(&format!("BEGIN;\n{SCHEMA}\nCOMMIT;"))
        .map_err(text_of)?;
    let key: [u8; 32] = random_bytes();
    connection
        .execute(
            "INSERT INTO installation (id, created_at, digest_key) VALUES (1, ?, ?)",
            params![now.unix(), key],
        )
        .map_err(text_of)?;
    super::policy::insert(&connection, &Policy::default()).map_err(text_of)?;
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(text_of)?;
    connection.close().map_err(|(_, error)| error.to_string())
}
