//! Read-only examination of the database: findings and their remedies.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::create::UnfinishedDatabase;
use super::event::Verdict;
use super::file::{self, INSPECTION_BUSY};
use super::migrate;
use super::open_error::OpenError;
use super::read::Select;
use super::schema::SCHEMA;
use super::sidecar::{OTHERS, folder_of, sidecar_path};
use crate::model::address::{AllowedAddresses, untrusted_forwarder_advice};
use crate::model::error::Error;
use crate::model::time::Time;

/// One examined subject, its status and a message to act on.
#[derive(Debug)]
pub struct Finding {
    pub subject: &'static str,
    pub condition: Condition,
    pub words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Good,
    /// Works, but needs attention.
    Look,
    Wrong,
}

/// Free space below which the disk counts as full, in bytes.
const SPACE_BYTES_MIN: u64 = 16 << 20;
/// Free space below which the disk needs attention, in bytes.
const SPACE_BYTES_ENOUGH: u64 = 256 << 20;
/// A WAL larger than this is not merged, for a reason that the operator should find; in bytes.
const WAL_BYTES_MAX: u64 = 64 << 20;
/// Age of an old backup, in days.
const BACKUP_DAYS_MAX: i64 = 7;
/// How far the last event may lie in the future, in seconds: clocks are set back a little all the time.
const CLOCK_SECONDS_BACK_MAX: i64 = 60;

/// The tables that Litestream adds to a database it replicates: name and definition.
/// Source: `db.go` of <https://github.com/benbjohnson/litestream>, the same from 0.3 to 0.5.
const LITESTREAM: [(&str, &str); 2] = [
    (
        "_litestream_lock",
        "CREATE TABLE _litestream_lock (id INTEGER)",
    ),
    (
        "_litestream_seq",
        "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)",
    ),
];

fn finding(subject: &'static str, condition: Condition, words: impl Into<String>) -> Finding {
    Finding {
        subject,
        condition,
        words: words.into(),
    }
}

/// Examines one subject in the database.
type Examiner = fn(&Select, Time) -> Result<Finding, Error>;

/// Examines the database at `path`.
pub fn examine(path: &Path, now: Time) -> Vec<Finding> {
    let mut findings = vec![folder(path), space(path)];
    let opened = file::check(path).and_then(|()| {
        file::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, INSPECTION_BUSY)
            .map_err(|error| OpenError::new(path, &format!("it can't be opened: {error}")))
    });
    let select = match opened {
        Ok(connection) => Select::new(connection),
        Err(rejected) => {
            findings.insert(0, finding("file", Condition::Wrong, rejected.to_string()));
            return findings;
        }
    };
    let words = format!("{}, mode 0600", path.display());
    findings.insert(0, finding("file", Condition::Good, words));
    findings.push(wal(path));
    let looks: [(&'static str, Examiner); 8] = [
        ("pages", pages),
        ("schema", |select, _| schema(select)),
        ("references", references),
        ("rows", rows),
        ("audit log", audit_log),
        ("clock", clock),
        ("backup", backup),
        ("proxies", |select, _| proxies(select)),
    ];
    for (subject, look) in looks {
        findings.push(look(&select, now).unwrap_or_else(|error| {
            let words = match error {
                Error::Fault(text) => text,
                other => other.to_string(),
            };
            finding(
                subject,
                Condition::Wrong,
                format!("can't be read: {words}; restore a backup"),
            )
        }));
    }
    findings
}

fn folder(path: &Path) -> Finding {
    let folder = folder_of(path);
    let shown = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let shown = shown.display();
    let Ok(found) = fs::metadata(folder) else {
        return finding("folder", Condition::Wrong, format!("{shown} can't be read"));
    };
    let mode = found.mode() & 0o7777;
    if mode & 0o022 != 0 {
        let words = format!(
            "other users can write to {shown} (mode {mode:04o}) and replace the database; run `chmod 700` on it, or move the database"
        );
        return finding("folder", Condition::Wrong, words);
    }
    if mode & OTHERS != 0 {
        let words =
            format!("other users can list {shown} (mode {mode:04o}); run `chmod 700` on it");
        return finding("folder", Condition::Look, words);
    }
    finding(
        "folder",
        Condition::Good,
        format!("{shown}, mode {mode:04o}"),
    )
}

