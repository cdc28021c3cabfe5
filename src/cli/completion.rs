//! Completion in shells: words of the command line, and names that the server lists.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::builder::ArgExt;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use serde::Deserialize;

use super::explain::KeyOwner;
use super::lookup::api_keys_path;
use super::target::TargetArguments;
use crate::client::connection::Remote;

/// A shell waits no longer for names.
const TIME_LIMIT: Duration = Duration::from_millis(250);

/// The variable with which a shell requests completions.
const VARIABLE: &str = "KEYCROFT_COMPLETE";

/// Writes the script that makes a shell request completions.
pub fn script(shell: &str, to: &mut dyn Write) -> io::Result<()> {
    let shells = Shells::builtins();
    let shell = shells
        .completer(shell)
        .ok_or_else(|| io::Error::other(format!("no completions for {shell}")))?;
    let mut text = Vec::new();
    shell.write_registration(VARIABLE, "keycroft", "keycroft", "keycroft", &mut text)?;
    let text = String::from_utf8_lossy(&text);
    // An autoloaded file also has to complete the first time, when its functions are only defined.
    let text = text.replace(REGISTRATION_ZSH, AUTOLOAD_ZSH);
    to.write_all(text.as_bytes())
}

/// The last line of the script of zsh.
const REGISTRATION_ZSH: &str = "\ncompdef _clap_dynamic_completer_keycroft keycroft";
const AUTOLOAD_ZSH: &str = "
if [[ $funcstack[1] == _keycroft ]]; then
    _clap_dynamic_completer_keycroft \"$@\"
else
    compdef _clap_dynamic_completer_keycroft keycroft
fi";

/// Answers a request of a shell for completions and ends the process; without a request it returns.
pub fn answer_shell() {
    CompleteEnv::with_factory(super::command_tree)
        .var(VARIABLE)
        .bin("keycroft")
        .complete();
}

/// Kinds of objects with names.
#[derive(Clone, Copy, Debug)]
pub enum CompletedNames {
    ApiKeys,
    Groups,
    Hosts,
    NoticeChannels,
    Services,
    Sessions,
    SshKeys,
    Tokens,
    Users,
}

/// A listed object: users have a username in place of a name, sessions a device.
#[derive(Deserialize)]
struct NamedItem {
    name: Option<String>,
    username: Option<String>,
    id: Option<String>,
    device: Option<String>,
}

impl CompletedNames {
    fn path(self) -> String {
        let user = flag_in_line("--user");
        let noun = match self {
            Self::ApiKeys => {
                return api_keys_path(user.as_deref(), flag_in_line("--service").as_deref());
            }
            Self::Sessions => return KeyOwner { user }.path("sessions"),
            Self::SshKeys => return KeyOwner { user }.path("ssh-keys"),
            Self::Tokens => return KeyOwner { user }.path("tokens"),
            Self::Groups => "groups",
            Self::Hosts => "hosts",
            Self::NoticeChannels => "notices/channels",
            Self::Services => "services",
            Self::Users => "users",
        };
        format!("/api/v1/{noun}")
    }

    /// Lists of administration may be those of a database on this machine.
    const fn is_administrative(self) -> bool {
        matches!(
            self,
            Self::Groups | Self::Hosts | Self::NoticeChannels | Self::Services | Self::Users
        )
    }

    /// The completer of an argument that takes such a name.
    pub fn completer(self) -> impl ArgExt {
        ArgValueCompleter::new(move |typed: &OsStr| self.candidates(&typed.to_string_lossy()))
    }

    fn candidates(self, typed: &str) -> Vec<CompletionCandidate> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(self.list()));
        let named = receiver.recv_timeout(TIME_LIMIT).ok().flatten();
        let candidate = |one: NamedItem| {
            let name = one.username.or(one.name);
            // Other characters would need the quoting of each shell: the id stands for such a name.
            let (value, note) = match name {
                Some(name) if is_plain(&name) => (name, one.device),
                other => (one.id?, other.or(one.device)),
            };
            let fits = value.starts_with(typed);
            fits.then(|| CompletionCandidate::new(value).help(note.map(Into::into)))
        };
        let named = named.unwrap_or_default();
        named.into_iter().filter_map(candidate).collect()
    }

    /// The objects; `None` when the server does not list them: a completion has no errors.
    fn list(self) -> Option<Vec<NamedItem>> {
        // A half-typed line contacts no server and opens no database that it names.
        let targets = ["--db", "--server", "--context", "--ca-file"];
        if targets.into_iter().any(|flag| flag_in_line(flag).is_some()) {
            return None;
        }
        let client = if self.is_administrative() {
            let place = TargetArguments {
                db: None,
                remote: Remote::default(),
            };
            place.client()
        } else {
            Remote::default().client()
        };
        let client = client.ok()?;
        client.without_notices();
        let path = format!("{}?limit=200", self.path());
        let (listed, _next) = client.list_page(&path).ok()?;
        listed.parse().ok()
    }
}

/// The value of `flag` in the line that a shell completes: it follows `--`.
fn flag_in_line(flag: &str) -> Option<String> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    flag_value(flag, words.filter_map(|word| word.into_string().ok()))
}

fn flag_value(flag: &str, mut words: impl Iterator<Item = String>) -> Option<String> {
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some((name, value)) if name == flag => return Some(value.to_owned()),
            None if word == flag => return words.next(),
            _ => {}
        }
    }
    None
}

/// Returns true for names that no shell interprets.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
    name.bytes().all(is_plain) && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_of_zsh_can_be_sourced_and_autoloaded() {
        let mut text = Vec::new();
        script("zsh", &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("#compdef keycroft\n"), "{text}");
        assert!(text.contains(AUTOLOAD_ZSH), "{text}");
    }

    #[test]
    fn flags_of_the_line_are_found_in_each_form() {
        let value = |line: &str| flag_value("--service", line.split(' ').map(str::to_owned));
        for line in [
            "keycroft api-key show --service backup x",
            "keycroft api-key show x --service=backup",
        ] {
            assert_eq!(value(line).as_deref(), Some("backup"));
        }
        for line in ["keycroft api-key show x --service", "keycroft --services x"] {
            assert_eq!(value(line), None);
        }
    }

    #[test]
    fn only_plain_names_are_completed() {
        for plain in ["ci", "alice", "nightly-backup", "a.b_c@d+e", "x64"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in [
            "with a space",
            "a'b",
            "$(id)",
            "a:b",
            "-rf",
            "バックアップ",
            "a;b",
        ] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
