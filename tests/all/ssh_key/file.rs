//! `keycroft authorized-keys`: the lines for a workstation's sshd, from the database alone, with any content.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use keycroft::app::login_keys_from_database;
use keycroft::clock::Clock;
use keycroft::model::ssh_key::{ExpiryFormat, ImportedKey, KeyRules, PublicKey, authorized_line};
use keycroft::model::text::is_invisible;
use keycroft::model::time::Time;
use keycroft::model::user::{Role, Username};
use proptest::prelude::*;
use rusqlite::{Connection, params};
use serde_json::json;

use super::keys::*;
use super::{add, added, one};
use crate::fixture::Site;

/// Runs the program; the clock is the system's.
fn ask(db: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keycroft"))
        .arg("authorized-keys")
        .arg("--db")
        .arg(db)
        .args(arguments)
        .env_clear()
        .envs(crate::fixture::clock_environment())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn lines(db: &Path, arguments: &[&str]) -> Vec<String> {
    let printed = ask(db, arguments);
    let error = String::from_utf8_lossy(&printed.stderr).into_owned();
    assert!(printed.status.success(), "{error}");
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

/// With bob's keys, one of which has expired by every clock.
fn site() -> Site {
    let site = Site::new();
    added(&site, &site.bob, "plain", &format!("{ED25519} a comment"));
    let body = json!({"name": "limited", "public_key": RSA_3072, "expires_at": "2099-01-01T00:00:00Z", "allowed_addresses": ["10.0.0.0/8", "::1"]});
    add(&site, &site.bob, &body).expect(201);
    let expired = json!({"name": "over", "public_key": ECDSA_P384, "expires_in": "1s"});
    add(&site, &site.bob, &expired).expect(201);
    added(&site, &site.alice, "hers", ECDSA_P256);
    // By the system's clock, one second expired long ago.
    let connection = Connection::open(site.path()).unwrap();
    connection
        .execute("UPDATE ssh_keys SET expires_at = 1 WHERE name = 'over'", [])
        .unwrap();
    site
}

const LIMITED_OPTIONS: &str = "expiry-time=\"20981231235959Z\",from=\"10.0.0.0/8,::1/128\"";

#[test]
fn only_valid_keys_of_the_user_are_printed() {
    let site = site();
    let utc = ["--expiry-time", "utc", "--"];
    let ask = |user: &str| lines(&site.path(), &[&utc[..], &[user]].concat());
    assert_eq!(
        ask("bob"),
        [ED25519.to_owned(), format!("{LIMITED_OPTIONS} {RSA_3072}")]
    );
    assert_eq!(ask("alice"), [ECDSA_P256]);
    site.add_user("carol", Role::Member);
    assert!(ask("carol").is_empty());
    // Auto finds this machine's sshd, or falls back to local time: a line either way.
    assert_eq!(lines(&site.path(), &["bob"]).len(), 2);
    let local = lines(&site.path(), &["--expiry-time", "local", "bob"]);
    assert!(local[1].starts_with("expiry-time=\"2098") && !local[1].contains("Z\","));
}

#[test]
fn only_the_offered_key_is_printed() {
    let site = site();
    let fingerprint = |line: &str| {
        let key = PublicKey::parse(line, &KeyRules::default()).unwrap();
        key.fingerprint().to_owned()
    };
    let ask = |key: &str, fingerprint: &str| {
        lines(
            &site.path(),
            &["--expiry-time", "utc", "--", "bob", key, fingerprint],
        )
    };
    assert_eq!(ask("ssh-ed25519", &fingerprint(ED25519)), [ED25519]);
    assert_eq!(ask("ssh-rsa", &fingerprint(RSA_3072)).len(), 1);
    let hers = fingerprint(ECDSA_P256);
    assert!(ask("ecdsa-sha2-nistp256", &hers).is_empty());
    assert!(ask("ssh-ed25519", "SHA256:").is_empty());
    assert!(ask("ssh-ed25519", "SHA256:$(id)").is_empty());
    // With FingerprintHash md5, the fingerprint is unknown: sshd compares the keys itself.
    assert_eq!(ask("ssh-ed25519", "MD5:00:11").len(), 2);
}

#[test]
fn expired_key_is_not_printed_from_the_next_lookup() {
    let site = site();
    let count = || lines(&site.path(), &["--", "bob"]).len();
    assert_eq!(count(), 2);
    let body = json!({"name": "third", "public_key": ECDSA_P521});
    let id = add(&site, &site.bob, &body).expect(201).json()["id"].clone();
    assert_eq!(count(), 3);
    one(&site, "DELETE", &site.bob, &id, None).expect(204);
    assert_eq!(count(), 2);
    let disable = |disabled: bool| {
        site.ask("PATCH", "/api/v1/users/bob")
            .bearer(&site.alice)
            .json(&json!({"disabled": disabled}))
            .send()
            .expect(200)
    };
    disable(true);
    assert_eq!(count(), 0);
    disable(false);
    assert_eq!(count(), 2);
    // Once seen expired, it stays expired though its expiration lies ahead again.
    let connection = Connection::open(site.path()).unwrap();
    connection
        .execute(
            "UPDATE ssh_keys SET expired_seen_at = 1 WHERE name = 'limited'",
            [],
        )
        .unwrap();
    assert_eq!(count(), 1);
    site.ask("DELETE", "/api/v1/users/bob")
        .bearer(&site.alice)
        .send()
        .expect(204);
    assert_eq!(count(), 0);
}

#[test]
fn hostile_login_name_gets_no_key() {
    let site = site();
    let long = "a".repeat(300);
    let before = site.dump(|_| true);
    for name in [
        "nobody",
        "-x",
        "--help",
        "-",
        "--",
        "",
        "../",
        "$(id)",
        "`id`",
        "bob;",
        "bob\n",
        "Bob",
        "bob ",
        "%u",
        "' OR 1=1 --",
        "é",
        &long,
    ] {
        let printed = ask(&site.path(), &["--", name]);
        assert!(printed.status.success(), "{name:?}");
        assert!(printed.stdout.is_empty(), "{name:?}");
        assert!(printed.stderr.is_empty(), "{name:?}");
    }
    // Also without the dashes that separate names from flags.
    for name in ["-x", "../", "$(id)"] {
        let printed = ask(&site.path(), &[name]);
        assert!(
            printed.status.success() && printed.stdout.is_empty(),
            "{name:?}"
        );
    }
    let hostile = std::os::unix::ffi::OsStrExt::from_bytes(b"bob\xff");
    let printed = Command::new(env!("CARGO_BIN_EXE_keycroft"))
        .args(["authorized-keys", "--db"])
        .arg(site.path())
        .arg("--")
        .arg::<&std::ffi::OsStr>(hostile)
        .output()
        .unwrap();
    assert!(printed.status.success() && printed.stdout.is_empty());
    assert_eq!(site.dump(|_| true), before);
}

#[test]
fn internal_error_differs_from_no_keys() {
    let site = site();
    let path = site.path();
    let folder = path.parent().unwrap();
    let rejected = |path: &Path, says: &str| {
        let printed = ask(path, &["--", "bob"]);
        let error = String::from_utf8_lossy(&printed.stderr).into_owned();
        assert_eq!(printed.status.code(), Some(1), "{error}");
        assert!(printed.stdout.is_empty());
        assert!(error.contains(says), "{error}");
    };
    rejected(&folder.join("none.db"), "can't be opened");
    rejected(folder, "not a file");
    let link = folder.join("link.db");
    symlink(&path, &link).unwrap();
    rejected(&link, "symbolic link");
    let copy = folder.join("copy.db");
    fs::copy(&path, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o640)).unwrap();
    rejected(&copy, "permissions too open");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    let version = |number: u32| {
        let connection = Connection::open(&copy).unwrap();
        connection
            .pragma_update(None, "user_version", number)
            .unwrap();
    };
    version(99);
    rejected(&copy, "schema 99");
    version(0);
    rejected(&copy, "schema 0");
    fs::write(
        &copy,
        "not a database at all, but long enough to be looked at",
    )
    .unwrap();
    rejected(&copy, "can't be read");
    let foreign = folder.join("foreign.db");
    let connection = Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE users (id)").unwrap();
    drop(connection);
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o600)).unwrap();
    rejected(&foreign, "another program");
    for wrong in [&["bob", "ssh-ed25519"][..], &[], &["bob", "a", "b", "c"]] {
        let printed = ask(&path, wrong);
        assert_eq!(printed.status.code(), Some(2));
        assert!(printed.stdout.is_empty());
    }
}

