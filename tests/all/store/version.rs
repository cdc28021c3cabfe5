//! Bar R11: databases of earlier versions, kept under `tests/files`, are migrated with all their data.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use keycroft::app::{AppState, Condition, Verdict};
use keycroft::clock::Clock;
use keycroft::model::password::Password;
use keycroft::model::secret::Presented;
use keycroft::model::time::Time;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::support::{caller, origin};

const VERSION_1: &str = include_str!("../../files/version-1.sql");
/// A minute after the last event in it.
const THEN: Time = Time::from_unix(1_795_369_800);

const ENDLESS: &str = "kca_qps8acxuyyn0_Jypu64AIsFo4OxKAgTG9xbiLhuw2hi5G1zw9Hz";
const LIMITED: &str = "kca_aebb8j9ps0ys_bIvvmDqLVC7A02D4I1iTxni9dp1t1wZS1Wvixw";
const DISABLED: &str = "kca_mr8mwoc40xde_zVdgFLs1KxHsZK6e2wFPS6rg7l4eEo4D3AKAYn";
const DELETED: &str = "kca_scrhqyvwnsb2_aCmWCY7S2nNYdwNb6Q6JLe7RbycfXAhK3WDGtj";
const ROTATED_BEFORE: &str = "kca_w4cdwcxlkxwk_l7MvGyt3MJxMDrbOAc0WVvRAsMZw6jE13Elq3w";
const ROTATED: &str = "kca_w4cdwcxlkxwk_ggWFWtyb94FAeRSDxyvCLTCMaLELIRRA3Url0B";
const OF_SERVICE: &str = "kca_zp9z2dmu5ktc_4bYfcGjlQVt2tFo6dGHUJO7G6QM40hIQ24Pb8d";
/// The result of `audit verify` at its creation.
const HEAD: &str = "800e3d35ce33413f45634757d8fb5fbebbb452d42019fb46f545a98aff7bf689";

fn write(sql: &str, path: &Path) {
    let file = Connection::open(path).unwrap();
    let permissions = fs::Permissions::from_mode(0o600);
    fs::set_permissions(path, permissions).unwrap();
    file.pragma_update(None, "foreign_keys", "OFF").unwrap();
    file.execute_batch(&format!("PRAGMA journal_mode = WAL; BEGIN; {sql} COMMIT;"))
        .unwrap();
    file.close().unwrap();
}

/// Columns of version 1 that a later version renamed or reworded: table, old column, the same value now (an SQL
/// expression).
const RENAMED: &[(&str, &str, &str)] = &[
    ("credentials", "networks", "allowed_addresses"),
    ("credentials", "made_by", "created_by"),
    ("credentials", "made_under", "root_api_key"),
    ("hosts", "copied_at", "cached_at"),
    ("credentials", "ended_at", "deleted_at"),
    (
        "credentials",
        "ended_reason",
        "replace(deletion_reason, 'offboarded', 'left')",
    ),
    ("codes", "made_by", "created_by"),
    ("codes", "made_under", "root_api_key"),
    ("codes", "maker_id", "creator_id"),
    (
        "codes",
        "purpose",
        "replace(purpose, 'enrollment', 'enrolment')",
    ),
    ("ssh_keys", "networks", "allowed_addresses"),
    ("ssh_keys", "made_by", "created_by"),
    ("ssh_keys", "made_under", "root_api_key"),
    ("events", "way", "channel"),
];

type Table = (String, Vec<String>);

/// Every value of these columns.
fn content(path: &Path, tables: &[Table]) -> Vec<(String, Vec<Vec<Value>>)> {
    let file = Connection::open(path).unwrap();
    let rows = |(table, columns): &Table| {
        let sql = format!("SELECT {} FROM {table} ORDER BY 1, 2", columns.join(", "));
        let mut statement = file.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| {
            (0..columns.len()).map(|column| row.get(column)).collect()
        });
        (table.clone(), rows.unwrap().map(Result::unwrap).collect())
    };
    tables.iter().map(rows).collect()
}

fn tables(path: &Path) -> Vec<Table> {
    let file = Connection::open(path).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = file.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let columns = |table: String| {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"));
        (table, columns)
    };
    let tables = names(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    );
    tables.into_iter().map(columns).collect()
}

