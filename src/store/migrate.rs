//! Migrations of earlier schema versions, one transaction for each version.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::WRITER_BUSY;
use super::open_error::OpenError;
use super::schema::SCHEMA;

/// Migrates the schema by one version, inside the transaction of that version.
type Step = fn(&Transaction) -> rusqlite::Result<()>;

/// Step `n` (counted from 1) migrates version `n` to `n + 1`. A released step never changes.
const STEPS: &[Step] = &[to_version_2];

/// The version of `schema.sql`.
pub(super) const VERSION: u32 = 2;

/// Columns that version 2 renames or rewords: table, value in version 1 (an SQL expression), column in version 2.
const RENAMED_IN_2: &[(&str, &str, &str)] = &[
    ("credentials", "networks", "allowed_addresses"),
    ("credentials", "made_by", "created_by"),
    ("credentials", "made_under", "root_api_key"),
    ("hosts", "copied_at", "cached_at"),
    ("credentials", "ended_at", "deleted_at"),
    (
        "credentials",
        "CASE ended_reason WHEN 'left' THEN 'offboarded' ELSE ended_reason END",
        "deletion_reason",
    ),
    ("codes", "made_by", "created_by"),
    ("codes", "made_under", "root_api_key"),
    ("codes", "maker_id", "creator_id"),
    (
        "codes",
        "CASE purpose WHEN 'enrolment' THEN 'enrollment' ELSE purpose END",
        "purpose",
    ),
    ("ssh_keys", "networks", "allowed_addresses"),
    ("ssh_keys", "made_by", "created_by"),
    ("ssh_keys", "made_under", "root_api_key"),
    ("events", "way", "channel"),
];

/// Recreates every table from `schema.sql` and copies the rows, so that a migrated schema equals a new one to the letter.
/// Before version 3, this step gets a frozen copy of the schema of version 2.
fn to_version_2(transaction: &Transaction) -> rusqlite::Result<()> {
    transaction.execute_batch("CREATE TEMP TABLE webhook_of_1 AS SELECT * FROM main.webhook")?;
    recreate(transaction, SCHEMA, RENAMED_IN_2)?;
    transaction.execute_batch(
        "INSERT INTO notice_channels (number, id, name, kind, url, signing_key, created_at) \
         SELECT id, lower(hex(randomblob(6))), 'webhook', 'webhook', url, signing_key, created_at FROM temp.webhook_of_1; \
         DROP TABLE temp.webhook_of_1",
    )?;
    // A second rotation lost the time at which the first secret was used. The day at least is known.
    transaction.execute_batch(
        "UPDATE last_uses SET earlier_at = known.at \
         FROM (SELECT credential_id, max(day) * 86400 AS at FROM usage_days WHERE uses > 0 GROUP BY credential_id) known \
         WHERE known.credential_id = last_uses.credential_id \
         AND known.at > max(coalesce(last_uses.at, 0), coalesce(last_uses.previous_at, 0)); \
         UPDATE last_uses SET uses = known.uses \
         FROM (SELECT credential_id, sum(uses) AS uses FROM usage_days GROUP BY credential_id) known \
         WHERE known.credential_id = last_uses.credential_id",
    )
}

