//! Backup and restore of the database.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::create::{UnfinishedDatabase, require_nothing_at};
use super::file::{self, INSPECTION_BUSY};
use super::lock::{DatabaseLock, LockRole};
use super::migrate;
use super::open_error::OpenError;
use super::read::Select;
use super::row::time;
use super::sidecar::{SIDECAR_ENDINGS, sidecar_path, sync_folder};
use super::write::Write as WriteAct;
use crate::model::caller::Permit;
use crate::model::error::Error;
use crate::model::event::{AuditDetails, Target};
use crate::model::time::Time;

/// How long a restore waits for a command that has the database open.
const LOCK_WAIT: Duration = Duration::from_secs(15);

/// A finished and checked backup.
#[derive(Debug, Clone, Copy)]
pub struct FinishedBackup {
    pub bytes: u64,
    /// True if the database has the present schema, so that the time of the backup can be recorded in it.
    pub is_present_version: bool,
}

/// How to treat an existing database at the path of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Reject,
    MoveAside,
}

/// A restored backup.
#[derive(Debug)]
pub struct Restored {
    /// Creation time of the backup, if Keycroft recorded one.
    pub made_at: Option<Time>,
    /// New path of the database that was there before.
    pub moved_to: Option<PathBuf>,
    pub tokens: usize,
    pub sessions: usize,
    pub codes: usize,
    /// Credentials that the restore makes valid again, even those revoked since the backup; latest use first.
    pub survivors: Vec<ValidCredential>,
}

/// A credential that is valid in the restored database.
#[derive(Debug, Clone)]
pub struct ValidCredential {
    pub id: String,
    /// The name of its kind.
    pub kind: String,
    pub owner: String,
    pub name: String,
    pub created_at: Time,
    pub rotated_at: Option<Time>,
    pub last_used_at: Option<Time>,
    pub last_used_from: Option<String>,
    pub last_used_by: Option<String>,
}

/// Copies the database at `from`, in one consistent state, to a new file `to`.
pub fn copy(from: &Path, to: &Path, now: Time) -> Result<FinishedBackup, OpenError> {
    require_nothing_at(to)?;
    let unfinished = UnfinishedDatabase::beside(to)?;
    let copied = copy_into(from, &unfinished.path, now)?;
    unfinished
        .publish(to)
        .map_err(|why| OpenError::new(to, &format!("the backup can't be written: {why}")))?;
    Ok(copied)
}

/// Writes such a copy to `out`. The copy is written beside the database first.
pub fn copy_to(from: &Path, out: &mut dyn Write, now: Time) -> Result<FinishedBackup, OpenError> {
    let unfinished = UnfinishedDatabase::beside(from)?;
    let copied = copy_into(from, &unfinished.path, now)?;
    File::open(&unfinished.path)
        .and_then(|mut file| std::io::copy(&mut file, out))
        .and_then(|_| out.flush())
        .map_err(|error| OpenError::new(from, &format!("the backup can't be written: {error}")))?;
    Ok(copied)
}

fn copy_into(from: &Path, to: &Path, now: Time) -> Result<FinishedBackup, OpenError> {
    file::check(from)?;
    let reject =
        |error: rusqlite::Error| OpenError::new(from, &format!("can't be copied: {error}"));
    let copy = copy_pages(from, to).map_err(reject)?;
    copy.execute("UPDATE installation SET last_backup_at = ?", [now.unix()])
        .map_err(reject)?;
    let is_present_version = migrate::version(&copy).map_err(reject)? == migrate::VERSION;
    require_complete(from, &copy)?;
    copy.close().map_err(|(_, error)| reject(error))?;
    let bytes = fs::metadata(to).map_or(0, |file| file.len());
    Ok(FinishedBackup {
        bytes,
        is_present_version,
    })
}

/// A copy that was kept before a migration.
pub(super) struct MigrationCopy {
    /// `None` if an earlier copy is the same.
    path: Option<PathBuf>,
    /// The schema of the copy.
    version: u32,
}

impl MigrationCopy {
    /// Deletes it after a migration that changed nothing: otherwise each start would leave one more.
    pub(super) fn drop_unless_migrated(&self, connection: &Connection) {
        if migrate::version(connection).is_ok_and(|version| version == self.version) {
            let _ = self.path.as_ref().map(fs::remove_file);
        }
    }
}

