//! This machine: its users, its log, and the permissions of files that sshd trusts.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::model::secret::Id;
use crate::model::text::sanitize;
use crate::terminal::exit::{FAILED, Failure, USAGE};

/// Longest line in the log, in characters.
const LOG_CHARACTERS_MAX: usize = 400;

/// Says something in the machine's log: sshd throws away what its command says on standard error.
pub fn log(text: &str) {
    const AUTH_WARNING: u8 = (10 << 3) | 4;
    let line = format!(
        "<{AUTH_WARNING}>keycroft-host[{}]: {}",
        std::process::id(),
        sanitize(text, LOG_CHARACTERS_MAX)
    );
    if let Ok(socket) = UnixDatagram::unbound() {
        let _ = socket.set_nonblocking(true);
        let _ = socket.send_to(line.as_bytes(), "/dev/log");
    }
}

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineUser {
    pub name: String,
    pub id: u32,
    pub group: u32,
    pub home: PathBuf,
}

/// The first user ID of people where `/etc/login.defs` names none.
const UID_MIN_DEFAULT: u32 = 1_000;
/// The user ID of `nobody`, the kernel's overflow user. It is above those of people.
const UID_NOBODY: u32 = 65_534;

/// The first user ID of people on this machine.
pub fn uid_min() -> u32 {
    let text = fs::read_to_string("/etc/login.defs").unwrap_or_default();
    parse_uid_min(&text).unwrap_or(UID_MIN_DEFAULT)
}

fn parse_uid_min(text: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("UID_MIN"))
            .then(|| words.next()?.parse().ok())
            .flatten()
    })
}

/// Returns true for root and system accounts, which are opened only on purpose.
pub fn is_system_account(login: &str) -> bool {
    // Nearly always in the machine's own file, which costs less than another process.
    let known = users().into_iter().find(|user| user.name == login);
    known
        .or_else(|| user(login))
        .is_some_and(|user| user.id < uid_min() || user.id == UID_NOBODY)
}

fn parse_user(line: &str) -> Option<MachineUser> {
    let fields: Vec<&str> = line.trim_end().split(':').collect();
    let [name, _, id, group, _, home, _] = fields.as_slice() else {
        return None;
    };
    Some(MachineUser {
        name: (*name).to_owned(),
        id: id.parse().ok()?,
        group: group.parse().ok()?,
        home: PathBuf::from(home),
    })
}

/// A user by name, from any source of users that the machine has.
pub fn user(name: &str) -> Option<MachineUser> {
    let message = Command::new("getent")
        .args(["passwd", "--", name])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&message.stdout).into_owned();
    parse_user(text.lines().next()?).filter(|user| user.name == name)
}

/// The users of this machine's own file.
pub fn users() -> Vec<MachineUser> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    text.lines().filter_map(parse_user).collect()
}

/// The hostname in lower case.
pub fn name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_ascii_lowercase()
}

/// Runs a program; a failure contains its output and errors.
pub fn run_program(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let message = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(FAILED, format!("{program}: {error}")))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if message.status.success() {
        return Ok(text(&message.stdout));
    }
    let words = [text(&message.stderr), text(&message.stdout)].join(" ");
    Err(Failure::new(
        FAILED,
        format!("{program} {}: {}", arguments.join(" "), words.trim()),
    ))
}

/// Runs a command as a user of this machine, as sshd does: without an environment, in the root folder.
pub fn run_as(name: &str, words: &[&str]) -> Result<String, Failure> {
    let user = user(name)
        .ok_or_else(|| Failure::new(FAILED, format!("this machine has no user {name}")))?;
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| Failure::new(FAILED, "the command is empty"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir("/");
    command.stdin(Stdio::null());
    // Only root can become somebody else.
    if rustix::process::geteuid().as_raw() != user.id {
        command.uid(user.id).gid(user.group);
    }
    let output = command
        .output()
        .map_err(|error| Failure::new(FAILED, format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(FAILED, words.trim_start_matches("keycroft: ")))
}

/// The first part of a path that others than root could change; sshd rejects such a path (auth.c, `safe_path`).
pub fn unsafe_part(path: &Path) -> Option<String> {
    let Ok(path) = fs::canonicalize(path) else {
        return Some(format!("{} does not exist", path.display()));
    };
    for part in path.ancestors() {
        let Ok(found) = fs::symlink_metadata(part) else {
            return Some(format!("{} can't be examined", part.display()));
        };
        if found.uid() != 0 {
            return Some(format!("{} is not owned by root", part.display()));
        }
        if found.mode() & 0o022 != 0 {
            return Some(format!(
                "users other than root can write {}",
                part.display()
            ));
        }
    }
    None
}

/// Writes a world-readable file of root atomically.
pub fn write_root_file(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_file_name(format!(".keycroft-{}", Id::random()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    chown(&unfinished, Some(0), Some(0))?;
    fs::rename(&unfinished, path)
}

/// Requires a path that sshd's configuration and units of systemd can contain without quotes.
pub fn require_plain_path(path: &Path) -> Result<(), Failure> {
    let is_special = |c: char| c.is_whitespace() || "\"'\\%$".contains(c);
    let text = path.to_str().filter(|text| !text.contains(is_special));
    if path.is_absolute() && text.is_some() {
        return Ok(());
    }
    let message = format!(
        "{}: sshd needs an absolute path without spaces, quotes, backslashes, % and $",
        path.display()
    );
    Err(Failure::new(USAGE, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_that_needs_quotes_is_rejected() {
        let code = |path: &str| require_plain_path(Path::new(path)).err().map(|f| f.code);
        assert_eq!(code("/srv/keycroft-host_2.x"), None);
        for path in [
            "srv/host",
            "/srv/a b",
            "/srv/a\nb",
            "/srv/a\"b",
            "/srv/a'b",
            "/srv/%h",
            "/srv/$a",
            "/srv/a\\b",
        ] {
            assert_eq!(code(path), Some(USAGE), "{path}");
        }
    }

    #[test]
    fn users_are_read_from_the_passwd_file() {
        let user = parse_user("alice:x:1000:1001:Alice,,,:/home/alice:/bin/bash\n").unwrap();
        assert_eq!(
            (user.name.as_str(), user.id, user.group),
            ("alice", 1000, 1001)
        );
        assert_eq!(user.home, Path::new("/home/alice"));
        for line in ["", "# comment", "alice:x:-1:0::/:/bin/sh", "a:b:c"] {
            assert!(parse_user(line).is_none(), "{line}");
        }
    }

    #[test]
    fn user_ids_of_people_begin_at_the_limit_of_login_defs() {
        assert_eq!(parse_uid_min("# UID_MIN 5\nUID_MIN\t\t  500\n"), Some(500));
        assert_eq!(parse_uid_min("SYS_UID_MIN 101\nUID_MAX 60000\n"), None);
        assert_eq!(parse_uid_min("UID_MIN many\n"), None);
    }

    #[test]
    fn root_is_a_system_account_and_an_unknown_login_is_not() {
        assert!(is_system_account("root") && is_system_account("nobody"));
        assert!(!is_system_account("keycroft-nobody-is-called-so"));
    }

    #[test]
    fn path_that_others_can_write_is_reported() {
        assert!(unsafe_part(Path::new("/nowhere/at/all")).is_some());
        let folder = tempfile::tempdir().unwrap();
        let message = unsafe_part(folder.path()).unwrap();
        // The folder of all temporary files is writable for everybody.
        assert!(
            message.contains("can write") || message.contains("owned"),
            "{message}"
        );
    }
}
