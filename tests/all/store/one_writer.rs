//! Bar D1: the server is the only writer, and local commands reach it through its control socket.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::process::{Server, keycroft_that_ends, new_lab, run, stdout_of};

fn beside(db: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", db.display()))
}

fn lab() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let alice = new_lab(&db);
    (folder, db, alice)
}

#[test]
fn second_server_is_rejected_and_names_the_first() {
    let (_folder, db, alice) = lab();
    let server = Server::start(&db);
    let begun = Instant::now();
    let output = keycroft_that_ends(&db, &["serve", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains(&server.child.id().to_string()), "{words}");
    assert_eq!(server.client().verify(&alice), 204);
    assert_eq!(stdout_of(&db, &["user", "list"]).lines().count(), 1);
}

#[test]
fn killed_server_does_not_block_the_next() {
    let (_folder, db, _) = lab();
    let mut server = Server::start(&db);
    server.child.kill().unwrap();
    server.ended();
    assert!(fs::symlink_metadata(beside(&db, "-control")).is_ok());
    assert_eq!(stdout_of(&db, &["user", "list"]).lines().count(), 1);
    let server = Server::start(&db);
    stdout_of(&db, &["user", "add", "bob"]);
    assert!(server.terminate().0.success());
    assert!(fs::symlink_metadata(beside(&db, "-control")).is_err());
    let mode = |ending| {
        fs::metadata(beside(&db, ending))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("-lock"), 0o600);
}

/// Commands run while the server starts, stops and is killed; each is carried out once.
#[test]
fn local_commands_succeed_while_the_server_starts_and_stops() {
    const COMMANDS: usize = 40;
    let (_folder, db, _) = lab();
    let path = db.clone();
    let adding = thread::spawn(move || {
        for number in 0..COMMANDS {
            stdout_of(&path, &["group", "add", &format!("g{number}")]);
        }
    });
    let mut kills = 0;
    while !adding.is_finished() {
        let mut server = Server::start(&db);
        thread::sleep(Duration::from_millis(150));
        kills += 1;
        if kills % 4 == 0 {
            server.child.kill().unwrap();
            server.ended();
        } else {
            assert!(server.terminate().0.success());
        }
    }
    adding.join().unwrap();
    assert_eq!(stdout_of(&db, &["group", "list"]).lines().count(), COMMANDS);
    let events = stdout_of(&db, &["event", "export", "--action", "group.add"]);
    assert_eq!(events.lines().count(), COMMANDS);
    stdout_of(&db, &["audit", "verify"]);
}

#[test]
fn commands_beside_each_other_wait_for_the_lock() {
    let (_folder, db, _) = lab();
    thread::scope(|scope| {
        for number in 0..8 {
            let db = &db;
            scope.spawn(move || stdout_of(db, &["group", "add", &format!("g{number}")]));
        }
    });
    assert_eq!(stdout_of(&db, &["group", "list"]).lines().count(), 8);
}

/// Ids, secrets, times and the actor aside, the three ways print the same.
#[test]
fn three_ways_give_equal_json() {
    const LINES: [&str; 16] = [
        "group add lab --json",
        "user add bob --json",
        "user edit bob --display-name Bob --json",
        "user disable bob --json",
        "user enable bob --json",
        "user role bob admin --json",
        "group add-member lab bob",
        "service add slurm --permission slurm:submit --json",
        "service edit slurm --add-permission slurm:cancel --json",
        "policy set api_keys_max=7 --json",
        "policy show --json",
        "user list --json",
        "group list --json",
        "service list --json",
        "host list --json",
        "user delete bob --yes",
    ];
    let mut printed: Vec<Vec<(Option<i32>, String)>> = Vec::new();
    for way in ["in process", "control socket", "network"] {
        let (_folder, db, alice) = lab();
        let server = (way != "in process").then(|| Server::start(&db));
        let mut lines = Vec::new();
        for line in LINES {
            let arguments: Vec<&str> = line.split(' ').collect();
            let output = if way == "network" {
                let address = server.as_ref().unwrap().address;
                std::process::Command::new(env!("CARGO_BIN_EXE_keycroft"))
                    .args(&arguments)
                    .env_clear()
                    .envs(crate::fixture::clock_environment())
                    .env("KEYCROFT_SERVER", format!("http://{address}"))
                    .env("KEYCROFT_TOKEN", &alice)
                    .output()
                    .unwrap()
            } else {
                run(&db, &arguments)
            };
            let text = String::from_utf8(output.stdout).unwrap();
            lines.push((output.status.code(), redacted(&text)));
        }
        printed.push(lines);
    }
    for (place, line) in LINES.iter().enumerate() {
        assert_eq!(
            printed[0][place].0,
            Some(0),
            "{line}: {:?}",
            printed[0][place]
        );
        assert_eq!(printed[0][place], printed[1][place], "{line}: socket");
        assert_eq!(printed[0][place], printed[2][place], "{line}: network");
    }
}

/// JSON without values that differ from run to run.
fn redacted(text: &str) -> String {
    fn redact(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Array(items) => items.iter_mut().for_each(redact),
            serde_json::Value::Object(fields) => {
                for (name, field) in fields {
                    if name == "id" || name == "invitation" || name.ends_with("_at") {
                        *field = serde_json::Value::Null;
                    }
                    redact(field);
                }
            }
            _ => {}
        }
    }
    match serde_json::from_str(text) {
        Ok(mut value) => {
            redact(&mut value);
            value.to_string()
        }
        Err(_) => text.to_owned(),
    }
}

