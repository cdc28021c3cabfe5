//! The database as a file: created completely or not at all, and checked before it is opened.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::open_error::OpenError;
use super::sidecar::{OTHERS, SIDECAR_ENDINGS, folder_of, sidecar_path};
use super::{WRITER_BUSY, migrate, search};

/// `application_id` in the header of the database.
const APPLICATION_ID: u32 = 0x4b43_5246;
/// Databases up to this size are checked page by page at every start.
const QUICK_CHECK_BYTES_MAX: u64 = 32 << 20;
/// A WAL larger than this is truncated when it restarts, in bytes.
const WAL_BYTES_KEPT: &str = "16777216";
const DAMAGED: &str = "the database is damaged; restore a backup, or examine a copy with `sqlite3`";
/// How long the check at the start, and a reader outside a server, wait for a process that starts or stops just now.
pub(super) const INSPECTION_BUSY: Duration = Duration::from_secs(2);
/// Time limit of a reader's lock.
const READER_BUSY: Duration = Duration::from_millis(20);

/// Requires a regular file at `path` that only its owner can read.
fn require_private_file(path: &Path) -> Result<fs::Metadata, OpenError> {
    let reject = |why: &str| Err(OpenError::new(path, why));
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) => return reject(&format!("it can't be opened: {error}")),
    };
    if found.file_type().is_symlink() {
        return reject("this is a symbolic link; name the file itself");
    }
    if !found.is_file() {
        return reject("this is not a file");
    }
    if found.mode() & OTHERS != 0 {
        return reject(
            "permissions too open; run `chmod 600` on it and treat its contents as exposed",
        );
    }
    check_beside(path, found.uid())?;
    Ok(found)
}

/// Checks the database at `path` without changing a byte.
pub(super) fn check(path: &Path) -> Result<(), OpenError> {
    let reject = |why: &str| Err(OpenError::new(path, why));
    let found = require_private_file(path)?;
    let mut header = [0_u8; 100];
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return reject(&format!("it can't be opened: {error}")),
    };
    let read = file.read_exact(&mut header);
    if found.len() == 0 {
        return reject(
            "the file is empty and not a Keycroft database; move it away to start with a new one, or put the right one back",
        );
    }
    if read.is_err() || !header.starts_with(b"SQLite format 3\0") {
        return reject("this is not a database, or its start is damaged; restore a backup");
    }
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    if word(68) != APPLICATION_ID {
        return reject("this is a database of another program");
    }
    if word(60) > migrate::VERSION {
        return reject(&format!(
            "it was written by a newer version of Keycroft (schema {}, this program supports {}); run that version",
            word(60),
            migrate::VERSION
        ));
    }
    let page_bytes = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        bytes => bytes,
    };
    let wal_bytes = fs::metadata(sidecar_path(path, "-wal")).map_or(0, |wal| wal.len());
    // Last: a server that stops just now extends the database before it removes the WAL.
    let bytes = file.metadata().map_or(0, |file| file.len());
    if wal_bytes == 0 && bytes < u64::from(word(28)) * page_bytes {
        return reject("the file is cut off; restore a backup");
    }
    drop(file);
    inspect(path, bytes)
}

/// Checks the files beside the database as strictly: write access to a WAL is write access to the database.
fn check_beside(path: &Path, owner: u32) -> Result<(), OpenError> {
    for ending in SIDECAR_ENDINGS {
        let path = sidecar_path(path, ending);
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        if !found.is_file() {
            return Err(OpenError::new(
                &path,
                "this is not a file; find out who created it, and move it away",
            ));
        }
        if found.uid() != owner {
            return Err(OpenError::new(
                &path,
                "this belongs to another user than the database; find out who created it, and move it away",
            ));
        }
        if found.mode() & OTHERS != 0 {
            return Err(OpenError::new(
                &path,
                "permissions too open; run `chmod 600` on it",
            ));
        }
    }
    Ok(())
}

/// Checks the database on a read-only connection.
fn inspect(path: &Path, bytes: u64) -> Result<(), OpenError> {
    let reject = |why: &str| OpenError::new(path, why);
    let unread = |error: rusqlite::Error| reject(&read_failure(&error));
    let connection =
        open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, INSPECTION_BUSY).map_err(unread)?;
    let version = migrate::version(&connection).map_err(unread)?;
    if version > migrate::VERSION {
        return Err(reject(
            "it was written by a newer version of Keycroft; run that version",
        ));
    }
    if version == 0 {
        return Err(reject(
            "this database was never completed; move it away to start with a new one",
        ));
    }
    if bytes <= QUICK_CHECK_BYTES_MAX {
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(unread)?;
        if verdict != "ok" {
            return Err(reject(DAMAGED));
        }
    }
    Ok(())
}

