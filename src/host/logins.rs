//! `keycroft host report-logins`: reports logins that sshd accepted, from the journal or a log file, and saves the
//! position.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::folder::{HostFolder, HostFolderArguments};
use super::server::HostServer;
use crate::clock::Clock;
use crate::model::host::is_fingerprint;
use crate::model::time::Time;
use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::output::write_stderr;
use crate::wire::{LOGINS_MAX, LoginIn};

const REPORTED: &str = "reported.toml";
/// How long one report may take.
const REPORT_TIME: Duration = Duration::from_secs(30);
/// Longest line that is looked at, in bytes.
const LINE_BYTES_MAX: usize = 16 * 1_024;

#[derive(Args)]
pub struct ReportLogins {
    #[command(flatten)]
    place: HostFolderArguments,
    /// Log file to read instead of the journal: of sshd -E, syslog or `journalctl -o json`
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// How far it came.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Reported {
    /// Of the journal.
    cursor: Option<String>,
    /// Of the file: which one it was, and how many bytes of it are done.
    inode: u64,
    offset: u64,
}

/// `keycroft host report-logins`.
pub fn report_logins(wanted: &ReportLogins) -> Result<(), Failure> {
    let folder = HostFolder::open(&wanted.place)?;
    let settings = folder.settings()?;
    let before = read_reported(&folder)?;
    let mut after = before.clone();
    let now = Clock::System.now();
    let logins = match &wanted.file {
        Some(path) => from_file(path, &mut after, now)?,
        None => from_journal(&mut after, now)?,
    };
    let server = HostServer::from_settings(&folder, &settings, REPORT_TIME)?;
    for part in logins.chunks(LOGINS_MAX) {
        server.report(part)?;
    }
    // After the server has them: told twice is better than never.
    if after != before {
        let text = toml::to_string(&after).map_err(|error| logins_failure(error.to_string()))?;
        folder.write(REPORTED, text.as_bytes())?;
    }
    write_stderr(&format!("reported {} logins", logins.len()));
    Ok(())
}

fn logins_failure(why: String) -> Failure {
    Failure::new(FAILED, why)
}

fn read_reported(folder: &HostFolder) -> Result<Reported, Failure> {
    let Some(bytes) = folder.read(REPORTED)? else {
        return Ok(Reported::default());
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    // A damaged position is replaced.
    Ok(toml::from_str(text).unwrap_or_default())
}

fn from_file(path: &Path, reported: &mut Reported, now: Time) -> Result<Vec<LoginIn>, Failure> {
    let write_stderr =
        |error: std::io::Error| logins_failure(format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(write_stderr)?;
    let found = file.metadata().map_err(write_stderr)?;
    // Another file by this name, or a shorter one: it was rotated.
    if found.ino() != reported.inode || found.len() < reported.offset {
        reported.inode = found.ino();
        reported.offset = 0;
    }
    file.seek(SeekFrom::Start(reported.offset))
        .map_err(write_stderr)?;
    let mut reader = BufReader::new(file);
    let mut logins = Vec::new();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes).map_err(write_stderr)?;
        if read == 0 || bytes.last() != Some(&b'\n') {
            // The rest of a line is still to be written.
            return Ok(logins);
        }
        reported.offset += read as u64;
        logins.extend(in_line(&bytes, now));
    }
}

fn from_journal(reported: &mut Reported, now: Time) -> Result<Vec<LoginIn>, Failure> {
    let mut command = Command::new("journalctl");
    command.args(["--output=json", "--no-pager", "--quiet", "--show-cursor"]);
    match &reported.cursor {
        Some(cursor) => command.arg(format!("--after-cursor={cursor}")),
        None => command.arg("--since=-1day"),
    };
    // Trusted fields of journald (with an underscore), which other programs can't forge: sshd of root.
    command.args(["_UID=0", "_COMM=sshd", "+", "_UID=0", "_COMM=sshd-session"]);
    let printed = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| logins_failure(format!("journalctl: {error}")))?;
    if !printed.status.success() {
        let words = String::from_utf8_lossy(&printed.stderr).trim().to_owned();
        return Err(logins_failure(format!("journalctl: {words}"))
            .hint("the group systemd-journal for keycroft-host, or --file FILE"));
    }
    let mut logins = Vec::new();
    for line in printed.stdout.split(|byte| *byte == b'\n') {
        if let Some(cursor) = line.strip_prefix(b"-- cursor: ") {
            reported.cursor = Some(String::from_utf8_lossy(cursor).into_owned());
        }
        logins.extend(in_line(line, now));
    }
    Ok(logins)
}

/// A line of the journal as JSON.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "MESSAGE")]
    message: String,
    #[serde(rename = "_UID")]
    user: Option<String>,
    #[serde(rename = "_COMM")]
    program: Option<String>,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    microseconds: Option<String>,
}