/// These tables with the present names of their columns.
fn renamed(tables: &[Table]) -> Vec<Table> {
    let rename = |(table, columns): &Table| {
        if table == "webhook" {
            let columns = ["number", "url", "signing_key", "created_at"].map(str::to_owned);
            return ("notice_channels".to_owned(), columns.into());
        }
        let columns = columns.iter().map(|column| {
            let new = RENAMED
                .iter()
                .find(|(of, old, _)| of == table && old == column);
            new.map_or(column.clone(), |(_, _, new)| (*new).to_owned())
        });
        (table.clone(), columns.collect())
    };
    tables.iter().map(rename).collect()
}

#[test]
fn migrated_version_1_keeps_all_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    let offboarded = "UPDATE credentials SET ended_reason = 'left' WHERE ended_at IS NOT NULL;";
    write(&format!("{VERSION_1}; {offboarded}"), &path);
    let tables = tables(&path);
    let before = content(&path, &tables);
    assert!(
        before
            .iter()
            .all(|(table, rows)| !rows.is_empty() || table == "device_logins"),
        "each table has rows"
    );
    let app_state = AppState::open(&path, Clock::manual(THEN)).unwrap();
    app_state.close();
    let rows = |content: Vec<(String, Vec<Vec<Value>>)>| -> Vec<Vec<Vec<Value>>> {
        content.into_iter().map(|(_, rows)| rows).collect()
    };
    assert_eq!(
        rows(content(&path, &renamed(&tables))),
        rows(before.clone())
    );
    let kept = folder.path().join("keycroft.db.before-schema-2");
    assert_eq!(content(&kept, &tables), before, "the copy of before");
    assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o600);
    let findings = AppState::examine(&path, &Clock::manual(THEN));
    for finding in &findings {
        assert_ne!(
            finding.condition,
            Condition::Wrong,
            "{}: {}. A schema changes by a step in src/store/migrate.rs",
            finding.subject,
            finding.words
        );
    }
}

#[test]
fn copy_kept_before_a_migration_replaces_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    write(VERSION_1, &path);
    let tables = tables(&path);
    let before = content(&path, &tables);
    let earlier = folder.path().join("keycroft.db.before-schema-2");
    fs::write(&earlier, "an earlier copy").unwrap();
    AppState::open(&path, Clock::manual(THEN)).unwrap().close();
    assert_eq!(fs::read(&earlier).unwrap(), b"an earlier copy");
    let kept = folder.path().join("keycroft.db.before-schema-2-2");
    assert_eq!(content(&kept, &tables), before);
    // A start without a migration creates no copy.
    AppState::open(&path, Clock::manual(THEN)).unwrap().close();
    assert!(!folder.path().join("keycroft.db.before-schema-2-3").exists());
}

/// A migration that is killed leaves the kept copy, and perhaps an unfinished one. The next start adds no other.
#[test]
fn start_after_a_killed_migration_keeps_no_second_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    write(VERSION_1, &path);
    let original = fs::read(&path).unwrap();
    AppState::open(&path, Clock::manual(THEN)).unwrap().close();
    let beside = |ending: &str| {
        folder
            .path()
            .join(format!("keycroft.db.before-schema-2{ending}"))
    };
    let kept = fs::read(beside("")).unwrap();
    fs::write(&path, &original).unwrap();
    fs::write(beside(".new"), "half a copy").unwrap();
    AppState::open(&path, Clock::manual(THEN)).unwrap().close();
    assert_eq!(fs::read(beside("")).unwrap(), kept);
    for ending in ["-2", ".new"] {
        assert!(!beside(ending).exists(), "{ending}");
    }
    // With another content, both are kept.
    fs::write(&path, &original).unwrap();
    let file = Connection::open(&path).unwrap();
    file.execute_batch("UPDATE users SET display_name = 'Somebody else'")
        .unwrap();
    file.close().unwrap();
    AppState::open(&path, Clock::manual(THEN)).unwrap().close();
    assert!(beside("-2").exists());
    assert_eq!(fs::read(beside("")).unwrap(), kept);
}