/// Reports damage only where SQLite does. A lock or a full disk must not send anybody to their backups.
fn read_failure(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => DAMAGED.to_owned(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process has locked it; stop that process, or try again".to_owned()
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            "it can't be opened: its folder must be writable, since the WAL is beside the database"
                .to_owned()
        }
        _ => format!("it can't be read: {error}"),
    }
}

/// The writer's connection.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, OpenError> {
    let reject = |error: rusqlite::Error| {
        // SQLite reads parts of a schema only before it writes; its message would quote the damaged file.
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) {
            return OpenError::new(path, DAMAGED);
        }
        OpenError::new(path, &format!("it can't be opened for writing: {error}"))
    };
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_BUSY).map_err(reject)?;
    // SQLite goes on with a file that it can only read; then no revocation would be possible.
    if connection.is_readonly("main").map_err(reject)? {
        return Err(OpenError::new(
            path,
            "it can't be written; make the file and its disk writable for its owner",
        ));
    }
    let set = |name: &str, value: &str| connection.pragma_update(None, name, value);
    set("journal_mode", "WAL").map_err(reject)?;
    set("synchronous", "FULL").map_err(reject)?;
    set("foreign_keys", "ON").map_err(reject)?;
    set("secure_delete", "ON").map_err(reject)?;
    set("trusted_schema", "OFF").map_err(reject)?;
    set("cache_size", "-2048").map_err(reject)?;
    // Before a job changes a page, SQLite copies it, to be able to roll back the job alone. Copies beyond 64 KiB would
    // go into a file: two system calls a page, and database content in another file.
    set("temp_store", "MEMORY").map_err(reject)?;
    set("journal_size_limit", WAL_BYTES_KEPT).map_err(reject)?;
    Ok(connection)
}

/// The connection of a reader.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_BUSY)?;
    connection.pragma_update(None, "query_only", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "cache_size", "-1024")?;
    search::add_functions(&connection)?;
    Ok(connection)
}

/// The connection of a reader to a database that no store of this process has checked: all of [`check`] that is cheap.
pub(super) fn open_to_read_alone(path: &Path) -> Result<Connection, OpenError> {
    let reject = |why: &str| OpenError::new(path, why);
    require_private_file(path)?;
    let number = |connection: &Connection, sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, u32>(0))
    };
    let opened = open_to_read(path).and_then(|connection| {
        // A killed server leaves a WAL that is read first.
        connection.busy_timeout(INSPECTION_BUSY)?;
        Ok((
            number(&connection, "PRAGMA application_id")?,
            number(&connection, "PRAGMA user_version")?,
            connection,
        ))
    });
    let (application, version, connection) =
        opened.map_err(|error| reject(&format!("it can't be read: {error}")))?;
    if application != APPLICATION_ID {
        return Err(reject("this is a database of another program"));
    }
    if version != migrate::VERSION {
        return Err(reject(&format!(
            "it has schema {version} and this program reads {}: start the server of this version, or use the program of that one",
            migrate::VERSION
        )));
    }
    Ok(connection)
}

pub(super) fn open(path: &Path, flags: OpenFlags, busy: Duration) -> rusqlite::Result<Connection> {
    let flags = flags
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    // NOFOLLOW rejects a path with any symlink in it. The folders are resolved here, the file itself is not.
    let folder = folder_of(path);
    let resolved = fs::canonicalize(folder)
        .unwrap_or_else(|_| folder.to_owned())
        .join(path.file_name().unwrap_or_default());
    let connection = Connection::open_with_flags(resolved, flags)?;
    connection.busy_timeout(busy)?;
    connection.set_prepared_statement_cache_capacity(128);
    // Otherwise SQLite plans a prepared statement again for values that it considers significant: nine tenths of the
    // cost of a verification.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Id;
    use crate::model::time::Time;
    use crate::store::Read;
    use crate::store::create::create;
    use rusqlite::StatementStatus;

    #[test]
    fn damaged_schema_is_reported_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keycroft.db");
        create(&path, Time::from_unix(1)).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        // A column whose name differs from the one in its CHECK.
        let column = b"(length(digest_key) = 32)";
        let places: Vec<usize> = bytes
            .windows(column.len())
            .enumerate()
            .filter_map(|(place, window)| (window == column).then_some(place))
            .collect();
        assert!(!places.is_empty());
        for place in places {
            bytes[place + 8] = b'\n';
        }
        fs::write(&path, &bytes).unwrap();
        assert!(check(&path).is_ok(), "a reader does not look at it");
        let message = open_to_write(&path).err().unwrap().to_string();
        assert!(message.ends_with(DAMAGED), "{message}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn lookup_statement_is_planned_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keycroft.db");
        create(&path, Time::from_unix(1)).unwrap();
        let read = Read::open_file(&path).unwrap();
        for _ in 0..3 {
            assert!(read.credential(Id::random()).unwrap().is_none());
        }
        let statement = read
            .statement(crate::store::credential::lookup_sql())
            .unwrap();
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        assert_eq!(statement.get_status(StatementStatus::Run), 3);
    }
}
