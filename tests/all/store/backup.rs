//! Bar R10: backups during writes to the server, and the answers of a restored one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use keycroft::model::secret::Presented;

use super::process::{
    Fate, Server, allow_many, keycroft, load_telling, new_lab, require_all, rounds, run, stdout_of,
};

fn id(secret: &str) -> String {
    Presented::parse(secret).unwrap().id.to_string()
}

/// `KEYCROFT_TEST_BACKUPS=50` is the long form.
#[test]
fn backup_contains_every_earlier_acknowledged_write() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let alice = new_lab(&db);
    let server = Server::start(&db);
    allow_many(&mut server.client(), &alice);
    let acknowledged = Mutex::new(Vec::<(String, Fate)>::new());
    let enough = AtomicBool::new(false);
    let backups = rounds("KEYCROFT_TEST_BACKUPS", 10);
    thread::scope(|scope| {
        let (enough, acknowledged) = (&enough, &acknowledged);
        let (address, alice) = (server.address, alice.as_str());
        scope.spawn(move || {
            load_telling(
                address,
                alice,
                0,
                &|| enough.load(Ordering::Relaxed),
                acknowledged,
            );
        });
        for number in 0..backups {
            let before = acknowledged.lock().unwrap().clone();
            let backup = folder.path().join(format!("backup-{number}.db"));
            let output = run(&db, &["backup", backup.to_str().unwrap()]);
            assert!(output.status.success(), "{output:?}");
            let mode = fs::metadata(&backup).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o600);
            let copy = rusqlite::Connection::open(&backup).unwrap();
            let one = |sql: &str| -> String { copy.query_row(sql, [], |row| row.get(0)).unwrap() };
            assert_eq!(one("PRAGMA integrity_check"), "ok");
            let mut state = copy
                .prepare("SELECT deleted_at IS NULL FROM credentials WHERE id = ?")
                .unwrap();
            for (key, fate) in &before {
                let lives: bool = state.query_row([id(key)], |row| row.get(0)).unwrap();
                match fate {
                    Fate::Ended => assert!(!lives, "an acknowledged deletion is not in it"),
                    Fate::Lives | Fate::Unknown => {}
                }
            }
        }
        enough.store(true, Ordering::Relaxed);
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > backups, "there was a load");
    require_all(&mut server.client(), &acknowledged);
    let last = folder.path().join("last.db");
    stdout_of(&db, &["backup", last.to_str().unwrap()]);
    assert!(server.terminate().0.success());

    let elsewhere = tempfile::tempdir().unwrap();
    let restored = elsewhere.path().join("keycroft.db");
    let listed = stdout_of(&restored, &["restore", last.to_str().unwrap()]);
    let server = Server::start(&restored);
    let mut client = server.client();
    require_all(&mut client, &acknowledged);
    assert_eq!(client.verify(&alice), 401, "tokens end with a restore");
    for (key, fate) in &acknowledged {
        let is_listed = listed.contains(&id(key));
        assert_eq!(is_listed, client.verify(key) == 204, "{fate:?}");
    }
    let new = stdout_of(&restored, &["user", "token", "alice"]);
    assert_eq!(client.verify(&new), 204);
    stdout_of(&restored, &["audit", "verify"]);
    let check = stdout_of(&restored, &["check"]);
    assert!(!check.contains("BAD\t"), "{check}");
}

#[test]
fn backup_to_standard_output_is_equal() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    new_lab(&db);
    let output = run(&db, &["backup", "-"]);
    assert!(output.status.success(), "{output:?}");
    let piped = folder.path().join("piped.db");
    fs::write(&piped, &output.stdout).unwrap();
    fs::set_permissions(&piped, fs::Permissions::from_mode(0o600)).unwrap();
    let elsewhere = folder.path().join("restored.db");
    stdout_of(&elsewhere, &["restore", piped.to_str().unwrap()]);
    assert!(stdout_of(&elsewhere, &["user", "list"]).starts_with("alice\t"));
    let full = keycroft(&db, &["backup", "-"])
        .stdout(
            fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        )
        .output()
        .unwrap();
    assert_eq!(full.status.code(), Some(1), "{full:?}");
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".new-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn backup_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    new_lab(&db);
    let other = folder.path().join("precious");
    fs::write(&other, "precious").unwrap();
    let rejected = run(&db, &["backup", other.to_str().unwrap()]);
    assert_eq!(rejected.status.code(), Some(1));
    assert_eq!(fs::read(&other).unwrap(), b"precious");
    let itself = run(&db, &["backup", db.to_str().unwrap()]);
    assert_eq!(itself.status.code(), Some(1));
    stdout_of(&db, &["audit", "verify"]);
}