#[test]
fn failed_migration_leaves_no_copy_and_the_database_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    write(VERSION_1, &path);
    let tables = tables(&path);
    // A value that no schema allows.
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch("PRAGMA ignore_check_constraints = ON; UPDATE users SET role = 'god'")
        .unwrap();
    drop(file);
    let before = content(&path, &tables);
    for _ in 0..2 {
        let opened = AppState::open(&path, Clock::manual(THEN));
        assert!(opened.is_err());
        assert_eq!(content(&path, &tables), before);
        let names = fs::read_dir(folder.path()).unwrap();
        let names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(
            names.iter().all(|name| !name.contains("before-schema")),
            "{names:?}"
        );
    }
}

#[test]
fn credentials_of_version_1_stay_valid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    write(VERSION_1, &path);
    let app_state = AppState::open(&path, Clock::manual(THEN)).unwrap();
    let app = app_state.app().unwrap();
    match app.audit_log().unwrap().verify_events(|_| ()).unwrap() {
        Verdict::Whole { head, .. } => {
            assert_eq!((head.number, head.hash.hex().as_str()), (20, HEAD));
        }
        Verdict::Broken { number } => panic!("event {number}"),
    }
    for (secret, owner) in [
        (ENDLESS, "alice"),
        (LIMITED, "alice"),
        (ROTATED, "alice"),
        (ROTATED_BEFORE, "alice"),
        (OF_SERVICE, "slurm"),
    ] {
        assert_eq!(
            caller(&app, secret)
                .unwrap()
                .credential()
                .unwrap()
                .owner
                .name(),
            owner
        );
    }
    for secret in [DISABLED, DELETED] {
        assert!(caller(&app, secret).is_err(), "{secret}");
    }
    let limited = caller(&app, LIMITED).unwrap();
    assert_eq!(limited.power.to_string(), "account:read");
    assert!(
        !limited
            .credential()
            .unwrap()
            .allowed_addresses
            .is_everywhere()
    );
    let typed = |text| Password::typed(text).unwrap();
    let signed_in = app.sign_in(
        "bob",
        &typed("green kettles hum at dusk"),
        None,
        origin(),
        THEN,
    );
    let bob = signed_in.unwrap().done().unwrap().user;
    assert_eq!(bob.groups, ["gpu"]);
    assert_eq!(bob.granted.to_string(), "introspect slurm:submit");
    assert_eq!(bob.granted_by_role.to_string(), "slurm:cancel");
    assert!(Presented::parse(ENDLESS).is_some());
}

/// Version 1 lost a use with the second rotation after it; the daily counts still have it.
#[test]
fn use_lost_by_version_1_is_recovered_from_daily_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    write(VERSION_1, &path);
    let file = Connection::open(&path).unwrap();
    let id = &ROTATED[4..16];
    let day = THEN.day().number();
    file.execute(
        "INSERT INTO last_uses (credential_id) VALUES (?1) ON CONFLICT DO UPDATE SET at = NULL, previous_at = NULL",
        [id],
    )
    .unwrap();
    file.execute("DELETE FROM usage_days WHERE credential_id = ?1", [id])
        .unwrap();
    file.execute(
        "INSERT INTO usage_days VALUES (?1, ?2 - 9, 3, 0), (?1, ?2, 0, 1)",
        rusqlite::params![id, day],
    )
    .unwrap();
    file.close().unwrap();
    let app_state = AppState::open(&path, Clock::manual(THEN)).unwrap();
    let app = app_state.app().unwrap();
    let alice = caller(&app, ENDLESS).unwrap();
    let scope = keycroft::app::App::own(&alice, keycroft::model::credential::Kind::ApiKey);
    let key = app.credential(
        &alice,
        &scope.unwrap(),
        keycroft::model::credential::Kind::ApiKey,
        Presented::parse(ROTATED).unwrap().id,
    );
    let last = key.unwrap().last_use.unwrap();
    assert_eq!(last.at.unix(), (day - 9) * 86_400);
    let file = Connection::open(&path).unwrap();
    let sql = "SELECT last_used_at FROM credentials WHERE id = ?1";
    let listed: i64 = file.query_row(sql, [id], |row| row.get(0)).unwrap();
    assert_eq!(listed, last.at.unix(), "lists sort by it");
}