fn space(path: &Path) -> Finding {
    match rustix::fs::statvfs(folder_of(path)) {
        Err(error) => finding(
            "space",
            Condition::Look,
            format!("free space can't be read: {error}"),
        ),
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let (condition, advice) = match free {
                ..SPACE_BYTES_MIN => (
                    Condition::Wrong,
                    ": soon nothing can be written or revoked; free some",
                ),
                SPACE_BYTES_MIN..SPACE_BYTES_ENOUGH => (Condition::Look, ": free some"),
                _ => (Condition::Good, ""),
            };
            finding(
                "space",
                condition,
                format!("{} MiB free{advice}", free >> 20),
            )
        }
    }
}

fn wal(path: &Path) -> Finding {
    let bytes = fs::metadata(sidecar_path(path, "-wal")).map_or(0, |wal| wal.len());
    if bytes > WAL_BYTES_MAX {
        let words = format!(
            "{} MiB: a process keeps the database open for reading; find and stop it",
            bytes >> 20
        );
        return finding("WAL", Condition::Look, words);
    }
    finding("WAL", Condition::Good, format!("{} KiB", bytes >> 10))
}

fn pages(select: &Select, _: Time) -> Result<Finding, Error> {
    let found = select.all("PRAGMA integrity_check(5)", [], |row| {
        row.get::<_, String>(0)
    })?;
    if found == ["ok"] {
        return Ok(finding("pages", Condition::Good, "intact"));
    }
    let words = format!(
        "damaged ({}); restore a backup, and check the disk",
        found.join("; ")
    );
    Ok(finding("pages", Condition::Wrong, words))
}

fn schema(select: &Select) -> Result<Finding, Error> {
    let version = migrate::version(&select.connection)?;
    if version < migrate::VERSION {
        let words = format!(
            "version {version}; the next start or `keycroft migrate` migrates it to {}",
            migrate::VERSION
        );
        return Ok(finding("schema", Condition::Look, words));
    }
    let new = Connection::open_in_memory()?;
    new.execute_batch(SCHEMA)?;
    let mut found = schema_of(&select.connection)?;
    let all = found.len();
    found.retain(|(name, sql)| !LITESTREAM.contains(&(name.as_str(), sql.as_str())));
    let replicated = if found.len() < all {
        ", with the tables of Litestream"
    } else {
        ""
    };
    let differing = differences(&found, &schema_of(&new)?);
    if differing.is_empty() {
        return Ok(finding(
            "schema",
            Condition::Good,
            format!("version {version}{replicated}"),
        ));
    }
    let words = format!(
        "differs from this version's schema: {}; it was changed by hand: restore a backup",
        differing.join(", ")
    );
    Ok(finding("schema", Condition::Wrong, words))
}

/// The schema of a database: names and definitions, without comments and spacing.
pub(super) fn schema_of(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = connection.prepare(
        "SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name",
    )?;
    let found = statement.query_map([], |row| {
        Ok((
            row.get::<_, String>(0)?,
            normalized_sql(&row.get::<_, String>(1)?),
        ))
    })?;
    found.collect()
}

fn normalized_sql(sql: &str) -> String {
    let code = sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    code.flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
}

fn differences(found: &[(String, String)], wanted: &[(String, String)]) -> Vec<String> {
    let missing = wanted.iter().filter(|one| !found.contains(one));
    let unexpected = found
        .iter()
        .filter(|one| !wanted.iter().any(|(name, _)| *name == one.0));
    missing
        .chain(unexpected)
        .map(|(name, _)| name.clone())
        .collect()
}

fn references(select: &Select, _: Time) -> Result<Finding, Error> {
    let stray = select.count("SELECT count(*) FROM pragma_foreign_key_check", [])?;
    if stray == 0 {
        return Ok(finding("references", Condition::Good, "intact"));
    }
    let words = format!("{stray} rows refer to deleted rows; restore a backup");
    Ok(finding("references", Condition::Wrong, words))
}

fn rows(select: &Select, _: Time) -> Result<Finding, Error> {
    select.digest_key()?;
    select.policy()?;
    if select.count_admins_besides(None)? == 0 {
        let words = "no admin: start the server and open the link that it prints, or run `keycroft user create NAME --admin`";
        return Ok(finding("rows", Condition::Look, words));
    }
    Ok(finding(
        "rows",
        Condition::Good,
        "installation, policy and an admin exist",
    ))
}

fn audit_log(select: &Select, _: Time) -> Result<Finding, Error> {
    Ok(match select.verify_events(|_| ())? {
        Verdict::Whole { archived, head } => {
            let (events, hash) = (head.number, head.hash.hex());
            let mut words = format!("{events} events, head {hash}");
            if archived.number > 0 {
                words.push_str(&format!("; events 1 to {} are archived", archived.number));
            }
            finding("audit log", Condition::Good, words)
        }
        Verdict::Broken { number } => {
            let words = format!(
                "event {number} does not match the hash of those before it: the log was changed; keep the database, and compare it with a backup"
            );
            finding("audit log", Condition::Wrong, words)
        }
    })
}

