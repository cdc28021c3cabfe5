//! The exclusive lock on a database: at most one process has it open for writing.
//!
//! An advisory lock (`flock`) on a file beside the database. The kernel releases it with the process, however the
//! process ends, so a lock is never stale. The file is never unlinked: a second process could lock the unlinked one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::open_error::OpenError;
use super::sidecar::{OTHERS, sidecar_path};
use crate::model::secret::Id;

/// The name of the lock file is the name of the database with this ending.
const ENDING: &str = "-lock";
/// How often a waiting process tries again.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// The role in the lock file is trusted once two reads this far apart agree: the holder writes it after it locks.
const ROLE_WRITTEN_WITHIN: Duration = Duration::from_millis(100);
/// Longest content of the lock file, in bytes.
const CONTENT_BYTES_MAX: u64 = 64;

/// The purpose of an open database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockRole {
    Server,
    Command,
}

impl LockRole {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Command => "command",
        }
    }
}

/// The process that holds the lock, as the lock file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockHolder {
    pub role: LockRole,
    pub pid: u32,
}

impl LockHolder {
    fn parse(text: &str) -> Option<Self> {
        let (role, pid) = text.trim_end().split_once(' ')?;
        let role = [LockRole::Server, LockRole::Command]
            .into_iter()
            .find(|known| known.as_str() == role)?;
        let pid = pid.parse().ok()?;
        Some(Self { role, pid })
    }
}

/// The result of one attempt to take the lock.
#[derive(Debug)]
pub enum LockAttempt {
    Locked(DatabaseLock),
    /// Another process holds it; `None` while that process has not written its role yet.
    Held(Option<LockHolder>),
}

/// The lock, held until this is dropped.
#[derive(Debug)]
pub struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Takes the lock on the existing database at `path`. Waits up to `wait` for a command. Fails at once when a server
    /// holds it.
    pub(super) fn acquire(path: &Path, role: LockRole, wait: Duration) -> Result<Self, OpenError> {
        let deadline = Instant::now() + wait;
        let mut seen: Option<(LockHolder, Instant)> = None;
        loop {
            let holder = match Self::try_acquire(path, role)? {
                LockAttempt::Locked(lock) => return Ok(lock),
                LockAttempt::Held(holder) => holder,
            };
            seen = match (holder, seen) {
                (Some(now), Some((before, since))) if now == before => Some((now, since)),
                (Some(now), _) => Some((now, Instant::now())),
                (None, _) => None,
            };
            if let Some((holder, since)) = seen
                && holder.role == LockRole::Server
                && since.elapsed() >= ROLE_WRITTEN_WITHIN
            {
                return Err(OpenError::locked(path, &holder_text(Some(&holder))));
            }
            if Instant::now() >= deadline {
                return Err(OpenError::locked(path, &holder_text(holder.as_ref())));
            }
            thread::sleep(RETRY_AFTER);
        }
    }

    /// One attempt, without waiting.
    pub(super) fn try_acquire(path: &Path, role: LockRole) -> Result<LockAttempt, OpenError> {
        let lock_path = sidecar_path(path, ENDING);
        let owner = fs::symlink_metadata(path)
            .map_err(|error| OpenError::new(path, &format!("cannot be opened: {error}")))?;
        let mut file = open(&lock_path, &owner).map_err(|error| {
            OpenError::new(
                &lock_path,
                &format!("cannot be written, and the database needs this lock file: {error}"),
            )
        })?;
        check(&lock_path, &file, &owner)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(LockAttempt::Held(read_holder(&mut file))),
            Err(TryLockError::Error(error)) => {
                return Err(OpenError::new(&lock_path, &no_locks(&error)));
            }
        }
        let written = file
            .rewind()
            .and_then(|()| file.set_len(0))
            .and_then(|()| writeln!(file, "{} {}", role.as_str(), std::process::id()));
        // The content is for people and for the message of another process; a full disk must not prevent a start.
        if let Err(error) = written {
            log::warn!("{}: {error}", lock_path.display());
        }
        Ok(LockAttempt::Locked(Self { _file: file }))
    }
}

fn read_holder(file: &mut File) -> Option<LockHolder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(CONTENT_BYTES_MAX)
        .read_to_string(&mut text)
        .ok()?;
    LockHolder::parse(&text)
}

/// The message for a file system that cannot lock.
fn no_locks(error: &io::Error) -> String {
    format!(
        "this file system does not support file locks ({error}); move the database to a local file system, such as ext4 or xfs"
    )
}