#[test]
fn garbage_on_the_control_socket_does_no_harm() {
    let (_folder, db, alice) = lab();
    let server = Server::start(&db);
    let socket = beside(&db, "-control");
    let found = fs::symlink_metadata(&socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    // More than the budget, each with half a request or no request at all.
    let mut held = Vec::new();
    for number in 0..60 {
        let mut stream = UnixStream::connect(&socket).unwrap();
        let bytes: &[u8] = match number % 3 {
            0 => b"",
            1 => b"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{\"use",
            _ => b"\x00\x01\xff garbage\r\n\r\n",
        };
        stream.write_all(bytes).unwrap();
        held.push(stream);
    }
    assert_eq!(stdout_of(&db, &["user", "list"]).lines().count(), 1);
    assert_eq!(server.client().verify(&alice), 204);
    let mut answer = String::new();
    let mut stream = UnixStream::connect(&socket).unwrap();
    let request = "GET /api/v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(held);
    assert!(server.terminate().0.success());
}

/// A socket that can't be bound is a warning: the server goes on, and commands show a remedy.
#[test]
fn server_runs_without_a_control_socket() {
    for obstacle in ["symlink", "file", "folder"] {
        let (folder, db, alice) = lab();
        let socket = beside(&db, "-control");
        let target = folder.path().join("target");
        fs::write(&target, "untouched").unwrap();
        match obstacle {
            "symlink" => symlink(&target, &socket).unwrap(),
            "file" => fs::write(&socket, "untouched").unwrap(),
            _ => fs::create_dir(&socket).unwrap(),
        }
        let server = Server::start(&db);
        assert_eq!(server.client().verify(&alice), 204, "{obstacle}");
        server.log_with("control socket cannot be bound");
        assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
        assert!(server.terminate().0.success());
    }
}

#[test]
fn long_path_has_a_control_socket() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    let db = deep.join("keycroft.db");
    new_lab(&db);
    let server = Server::start(&db);
    assert_eq!(stdout_of(&db, &["user", "list"]).lines().count(), 1);
    assert!(!server.said_so_far().contains("cannot be bound"));
}

/// The files of a running server are replaced or removed.
#[test]
fn replaced_database_is_detected_and_writes_fail() {
    for ending in ["", "-wal", "-shm"] {
        let (_folder, db, alice) = lab();
        stdout_of(&db, &["user", "add", "bob"]);
        let bob = stdout_of(&db, &["user", "token", "bob"]);
        let server = Server::start(&db);
        let mut client = server.client();
        assert_eq!(client.verify(&alice), 204);
        assert_eq!(client.ask("GET", "/healthz", "", "").status, 200);
        if ending.is_empty() {
            let copy = beside(&db, ".copy");
            fs::copy(&db, &copy).unwrap();
            fs::rename(&copy, &db).unwrap();
        } else {
            fs::remove_file(beside(&db, ending)).unwrap();
        }
        assert_eq!(
            client.ask("GET", "/healthz", "", "").status,
            503,
            "{ending}"
        );
        let body = r#"{"name": "lost"}"#;
        let answer = client.ask("POST", "/api/v1/groups", &alice, body);
        assert_eq!(answer.status, 503, "{ending}");
        // The local command goes to the same server: it fails with the reason, and the user keeps no access.
        let disable = run(&db, &["user", "disable", "bob"]);
        assert!(!disable.status.success(), "{ending}: {disable:?}");
        let why = String::from_utf8(disable.stderr).unwrap();
        assert!(why.contains("the database was replaced or removed while the server has it open. Nothing was changed; restart the server"), "{ending}: {why}");
        assert!(disable.stdout.is_empty(), "{ending}");
        for token in [&alice, &bob] {
            assert_ne!(client.verify(token), 204, "{ending}");
        }
        server.log_with("was replaced or removed");
        // After a restart the command works on the file that is there.
        assert!(!server.terminate().0.success() || db.exists());
        stdout_of(&db, &["user", "disable", "bob"]);
        let server = Server::start(&db);
        let mut client = server.client();
        assert_eq!(
            [client.verify(&alice), client.verify(&bob)],
            [204, 401],
            "{ending}"
        );
    }
}

/// A change by another program counts within seconds, once the writer checks.
#[test]
fn change_by_another_program_counts_within_seconds() {
    let (_folder, db, alice) = lab();
    let server = Server::start(&db);
    let mut client = server.client();
    assert_eq!(client.verify(&alice), 204);
    let other = rusqlite::Connection::open(&db).unwrap();
    other
        .execute("UPDATE credentials SET disabled_at = 1", [])
        .unwrap();
    let begun = Instant::now();
    while client.verify(&alice) != 401 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(50));
    }
}
