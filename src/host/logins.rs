//! `keycroft host report-logins`: reports logins that sshd accepted, from the journal or a log file, and saves the
//! position.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
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
    let server = HostServer::from_settings(&folder, &settings, REPORT_TIME)?;
    let mut report = Report::new(
        read_reported(&folder)?,
        Clock::System.now(),
        |logins, reported| {
            if !logins.is_empty() {
                server.report(logins)?;
            }
            // After the server has them: told twice is better than never.
            let text =
                toml::to_string(reported).map_err(|error| logins_failure(error.to_string()))?;
            folder.write(REPORTED, text.as_bytes())
        },
    );
    match &wanted.file {
        Some(path) => report.read_file(path),
        None => report.read_journal(),
    }?;
    let count = report.finish()?;
    write_stderr(&format!("reported {count} logins"));
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

/// One run: sends the logins in parts, so that a long outage takes no more memory than a short one.
struct Report<S> {
    reported: Reported,
    /// The position that `send` saved last.
    saved: Reported,
    now: Time,
    waiting: Vec<LoginIn>,
    count: usize,
    send: S,
}

impl<S: FnMut(&[LoginIn], &Reported) -> Result<(), Failure>> Report<S> {
    fn new(reported: Reported, now: Time, send: S) -> Self {
        Self {
            saved: reported.clone(),
            reported,
            now,
            waiting: Vec::new(),
            count: 0,
            send,
        }
    }

    /// Sends the rest; returns how many logins the server has from this run.
    fn finish(mut self) -> Result<usize, Failure> {
        if self.reported != self.saved {
            self.send()?;
        }
        Ok(self.count)
    }

    fn send(&mut self) -> Result<(), Failure> {
        (self.send)(&self.waiting, &self.reported)?;
        self.count += self.waiting.len();
        self.waiting.clear();
        self.saved = self.reported.clone();
        Ok(())
    }

    /// Takes a line, after the position moved behind it.
    fn take(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.waiting.extend(in_line(line, self.now));
        if self.waiting.len() == LOGINS_MAX {
            self.send()?;
        }
        Ok(())
    }

    /// Reads what was added to the file that was read last, also if it was rotated since, and then `path`.
    fn read_file(&mut self, path: &Path) -> Result<(), Failure> {
        let failed = |error| file_failure(path, &error);
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if found.ino() != self.reported.inode {
            match open_rotated_log(path, self.reported.inode).map_err(failed)? {
                Some(rotated) => self.read_lines(path, rotated)?,
                None if self.reported.inode == 0 => {}
                None => write_stderr(
                    "the log file that was read last is gone: logins at its end may be missing",
                ),
            }
            self.reported.inode = found.ino();
            self.reported.offset = 0;
        } else if found.len() < self.reported.offset {
            // Rotated by a copy: `copytruncate` of logrotate.
            self.reported.offset = 0;
        }
        self.read_lines(path, file)
    }

    fn read_lines(&mut self, path: &Path, mut file: File) -> Result<(), Failure> {
        let failed = |error| file_failure(path, &error);
        file.seek(SeekFrom::Start(self.reported.offset))
            .map_err(failed)?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(failed)?;
            if line.last() != Some(&b'\n') {
                // The rest of the line is still to be written.
                return Ok(());
            }
            self.reported.offset += read as u64;
            self.take(&line)?;
        }
    }

    fn read_journal(&mut self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| logins_failure(format!("journalctl: {error}"));
        let mut command = Command::new("journalctl");
        command.args(["--output=json", "--no-pager", "--quiet"]);
        match &self.reported.cursor {
            Some(cursor) => command.arg(format!("--after-cursor={cursor}")),
            None => command.arg("--since=-1day"),
        };
        // Trusted fields of journald (with an underscore), which other programs can't forge: sshd of root.
        command.args(["_UID=0", "_COMM=sshd", "+", "_UID=0", "_COMM=sshd-session"]);
        let mut journal = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        // Read beside the entries: a full pipe would stop journalctl.
        let errors = journal.stderr.take();
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut errors) = errors {
                // As much as there is, for the message.
                let _ = errors.read_to_end(&mut text);
            }
            text
        });
        if let Some(entries) = journal.stdout.take() {
            for line in BufReader::new(entries).split(b'\n') {
                let line = line.map_err(failed)?;
                if let Some(cursor) = cursor_of(&line) {
                    self.reported.cursor = Some(cursor);
                }
                self.take(&line)?;
            }
        }
        if journal.wait().map_err(failed)?.success() {
            return Ok(());
        }
        let errors = errors.join().unwrap_or_default();
        let words = String::from_utf8_lossy(&errors);
        Err(logins_failure(format!("journalctl: {}", words.trim()))
            .hint("the group systemd-journal for keycroft-host, or --file FILE"))
    }
}