/// Opens the lock file; creates it with mode 0600 for the owner of the database.
fn open(lock_path: &Path, owner: &fs::Metadata) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW
        .union(OFlags::NONBLOCK)
        .bits()
        .cast_signed();
    let existing = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(lock_path)
    };
    match existing() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    // Complete before it gets its name: a file owned by root would lock out the owner of the database.
    let temporary = sidecar_path(lock_path, &format!(".new-{}", Id::random()));
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let named = give_to_owner(&created, owner).and_then(|()| fs::hard_link(&temporary, lock_path));
    let _ = fs::remove_file(&temporary);
    match named {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => existing(),
    }
}

/// Root gives the files that it creates beside a database to the owner of the database.
fn give_to_owner(file: &File, owner: &fs::Metadata) -> io::Result<()> {
    if rustix::process::geteuid().is_root() && owner.uid() != 0 {
        std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

fn check(lock_path: &Path, file: &File, owner: &fs::Metadata) -> Result<(), OpenError> {
    let reject = |why: &str| Err(OpenError::new(lock_path, why));
    let Ok(found) = file.metadata() else {
        return reject("the lock file cannot be examined");
    };
    if !found.is_file() || found.nlink() > 2 {
        return reject("this is not a lock file; move it away");
    }
    if found.uid() != owner.uid() {
        return reject(
            "the lock file belongs to another user than the database; remove it while no server runs",
        );
    }
    if found.mode() & OTHERS != 0 {
        let repaired = file.set_permissions(fs::Permissions::from_mode(0o600));
        if repaired.is_err() {
            return reject("permissions too open; run chmod 600 on it");
        }
    }
    Ok(())
}

/// The words for a process that holds the lock.
fn holder_text(holder: Option<&LockHolder>) -> String {
    match holder {
        Some(holder) => format!("process {} ({})", holder.pid, holder.role.as_str()),
        None => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keycroft.db");
        File::create(&path).unwrap();
        (folder, path)
    }

    #[test]
    fn lock_is_exclusive_and_names_its_holder() {
        let (_folder, path) = database();
        let first = DatabaseLock::acquire(&path, LockRole::Server, Duration::ZERO).unwrap();
        let begun = Instant::now();
        let rejected = DatabaseLock::acquire(&path, LockRole::Command, Duration::from_secs(30));
        let message = rejected.unwrap_err().to_string();
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert!(
            message.contains(&std::process::id().to_string()),
            "{message}"
        );
        drop(first);
        assert!(DatabaseLock::acquire(&path, LockRole::Command, Duration::ZERO).is_ok());
    }

    #[test]
    fn server_waits_for_a_command() {
        let (_folder, path) = database();
        let command = DatabaseLock::acquire(&path, LockRole::Command, Duration::ZERO).unwrap();
        let ends = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            drop(command);
        });
        assert!(DatabaseLock::acquire(&path, LockRole::Server, Duration::from_secs(10)).is_ok());
        ends.join().unwrap();
    }

    #[test]
    fn stale_lock_content_is_ignored() {
        let (_folder, path) = database();
        // After a killed server, the content remains and the lock does not.
        fs::write(sidecar_path(&path, ENDING), "server 1\n").unwrap();
        let file = File::open(sidecar_path(&path, ENDING)).unwrap();
        file.lock().unwrap();
        let writes = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            drop(file);
        });
        assert!(DatabaseLock::acquire(&path, LockRole::Server, Duration::from_secs(10)).is_ok());
        writes.join().unwrap();
    }

    #[test]
    fn symlink_or_folder_as_lock_file_is_rejected() {
        let (folder, path) = database();
        let target = folder.path().join("target");
        fs::write(&target, "untouched").unwrap();
        std::os::unix::fs::symlink(&target, sidecar_path(&path, ENDING)).unwrap();
        assert!(DatabaseLock::acquire(&path, LockRole::Command, Duration::ZERO).is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
        fs::remove_file(sidecar_path(&path, ENDING)).unwrap();
        fs::create_dir(sidecar_path(&path, ENDING)).unwrap();
        assert!(DatabaseLock::acquire(&path, LockRole::Command, Duration::ZERO).is_err());
    }

    #[test]
    fn open_lock_file_is_set_to_private_mode() {
        let (_folder, path) = database();
        let lock = sidecar_path(&path, ENDING);
        fs::write(&lock, "").unwrap();
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o666)).unwrap();
        drop(DatabaseLock::acquire(&path, LockRole::Command, Duration::ZERO).unwrap());
        assert_eq!(fs::metadata(&lock).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn file_system_without_locks_is_named() {
        let message = no_locks(&io::Error::from_raw_os_error(95));
        assert!(message.contains("does not support file locks"), "{message}");
    }
}