/// Keeps a copy of a database of an older schema beside it, before its migration: `keycroft.db.before-schema-2`. To go back from
/// an upgrade, restore this copy with the older program.
pub(super) fn keep_before_migration(path: &Path) -> Result<MigrationCopy, OpenError> {
    let reject = |why: &dyn std::fmt::Display| {
        let why =
            format!("cannot be copied before its schema is migrated, and was not changed: {why}");
        OpenError::new(path, &why)
    };
    let name = format!(".before-schema-{}", migrate::VERSION);
    let unfinished = UnfinishedDatabase::again(path, &format!("{name}.new"))?;
    let copy = copy_pages(path, &unfinished.path).map_err(|why| reject(&why))?;
    require_complete(path, &copy)?;
    let version = migrate::version(&copy).map_err(|why| reject(&why))?;
    copy.close().map_err(|(_, why)| reject(&why))?;
    let mut last = None;
    let free = std::iter::once(name.clone())
        .chain((2..1_000).map(|number| format!("{name}-{number}")))
        .map(|ending| sidecar_path(path, &ending))
        .find(|path| {
            let is_free = fs::symlink_metadata(path).is_err();
            if !is_free {
                last = Some(path.clone());
            }
            is_free
        });
    // A migration that was killed again and again must not fill the disk with copies.
    if last.is_some_and(|last| is_same(&last, &unfinished.path).unwrap_or(false)) {
        return Ok(MigrationCopy {
            path: None,
            version,
        });
    }
    let kept = free.ok_or_else(|| reject(&"no name is free"))?;
    unfinished.publish(&kept).map_err(|why| reject(&why))?;
    log::warn!(
        "the schema is migrated; a copy of the database before it is kept in {}",
        kept.display()
    );
    Ok(MigrationCopy {
        path: Some(kept),
        version,
    })
}

/// True if both files have the same bytes.
fn is_same(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut first, mut second) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        let count = one.read(&mut first)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut second[..count])?;
        if first[..count] != second[..count] {
            return Ok(false);
        }
    }
}

/// Copies all pages in one read transaction: other processes can go on writing, and the copy has none of that.
pub(super) fn copy_pages(from: &Path, to: &Path) -> rusqlite::Result<Connection> {
    let source = file::open(from, OpenFlags::SQLITE_OPEN_READ_ONLY, INSPECTION_BUSY)?;
    let mut copy = file::open(to, OpenFlags::SQLITE_OPEN_READ_WRITE, INSPECTION_BUSY)?;
    let step = Backup::new(&source, &mut copy)?.step(-1)?;
    if !matches!(step, StepResult::Done) {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("another process has locked it".to_owned()),
        ));
    }
    // One file without a WAL, which can be read on a read-only file system.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    copy.pragma_update(None, "secure_delete", "ON")?;
    copy.pragma_update(None, "foreign_keys", "ON")?;
    Ok(copy)
}

fn require_complete(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| OpenError::new(path, &format!("the backup can't be read: {error}")))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(OpenError::new(
            path,
            &format!(
                "its backup is damaged; it was discarded: {verdict}; run `keycroft check`, and restore an earlier backup"
            ),
        ))
    }
}

/// Restores a backup to `path` and revokes its sessions, tokens and codes.
pub fn restore(
    backup: &Path,
    path: &Path,
    existing: Existing,
    permit: &Permit,
) -> Result<Restored, OpenError> {
    file::check(backup)?;
    if existing == Existing::Reject {
        require_nothing_at(path)?;
    }
    require_unused(path)?;
    let _lock = fs::symlink_metadata(path)
        .is_ok()
        .then(|| DatabaseLock::acquire(path, LockRole::Command, LOCK_WAIT))
        .transpose()?;
    let reject =
        |error: Error| OpenError::new(path, &format!("can't be restored: {}", error_text(&error)));
    let unfinished = UnfinishedDatabase::beside(path)?;
    let connection = copy_pages(backup, &unfinished.path).map_err(|error| reject(error.into()))?;
    migrate::migrate(&connection, backup)?;
    require_complete(backup, &connection)?;
    let select = Select::new(connection);
    let mut restored = select.revoke_short_lived(permit).map_err(reject)?;
    select
        .connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(|error| reject(error.into()))?;
    select
        .connection
        .close()
        .map_err(|(_, error)| reject(error.into()))?;
    let kept = match existing {
        Existing::MoveAside => keep_aside(path, permit.now)?,
        Existing::Reject => None,
    };
    let in_place = |why: String| OpenError::new(path, &format!("can't be put in place: {why}"));
    let Some(kept) = kept else {
        unfinished.publish(path).map_err(in_place)?;
        return Ok(restored);
    };
    let replaced = require_unused(path).and_then(|()| unfinished.replace(path).map_err(in_place));
    if let Err(error) = replaced {
        kept.forget(path);
        return Err(error);
    }
    restored.moved_to = Some(kept.database);
    Ok(restored)
}

