//! The sshd that runs on this machine: the arguments it was started with, and its configuration for one connection.
//!
//! Arguments override `sshd_config` (EC2 Instance Connect starts sshd with `-o AuthorizedKeysCommand=…`), and a `Match` block
//! overrides both. sshd itself resolves this: `sshd -T -C user=…` with the arguments of the running process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::machine::unsafe_part;
use crate::terminal::exit::{FAILED, Failure};

/// Options of sshd that take a value.
const WITH_VALUE: &str = "CEbcfghkopu";
/// Options of sshd that take none.
const FLAGS: &str = "46DGQRTVdeiqrt";
/// Options that change the configuration; the others are left out when the configuration is requested.
const OF_CONFIGURATION: &str = "cfhop";
/// Longest part of a process's heap that is searched for its environment.
const HEAP_BYTES_MAX: u64 = 16 << 20;

/// How a sshd is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sshd {
    /// `None`: none runs here, and this is the way it starts by default.
    pub pid: Option<u32>,
    program: PathBuf,
    /// Those that change the configuration.
    arguments: Vec<String>,
}

/// A connection, as `Match` blocks distinguish them.
#[derive(Debug, Clone)]
pub struct SshdConnection<'a> {
    pub login: &'a str,
    pub address: IpAddr,
}

/// The configuration for a connection: keywords in lower case with their first value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration(BTreeMap<String, String>);

impl Configuration {
    fn parse(text: &str) -> Self {
        let mut values = BTreeMap::new();
        for line in text.lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            values
                .entry(name.to_ascii_lowercase())
                .or_insert_with(|| value.trim().to_owned());
        }
        Self(values)
    }

    /// The value of a keyword in lower case; `none` when it has none.
    pub fn value(&self, keyword: &str) -> &str {
        self.0.get(keyword).map_or("none", String::as_str)
    }
}

/// The time zone in a process's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeZone {
    /// `TZ` has this value.
    Set(String),
    /// The environment has no `TZ`: the machine's own zone counts.
    Unset,
    /// The environment can't be read.
    Unknown,
}

impl Sshd {
    /// A sshd that is started without arguments.
    pub fn by_default(program: &Path) -> Self {
        Self {
            pid: None,
            program: program.to_owned(),
            arguments: Vec::new(),
        }
    }

    /// Returns true when it reads the configuration in this folder.
    pub fn reads(&self, sshd_folder: &Path) -> bool {
        let file = self
            .arguments
            .iter()
            .skip_while(|argument| *argument != "-f")
            .nth(1);
        let file = file.map_or("/etc/ssh/sshd_config", String::as_str);
        let real = |path: PathBuf| fs::canonicalize(&path).unwrap_or(path);
        real(PathBuf::from(file)) == real(sshd_folder.join("sshd_config"))
    }

    /// Returns true when its arguments name an `AuthorizedKeysCommand`.
    pub fn names_command(&self) -> bool {
        let is_command = |argument: &String| {
            let keyword = argument.split(['=', ' ', '\t']).next().unwrap_or_default();
            keyword.eq_ignore_ascii_case("AuthorizedKeysCommand")
        };
        self.arguments.iter().any(is_command)
    }

    /// The arguments that override the configuration file, for messages.
    pub fn arguments(&self) -> String {
        self.arguments.join(" ")
    }

    fn command(&self, sshd_folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        let has_file = self.arguments.iter().any(|argument| argument == "-f");
        command.args(&self.arguments);
        if !has_file {
            command.arg("-f").arg(sshd_folder.join("sshd_config"));
        }
        command.env_clear().stdin(Stdio::null());
        command
    }