#[test]
fn changed_row_yields_no_extra_line() {
    let site = site();
    let connection = Connection::open(site.path()).unwrap();
    let set = |column: &str, value: &str| {
        let sql = format!("UPDATE ssh_keys SET {column} = ? WHERE name = 'plain'");
        connection.execute(&sql, [value]).unwrap();
    };
    let plain = |key: &str| {
        let printed = ask(&site.path(), &["--expiry-time", "utc", "--", "bob"]);
        assert!(printed.status.success());
        let mut expected = vec![format!("{LIMITED_OPTIONS} {RSA_3072}")];
        if !key.is_empty() {
            expected.insert(0, key.to_owned());
        }
        let text = String::from_utf8(printed.stdout).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert_eq!(printed.stderr.is_empty(), !key.is_empty());
    };
    let valid = ED25519.split(' ').nth(1).unwrap();
    set("comment", &format!("x\n{ECDSA_P256} evil"));
    plain(ED25519);
    set("type", &format!("command=\"id\" ssh-rsa\n{ECDSA_P256}"));
    plain(ED25519);
    let rows = [
        ("key", format!("{valid}\n{ECDSA_P256}")),
        ("key", format!("{valid} evil")),
        ("key", format!("command=\"id\" {valid}")),
        ("key", String::new()),
        ("key", DSA.split(' ').nth(1).unwrap().to_owned()),
        ("key", RSA_1024.split(' ').nth(1).unwrap().to_owned()),
        ("allowed_addresses", "10.0.0.0/8\",command=\"id".to_owned()),
        ("allowed_addresses", "*".to_owned()),
        ("id", "../../etc/pas".to_owned()),
        ("permitopen", "a:1\",command=\"id".to_owned()),
    ];
    for (column, value) in rows {
        let sql = format!("SELECT {column} FROM ssh_keys WHERE name = 'plain'");
        let before: String = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        // The constraint on ids is removed, as by somebody who edits rows.
        connection
            .execute_batch("PRAGMA ignore_check_constraints = ON")
            .unwrap();
        set(column, &value);
        plain("");
        set(column, &before);
        plain(ED25519);
    }
    // A command that can't be quoted disables the key; a quote stays within its quotes.
    for command in ["id\n", "id\\", "", "\0", &format!("\n{ECDSA_P256}")] {
        set("command", command);
        plain("");
    }
    set("command", &format!("id\" {ECDSA_P256}"));
    plain(&format!("command=\"id\\\" {ECDSA_P256}\" {ED25519}"));
    connection
        .execute(
            "UPDATE ssh_keys SET command = NULL, restrict = 2 WHERE name = 'plain'",
            [],
        )
        .unwrap();
    plain("");
    connection
        .execute("UPDATE ssh_keys SET restrict = 1 WHERE name = 'plain'", [])
        .unwrap();
    plain(&format!("restrict {ED25519}"));
    // The API leaves it out too, and can delete it.
    set("key", "evil");
    let listed = super::all(&site, &site.bob);
    assert_eq!(listed.len(), 2);
    let id: String = connection
        .query_row("SELECT id FROM ssh_keys WHERE name = 'plain'", [], |row| {
            row.get(0)
        })
        .unwrap();
    one(&site, "GET", &site.bob, &json!(id), None).expect(404);
    one(&site, "DELETE", &site.bob, &json!(id), None).expect(204);
}

