//! Bar R3: a full disk, or a read-only one.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{Client, Server, until};

/// A mount visible only in its namespace. `None` if this machine does not permit one.
fn in_own_mount(options: &str, folder: &Path, script: &str) -> Option<Command> {
    let flags = ["-m", "-rm"].into_iter().find(|flags| {
        let tried = Command::new("unshare")
            .args([flags, "sh", "-c", "mount -t tmpfs none \"$0\""])
            .arg(folder)
            .output();
        tried.is_ok_and(|output| output.status.success())
    })?;
    let mut command = Command::new("unshare");
    let shell = format!("set -e; mount -t tmpfs -o {options},mode=700 none \"$1\"; {script}");
    command
        .args([flags, "sh", "-c", &shell, env!("CARGO_BIN_EXE_keycroft")])
        .arg(folder);
    Some(command)
}

/// Fills the rest of a disk.
fn fill(path: &Path) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    for size in [65_536, 4_096, 512, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn full_disk_rejects_writes_serves_reads_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let script = "\"$0\" user add alice --admin --db \"$1/keycroft.db\" >&2; \"$0\" user token alice --db \"$1/keycroft.db\" > \"$1/token\"; \
                  exec \"$0\" serve --listen 127.0.0.1:0 --db \"$1/keycroft.db\"";
    let Some(mut command) = in_own_mount("size=4m", folder.path(), script) else {
        eprintln!("not tested: this machine gives nobody a mount of their own");
        return;
    };
    let server = Server::spawn(&mut command);
    let inside = PathBuf::from(format!(
        "/proc/{}/root{}",
        server.child.id(),
        folder.path().display()
    ));
    let alice = fs::read_to_string(inside.join("token"))
        .unwrap()
        .trim()
        .to_owned();
    let mut client = server.client();
    super::process::allow_many(&mut client, &alice);
    let mut acknowledged = Vec::new();
    let mut make = |client: &mut Client, name: String| {
        let wait = client
            .stream
            .get_ref()
            .set_read_timeout(Some(Duration::from_secs(10)));
        wait.unwrap();
        let answer = client.ask(
            "POST",
            "/api/v1/api-keys",
            &alice,
            &format!("{{\"name\": \"{name}\"}}"),
        );
        if answer.status == 201 {
            acknowledged.push(answer.field("secret"));
        }
        answer
    };
    assert_eq!(make(&mut client, "before".to_owned()).status, 201);
    for round in 0..3 {
        let filler = inside.join("filler");
        fill(&filler);
        let mut rejected = 0;
        let mut tries = 0;
        // The WAL has space from earlier writes; it runs out.
        while rejected < 10 {
            tries += 1;
            assert!(tries < 20_000, "the disk never was full");
            let answer = make(&mut client, format!("full {round} {tries}"));
            match answer.status {
                201 => fill(&filler),
                503 | 507 => rejected += 1,
                _ => panic!("{answer:?}"),
            }
            if answer.status != 201 {
                assert!(
                    answer.head.to_lowercase().contains("retry-after"),
                    "{answer:?}"
                );
                assert_eq!(client.verify(&alice), 204);
                assert_eq!(
                    server.client().verify(&alice),
                    204,
                    "on a connection of its own"
                );
                assert_eq!(
                    server
                        .client()
                        .ask("GET", "/api/v1/api-keys", &alice, "")
                        .status,
                    200
                );
            }
        }
        assert_eq!(client.ask("GET", "/healthz", &alice, "").status, 503);
        fs::remove_file(&filler).unwrap();
        if round == 0 {
            // Without further writes.
            until("it is healthy again", || {
                client.ask("GET", "/healthz", &alice, "").status == 200
            });
        }
        assert_eq!(make(&mut client, format!("healed {round}")).status, 201);
        assert_eq!(client.ask("GET", "/healthz", &alice, "").status, 200);
    }
    for key in &acknowledged {
        assert_eq!(client.verify(key), 204);
    }
    // A copy, since SQLite can't open paths through `/proc`.
    let copies = tempfile::tempdir().unwrap();
    let db = copies.path().join("keycroft.db");
    for name in ["keycroft.db", "keycroft.db-wal"] {
        fs::copy(inside.join(name), copies.path().join(name)).unwrap();
    }
    let stored = super::support::number(
        &db,
        "SELECT count(*) FROM credentials WHERE kind = 'api-key'",
    );
    assert_eq!(
        stored,
        i64::try_from(acknowledged.len()).unwrap(),
        "nothing but what was acknowledged"
    );
    let events = super::support::number(
        &db,
        "SELECT count(*) FROM events WHERE action = 'api-key.create' AND outcome = 'done'",
    );
    assert_eq!(events, stored);
    super::process::stdout_of(&db, &["audit", "verify"]);
    let sound = super::support::number(&db, "SELECT (SELECT * FROM pragma_integrity_check) = 'ok'");
    assert_eq!(sound, 1);
    assert!(server.terminate().0.success());
}