    /// The configuration for a connection.
    pub fn configuration(
        &self,
        sshd_folder: &Path,
        connection: &SshdConnection<'_>,
    ) -> Result<Configuration, Failure> {
        let specification = format!(
            "user={},host={},addr={},laddr=127.0.0.1,lport=22",
            connection.login, connection.address, connection.address
        );
        let output = self
            .command(sshd_folder)
            .args(["-T", "-C", &specification])
            .output()
            .map_err(|error| {
                Failure::new(FAILED, format!("{}: {error}", self.program.display()))
            })?;
        if output.status.success() {
            return Ok(Configuration::parse(&String::from_utf8_lossy(
                &output.stdout,
            )));
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(
            FAILED,
            format!("sshd rejects its configuration: {words}"),
        ))
    }

    /// The time zone that this sshd was started with.
    pub fn time_zone(&self) -> TimeZone {
        let Some(pid) = self.pid else {
            return TimeZone::Unset;
        };
        let title = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if !title.starts_with(b"sshd: ") {
            return fs::read(format!("/proc/{pid}/environ")).map_or(TimeZone::Unknown, |bytes| {
                zone_in(bytes.split(|byte| *byte == 0)).map_or(TimeZone::Unset, TimeZone::Set)
            });
        }
        // sshd writes its title over its environment, after it copied the variables to its heap.
        let Some(heap) = heap(pid) else {
            return TimeZone::Unknown;
        };
        let variables = || heap.split(|byte| *byte == 0);
        match zone_in(variables()) {
            Some(zone) => TimeZone::Set(zone),
            // Each environment has a PATH: without one the copies are elsewhere.
            None if variables().any(|variable| variable.starts_with(b"PATH=")) => TimeZone::Unset,
            None => TimeZone::Unknown,
        }
    }
}

fn zone_in<'a>(mut variables: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let value = variables.find_map(|variable| variable.strip_prefix(b"TZ="))?;
    let zone = std::str::from_utf8(value).ok()?;
    let is_plain = zone.len() <= 256 && zone.chars().all(|c| c.is_ascii_graphic());
    is_plain.then(|| zone.to_owned())
}

fn heap(pid: u32) -> Option<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let range = maps.lines().find(|line| line.ends_with("[heap]"))?;
    let (start, rest) = range.split_once('-')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let end = u64::from_str_radix(rest.split(' ').next()?, 16).ok()?;
    let mut memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    memory.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    memory
        .take(end.checked_sub(start)?.min(HEAP_BYTES_MAX))
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// The sshd processes that accept connections on this machine, in its own namespaces.
pub fn listeners() -> Vec<Sshd> {
    let namespace = |pid: &str, name: &str| fs::read_link(format!("/proc/{pid}/ns/{name}")).ok();
    let is_ours = |pid: &str| {
        ["mnt", "net"].iter().all(|name| {
            namespace(pid, name).is_some_and(|one| Some(one) == namespace("self", name))
        })
    };
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(pid) = name.parse() else { continue };
        let Ok(program) = fs::read_link(format!("/proc/{name}/exe")) else {
            continue;
        };
        // An upgrade replaces the file of a running program.
        let program = program.to_string_lossy().replace(" (deleted)", "");
        let is_sshd = program.ends_with("/sshd") && is_ours(&name);
        // It is run as root, and any user can start a program of this name.
        if !is_sshd || !runs_as_root(&name) || unsafe_part(Path::new(&program)).is_some() {
            continue;
        }
        let line = fs::read(format!("/proc/{name}/cmdline")).unwrap_or_default();
        if let Some(arguments) = arguments_of_listener(&line) {
            found.push(Sshd {
                pid: Some(pid),
                program: PathBuf::from(program),
                arguments,
            });
        }
    }
    found.sort_unstable_by_key(|sshd| sshd.pid);
    found
}

/// Returns true when root is the effective user of a process. (The owner of its folder in `/proc` may be root for others.)
fn runs_as_root(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    users.and_then(|users| users.split_whitespace().nth(1)) == Some("0")
}