#[test]
fn database_is_readable_while_and_after_a_server_runs() {
    let mut site = site();
    // Only the WAL contains this one.
    added(&site, &site.bob, "late", ECDSA_P521);
    assert_eq!(lines(&site.path(), &["--", "bob"]).len(), 3);
    // A copy of database and WAL equals the state after a killed server.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("keycroft.db");
    for ending in ["", "-wal"] {
        let from = format!("{}{ending}", site.path().display());
        let to = format!("{}{ending}", copy.display());
        fs::copy(from, &to).unwrap();
        fs::set_permissions(to, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let before = fs::read(&copy).unwrap();
    assert_eq!(lines(&copy, &["--", "bob"]).len(), 3);
    assert_eq!(
        fs::read(&copy).unwrap(),
        before,
        "reading changes no byte of it"
    );
    site.reopen();
    site.app_state.close();
    assert_eq!(lines(&site.path(), &["--", "bob"]).len(), 3);
    for ending in ["", "-wal", "-shm"] {
        let path = format!("{}{ending}", site.path().display());
        if let Ok(found) = fs::metadata(path) {
            assert_eq!(found.permissions().mode() & 0o077, 0);
        }
    }
}

/// Text that could end a line, start an option, or end a quote.
fn hostile() -> impl Strategy<Value = String> {
    let parts = proptest::collection::vec(
        prop_oneof![
            Just("\n".to_owned()),
            Just("\r".to_owned()),
            Just("\0".to_owned()),
            Just(" ".to_owned()),
            Just("\"".to_owned()),
            Just(",".to_owned()),
            Just("command=\"id\"".to_owned()),
            Just("10.0.0.0/8".to_owned()),
            Just("AAAAC3NzaC1lZDI1NTE5AAAAI".to_owned()),
            Just(ED25519.to_owned()),
            Just(ECDSA_P256.split(' ').nth(1).unwrap().to_owned()),
            ".{0,8}",
        ],
        0..5,
    );
    parts.prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// sshd gets one line a row, with a decoded key and known options, for any text in the row.
    #[test]
    fn any_database_content_prints_only_valid_lines(
        columns in proptest::collection::vec((0..8_usize, hostile()), 1..4),
        flags in any::<[bool; 3]>(),
        expires_at in proptest::option::of(any::<i64>()),
    ) {
        thread_local! {
            static SITE: Site = site();
        }
        SITE.with(|site| {
            let connection = Connection::open(site.path()).unwrap();
            connection.execute_batch("PRAGMA ignore_check_constraints = ON; BEGIN; DELETE FROM ssh_keys WHERE name <> 'plain' AND user_id = (SELECT id FROM users WHERE username = 'bob')").unwrap();
            let sql = "UPDATE ssh_keys SET key = ?, comment = '', type = 'ssh-ed25519', allowed_addresses = '', fingerprint = 'SHA256:x', expires_at = ?, created_by = NULL, \
                restrict = ?, no_touch_required = ?, verify_required = ?, command = NULL, permitopen = '' WHERE name = 'plain'";
            connection.execute(sql, params![ED25519.split(' ').nth(1), expires_at, flags[0], flags[1], flags[2]]).unwrap();
            for (column, value) in &columns {
                let column = ["key", "comment", "type", "allowed_addresses", "fingerprint", "created_by", "command", "permitopen"][*column];
                let sql = format!("UPDATE ssh_keys SET {column} = ? WHERE name = 'plain'");
                connection.execute(&sql, [value]).unwrap();
            }
            connection.execute_batch("COMMIT").unwrap();
            let clock = Clock::manual(Time::from_unix(1_800_000_000));
            let found = login_keys_from_database(&site.path(), &clock, &Username::parse("bob").unwrap()).unwrap();
            prop_assert!(found.keys.len() <= 1);
            for key in &found.keys {
                prop_assert!(expires_at.is_none_or(|end| end > 1_800_000_000));
                let line = authorized_line(&key.key, key.expires_at, &key.allowed_addresses, &key.options, ExpiryFormat::Utc).unwrap();
                prop_assert!(!line.chars().any(is_invisible), "{}", line);
                prop_assert!(line.ends_with(&key.key.to_openssh()));
                prop_assert_eq!([key.options.restrict, key.options.no_touch_required, key.options.verify_required], flags);
                let read = ImportedKey::parse(&line, &KeyRules::default()).unwrap();
                prop_assert_eq!(read.key.base64(), key.key.base64());
                prop_assert_eq!(read.expires_at, key.expires_at);
                prop_assert_eq!(&read.allowed_addresses, &key.allowed_addresses);
                prop_assert_eq!(&read.options, &key.options);
            }
            Ok(())
        })?;
    }
}
