//! Bars R5 and K5: a damaged, foreign or shared file is rejected in one clear line and stays as it is.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::process::{keycroft, keycroft_that_ends, new_lab, run, stdout_of};

/// A database with an admin in its own folder.
struct Place {
    folder: tempfile::TempDir,
    db: PathBuf,
}

impl Place {
    fn new() -> Self {
        let place = Self::empty();
        new_lab(&place.db);
        place
    }

    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("keycroft.db");
        Self { folder, db }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        PathBuf::from(format!("{}{ending}", self.db.display()))
    }

    /// Everything in the folder: names, modes and bytes.
    fn content(&self) -> Vec<(PathBuf, u32, Vec<u8>)> {
        let mut all: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            // Any reader recreates SQLite's shared-memory index, and an empty WAL with it.
            .filter(|path| {
                let name = path.to_string_lossy();
                let is_empty = || fs::symlink_metadata(path).unwrap().len() == 0;
                !name.ends_with("-shm") && (!name.ends_with("-wal") || !is_empty())
            })
            .map(|path| {
                let found = fs::symlink_metadata(&path).unwrap();
                let bytes = if found.is_file() {
                    fs::read(&path).unwrap()
                } else {
                    Vec::new()
                };
                (path, found.permissions().mode(), bytes)
            })
            .collect();
        all.sort_unstable();
        all
    }

    /// Every command rejects it in one clear line, and changes nothing.
    fn require_rejected(&self, what: &str, words: &str) {
        let before = self.content();
        for arguments in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["user", "list"],
            &["audit", "verify"],
            &["backup", "-"],
            &["migrate"],
        ] {
            let output = keycroft_that_ends(&self.db, arguments).output().unwrap();
            let message = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                output.status.code(),
                Some(1),
                "{what}: {arguments:?}: {message}"
            );
            assert!(output.stdout.is_empty(), "{what}: {arguments:?}");
            let lines: Vec<&str> = message
                .lines()
                .filter(|line| !line.starts_with("  try: "))
                .collect();
            assert_eq!(lines.len(), 1, "{what}: {arguments:?}: {message}");
            assert!(
                lines[0].starts_with("keycroft: "),
                "{what}: {arguments:?}: {message}"
            );
            assert!(message.contains(words), "{what}: {arguments:?}: {message}");
            assert!(
                self.content() == before,
                "{what}: {arguments:?} changed something"
            );
        }
        let check = run(&self.db, &["check"]);
        assert_eq!(check.status.code(), Some(1), "{what}");
        let found = String::from_utf8(check.stdout).unwrap();
        assert!(
            found.starts_with("BAD\tfile\t") && found.contains(words),
            "{what}: {found}"
        );
        assert!(self.content() == before, "{what}: check changed something");
    }
}

/// Bytes that look random and are the same in each run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

#[test]
fn damaged_database_is_rejected_unchanged() {
    let complete = Place::new();
    let bytes = fs::read(&complete.db).unwrap();
    let cases: [(&str, Vec<u8>, &str); 10] = [
        ("empty", Vec::new(), "the file is empty"),
        ("50 bytes", bytes[..50].to_vec(), "not a database"),
        ("its header alone", bytes[..100].to_vec(), "cut off"),
        ("one page", bytes[..4_096].to_vec(), "cut off"),
        ("half", bytes[..bytes.len() / 2].to_vec(), "cut off"),
        (
            "without its last byte",
            bytes[..bytes.len() - 1].to_vec(),
            "cut off",
        ),
        ("random bytes", noise(bytes.len()), "not a database"),
        (
            "random bytes behind the header",
            [&bytes[..100], &noise(bytes.len() - 100)].concat(),
            "damaged",
        ),
        (
            "text",
            b"hello, this is no database at all\n".repeat(300),
            "not a database",
        ),
        (
            "its second page overwritten",
            [&bytes[..4_096], &noise(4_096), &bytes[8_192..]].concat(),
            "damaged",
        ),
    ];
    for (what, bytes, words) in cases {
        fs::write(&complete.db, bytes).unwrap();
        complete.require_rejected(what, words);
    }
}

/// A command line has no log that would say more.
#[test]
fn start_names_what_the_database_lacks() {
    let place = Place::new();
    let other = rusqlite::Connection::open(&place.db).unwrap();
    other.execute_batch("DROP TABLE throttle").unwrap();
    other.close().unwrap();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "list"]] {
        let output = keycroft_that_ends(&place.db, arguments).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains("no such table: throttle"), "{message}");
    }
}

/// Any overwritten page is detected.
#[test]
fn corrupt_page_is_never_served() {
    let place = Place::new();
    let bytes = fs::read(&place.db).unwrap();
    for page in 1..bytes.len() / 4_096 {
        let at = page * 4_096;
        let damaged = [&bytes[..at], &noise(4_096), &bytes[at + 4_096..]].concat();
        fs::write(&place.db, damaged).unwrap();
        let output = run(&place.db, &["check"]);
        let message = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "page {page}: {message}");
        let panicked = String::from_utf8_lossy(&output.stderr).contains("panicked");
        assert!(!panicked, "page {page}");
    }
}

