//! Commands of the operator: restore, check, migrate.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use keycroft::app::AppState;
use keycroft::clock::Clock;
use keycroft::model::password::Password;
use keycroft::model::time::Time;
use keycroft::model::user::{NewUser, Role, Username};
use rusqlite::Connection;

use super::process::{Server, new_lab, run, stdout_of};
use super::support::{number, origin};

const PASSWORD: &str = "blue teapots sing at dawn";

struct Backed {
    folder: tempfile::TempDir,
    db: PathBuf,
    backup: PathBuf,
    alice: String,
    session: String,
}

/// A database with an admin, a session and an invitation, and a backup of it.
fn backed() -> Backed {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let alice = new_lab(&db);
    let app_state = AppState::open(&db, Clock::System).unwrap();
    let app = app_state.app().unwrap();
    let username = Username::parse("bob").unwrap();
    let password = Password::chosen(PASSWORD, username.as_str()).unwrap();
    let bob = NewUser {
        username,
        display_name: "Bob".to_owned(),
        role: Role::Member,
        password: Some(password),
    };
    app.add_user(&app.operator(0), bob, None).unwrap();
    let typed = Password::typed(PASSWORD).unwrap();
    let signed_in = app
        .sign_in("bob", &typed, None, origin(), app.now())
        .unwrap();
    let session = signed_in.done().unwrap().secret.reveal().to_string();
    super::support::api_key(&app, &alice, "ci", super::support::ENDLESS).unwrap();
    drop(app);
    app_state.close();
    let backup = folder.path().join("backup.db");
    stdout_of(&db, &["backup", backup.to_str().unwrap()]);
    Backed {
        folder,
        db,
        backup,
        alice,
        session,
    }
}

#[test]
fn restore_revokes_short_lived_credentials() {
    let backed = backed();
    let backup = backed.backup.to_str().unwrap();
    let kept = fs::read(&backed.db).unwrap();
    let rejected = run(&backed.db, &["restore", backup]);
    assert_eq!(rejected.status.code(), Some(2), "{rejected:?}");
    let said_why = String::from_utf8(rejected.stderr).unwrap();
    assert!(said_why.contains("--yes"), "{said_why}");
    assert_eq!(fs::read(&backed.db).unwrap(), kept);

    let done = run(&backed.db, &["restore", backup, "--yes"]);
    assert!(done.status.success(), "{done:?}");
    let words = String::from_utf8(done.stderr).unwrap();
    assert!(
        words.contains("revoked 1 tokens, 1 sessions and 1 codes"),
        "{words}"
    );
    let listed = String::from_utf8(done.stdout).unwrap();
    let columns: Vec<&str> = listed.trim_end().split('\t').collect();
    assert_eq!(columns[1..4], ["api-key", "alice", "ci"], "{listed}");
    assert_eq!(columns[6], "never", "when it was last used");
    let aside = kept_aside(&backed);
    assert_eq!(fs::read(&aside).unwrap(), kept, "what was there is kept");
    let of_the_short_lived = "SELECT (SELECT count(*) FROM credentials WHERE kind IN ('token', 'session')) + (SELECT count(*) FROM codes)";
    assert_eq!(number(&backed.db, of_the_short_lived), 0);
    let event = "SELECT count(*) FROM events WHERE action = 'file.restore' AND actor = 'operator'";
    assert_eq!(number(&backed.db, event), 1);
    let mode = fs::metadata(&backed.db).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);

    let server = Server::start(&backed.db);
    assert_eq!(server.client().verify(&backed.alice), 401);
    let app_state = AppState::open(&aside, Clock::System).unwrap();
    let app = app_state.app().unwrap();
    assert!(
        super::support::caller(&app, &backed.alice).is_ok(),
        "it was good before"
    );
    assert!(backed.session.starts_with("kcs_"));
}