/// The login that a line reports.
pub fn in_line(line: &[u8], now: Time) -> Option<LoginIn> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let line = std::str::from_utf8(line).ok()?.trim_end();
    if line.starts_with('{') {
        let entry: Entry = serde_json::from_str(line).ok()?;
        let is_sshd = matches!(entry.program.as_deref(), Some("sshd" | "sshd-session"));
        if !is_sshd || entry.user.as_deref() != Some("0") {
            return None;
        }
        let at = entry
            .microseconds
            .and_then(|text| text.parse::<i64>().ok())
            .map_or(now, |micros| Time::from_unix(micros / 1_000_000));
        return in_message(&entry.message, at);
    }
    let (head, message) = split_syslog(line);
    let at = head
        .split_ascii_whitespace()
        .next()
        .and_then(|text| Time::parse(text).ok())
        .unwrap_or(now);
    in_message(message, at)
}

/// The part in front of a message in a log file, and the message. The first mark counts: text of
/// strangers comes after it.
fn split_syslog(line: &str) -> (&str, &str) {
    if line.starts_with("Accepted ") {
        return ("", line);
    }
    let Some((head, message)) = line.split_once("]: ") else {
        return (line, "");
    };
    let tag = head.rsplit(' ').next().unwrap_or_default();
    if tag.starts_with("sshd[") || tag.starts_with("sshd-session[") {
        (head, message)
    } else {
        (line, "")
    }
}

/// Reads `Accepted publickey for alice from 10.0.0.7 port 52022 ssh2: ED25519 SHA256:…`.
fn in_message(message: &str, at: Time) -> Option<LoginIn> {
    let rest = message.strip_prefix("Accepted publickey for ")?;
    let words: Vec<&str> = rest.split(' ').collect();
    let [login, "from", address, "port", _, "ssh2:", _, fingerprint] = words.as_slice() else {
        return None;
    };
    let address: std::net::IpAddr = address.split('%').next()?.parse().ok()?;
    is_fingerprint(fingerprint).then(|| LoginIn {
        login: (*login).to_owned(),
        fingerprint: (*fingerprint).to_owned(),
        address: address.to_string(),
        at: at.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "Accepted publickey for alice from 10.0.0.7 port 52022 ssh2: ED25519 SHA256:2PCbHJmLR42T0SxXM+lo5Wng3l0I8qiokDz8hAbTKSI";
    const NOW: Time = Time::from_unix(1_000_000);

    fn login(line: &str) -> Option<(String, String)> {
        in_line(line.as_bytes(), NOW).map(|login| (login.login, login.at))
    }

    #[test]
    fn logins_are_found_in_every_kind_of_log() {
        let now = Some(("alice".to_owned(), NOW.to_string()));
        assert_eq!(login(MESSAGE), now);
        assert_eq!(
            login(&format!("Nov 22 17:00:01 gpu1 sshd[12]: {MESSAGE}\n")),
            now
        );
        assert_eq!(
            login(&format!(
                "2026-11-22T17:00:01Z gpu1 sshd-session[12]: {MESSAGE}"
            )),
            Some(("alice".to_owned(), "2026-11-22T17:00:01Z".to_owned()))
        );
        let entry = format!(
            r#"{{"MESSAGE":"{MESSAGE}","_UID":"0","_COMM":"sshd","__REALTIME_TIMESTAMP":"2000000000000"}}"#
        );
        assert_eq!(
            login(&entry),
            Some(("alice".to_owned(), Time::from_unix(2_000_000).to_string()))
        );
    }

    #[test]
    fn forged_log_line_is_not_a_login() {
        let lines = [
            format!("Nov 22 17:00:01 gpu1 sshd[12]: Invalid user {MESSAGE} from 10.0.0.9 port 5"),
            format!("Nov 22 17:00:01 gpu1 other[12]: {MESSAGE}"),
            format!("Nov 22 17:00:01 gpu1 evil[1]: x sshd[12]: {MESSAGE}"),
            format!("Invalid user x {MESSAGE}"),
            format!(r#"{{"MESSAGE":"{MESSAGE}","_UID":"1000","_COMM":"sshd"}}"#),
            format!(r#"{{"MESSAGE":"{MESSAGE}","_UID":"0","_COMM":"logger"}}"#),
            format!(r#"{{"MESSAGE":"{MESSAGE}","SYSLOG_IDENTIFIER":"sshd"}}"#),
            MESSAGE.replace("10.0.0.7", "somewhere"),
            format!("{MESSAGE} and more"),
            MESSAGE.replace("alice", "alice from 1.1.1.1 port 1 ssh2: ED25519 x"),
            MESSAGE.replace("publickey", "password"),
        ];
        for line in lines {
            assert_eq!(login(&line), None, "{line}");
        }
    }

    #[test]
    fn log_file_is_read_once_and_again_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.log");
        let mut reported = Reported::default();
        std::fs::write(&path, format!("{MESSAGE}\n{MESSAGE}\nAccepted publick")).unwrap();
        assert_eq!(from_file(&path, &mut reported, NOW).unwrap().len(), 2);
        assert_eq!(from_file(&path, &mut reported, NOW).unwrap().len(), 0);
        std::fs::write(&path, format!("{MESSAGE}\n")).unwrap();
        assert_eq!(from_file(&path, &mut reported, NOW).unwrap().len(), 1);
        assert!(from_file(&folder.path().join("none"), &mut reported, NOW).is_err());
    }
}