fn file_failure(path: &Path, error: &io::Error) -> Failure {
    logins_failure(format!("{}: {error}", path.display()))
}

/// The log file with this inode number, if it was renamed to `path` and more: `auth.log.1`.
fn open_rotated_log(path: &Path, inode: u64) -> io::Result<Option<File>> {
    let path = path.canonicalize()?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    for sibling in fs::read_dir(folder)? {
        let sibling = sibling?;
        let is_of_log = sibling.file_name().as_bytes().starts_with(name.as_bytes());
        if is_of_log && sibling.ino() == inode {
            let file = File::open(sibling.path())?;
            // Between both steps it may have been rotated again.
            return Ok((file.metadata()?.ino() == inode).then_some(file));
        }
    }
    Ok(None)
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

/// The position of an entry of the journal.
fn cursor_of(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Position {
        #[serde(rename = "__CURSOR")]
        cursor: String,
    }
    let position: Position = serde_json::from_slice(line).ok()?;
    Some(position.cursor)
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

    /// The number of logins in each part that one run over `path` sends.
    fn run(path: &Path, reported: &mut Reported) -> Result<Vec<usize>, Failure> {
        let mut parts = Vec::new();
        let mut report = Report::new(
            reported.clone(),
            NOW,
            |logins: &[LoginIn], at: &Reported| {
                parts.push(logins.len());
                *reported = at.clone();
                Ok(())
            },
        );
        report.read_file(path)?;
        report.finish()?;
        Ok(parts)
    }

    #[test]
    fn log_file_is_read_once_and_again_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.log");
        let mut reported = Reported::default();
        fs::write(&path, format!("{MESSAGE}\n{MESSAGE}\nAccepted publick")).unwrap();
        assert_eq!(run(&path, &mut reported).unwrap(), [2]);
        assert!(run(&path, &mut reported).unwrap().is_empty());
        fs::write(&path, format!("{MESSAGE}\n")).unwrap();
        assert_eq!(run(&path, &mut reported).unwrap(), [1]);
        assert!(run(&folder.path().join("none"), &mut reported).is_err());
    }

    #[test]
    fn logins_before_a_rotation_are_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.log");
        let mut reported = Reported::default();
        fs::write(&path, format!("{MESSAGE}\n")).unwrap();
        assert_eq!(run(&path, &mut reported).unwrap(), [1]);
        fs::write(&path, format!("{MESSAGE}\n").repeat(3)).unwrap();
        fs::rename(&path, folder.path().join("auth.log-20261130")).unwrap();
        fs::write(&path, format!("{MESSAGE}\n")).unwrap();
        assert_eq!(run(&path, &mut reported).unwrap(), [3]);
        assert!(run(&path, &mut reported).unwrap().is_empty());
    }

    #[test]
    fn long_outage_is_reported_in_parts_that_stay_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.log");
        fs::write(&path, format!("{MESSAGE}\n").repeat(2 * LOGINS_MAX + 1)).unwrap();
        let mut reported = Reported::default();
        let mut parts = 0;
        let mut report = Report::new(Reported::default(), NOW, |_: &[LoginIn], at: &Reported| {
            if parts == 1 {
                return Err(logins_failure("no server".to_owned()));
            }
            parts += 1;
            reported = at.clone();
            Ok(())
        });
        assert!(report.read_file(&path).is_err());
        drop(report);
        assert_eq!(run(&path, &mut reported).unwrap(), [LOGINS_MAX, 1]);
        assert!(run(&path, &mut reported).unwrap().is_empty());
    }
}
