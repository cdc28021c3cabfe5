//! A file presented as a database (bars R5 and K2): rejected with one line and left as it is, or read without harm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use keycroft::app::{AppState, Condition, Finding, login_keys_from_database};
use keycroft::clock::Clock;
use keycroft::http::{HttpSettings, ServerState};
use keycroft::model::ssh_key::{ExpiryFormat, ImportedKey};
use keycroft::model::time::Time;
use keycroft::model::user::Username;
use rusqlite::Connection;

use super::key;
use crate::fixture::Asking;

/// A complete database of the first version, into which the bytes go.
const WHOLE: &str = include_str!("../../tests/files/version-1.sql");
const SECRET: &str = "kca_qps8acxuyyn0_Jypu64AIsFo4OxKAgTG9xbiLhuw2hi5G1zw9Hz";

fn complete() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whole.db");
        let file = Connection::open(&path).unwrap();
        file.pragma_update(None, "foreign_keys", "OFF").unwrap();
        // Small pages and no free space: more of the bytes have an effect.
        let sql = format!(
            "PRAGMA page_size = 1024; BEGIN; {WHOLE} COMMIT; PRAGMA journal_mode = WAL; VACUUM;"
        );
        file.execute_batch(&sql).unwrap();
        file.close().unwrap();
        fs::read(&path).unwrap()
    })
}

/// The database with changes, five bytes each: place (three bytes), kind, value. Or behind a `!` the file itself.
fn changed(bytes: &[u8]) -> Vec<u8> {
    if let Some(file) = bytes.strip_prefix(b"!") {
        return file.to_vec();
    }
    let mut file = complete().to_vec();
    for change in bytes.chunks_exact(5) {
        let [first, second, third, how, with] = *change else {
            continue;
        };
        let place = u32::from_be_bytes([0, first, second, third]) as usize % file.len().max(1);
        match how % 8 {
            0 => file.truncate(place),
            1 => file.extend(std::iter::repeat_n(with, place % 4_096)),
            2 => {
                let end = (place + 64).min(file.len());
                file[place..end].fill(with);
            }
            // The header.
            3 => {
                if let Some(byte) = file.get_mut(place % 100) {
                    *byte = with;
                }
            }
            _ => {
                if let Some(byte) = file.get_mut(place) {
                    *byte = with;
                }
            }
        }
    }
    file
}

pub fn database(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    let file = changed(bytes);
    fs::write(&path, &file).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let clock = Clock::manual(Time::from_unix(1_795_369_800));
    match AppState::open(&path, clock.clone()) {
        Err(rejected) => {
            let message = rejected.to_string();
            assert!(!message.contains(['\n', '\0']), "{message}");
            assert!(message.len() < 1_000, "{message}");
            assert_eq!(fs::read(&path).unwrap(), file, "{message}");
            let beside = fs::read_dir(folder.path()).unwrap();
            let beside: Vec<_> = beside.map(|entry| entry.unwrap().file_name()).collect();
            assert!(!message.contains("newer") || file[60..64] != [0, 0, 0, 1]);
            assert!(
                beside == ["keycroft.db"] || is_opened_by_sqlite(&message),
                "{message} {beside:?}"
            );
            let findings = AppState::examine(&path, &clock);
            let is_wrong = |finding: &Finding| finding.condition == Condition::Wrong;
            // `check` does not rehearse a pending migration; `migrate --dry-run` does.
            let is_older = findings
                .iter()
                .any(|finding| finding.subject == "schema" && finding.condition == Condition::Look);
            assert!(
                is_older || findings.iter().any(is_wrong),
                "{message} {findings:?}"
            );
            lines_for_sshd(&path, &clock);
            assert_eq!(fs::read(&path).unwrap(), file, "looking at it changed it");
        }
        Ok(app_state) => {
            ask(&app_state);
            let findings = AppState::examine(&path, &clock);
            assert!(findings.iter().all(|finding| !finding.words.is_empty()));
            lines_for_sshd(&path, &clock);
            app_state.close();
        }
    }
}

/// Returns whether SQLite itself opened it, which creates an empty WAL beside it.
fn is_opened_by_sqlite(message: &str) -> bool {
    ["is damaged;", "can't be", "newer", "never completed"]
        .iter()
        .any(|word| message.contains(word))
}

/// Bar K2: with any content of the rows.
fn lines_for_sshd(path: &Path, clock: &Clock) {
    for login in ["alice", "bob", "carol", "ubuntu"] {
        let login = Username::parse(login).unwrap();
        let Ok(found) = login_keys_from_database(path, clock, &login) else {
            continue;
        };
        for key in found.keys {
            let row = ImportedKey {
                key: key.key,
                expires_at: key.expires_at,
                allowed_addresses: key.allowed_addresses,
                options: key.options,
            };
            if let Ok(line) = key::line_of(&row, ExpiryFormat::Utc) {
                key::assert_one_line(&line, &row);
            }
        }
    }
}

/// Requests always get an answer; only a caller with a secret is authenticated.
fn ask(app_state: &AppState) {
    let settings = Arc::new(HttpSettings {
        public_url: "http://127.0.0.1:8420".to_owned(),
        public_url_given: false,
        behind_proxy: None,
        untrusted_forwarder: std::sync::OnceLock::new(),
        certificate: None,
    });
    let Ok(server_state) = ServerState::open(app_state, &settings) else {
        return;
    };
    for path in [
        "/verify",
        "/api/v1/me",
        "/api/v1/api-keys",
        "/api/v1/events?all=true",
    ] {
        let answer = Asking::new(&server_state, "GET", path)
            .bearer(SECRET)
            .send();
        assert!((200..=503).contains(&answer.status));
        for (name, value) in &answer.headers {
            assert!(!value.contains(['\r', '\n', '\0']), "{name}: {value}");
        }
        let stranger = Asking::new(&server_state, "GET", path)
            .bearer(&SECRET.replace("kca_", "kct_"))
            .send();
        assert!((400..=503).contains(&stranger.status));
    }
}