/// Recreates all tables from `schema` and copies the columns that both sides have. A new column takes its default, a
/// new table starts empty. Tables of other programs (`_litestream_…`) are left alone. Source: "Making Other Kinds Of
/// Table Schema Changes", <https://sqlite.org/lang_altertable.html#otheralter>.
fn recreate(
    transaction: &Transaction,
    schema: &str,
    renamed: &[(&str, &str, &str)],
) -> rusqlite::Result<()> {
    let names = |sql: &str| -> rusqlite::Result<Vec<String>> {
        let mut statement = transaction.prepare(sql)?;
        let found = statement.query_map([], |row| row.get(0))?;
        found.collect()
    };
    // Without this, renaming a table also rewrites the references to it in other tables.
    transaction.pragma_update(None, "legacy_alter_table", "ON")?;
    for kind in ["trigger", "index"] {
        let sql =
            format!("SELECT name FROM sqlite_schema WHERE type = '{kind}' AND sql IS NOT NULL");
        for name in names(&sql)? {
            transaction.execute_batch(&format!("DROP {kind} \"{name}\""))?;
        }
    }
    let tables = names(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_litestream_*'",
    )?;
    for table in &tables {
        transaction.execute_batch(&format!("ALTER TABLE {table} RENAME TO old_{table}"))?;
    }
    transaction.execute_batch(schema)?;
    let columns = |table: &str| names(&format!("SELECT name FROM pragma_table_info('{table}')"));
    for table in &tables {
        let old = columns(&format!("old_{table}"))?;
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for column in columns(table)? {
            let renamed = renamed
                .iter()
                .find(|(of, _, new)| of == table && *new == column);
            if let Some((_, value, _)) = renamed {
                from.push((*value).to_owned());
                to.push(column);
            } else if old.contains(&column) {
                from.push(column.clone());
                to.push(column);
            }
        }
        if !to.is_empty() {
            transaction.execute_batch(&format!(
                "INSERT INTO {table} ({}) SELECT {} FROM old_{table}",
                to.join(", "),
                from.join(", ")
            ))?;
        }
        // AUTOINCREMENT: a number of a deleted row is never reused.
        transaction.execute_batch(&format!(
            "DELETE FROM sqlite_sequence WHERE name = '{table}';
             UPDATE sqlite_sequence SET name = '{table}' WHERE name = 'old_{table}';
             DROP TABLE old_{table};"
        ))?;
    }
    transaction.pragma_update(None, "legacy_alter_table", "OFF")
}

const _: () = assert!(
    STEPS.len() + 1 == VERSION as usize,
    "every version has its step"
);

/// How long to wait for another process that migrates.
const BUSY: Duration = Duration::from_secs(30);

/// Runs the missing steps. After a kill at any moment, the next start continues with the step that was not committed.
pub(super) fn migrate(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let reject = |error: rusqlite::Error| {
        OpenError::new(
            path,
            &format!("it can't be migrated and is unchanged: {error}"),
        )
    };
    let from = version(connection).map_err(reject)?;
    run_steps(connection, STEPS).map_err(reject)?;
    if from < VERSION {
        log::info!("schema migrated from version {from} to {VERSION}");
    }
    Ok(())
}

/// Returns whether the database has an older schema.
pub(super) fn is_needed(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let from = version(connection)
        .map_err(|error| OpenError::new(path, &format!("its version can't be read: {error}")))?;
    Ok(from < VERSION)
}

/// The schema version of the database.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn run_steps(connection: &Connection, steps: &[Step]) -> rusqlite::Result<()> {
    loop {
        let from = version(connection)?;
        let Some(&step) = (from as usize)
            .checked_sub(1)
            .and_then(|place| steps.get(place))
        else {
            return Ok(());
        };
        // A step may recreate a table. Dropping the old one must not delete the rows that refer to it.
        connection.pragma_update(None, "foreign_keys", "OFF")?;
        connection.busy_timeout(BUSY)?;
        let done = run_step(connection, from, step);
        connection.busy_timeout(WRITER_BUSY)?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        done?;
    }
}