#[test]
fn file_of_another_program_is_rejected_unchanged() {
    let place = Place::empty();
    let other = rusqlite::Connection::open(&place.db).unwrap();
    other
        .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        .unwrap();
    other.close().unwrap();
    fs::set_permissions(&place.db, fs::Permissions::from_mode(0o600)).unwrap();
    place.require_rejected("another program's", "another program");

    let place = Place::empty();
    fs::create_dir(&place.db).unwrap();
    place.require_rejected("a directory", "not a file");

    let place = Place::new();
    let real = place.folder.path().join("real.db");
    fs::rename(&place.db, &real).unwrap();
    symlink(&real, &place.db).unwrap();
    place.require_rejected("a symbolic link", "symbolic link");

    let place = Place::empty();
    symlink(place.folder.path().join("nowhere"), &place.db).unwrap();
    place.require_rejected("a dangling link", "symbolic link");
}

#[test]
fn newer_schema_is_rejected_unchanged() {
    let place = Place::new();
    let newer = rusqlite::Connection::open(&place.db).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    newer.close().unwrap();
    place.require_rejected("of a newer version", "newer version");

    // The same while only the WAL has the data.
    let place = Place::new();
    let newer = rusqlite::Connection::open(&place.db).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    let journal = fs::read(place.beside("-wal")).unwrap();
    let file = fs::read(&place.db).unwrap();
    drop(newer);
    fs::write(&place.db, file).unwrap();
    fs::write(place.beside("-wal"), journal).unwrap();
    fs::set_permissions(place.beside("-wal"), fs::Permissions::from_mode(0o600)).unwrap();
    place.require_rejected("of a newer version in its journal", "newer version");
}

#[test]
fn missing_database_with_a_wal_is_not_recreated() {
    let place = Place::new();
    fs::write(place.beside("-wal"), noise(5_000)).unwrap();
    fs::remove_file(&place.db).unwrap();
    let before = place.content();
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["user", "add", "eve", "--admin"],
    ] {
        let output = keycroft_that_ends(&place.db, arguments).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        let is_hint = |line: &&str| line.starts_with("  try: ");
        assert_eq!(
            message.lines().filter(|line| !is_hint(line)).count(),
            1,
            "{message}"
        );
        assert!(
            message.contains("the database is missing, but its WAL"),
            "{message}"
        );
        assert!(place.content() == before);
    }
}

/// Bar K5.
#[test]
fn file_that_others_can_access_is_rejected() {
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o666] {
        let place = Place::new();
        fs::set_permissions(&place.db, fs::Permissions::from_mode(mode)).unwrap();
        place.require_rejected(&format!("of mode {mode:o}"), "chmod 600");
    }
    for ending in ["-wal", "-shm", "-journal"] {
        let place = Place::new();
        fs::write(place.beside(ending), "").unwrap();
        fs::set_permissions(place.beside(ending), fs::Permissions::from_mode(0o644)).unwrap();
        place.require_rejected(&format!("with others' {ending}"), "chmod 600");
        fs::remove_file(place.beside(ending)).unwrap();
        symlink("/dev/null", place.beside(ending)).unwrap();
        place.require_rejected(&format!("with a link as {ending}"), "not a file");
    }
}

/// Bar K5.
#[test]
fn files_are_private_with_any_umask() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let backup = folder.path().join("backup.db");
    let mut command = std::process::Command::new("sh");
    command
        .args([
            "-c",
            "umask 0 && exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_keycroft"),
        ])
        .args(["serve", "--listen", "127.0.0.1:0", "--db"])
        .arg(&db);
    let server = super::process::Server::spawn(&mut command);
    stdout_of(&db, &["user", "add", "alice", "--admin"]);
    let shell = "umask 0 && exec \"$0\" backup \"$2\" --db \"$1\"";
    let created = std::process::Command::new("sh")
        .args(["-c", shell, env!("CARGO_BIN_EXE_keycroft")])
        .args([&db, &backup])
        .status();
    assert!(created.unwrap().success());
    let mut all = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{name}");
        all.push(name);
    }
    all.sort_unstable();
    let expected = [
        "backup.db",
        "keycroft.db",
        "keycroft.db-control",
        "keycroft.db-lock",
        "keycroft.db-reserve",
        "keycroft.db-shm",
        "keycroft.db-wal",
    ];
    assert_eq!(all, expected);
    assert!(server.terminate().0.success());
}

/// Simultaneous first starts: one creates the database, the others use it.
#[test]
fn simultaneous_first_starts_create_one_database() {
    for _ in 0..5 {
        let place = Place::empty();
        let starts: Vec<_> = (0..4)
            .map(|number| {
                let name = format!("admin{number}");
                keycroft(&place.db, &["user", "add", &name, "--admin"])
                    .stdout(std::process::Stdio::null())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let done = starts
            .into_iter()
            .map(|start| start.wait_with_output().unwrap())
            .filter(|output| output.status.success())
            .count();
        assert_eq!(done, 4);
        assert_eq!(stdout_of(&place.db, &["user", "list"]).lines().count(), 4);
        for entry in fs::read_dir(place.folder.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.contains(".new-"), "{name}");
        }
    }
}