#[test]
fn restore_rejects_a_running_server_and_damaged_backups() {
    let backed = backed();
    let backup = backed.backup.to_str().unwrap();
    let server = Server::start(&backed.db);
    let rejected = run(&backed.db, &["restore", backup, "--yes"]);
    assert_eq!(rejected.status.code(), Some(1), "{rejected:?}");
    let words = String::from_utf8(rejected.stderr).unwrap();
    let process = format!("process {} has it open", server.child.id());
    assert!(words.contains(&process), "{words}");
    assert_eq!(server.client().verify(&backed.alice), 204);
    assert!(server.terminate().0.success());

    let kept = fs::read(&backed.db).unwrap();
    let mut damaged = fs::read(&backed.backup).unwrap();
    damaged[4_096..12_288].fill(7);
    fs::write(&backed.backup, damaged).unwrap();
    for existing in [&["--yes"][..], &[]] {
        let mut arguments = vec!["restore", backup];
        arguments.extend(existing);
        let elsewhere = backed.folder.path().join("elsewhere.db");
        let to = if existing.is_empty() {
            &elsewhere
        } else {
            &backed.db
        };
        let rejected = run(to, &arguments);
        assert_eq!(rejected.status.code(), Some(1), "{rejected:?}");
        assert!(!elsewhere.exists());
        assert_eq!(fs::read(&backed.db).unwrap(), kept);
    }
    fs::set_permissions(&backed.backup, fs::Permissions::from_mode(0o644)).unwrap();
    let rejected = run(
        &backed.folder.path().join("elsewhere.db"),
        &["restore", backup],
    );
    let words = String::from_utf8(rejected.stderr).unwrap();
    assert!(words.contains("chmod 600"), "{words}");
}

/// Backups exist to replace a damaged database.
#[test]
fn restore_replaces_a_damaged_database() {
    let backed = backed();
    fs::write(&backed.db, b"nothing of it is left").unwrap();
    let journal = PathBuf::from(format!("{}-wal", backed.db.display()));
    fs::write(&journal, b"nor of its journal").unwrap();
    stdout_of(
        &backed.db,
        &["restore", backed.backup.to_str().unwrap(), "--yes"],
    );
    assert!(!journal.exists());
    assert!(stdout_of(&backed.db, &["user", "list"]).contains("alice"));
    for (ending, kept) in [
        ("", "nothing of it is left"),
        ("-wal", "nor of its journal"),
    ] {
        let aside = format!("{}{ending}", kept_aside(&backed).display());
        assert_eq!(fs::read_to_string(aside).unwrap(), kept);
    }
}

/// The path where a restore keeps the earlier database.
fn kept_aside(backed: &Backed) -> PathBuf {
    let names = fs::read_dir(backed.folder.path()).unwrap();
    let mut names = names.map(|entry| entry.unwrap().path());
    let is_aside = |path: &PathBuf| {
        let name = path.to_string_lossy().into_owned();
        name.contains("keycroft.db.before-") && name.ends_with('Z')
    };
    names.find(is_aside).unwrap()
}

#[test]
fn restore_merges_the_wal_into_the_kept_database() {
    let backed = backed();
    let mut server = Server::start(&backed.db);
    let carol = r#"{"username": "carol"}"#;
    let created = server
        .client()
        .ask("POST", "/api/v1/users", &backed.alice, carol);
    assert_eq!(created.status, 201);
    server.child.kill().unwrap();
    server.ended();
    let journal = PathBuf::from(format!("{}-wal", backed.db.display()));
    assert!(fs::metadata(&journal).unwrap().len() > 0);
    let backup = backed.backup.to_str().unwrap();
    stdout_of(&backed.db, &["restore", backup, "--yes"]);
    assert!(!journal.exists());
    assert!(!stdout_of(&backed.db, &["user", "list"]).contains("carol"));
    let alone = backed.folder.path().join("alone.db");
    fs::copy(kept_aside(&backed), &alone).unwrap();
    assert!(stdout_of(&alone, &["user", "list"]).contains("carol"));
}