/// The second names of a database that is about to be replaced.
struct KeptDatabase {
    database: PathBuf,
    names: Vec<PathBuf>,
    /// True if no other file has its last transactions: it is damaged, so its WAL could not be merged.
    is_only_copy: bool,
}

impl KeptDatabase {
    /// Removes the names, unless the file at `path` is another one by now: two names of a database in use would later be
    /// taken for two databases.
    fn forget(&self, path: &Path) {
        let identity = |path: &Path| {
            let found = fs::metadata(path).ok()?;
            Some((found.dev(), found.ino()))
        };
        let live = identity(path);
        if !self.is_only_copy && live.is_some() && live == identity(&self.database) {
            for name in &self.names {
                let _ = fs::remove_file(name);
            }
        }
    }

    /// Links the files of the database at `path`, merges its WAL, and removes its other names.
    fn keep(&mut self, path: &Path) -> Result<(), OpenError> {
        let reject =
            |error: std::io::Error| OpenError::new(path, &format!("can't be moved aside: {error}"));
        for ending in ["", "-wal", "-journal"] {
            let from = sidecar_path(path, ending);
            let to = sidecar_path(&self.database, ending);
            if fs::symlink_metadata(&from).is_ok() {
                if fs::symlink_metadata(&to).is_ok() {
                    return Err(OpenError::new(&to, "a file of this name exists"));
                }
                fs::hard_link(&from, &to).map_err(reject)?;
                self.names.push(to);
            }
        }
        sync_folder(path).map_err(reject)?;
        let is_merged = merge_wal(path)
            .map_err(|why| OpenError::new(path, &format!("its WAL can't be read: {why}")))?;
        self.is_only_copy = !is_merged;
        for ending in SIDECAR_ENDINGS {
            if fs::symlink_metadata(sidecar_path(path, ending)).is_ok() {
                fs::remove_file(sidecar_path(path, ending)).map_err(reject)?;
            }
        }
        // Before the new file is put in place: it would be read with this WAL.
        sync_folder(path).map_err(reject)
    }
}

fn error_text(error: &Error) -> String {
    match error {
        Error::Fault(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Rejects a database that any process has open: that process would go on with the old file, unnoticed.
fn require_unused(path: &Path) -> Result<(), OpenError> {
    use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};
    /// The bytes on which every SQLite connection holds a read lock while it is open.
    const SHARED_FIRST: u64 = 0x4000_0002;
    const SHARED_BYTES: u64 = 510;
    let Ok(file) = File::open(path) else {
        return Ok(());
    };
    let mut asked = Flock::from(FlockType::WriteLock);
    asked.offset_type = FlockOffsetType::Set;
    asked.start = SHARED_FIRST;
    asked.length = SHARED_BYTES;
    let held = fcntl_getlk(&file, &asked)
        .map_err(|error| OpenError::new(path, &format!("its locks can't be read: {error}")))?;
    match held {
        None => Ok(()),
        Some(lock) => {
            let process = lock
                .pid
                .map_or_else(String::new, |pid| format!(" {}", pid.as_raw_nonzero()));
            Err(OpenError::new(
                path,
                &format!("process{process} has it open; stop the server first"),
            ))
        }
    }
}

/// Keeps the database at `path` under a second name and merges its WAL into it. The file at `path` can then be replaced
/// in one step: after a power cut, a complete database is there, without a WAL that belongs to another.
fn keep_aside(path: &Path, now: Time) -> Result<Option<KeptDatabase>, OpenError> {
    let stamp: String = now
        .to_string()
        .chars()
        .filter(|character| !matches!(character, '-' | ':'))
        .collect();
    let mut kept = KeptDatabase {
        database: sidecar_path(path, &format!(".before-{stamp}")),
        names: Vec::new(),
        is_only_copy: false,
    };
    match kept.keep(path) {
        Ok(()) => Ok((!kept.names.is_empty()).then_some(kept)),
        Err(error) => {
            kept.forget(path);
            Err(error)
        }
    }
}

/// Merges the WAL into the database. Returns false for a damaged database, which stays as it is.
fn merge_wal(path: &Path) -> rusqlite::Result<bool> {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let has =
        |ending| fs::metadata(sidecar_path(path, ending)).is_ok_and(|journal| journal.len() > 0);
    if !has("") || !has("-wal") && !has("-journal") {
        return Ok(true);
    }
    let fold = || {
        let connection = file::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, INSPECTION_BUSY)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| row.get(0))
    };
    match fold() {
        Ok(0) => Ok(true),
        Ok(_) => Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("another process has locked it".to_owned()),
        )),
        Err(error) => match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Ok(false),
            _ => Err(error),
        },
    }
}

