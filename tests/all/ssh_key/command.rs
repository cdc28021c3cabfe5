//! `keycroft ssh-key` against a running server.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::keys::*;
use crate::process::Server;
use crate::store::process::{new_lab, stdout_of};

const PROGRAM: &str = env!("CARGO_BIN_EXE_keycroft");

/// A server with alice (admin) and bob (member), stopped on drop.
struct Lab {
    server: Server,
    folder: TempDir,
    alice: String,
    bob: String,
}

impl Lab {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("keycroft.db");
        let alice = new_lab(&db);
        stdout_of(&db, &["user", "add", "bob"]);
        let bob = stdout_of(&db, &["user", "token", "bob"]);
        let server = Server::start(&db);
        Self {
            server,
            folder,
            alice,
            bob,
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, token: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(PROGRAM)
            .arg("ssh-key")
            .args(arguments)
            .env_clear()
            .envs(crate::fixture::clock_environment())
            .env("HOME", self.folder.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KEYCROFT_SERVER", &self.server.url)
            .env("KEYCROFT_TOKEN", token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that fails before it reads closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs a command that has to succeed. Returns standard output.
    #[track_caller]
    fn bob(&self, arguments: &[&str]) -> String {
        let printed = self.run(&self.bob, arguments, "");
        assert!(printed.status.success(), "{}", text(&printed.stderr));
        text(&printed.stdout)
    }

    /// Runs a command that has to fail with this exit code. Returns standard error.
    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let printed = self.run(&self.bob, arguments, "");
        assert_eq!(
            printed.status.code(),
            Some(code),
            "{}",
            text(&printed.stderr)
        );
        text(&printed.stderr)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn ssh_key_commands_cover_its_lifetime() {
    let server = Lab::start();
    let file = server.file("id_ed25519.pub", &format!("{ED25519} bob@laptop\n"));
    let printed = server.run(&server.bob, &["add", shown(&file)], "");
    assert!(printed.status.success() && printed.stdout.is_empty());
    let message = text(&printed.stderr);
    assert!(
        message.contains("added SSH key bob@laptop") && message.contains("SHA256:2PCbHJmL"),
        "{message}"
    );
    let printed = server.run(
        &server.bob,
        &[
            "--json",
            "add",
            "-",
            "--name",
            "desk",
            "--expires",
            "30d",
            "--address",
            "10.0.0.0/8,::1",
        ],
        RSA_3072,
    );
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    let key: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(key["name"], "desk");
    let list = server.bob(&["list"]);
    let rows: Vec<Vec<&str>> = list
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(
        (rows.len(), rows[0][0], rows[1][0]),
        (2, "desk", "bob@laptop")
    );
    assert_eq!(rows[0][2], "ssh-rsa 3072");
    let listed: Value = serde_json::from_str(&server.bob(&["list", "--json"])).unwrap();
    assert_eq!(listed["items"][0], key);
    assert!(server.bob(&["show", "desk"]).contains("10.0.0.0/8 ::1/128"));
    assert_eq!(
        serde_json::from_str::<Value>(&server.bob(&["show", "desk", "--json"])).unwrap(),
        key
    );
    let other = server.file("other.pub", ECDSA_P256);
    server.bob(&[
        "edit",
        "desk",
        "--name",
        "new desk",
        "--expires",
        "never",
        "--address",
        "any",
        "--file",
        shown(&other),
    ]);
    let shown = server.bob(&["show", "new desk"]);
    assert!(
        shown.contains(ECDSA_P256) && !shown.contains("10.0.0.0"),
        "{shown}"
    );
    server.fails(&["delete", "new desk"], 2);
    server.bob(&["delete", "new desk", "--yes"]);
    server.fails(&["show", "new desk"], 3);
    server.fails(&["delete", "bob@laptop", "--yes", "--user", "alice"], 5);
    let printed = server.run(&server.alice, &["list", "--user", "bob"], "");
    assert!(text(&printed.stdout).starts_with("bob@laptop\t"));
    let printed = server.run(&server.alice, &["show", "bob@laptop", "--user", "bob"], "");
    assert!(
        text(&printed.stdout).contains("also of"),
        "{}",
        text(&printed.stderr)
    );
    let printed = server.run(
        &server.alice,
        &["delete", "bob@laptop", "--user", "bob", "--yes"],
        "",
    );
    assert!(printed.status.success());
    assert!(server.bob(&["list"]).is_empty());
}

#[test]
fn ssh_key_mistake_has_its_exit_code() {
    let server = Lab::start();
    server.fails(&["add"], 2);
    server.fails(&["add", "/nowhere/key.pub"], 2);
    server.fails(&["edit", "x"], 2);
    server.fails(&["show", "nothing"], 3);
    let key = server.file("key.pub", &format!("{ED25519} laptop"));
    server.bob(&["add", shown(&key)]);
    assert!(
        server
            .fails(&["add", shown(&key), "--name", "x"], 6)
            .contains("under the name \"laptop\"")
    );
    let dsa = server.file("dsa.pub", DSA);
    assert!(
        server
            .fails(&["add", shown(&dsa)], 6)
            .contains("DSA keys are too weak")
    );
    let short = server.file("rsa.pub", RSA_2048);
    assert!(
        server
            .fails(&["add", shown(&short), "--name", "x"], 5)
            .contains("at least 3072")
    );
    let other = server.file("other.pub", ECDSA_P256);
    assert!(
        server
            .fails(&["add", shown(&other)], 6)
            .contains("enter a name for the key")
    );
}

#[test]
fn private_key_is_never_sent() {
    let server = Lab::start();
    let label = "OPENSSH PRIVATE";
    let private = format!("-----BEGIN {label} KEY-----\nb3BlbnNz\n-----END {label} KEY-----\n");
    let file = server.file("id_ed25519", &private);
    server.file("id_ed25519.pub", ED25519);
    // An unreachable server gets no request at all.
    let mut away = server.run(
        &server.bob,
        &["--server", "http://127.0.0.1:1", "add", shown(&file)],
        "",
    );
    assert_eq!(away.status.code(), Some(6), "{}", text(&away.stderr));
    let message = text(&away.stderr);
    assert!(
        message.contains("this is a private key; it was not sent")
            && message.contains("id_ed25519.pub"),
        "{message}"
    );
    let keys = server.file("authorized_keys", &format!("{ED25519} a\n{private}"));
    away = server.run(
        &server.bob,
        &["--server", "http://127.0.0.1:1", "import", shown(&keys)],
        "",
    );
    assert_eq!(away.status.code(), Some(6), "{}", text(&away.stderr));
    assert!(text(&away.stderr).contains("nothing was sent"));
}

#[test]
fn file_is_imported_line_by_line() {
    let server = Lab::start();
    let valid = server.file("good", &format!("# mine\n{ED25519} laptop\n"));
    let printed = server.run(&server.bob, &["import", shown(&valid)], "");
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    assert_eq!(
        text(&printed.stdout),
        format!("\t{}:2\tadded\tlaptop\t\n", shown(&valid))
    );
    assert_eq!(
        text(&printed.stderr),
        "1 added, 0 already present, 0 rejected\n"
    );
    let mixed = format!("{ED25519} again\nno-pty {ECDSA_P256} x\n{ECDSA_P384}\n");
    let printed = server.run(&server.bob, &["import", "-"], &mixed);
    assert_eq!(printed.status.code(), Some(6));
    let rows = text(&printed.stdout);
    let rows: Vec<Vec<&str>> = rows
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(rows[0][1..4], ["-:1", "present", "laptop"]);
    assert_eq!(rows[1][1..3], ["-:2", "refused"]);
    assert!(rows[1][4].contains("the option no-pty"));
    assert_eq!(rows[2][2], "added");
}

#[test]
fn admin_imports_a_folder_of_homes() {
    let server = Lab::start();
    server.file("home/alice/.ssh/authorized_keys", &format!("{ED25519} a\n"));
    // Longer than one request may be.
    let comment = "x".repeat(12_000);
    let bobs = format!("{ECDSA_P256} {comment}\n#\n{ECDSA_P384} {comment}\n{RSA_3072} {comment}\n");
    server.file("home/bob/.ssh/authorized_keys", &bobs);
    server.file(
        "home/carol/.ssh/authorized_keys",
        &format!("{ECDSA_P521} c\n"),
    );
    server.file("home/lost+found/.ssh/authorized_keys", "x");
    fs::create_dir_all(server.folder.path().join("home/dave")).unwrap();
    let home = server.folder.path().join("home");
    server.fails(&["import", shown(&home)], 5);
    let printed = server.run(&server.alice, &["import", shown(&home)], "");
    assert_eq!(printed.status.code(), Some(6), "{}", text(&printed.stderr));
    let rows = text(&printed.stdout);
    let rows: Vec<Vec<&str>> = rows
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let printed: Vec<(&str, &str)> = rows.iter().map(|row| (row[0], row[2])).collect();
    assert_eq!(
        printed,
        [
            ("alice", "added"),
            ("bob", "added"),
            ("bob", "added"),
            ("bob", "added"),
            ("carol", "refused")
        ]
    );
    assert!(rows[2][1].ends_with("authorized_keys:3") && rows[3][1].ends_with("authorized_keys:4"));
    assert!(rows[4][4].contains("no such user"), "{:?}", rows[4]);
    assert_eq!(server.bob(&["list"]).lines().count(), 3);
    let again = server.run(
        &server.alice,
        &[
            "import",
            shown(&home.join("carol/.ssh/authorized_keys")),
            "--user",
            "bob",
        ],
        "",
    );
    assert!(again.status.success());
    assert_eq!(server.bob(&["list"]).lines().count(), 4);
}

#[test]
fn options_come_from_flags_or_the_pasted_line() {
    let server = Lab::start();
    let file = server.file("a.pub", &format!("{SK_ED25519} token"));
    let printed = server.run(
        &server.bob,
        &[
            "add",
            shown(&file),
            "--restrict",
            "--verify-required",
            "--command",
            "echo \"a b\"",
            "--permitopen",
            "db:1,[::1]:*",
        ],
        "",
    );
    let message = text(&printed.stderr);
    assert!(printed.status.success(), "{message}");
    assert!(
        message.contains("restrict") && message.contains("verify-required"),
        "{message}"
    );
    let options = |name: &str| {
        let key: Value = serde_json::from_str(&server.bob(&["show", name, "--json"])).unwrap();
        key["options"].clone()
    };
    let set = options("token");
    assert_eq!(set["permitopen"], serde_json::json!(["db:1", "[::1]:*"]));
    assert!(
        server
            .bob(&["show", "token"])
            .contains("command=\"echo \\\"a b\\\"\"")
    );
    server.bob(&[
        "edit",
        "token",
        "--restrict=false",
        "--command",
        "",
        "--permitopen",
        "any",
        "--no-touch-required",
    ]);
    let set = options("token");
    assert_eq!(
        set,
        serde_json::json!({"restrict": false, "no_touch_required": true, "verify_required": true, "command": null, "permitopen": []})
    );
    let message = server.fails(&["edit", "token", "--command", "a\\"], 6);
    assert!(message.contains("backslash"), "{message}");
    // In front of the key, in a file and on standard input.
    let line = format!("restrict,from=\"10.0.0.0/8\" {ED25519} laptop");
    let file = server.file("b.pub", &line);
    server.bob(&["add", shown(&file)]);
    assert_eq!(options("laptop")["restrict"], true);
    assert!(server.bob(&["show", "laptop"]).contains("10.0.0.0/8"));
    let file = server.file("c.pub", &format!("no-pty {ECDSA_P256} x"));
    let message = server.fails(&["add", shown(&file)], 6);
    assert!(
        message.contains("the option no-pty is not supported: use restrict"),
        "{message}"
    );
}

#[test]
fn shared_key_needs_the_flag_without_a_terminal() {
    let server = Lab::start();
    let file = server.file("a.pub", &format!("{ED25519} laptop"));
    let printed = server.run(&server.alice, &["add", shown(&file)], "");
    assert!(printed.status.success());
    let message = server.fails(&["add", shown(&file)], 6);
    assert!(
        message.contains("another user has the same key") && message.contains("--allow-shared"),
        "{message}"
    );
    assert!(!message.contains("allow_shared"), "{message}");
    let message = server.fails(&["import", shown(&file)], 6);
    assert!(message.contains("1 rejected"), "{message}");
    server.bob(&["import", shown(&file), "--allow-shared"]);
    let other = server.file("b.pub", &format!("{ECDSA_P256} other"));
    server.run(&server.alice, &["add", shown(&other)], "");
    let message = server.fails(&["edit", "laptop", "--file", shown(&other)], 6);
    assert!(message.contains("--allow-shared"), "{message}");
    server.bob(&["edit", "laptop", "--file", shown(&other), "--allow-shared"]);
}