fn run_step(connection: &Connection, from: u32, step: Step) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    if version(&transaction)? != from {
        // Another process migrated first.
        return Ok(());
    }
    step(&transaction)?;
    let stray =
        transaction.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
            row.get::<_, i64>(0)
        })?;
    if stray > 0 {
        let why = format!("{stray} rows refer to deleted rows");
        return Err(rusqlite::Error::ToSqlConversionFailure(why.into()));
    }
    transaction.pragma_update(None, "user_version", from + 1)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tempfile::TempDir;

    use super::*;

    const OLD: &str = "PRAGMA journal_mode = WAL;
        CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
        CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents (id) ON DELETE CASCADE) STRICT;
        INSERT INTO parents SELECT value, 'parent ' || value FROM generate_series(1, 300);
        INSERT INTO children SELECT value, value FROM generate_series(1, 300);
        PRAGMA user_version = 1;";
    fn widen(transaction: &Transaction) -> rusqlite::Result<()> {
        transaction.execute_batch(
            "ALTER TABLE parents ADD COLUMN note TEXT; UPDATE parents SET note = 'note of ' || name;",
        )
    }
    /// Recreates the table, as SQLite recommends for changes that ALTER TABLE can't make.
    fn rebuild(transaction: &Transaction) -> rusqlite::Result<()> {
        transaction.execute_batch("CREATE TABLE parents_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, note TEXT NOT NULL) STRICT;
        INSERT INTO parents_new SELECT * FROM parents; DROP TABLE parents; ALTER TABLE parents_new RENAME TO parents;")
    }
    const STEPS: &[Step] = &[widen, rebuild, |transaction| {
        transaction.execute_batch("CREATE INDEX by_note ON parents (note);")
    }];

    fn old_file(folder: &TempDir) -> Connection {
        let connection = open(&folder.path().join("file"));
        let series = OLD.replace("generate_series(1, 300)", "series");
        let with = "CREATE TEMP TABLE series AS WITH RECURSIVE r(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM r WHERE value < 300) SELECT value FROM r;";
        connection
            .execute_batch(&format!("{with}{series}"))
            .unwrap();
        connection
    }

    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection
            .pragma_update(None, "foreign_keys", "ON")
            .unwrap();
        // So small that the pages of a step reach the database before its commit.
        connection.pragma_update(None, "cache_size", 2).unwrap();
        connection
    }

    /// All content that the steps must preserve.
    fn content(connection: &Connection) -> String {
        let sql = "SELECT (SELECT group_concat(id || name || note, char(10) ORDER BY id) FROM parents) || (SELECT group_concat(id || parent ORDER BY id) FROM children)
            || (SELECT group_concat(name ORDER BY name) FROM sqlite_schema)";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn complete(connection: &Connection) -> bool {
        let verdict: String = connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        verdict == "ok"
    }

    #[test]
    fn recreated_table_keeps_references() {
        let folder = tempfile::tempdir().unwrap();
        let connection = old_file(&folder);
        run_steps(&connection, STEPS).unwrap();
        assert_eq!(version(&connection).unwrap(), 4);
        let children: i64 = connection
            .query_row("SELECT count(*) FROM children", [], |row| row.get(0))
            .unwrap();
        assert_eq!(children, 300);
        let on: bool = connection
            .query_row("PRAGMA foreign_keys", [], |row| row.get(0))
            .unwrap();
        assert!(on, "foreign keys are enforced again");
    }

    #[test]
    fn failed_migration_step_leaves_the_database_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let connection = old_file(&folder);
        let broken: &[Step] = &[widen, |transaction| {
            transaction.execute_batch("DELETE FROM children; INSERT INTO nowhere VALUES (1);")
        }];
        assert!(run_steps(&connection, broken).is_err());
        assert_eq!(version(&connection).unwrap(), 2);
        let stray: &[Step] = &[widen, |transaction| {
            transaction.execute_batch("DELETE FROM parents WHERE id = 7;")
        }];
        let error = run_steps(&connection, stray).unwrap_err();
        assert!(error.to_string().contains("1 rows refer"), "{error}");
        assert_eq!(version(&connection).unwrap(), 2);
        run_steps(&connection, STEPS).unwrap();
        let expected = tempfile::tempdir().unwrap();
        let straight = old_file(&expected);
        run_steps(&straight, STEPS).unwrap();
        assert_eq!(content(&connection), content(&straight));
    }

    #[test]
    fn killed_migration_is_finished_by_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = old_file(&folder);
        let copies = tempfile::tempdir().unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let (from, to, count) = (
            folder.path().to_owned(),
            copies.path().to_owned(),
            Arc::clone(&taken),
        );
        // The state that a process killed now would leave: the database and its WAL as the system has them.
        let take_copy = move || {
            let place = to.join(count.fetch_add(1, Ordering::Relaxed).to_string());
            fs::create_dir(&place).unwrap();
            for name in ["file", "file-wal"] {
                fs::copy(from.join(name), place.join(name)).unwrap();
            }
            false
        };
        connection.progress_handler(500, Some(take_copy)).unwrap();
        run_steps(&connection, STEPS).unwrap();
        connection
            .progress_handler(0, None::<fn() -> bool>)
            .unwrap();
        let finished = content(&connection);
        let mut found = [0; 5];
        for number in 0..taken.load(Ordering::Relaxed) {
            let killed = open(&copies.path().join(number.to_string()).join("file"));
            found[version(&killed).unwrap() as usize] += 1;
            run_steps(&killed, STEPS).unwrap();
            assert_eq!(content(&killed), finished, "killed at {number}");
            assert!(complete(&killed));
        }
        assert!(
            found[1] > 0 && found[2] > 0 && found[3] > 0,
            "killed within each step: {found:?}"
        );
    }

    const NEW: &str = "CREATE TABLE things (id INTEGER PRIMARY KEY AUTOINCREMENT, created_by TEXT, more INTEGER NOT NULL DEFAULT 7) STRICT;
             CREATE TABLE parts (thing INTEGER NOT NULL REFERENCES things (id) ON DELETE CASCADE) STRICT;
             CREATE INDEX by_creator ON things (created_by);";

    #[test]
    fn recreate_copies_columns_and_keeps_foreign_tables() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder.path().join("file"));
        connection
            .execute_batch(
                "CREATE TABLE things (id INTEGER PRIMARY KEY AUTOINCREMENT, made_by TEXT, dropped TEXT) STRICT;
                 CREATE INDEX by_maker ON things (made_by);
                 INSERT INTO things VALUES (1, 'alice', 'x'), (9, 'bob', 'y'); DELETE FROM things WHERE id = 9;
                 CREATE TABLE parts (thing INTEGER NOT NULL REFERENCES things (id) ON DELETE CASCADE) STRICT;
                 INSERT INTO parts VALUES (1);
                 CREATE TRIGGER things_stay BEFORE DELETE ON things BEGIN SELECT raise(ABORT, 'stays'); END;
                 CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
                 INSERT INTO _litestream_seq VALUES (1, 42);
                 PRAGMA foreign_keys = OFF; PRAGMA user_version = 1;",
            )
            .unwrap();
        run_steps(
            &connection,
            &[|transaction| recreate(transaction, NEW, &[("things", "made_by", "created_by")])],
        )
        .unwrap();
        let row: (i64, String, i64, i64, i64) = connection
            .query_row(
                "SELECT id, created_by, more, (SELECT count(*) FROM parts), (SELECT seq FROM _litestream_seq) FROM things",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
            )
            .unwrap();
        assert_eq!(row, (1, "alice".to_owned(), 7, 1, 42));
        connection
            .execute_batch("INSERT INTO things (created_by) VALUES ('carol')")
            .unwrap();
        assert_eq!(connection.last_insert_rowid(), 10, "9 was given before");
        let fresh = Connection::open_in_memory().unwrap();
        fresh.execute_batch(NEW).unwrap();
        let schema = |of: &Connection| -> Vec<String> {
            let sql = "SELECT sql FROM sqlite_schema WHERE name NOT GLOB '_litestream*' AND name NOT GLOB 'sqlite_*' ORDER BY name";
            let mut statement = of.prepare(sql).unwrap();
            let found = statement.query_map([], |row| row.get(0)).unwrap();
            found.map(Result::unwrap).collect()
        };
        assert_eq!(schema(&connection), schema(&fresh));
    }

    #[test]
    fn present_schema_version_is_not_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let connection = old_file(&folder);
        run_steps(&connection, STEPS).unwrap();
        let before = fs::read(folder.path().join("file-wal")).unwrap();
        run_steps(&connection, STEPS).unwrap();
        assert_eq!(fs::read(folder.path().join("file-wal")).unwrap(), before);
    }
}