impl Select {
    /// Revokes everything that a thief of the backup, or a person locked out since then, could use. One act, one event.
    fn revoke_short_lived(&self, permit: &Permit) -> Result<Restored, Error> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let made_at = self
            .one("SELECT last_backup_at FROM installation", [], |row| {
                time(row, 0)
            })?
            .flatten();
        let tokens = self.execute("DELETE FROM credentials WHERE kind = 'token'", [])?;
        let sessions = self.execute("DELETE FROM credentials WHERE kind = 'session'", [])?;
        let codes = self.execute("DELETE FROM codes", [])?;
        let survivors = self.survivors(permit.now)?;
        let details = AuditDetails::new(Target::new("file", "backup", "", None))
            .after(
                "made",
                made_at.map_or_else(|| "unknown".to_owned(), |at| at.to_string()),
            )
            .after("tokens", tokens)
            .after("sessions", sessions)
            .after("codes", codes);
        self.add_event(permit, &permit.actor, &details)?;
        self.connection.execute_batch("COMMIT")?;
        Ok(Restored {
            made_at,
            moved_to: None,
            tokens,
            sessions,
            codes,
            survivors,
        })
    }

    fn survivors(&self, now: Time) -> Result<Vec<ValidCredential>, Error> {
        // The latest use of any of the credential's secrets.
        let at = "nullif(max(coalesce(l.at, 0), coalesce(l.previous_at, 0), coalesce(l.earlier_at, 0)), 0)";
        let latest = |column: &str| {
            format!(
                "CASE {at} WHEN l.at THEN l.{column} WHEN l.previous_at THEN l.previous_{column} ELSE l.earlier_{column} END"
            )
        };
        let (address, program) = (latest("address"), latest("program"));
        let sql = format!(
            "SELECT c.id, c.kind, coalesce(u.username, s.name, h.name), c.name, c.created_at, c.rotated_at, {at}, {address}, {program} \
                   FROM credentials c LEFT JOIN users u ON u.id = c.user_id LEFT JOIN services s ON s.id = c.service_id \
                   LEFT JOIN hosts h ON h.id = c.host_id LEFT JOIN last_uses l ON l.credential_id = c.id \
                   WHERE c.deleted_at IS NULL AND c.kind IN ('api-key', 'host') AND (c.expires_at IS NULL OR c.expires_at > ?) \
                   ORDER BY 7 DESC, c.number DESC"
        );
        self.all(&sql, [now.unix()], |row| {
            Ok(ValidCredential {
                id: row.get(0)?,
                kind: row.get(1)?,
                owner: row.get(2)?,
                name: row.get(3)?,
                created_at: Time::from_unix(row.get(4)?),
                rotated_at: time(row, 5)?,
                last_used_at: time(row, 6)?,
                last_used_from: row.get(7)?,
                last_used_by: row.get(8)?,
            })
        })
    }
}

impl WriteAct<'_> {
    /// Records a backup at the present time.
    pub fn set_backed_up(&self) -> Result<(), Error> {
        self.execute(
            "UPDATE installation SET last_backup_at = ?",
            [self.now.unix()],
        )
        .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_name_of_a_database_in_use_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keycroft.db");
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        fs::write(&path, "").unwrap();
        let now = Time::from_unix(1_800_000_000);
        let kept = keep_aside(&path, now).unwrap().unwrap();
        assert_eq!(names().len(), 2);
        // The backup was not put in place.
        kept.forget(&path);
        assert_eq!(names(), ["keycroft.db"]);
        let kept = keep_aside(&path, now).unwrap().unwrap();
        fs::write(folder.path().join("new"), "").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        // It was: this is the only name of the old database.
        kept.forget(&path);
        assert_eq!(names().len(), 2);
        fs::remove_file(&kept.database).unwrap();
        // A link that can't be made leaves none of the others.
        let wal = sidecar_path(&path, "-wal");
        fs::write(&wal, "").unwrap();
        fs::write(sidecar_path(&kept.database, "-wal"), "").unwrap();
        assert!(keep_aside(&path, now).is_err());
        assert_eq!(names().len(), 3);
        fs::remove_file(sidecar_path(&kept.database, "-wal")).unwrap();
        // Of a damaged database, the kept WAL is the only one.
        fs::write(&path, [1; 4_096]).unwrap();
        fs::write(&wal, [1; 64]).unwrap();
        let kept = keep_aside(&path, now).unwrap().unwrap();
        kept.forget(&path);
        assert_eq!(
            fs::read(sidecar_path(&kept.database, "-wal")).unwrap(),
            [1; 64]
        );
    }
}