/// The arguments in the command line of a process that accepts connections; `None` for one that serves a connection.
fn arguments_of_listener(line: &[u8]) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(line);
    if let Some(title) = text.strip_prefix("sshd: ") {
        // From OpenSSH 8.2 on the title has all arguments, with one space between two.
        let (command, _) = title.split_once(" [listener]")?;
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        return Some(of_configuration(&words, ArgumentForm::Split));
    }
    let words: Vec<&str> = text.trim_end_matches('\0').split('\0').skip(1).collect();
    let serves_a_connection = words.iter().any(|word| {
        word.strip_prefix('-').is_some_and(|letters| {
            letters.chars().all(|c| FLAGS.contains(c))
                && letters.contains(['R', 'i', 'T', 't', 'G'])
        })
    });
    (!serves_a_connection).then(|| of_configuration(&words, ArgumentForm::Whole))
}

/// The form of arguments: one word each, or possibly several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ArgumentForm {
    Whole,
    Split,
}

/// The options that change the configuration, each followed by its value.
fn of_configuration(words: &[&str], form: ArgumentForm) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        let Some((letter, attached)) = option(word) else {
            continue;
        };
        if !WITH_VALUE.contains(letter) {
            continue;
        }
        let mut value = attached.to_owned();
        if value.is_empty() {
            words.next().unwrap_or_default().clone_into(&mut value);
        }
        while form == ArgumentForm::Split
            && letter == 'o'
            && let Some(more) = words.next_if(|word| option(word).is_none())
        {
            value.push(' ');
            value.push_str(more);
        }
        if OF_CONFIGURATION.contains(letter) {
            kept.push(format!("-{letter}"));
            kept.push(value);
        }
    }
    kept
}

/// The letter of an option that takes a value with what is attached to it, or of a flag.
fn option(word: &str) -> Option<(char, &str)> {
    let letters = word.strip_prefix('-')?;
    let place = letters.find(|c| !FLAGS.contains(c));
    let (letter, rest) = match place {
        Some(place) => {
            let mut characters = letters.get(place..)?.chars();
            (characters.next()?, characters.as_str())
        }
        None => (letters.chars().next()?, ""),
    };
    (WITH_VALUE.contains(letter) || FLAGS.contains(letter)).then_some((letter, rest))
}

/// A line of a configuration file that names an `AuthorizedKeysCommand`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    pub file: PathBuf,
    pub number: usize,
    pub text: String,
    /// The `Match` line above it.
    pub condition: Option<String>,
}

impl std::fmt::Display for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.number, self.text)?;
        match &self.condition {
            Some(condition) => write!(f, " (under \"{condition}\")"),
            None => Ok(()),
        }
    }
}

/// The lines of `sshd_config` and its drop-ins that name an `AuthorizedKeysCommand`.
pub fn command_lines(sshd_folder: &Path) -> Vec<CommandLine> {
    let mut files: Vec<PathBuf> = fs::read_dir(sshd_folder.join("sshd_config.d"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|path| path.extension().is_some_and(|end| end == "conf"));
    files.sort();
    files.push(sshd_folder.join("sshd_config"));
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        found.extend(command_lines_in(&file, &text));
    }
    found
}