#[test]
fn server_on_a_read_only_disk_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let script = "\"$0\" user add alice --admin --db \"$1/keycroft.db\" >&2; mount -o remount,ro \"$1\"; \
                  exec \"$0\" serve --listen 127.0.0.1:0 --db \"$1/keycroft.db\"";
    let Some(mut command) = in_own_mount("size=4m", folder.path(), script) else {
        eprintln!("not tested: this machine gives nobody a mount of their own");
        return;
    };
    let output = command.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    let last = message.lines().last().unwrap();
    assert!(
        last.starts_with("keycroft: ") && last.contains("writ"),
        "{message}"
    );
    assert!(!message.contains("listening"), "{message}");
}

/// A disk filled by another program must not keep a leaked key valid.
#[test]
fn revocation_works_on_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let script = "\"$0\" user add alice --admin --db \"$1/keycroft.db\" >&2; \"$0\" user add bob --db \"$1/keycroft.db\" >&2; \
                  \"$0\" user token alice --db \"$1/keycroft.db\" > \"$1/token\"; \"$0\" user token bob --db \"$1/keycroft.db\" > \"$1/bob\"; \
                  exec \"$0\" serve --listen 127.0.0.1:0 --db \"$1/keycroft.db\"";
    let Some(mut command) = in_own_mount("size=8m", folder.path(), script) else {
        eprintln!("not tested: this machine gives nobody a mount of their own");
        return;
    };
    let server = Server::spawn(&mut command);
    let inside = PathBuf::from(format!(
        "/proc/{}/root{}",
        server.child.id(),
        folder.path().display()
    ));
    let secret = |name: &str| {
        fs::read_to_string(inside.join(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    let (alice, bob) = (secret("token"), secret("bob"));
    let reserve = inside.join("keycroft.db-reserve");
    let is_reserved = || fs::metadata(&reserve).is_ok_and(|found| found.len() == 2 << 20);
    until("space is reserved", is_reserved);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&reserve).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut client = server.client();
    super::process::allow_many(&mut client, &alice);
    super::process::allow_many(&mut client, &alice);
    let create = |client: &mut Client, secret: &str, name: &str| {
        client.ask(
            "POST",
            "/api/v1/api-keys",
            secret,
            &format!("{{\"name\": \"{name}\"}}"),
        )
    };
    let keys: Vec<String> = (0..130)
        .map(|number| create(&mut client, &alice, &number.to_string()).field("secret"))
        .collect();
    let bobs = create(&mut client, &bob, "ci").field("secret");
    let filler = inside.join("filler");
    let id = |secret: &String| secret[4..16].to_owned();
    // In the first round, nobody else uses the disk; in the others, another program takes each byte that becomes free.
    let rounds = [&keys[..80], &keys[80..105], &keys[105..]];
    for (round, keys) in rounds.into_iter().enumerate() {
        fill(&filler);
        let mut tries = 0;
        while create(&mut client, &alice, &format!("full {round} {tries}")).status == 201 {
            fill(&filler);
            tries += 1;
            assert!(tries < 20_000, "the disk never was full");
        }
        for (number, key) in keys.iter().enumerate() {
            let path = format!("/api/v1/api-keys/{}", id(key));
            let (answer, valid) = match number % 3 {
                0 => (client.ask("DELETE", &path, &alice, ""), 204),
                1 => (
                    client.ask("PATCH", &path, &alice, "{\"disabled\": true}"),
                    200,
                ),
                _ => (client.form("/oauth/revoke", &format!("token={key}")), 200),
            };
            assert_eq!(answer.status, valid, "{round} {number}: {answer:?}");
            assert_eq!(client.verify(key), 401, "{round} {number}");
            // No other write uses the rest, however often it is tried.
            if round > 0 {
                fill(&filler);
            }
            let rejected = create(&mut client, &alice, &format!("greedy {round} {number}"));
            assert!(matches!(rejected.status, 503 | 507), "{rejected:?}");
        }
        assert_eq!(client.ask("GET", "/healthz", &alice, "").status, 503);
        assert_eq!(client.verify(&alice), 204);
        if round == 2 {
            assert_eq!(
                client
                    .ask("POST", "/api/v1/users/bob/offboard", &alice, "{}")
                    .status,
                200
            );
            assert_eq!(client.verify(&bobs), 401);
        }
        fs::remove_file(&filler).unwrap();
        until("it is healthy again", || {
            client.ask("GET", "/healthz", &alice, "").status == 200
        });
        assert_eq!(
            create(&mut client, &alice, &format!("healed {round}")).status,
            201
        );
        assert!(is_reserved(), "the space is reserved again");
    }
    let copies = tempfile::tempdir().unwrap();
    let db = copies.path().join("keycroft.db");
    for name in ["keycroft.db", "keycroft.db-wal"] {
        fs::copy(inside.join(name), copies.path().join(name)).unwrap();
    }
    super::process::stdout_of(&db, &["audit", "verify"]);
    assert!(server.terminate().0.success());
}