fn clock(select: &Select, now: Time) -> Result<Finding, Error> {
    let sql = "SELECT max(created_at, coalesce((SELECT at FROM events ORDER BY number DESC LIMIT 1), 0)) FROM installation";
    let last = Time::from_unix(select.count(sql, [])?);
    if last.unix() > now.unix() + CLOCK_SECONDS_BACK_MAX {
        let words = format!(
            "it is at {now}, but the last event is of {last}: set the clock, or expired credentials may count as valid"
        );
        return Ok(finding("clock", Condition::Wrong, words));
    }
    Ok(finding(
        "clock",
        Condition::Good,
        format!("{now}, last event {last}"),
    ))
}

fn backup(select: &Select, now: Time) -> Result<Finding, Error> {
    let sql = "SELECT last_backup_at FROM installation";
    let at = select
        .one(sql, [], |row| row.get::<_, Option<i64>>(0))?
        .flatten()
        .map(Time::from_unix);
    let Some(at) = at else {
        return Ok(finding(
            "backup",
            Condition::Look,
            "no backup yet; run `keycroft backup FILE`",
        ));
    };
    if now.day().number() - at.day().number() > BACKUP_DAYS_MAX {
        let words = format!("the last is of {at}; run `keycroft backup FILE`");
        return Ok(finding("backup", Condition::Look, words));
    }
    Ok(finding(
        "backup",
        Condition::Good,
        format!("the last is of {at}"),
    ))
}

fn proxies(select: &Select) -> Result<Finding, Error> {
    let serving = select.serving()?;
    let wide = serving
        .trusted_proxies
        .as_ref()
        .and_then(AllowedAddresses::advice_as_proxies);
    if let Some(advice) = wide {
        return Ok(finding("proxies", Condition::Look, advice));
    }
    if let Some(peer) = serving.untrusted_forwarder {
        return Ok(finding(
            "proxies",
            Condition::Look,
            untrusted_forwarder_advice(&peer),
        ));
    }
    let words = serving.trusted_proxies.map_or_else(
        || "none trusted at the last start".to_owned(),
        |networks| format!("trusted at the last start: {networks}"),
    );
    Ok(finding("proxies", Condition::Good, words))
}

/// Migrates a copy of the database to the present schema as a trial. Returns both versions.
pub fn rehearse(path: &Path) -> Result<(u32, u32), OpenError> {
    file::check(path)?;
    let unfinished = UnfinishedDatabase::beside(path)?;
    let reject =
        |error: rusqlite::Error| OpenError::new(path, &format!("can't be copied: {error}"));
    let copy = super::backup::copy_pages(path, &unfinished.path).map_err(reject)?;
    let from = migrate::version(&copy).map_err(reject)?;
    migrate::migrate(&copy, path)?;
    Ok((from, migrate::VERSION))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema_finding(change: &str) -> Finding {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keycroft.db");
        crate::store::create::create(&path, Time::from_unix(1)).unwrap();
        file::open_to_write(&path)
            .unwrap()
            .execute_batch(change)
            .unwrap();
        let found = examine(&path, Time::from_unix(2));
        found
            .into_iter()
            .find(|finding| finding.subject == "schema")
            .unwrap()
    }

    #[test]
    fn litestream_tables_are_accepted_in_the_schema() {
        let found = schema_finding(
            "CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
             CREATE TABLE IF NOT EXISTS _litestream_lock (id INTEGER);",
        );
        assert_eq!(found.condition, Condition::Good, "{}", found.words);
        assert!(found.words.contains("Litestream"), "{}", found.words);
        let plain = schema_finding("");
        assert_eq!(plain.words, format!("version {}", migrate::VERSION));
    }

    #[test]
    fn unknown_table_is_reported_as_a_change() {
        for (change, name) in [
            ("CREATE TABLE notes (id)", "notes"),
            (
                "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, secret TEXT)",
                "_litestream_seq",
            ),
            (
                "CREATE TABLE _litestream_extra (id INTEGER)",
                "_litestream_extra",
            ),
            (
                "CREATE TABLE _litestream_lock (id INTEGER); CREATE TRIGGER _litestream_t AFTER UPDATE ON credentials BEGIN SELECT 1; END",
                "_litestream_t",
            ),
        ] {
            let found = schema_finding(change);
            assert_eq!(found.condition, Condition::Wrong, "{change}");
            assert!(found.words.contains(name), "{}", found.words);
        }
    }
}