fn command_lines_in(file: &Path, text: &str) -> Vec<CommandLine> {
    let mut condition = None;
    let mut found = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        let keyword = line.split(|c: char| c.is_whitespace() || c == '=').next();
        let is = |name: &str| keyword.is_some_and(|word| word.eq_ignore_ascii_case(name));
        if is("Match") {
            condition = Some(line.to_owned());
        } else if is("AuthorizedKeysCommand") {
            found.push(CommandLine {
                file: file.to_owned(),
                number: place + 1,
                text: line.to_owned(),
                condition: condition.clone(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(arguments: &str) -> Option<Vec<String>> {
        arguments_of_listener(
            format!("sshd: /usr/sbin/sshd {arguments}[listener] 0 of 10-100 startups\0\0")
                .as_bytes(),
        )
    }

    #[test]
    fn arguments_are_read_from_the_title_of_a_listener() {
        assert_eq!(title("-D "), Some(vec![]));
        assert_eq!(
            title(
                "-D -o AuthorizedKeysCommand /usr/share/eic -x %u %f -o AuthorizedKeysCommandUser ec2 -p 2222 "
            ),
            Some(
                [
                    "-o",
                    "AuthorizedKeysCommand /usr/share/eic -x %u %f",
                    "-o",
                    "AuthorizedKeysCommandUser ec2",
                    "-p",
                    "2222"
                ]
                .map(str::to_owned)
                .to_vec()
            )
        );
        assert_eq!(
            title("-De -oAuthorizedKeysCommand=/usr/bin/x -f/etc/other -E /var/log/sshd "),
            Some(
                ["-o", "AuthorizedKeysCommand=/usr/bin/x", "-f", "/etc/other"]
                    .map(str::to_owned)
                    .to_vec()
            )
        );
    }

    #[test]
    fn arguments_of_an_older_sshd_are_complete() {
        let line = b"/usr/sbin/sshd\0-D\0-o\0AuthorizedKeysCommand /bin/x -u %u\0-f\0/etc/ssh/a\0";
        assert_eq!(
            arguments_of_listener(line),
            Some(
                [
                    "-o",
                    "AuthorizedKeysCommand /bin/x -u %u",
                    "-f",
                    "/etc/ssh/a"
                ]
                .map(str::to_owned)
                .to_vec()
            )
        );
    }

    #[test]
    fn processes_of_connections_are_not_listeners() {
        for line in [
            &b"sshd: alice [priv]\0"[..],
            b"sshd: alice@pts/0\0",
            b"/usr/sbin/sshd\0-D\0-R\0",
            b"/usr/sbin/sshd\0-i\0",
        ] {
            assert_eq!(arguments_of_listener(line), None, "{line:?}");
        }
    }

    #[test]
    fn command_lines_have_their_condition() {
        let text = "Port 22\nauthorizedkeyscommand=/bin/a %u\n#AuthorizedKeysCommand /bin/b\nMatch User git\n  AuthorizedKeysCommand /bin/c\n  AuthorizedKeysCommandUser git\n";
        let found = command_lines_in(Path::new("/etc/ssh/sshd_config"), text);
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "/etc/ssh/sshd_config:2: authorizedkeyscommand=/bin/a %u",
                "/etc/ssh/sshd_config:5: AuthorizedKeysCommand /bin/c (under \"Match User git\")"
            ]
        );
    }

    /// Its program is run as root, so that a user could name any.
    #[test]
    fn program_of_a_user_is_not_taken_for_sshd() {
        let folder = tempfile::tempdir().unwrap();
        let program = fs::canonicalize(folder.path()).unwrap().join("sshd");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut running = Command::new(&program).arg("60").spawn().unwrap();
        let pid = running.id();
        let exe = format!("/proc/{pid}/exe");
        // Until then the process is still a copy of this one.
        while fs::read_link(&exe).is_ok_and(|exe| exe != program) {}
        let found = listeners();
        running.kill().unwrap();
        running.wait().unwrap();
        assert!(found.iter().all(|sshd| sshd.pid != Some(pid)), "{found:?}");
    }

    #[test]
    fn first_value_of_a_keyword_counts() {
        let configuration = Configuration::parse("port 22\nport 23\nauthorizedkeyscommand none\n");
        assert_eq!(configuration.value("port"), "22");
        assert_eq!(configuration.value("usepam"), "none");
    }

    #[test]
    fn time_zone_is_read_from_the_environment() {
        let zone = |bytes: &[u8]| zone_in(bytes.split(|byte| *byte == 0));
        assert_eq!(
            zone(b"PATH=/bin\0TZ=Asia/Tokyo\0").as_deref(),
            Some("Asia/Tokyo")
        );
        assert_eq!(zone(b"PATH=/bin\0XTZ=a\0"), None);
        assert_eq!(zone(b"TZ=a b\0"), None);
    }
}