fn found(db: &Path) -> (Option<i32>, String) {
    let output = run(db, &["check"]);
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

/// One manual change to a database, and the finding of `check`.
fn require_found(what: &str, damage: &str, subject: &str, words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    new_lab(&db);
    assert_eq!(found(&db).0, Some(0), "{what}: before");
    let by_hand = Connection::open(&db).unwrap();
    by_hand.pragma_update(None, "foreign_keys", "OFF").unwrap();
    by_hand.execute_batch(damage).unwrap();
    by_hand.close().unwrap();
    let (code, message) = found(&db);
    assert_eq!(code, Some(1), "{what}: {message}");
    let line = message.lines().find(|line| line.starts_with("BAD\t"));
    let line = line.unwrap_or_default();
    assert!(
        line.starts_with(&format!("BAD\t{subject}\t")),
        "{what}: {message}"
    );
    assert!(line.contains(words), "{what}: {message}");
}

#[test]
fn check_finds_manual_changes() {
    let unguarded = "DROP TRIGGER events_stay; DROP TRIGGER events_last;";
    let guarded = "CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'events are never changed'); END;
                   CREATE TRIGGER events_last BEFORE DELETE ON events WHEN OLD.number > (SELECT coalesce(max(last), 0) FROM event_archives)
                   BEGIN SELECT raise(ABORT, 'only archived events are deleted'); END;";
    require_found(
        "an event was changed",
        &format!("{unguarded} UPDATE events SET actor = 'nobody' WHERE number = 1; {guarded}"),
        "audit log",
        "event 1 ",
    );
    require_found(
        "an event was deleted",
        &format!("{unguarded} DELETE FROM events WHERE number = 1; {guarded}"),
        "audit log",
        "event 1 ",
    );
    require_found(
        "a trigger was dropped",
        "DROP TRIGGER events_stay",
        "schema",
        "events_stay",
    );
    require_found(
        "a table was added",
        "CREATE TABLE strange (a)",
        "schema",
        "strange",
    );
    require_found(
        "a row refers to what is gone",
        "INSERT INTO group_members (user_id, group_id) VALUES (1, 99)",
        "references",
        "1 rows",
    );
    require_found(
        "the policy is gone",
        "DELETE FROM policy",
        "rows",
        "lacks its policy",
    );
    require_found(
        "the installation is of the future",
        "UPDATE installation SET created_at = 20000000000",
        "clock",
        "set the clock",
    );
}

#[test]
fn check_finds_a_wrong_clock_and_an_open_folder() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    new_lab(&db);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, message) = found(&db);
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains("BAD\tfolder\tother users can write"),
        "{message}"
    );
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();

    let ahead = Clock::manual(Time::from_unix(20_000_000_000));
    let app_state = AppState::open(&db, ahead).unwrap();
    app_state
        .app()
        .unwrap()
        .sweep(&app_state.app().unwrap().operator(0))
        .unwrap();
    app_state.close();
    let (code, message) = found(&db);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("BAD\tclock\t"), "{message}");
}

#[test]
fn check_beside_a_server_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let alice = new_lab(&db);
    let server = Server::start(&db);
    assert_eq!(server.client().verify(&alice), 204);
    let (code, message) = found(&db);
    assert_eq!(code, Some(0), "{message}");
    assert!(message.contains("warn\tbackup\t"), "{message}");
    assert!(server.terminate().0.success());
    let before = fs::read(&db).unwrap();
    assert_eq!(found(&db).0, Some(0));
    assert_eq!(fs::read(&db).unwrap(), before);
}

#[test]
fn migrating_the_present_schema_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    new_lab(&db);
    let before = fs::read(&db).unwrap();
    for arguments in [&["migrate"][..], &["migrate", "--dry-run"]] {
        let output = run(&db, arguments);
        assert!(output.status.success(), "{output:?}");
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains("nothing to do"), "{words}");
        assert_eq!(fs::read(&db).unwrap(), before);
    }
}
