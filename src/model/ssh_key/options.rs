//! sshd options of an SSH key: a closed list, typed, and written in one form.
//!
//! sshd(8), "AUTHORIZED_KEYS FILE FORMAT". User text never becomes an option: a flag is a `bool`, and the two values
//! are checked when parsed and quoted when written.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

use crate::model::secret::hide_secrets;
use crate::model::text::is_invisible;

/// The longest command, in bytes.
pub const COMMAND_BYTES_MAX: usize = 2_048;
/// The most destinations that port forwarding can be limited to.
pub const PERMITOPEN_MAX: usize = 32;
/// The first sshd with `verify-required`. All others are older than `AuthorizedKeysCommand` with `%f`.
const VERIFY_REQUIRED_SINCE: SshdVersion = SshdVersion(8, 4);
/// The longest host of a destination, in bytes (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// sshd's options, as spelled in its manual. sshd ignores case.
const OPTION_NAMES: [&str; 24] = [
    "agent-forwarding",
    "cert-authority",
    "command",
    "environment",
    "expiry-time",
    "from",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-pty",
    "no-touch-required",
    "no-user-rc",
    "no-verify-required",
    "no-X11-forwarding",
    "permitlisten",
    "permitopen",
    "port-forwarding",
    "principals",
    "pty",
    "restrict",
    "touch-required",
    "tunnel",
    "user-rc",
    "verify-required",
    "X11-forwarding",
];

/// The options of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyOptions {
    /// No forwarding, no terminal, no `~/.ssh/rc`, and all restrictions that future versions of sshd add.
    pub restrict: bool,
    /// A security key signs without a touch.
    pub no_touch_required: bool,
    /// A security key has to verify its user, by PIN or fingerprint.
    pub verify_required: bool,
    /// The command that runs instead of the requested one.
    pub command: Option<ForcedCommand>,
    /// Local port forwarding reaches these destinations only; empty: no limit.
    pub permitopen: Vec<ForwardTarget>,
}

/// A change to the options of a key; `None` leaves an option as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionsChange {
    /// As in [`KeyOptions`].
    pub restrict: Option<bool>,
    /// As in [`KeyOptions`].
    pub no_touch_required: Option<bool>,
    /// As in [`KeyOptions`].
    pub verify_required: Option<bool>,
    /// `Some(None)` removes the command.
    pub command: Option<Option<ForcedCommand>>,
    /// All destinations.
    pub permitopen: Option<Vec<ForwardTarget>>,
}

impl OptionsChange {
    /// The options after the change.
    pub fn apply(self, before: &KeyOptions) -> KeyOptions {
        KeyOptions {
            restrict: self.restrict.unwrap_or(before.restrict),
            no_touch_required: self.no_touch_required.unwrap_or(before.no_touch_required),
            verify_required: self.verify_required.unwrap_or(before.verify_required),
            command: self.command.unwrap_or_else(|| before.command.clone()),
            permitopen: self.permitopen.unwrap_or_else(|| before.permitopen.clone()),
        }
    }
}

impl From<KeyOptions> for OptionsChange {
    /// The change that leads to these options from any others.
    fn from(options: KeyOptions) -> Self {
        Self {
            restrict: Some(options.restrict),
            no_touch_required: Some(options.no_touch_required),
            verify_required: Some(options.verify_required),
            command: Some(options.command),
            permitopen: Some(options.permitopen),
        }
    }
}

/// The reason why a value can't be an option. It repeats nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// Nothing but white space.
    EmptyCommand,
    /// More than [`COMMAND_BYTES_MAX`] bytes.
    LongCommand,
    /// A line break, NUL, another control character, or an invisible one.
    UnseenCharacter,
    /// sshd reads a backslash before the closing quote as part of the value.
    BackslashAtEnd,
    /// Not `HOST:PORT`.
    Destination,
    /// More than [`PERMITOPEN_MAX`] destinations.
    ManyDestinations,
    /// A Keycroft secret, which everyone who sees the key would see.
    Secret,
    /// A row of the database with a value that is not a flag.
    Flag,
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyCommand => "the command is empty: leave it out or name a program",
            Self::LongCommand => {
                return write!(
                    f,
                    "the command is longer than {COMMAND_BYTES_MAX} bytes: put it into a script on the host"
                );
            }
            Self::UnseenCharacter => {
                "the command contains a line break, a control character or an invisible character: write it on one line"
            }
            Self::BackslashAtEnd => {
                "the command ends with a backslash, which sshd can't read: put it into a script on the host"
            }
            Self::Destination => {
                "write each destination as HOST:PORT, [IPV6]:PORT or HOST:* (the port is a number)"
            }
            Self::ManyDestinations => {
                return write!(
                    f,
                    "there are more than {PERMITOPEN_MAX} destinations: remove some"
                );
            }
            Self::Secret => {
                "the command contains a Keycroft secret: treat it as exposed and read it from a file on the host"
            }
            Self::Flag => "this is neither set nor unset",
        })
    }
}

impl std::error::Error for OptionError {}

/// The command of `command="…"`: one line that can be quoted for sshd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcedCommand(String);

impl ForcedCommand {
    /// Checks a command. Its text stays as it is.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        if text.len() > COMMAND_BYTES_MAX {
            return Err(OptionError::LongCommand);
        }
        if text.trim().is_empty() {
            return Err(OptionError::EmptyCommand);
        }
        if text.chars().any(is_invisible) {
            return Err(OptionError::UnseenCharacter);
        }
        if text.ends_with('\\') {
            return Err(OptionError::BackslashAtEnd);
        }
        if matches!(hide_secrets(text), Cow::Owned(_)) {
            return Err(OptionError::Secret);
        }
        Ok(Self(text.to_owned()))
    }

    /// The command as entered.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ForcedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A destination of `permitopen="HOST:PORT"`. sshd compares the host letter by letter with the requested one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardTarget {
    /// A name, an address (IPv6 without brackets) or `*`.
    host: String,
    /// `None`: every port.
    port: Option<u16>,
}

impl ForwardTarget {
    /// Parses `HOST:PORT`, `[IPV6]:PORT`, `HOST:*` and `*:PORT`.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        let (host, port) = text.rsplit_once(':').ok_or(OptionError::Destination)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').filter(|host| is_ipv6(host)),
            None => Some(host).filter(|host| *host == "*" || is_host(host)),
        };
        let port = match port {
            "*" => None,
            digits => Some(parse_port(digits).ok_or(OptionError::Destination)?),
        };
        Ok(Self {
            host: host.ok_or(OptionError::Destination)?.to_owned(),
            port,
        })
    }

    /// Parses a list; repeated destinations count once.
    pub fn parse_list<T: AsRef<str>>(entries: &[T]) -> Result<Vec<Self>, OptionError> {
        let mut list = Vec::new();
        for entry in entries {
            if list.len() == PERMITOPEN_MAX {
                return Err(OptionError::ManyDestinations);
            }
            let destination = Self::parse(entry.as_ref())?;
            if !list.contains(&destination) {
                list.push(destination);
            }
        }
        Ok(list)
    }
}

impl fmt::Display for ForwardTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

/// Parses 1 to 65535, in digits alone. sshd also accepts names of services, which differ from host to host.
fn parse_port(digits: &str) -> Option<u16> {
    let is_number = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let port = digits.parse().ok().filter(|_| is_number);
    port.filter(|&port| port > 0)
}

fn is_host(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=HOST_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

impl KeyOptions {
    /// Reads a stored row.
    ///
    /// # Errors
    /// When any part is damaged: the key must not be served without the rest.
    pub fn from_stored(
        flags: [i64; 3],
        command: Option<&str>,
        permitopen: &str,
    ) -> Result<Self, OptionError> {
        let flag = |number: i64| match number {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(OptionError::Flag),
        };
        let entries: Vec<&str> = permitopen.split_ascii_whitespace().collect();
        Ok(Self {
            restrict: flag(flags[0])?,
            no_touch_required: flag(flags[1])?,
            verify_required: flag(flags[2])?,
            command: command.map(ForcedCommand::parse).transpose()?,
            permitopen: ForwardTarget::parse_list(&entries)?,
        })
    }

    /// The destinations separated by spaces, for the database.
    pub fn stored_permitopen(&self) -> String {
        let entries: Vec<String> = self.permitopen.iter().map(ToString::to_string).collect();
        entries.join(" ")
    }

    /// Returns whether the key has no options.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether a key with these options allows more than with `before`.
    pub fn loosen(&self, before: &Self) -> bool {
        let reaches_more = !before.permitopen.is_empty()
            && (self.permitopen.is_empty()
                || !self
                    .permitopen
                    .iter()
                    .all(|one| before.permitopen.contains(one)));
        (before.restrict && !self.restrict)
            || (before.verify_required && !self.verify_required)
            || (!before.no_touch_required && self.no_touch_required)
            || (before.command.is_some() && self.command != before.command)
            || reaches_more
    }

    /// The options for sshd, in one order, without spaces outside quotes: `restrict`, `command="…"`.
    pub fn to_sshd(&self) -> Vec<String> {
        let flags = [
            (self.restrict, "restrict"),
            (self.no_touch_required, "no-touch-required"),
            (self.verify_required, "verify-required"),
        ];
        let set = flags.into_iter().filter(|(is_set, _)| *is_set);
        let mut words: Vec<String> = set.map(|(_, name)| name.to_owned()).collect();
        words.extend(
            self.command
                .iter()
                .map(|command| quoted("command", command.as_str())),
        );
        let destinations = self.permitopen.iter().map(ToString::to_string);
        words.extend(destinations.map(|text| quoted("permitopen", &text)));
        words
    }

    /// A protective option that is unknown to this version of sshd. Such an sshd must not get the key.
    ///
    /// sshd itself rejects a line with an unknown option, so that an unknown version is safe.
    pub fn unknown_to(&self, sshd: SshdVersion) -> Option<&'static str> {
        (self.verify_required && sshd < VERIFY_REQUIRED_SINCE).then_some("verify-required")
    }

    /// Returns whether the version of sshd decides if a key with these options may be served.
    pub fn depend_on_version(&self) -> bool {
        self.verify_required
    }
}

impl fmt::Display for KeyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_sshd().join(" "))
    }
}

/// Major and minor version of OpenSSH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SshdVersion(pub u32, pub u32);

/// `name="value"`, in which `\"` stands for a quote. sshd reads every other backslash literally.
fn quoted(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", value.replace('"', "\\\""))
}

/// Returns whether the word in front of a key is, or starts, a list of options.
pub(super) fn looks_like_options(word: &str) -> bool {
    word.contains("=\"") || word.split(',').any(|name| option_name(name).is_some())
}

/// Keycroft's spelling of an option's name, if sshd has this option.
pub(super) fn option_name(name: &str) -> Option<&'static str> {
    OPTION_NAMES
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(text: &str) -> Result<ForcedCommand, OptionError> {
        ForcedCommand::parse(text)
    }

    #[test]
    fn command_of_one_quotable_line_is_accepted() {
        for text in [
            "/usr/bin/borg serve --append-only",
            r#"sh -c "echo \"hi\"""#,
            r"a\b",
            " x ",
            "größe 日本",
            &"x".repeat(COMMAND_BYTES_MAX),
        ] {
            assert_eq!(command(text).unwrap().as_str(), text);
        }
        let long = "x".repeat(64 * 1024);
        for (text, error) in [
            ("", OptionError::EmptyCommand),
            (" ", OptionError::EmptyCommand),
            ("a\nb", OptionError::UnseenCharacter),
            ("a\r", OptionError::UnseenCharacter),
            ("a\0b", OptionError::UnseenCharacter),
            ("a\tb", OptionError::UnseenCharacter),
            ("a\u{85}b", OptionError::UnseenCharacter),
            ("a\u{2028}b", OptionError::UnseenCharacter),
            ("a\u{202e}b", OptionError::UnseenCharacter),
            ("a\\", OptionError::BackslashAtEnd),
            (r"a\\", OptionError::BackslashAtEnd),
            (&long, OptionError::LongCommand),
            (&"é".repeat(COMMAND_BYTES_MAX), OptionError::LongCommand),
        ] {
            assert_eq!(command(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn destination_with_host_and_port_is_accepted() {
        for text in [
            "db.example:5432",
            "localhost:*",
            "*:80",
            "*:*",
            "10.0.0.1:1",
            "[2001:db8::1]:65535",
            "[::1]:*",
            "a_b-c.d:22",
        ] {
            assert_eq!(ForwardTarget::parse(text).unwrap().to_string(), text);
        }
        let canonical = ForwardTarget::parse("a:00080").unwrap();
        assert_eq!(canonical.to_string(), "a:80");
        let long = format!("{}:1", "a".repeat(254));
        for text in [
            "", "a", ":80", "a:", "a:0", "a:65536", "a:http", "a:+1", "a:-1", "a:000080", "a b:1",
            "a\":1", "a\n:1", "a,b:1", "::1:80", "[a]:1", "[::1:1", "::1]:1", "[]:1", "[*]:1",
            "a/80", "none", "any", "é:1", "a:1\0", "a\\:1", &long,
        ] {
            assert_eq!(
                ForwardTarget::parse(text),
                Err(OptionError::Destination),
                "{text:?}"
            );
        }
        let many: Vec<String> = (1..=33).map(|port| format!("a:{port}")).collect();
        assert_eq!(ForwardTarget::parse_list(&many[..32]).unwrap().len(), 32);
        assert_eq!(
            ForwardTarget::parse_list(&many),
            Err(OptionError::ManyDestinations)
        );
        let twice = ForwardTarget::parse_list(&["b:1", "a:1", "b:1"]).unwrap();
        assert_eq!(twice.len(), 2);
    }

    fn all() -> KeyOptions {
        KeyOptions {
            restrict: true,
            no_touch_required: true,
            verify_required: true,
            command: command(r#"echo "a\"b" \"#.trim_end_matches('\\')).ok(),
            permitopen: ForwardTarget::parse_list(&["[::1]:80", "db:*"]).unwrap(),
        }
    }

    #[test]
    fn options_are_written_in_one_order_with_quotes() {
        assert_eq!(
            all().to_sshd(),
            [
                "restrict",
                "no-touch-required",
                "verify-required",
                r#"command="echo \"a\\"b\" ""#,
                "permitopen=\"[::1]:80\"",
                "permitopen=\"db:*\"",
            ]
        );
        assert!(KeyOptions::default().to_sshd().is_empty());
    }

    #[test]
    fn damaged_option_row_is_rejected() {
        let options = all();
        let command = options.command.as_ref().map(ForcedCommand::as_str);
        let stored = options.stored_permitopen();
        let read = KeyOptions::from_stored([1, 1, 1], command, &stored);
        assert_eq!(read, Ok(options));
        assert_eq!(
            KeyOptions::from_stored([0; 3], None, ""),
            Ok(KeyOptions::default())
        );
        for flags in [[2, 0, 0], [0, -1, 0], [0, 0, 7]] {
            assert!(KeyOptions::from_stored(flags, None, "").is_err());
        }
        assert!(KeyOptions::from_stored([0; 3], Some("a\nb"), "").is_err());
        assert!(KeyOptions::from_stored([0; 3], Some(""), "").is_err());
        assert!(KeyOptions::from_stored([0; 3], None, "a:1 \",command=\"id").is_err());
    }

    #[test]
    fn old_sshd_gets_no_key_with_unknown_options() {
        let verified = KeyOptions {
            verify_required: true,
            ..KeyOptions::default()
        };
        assert_eq!(
            verified.unknown_to(SshdVersion(8, 3)),
            Some("verify-required")
        );
        assert_eq!(verified.unknown_to(SshdVersion(8, 4)), None);
        assert_eq!(verified.unknown_to(SshdVersion(10, 0)), None);
        assert!(verified.depend_on_version() && !KeyOptions::default().depend_on_version());
        assert_eq!(KeyOptions::default().unknown_to(SshdVersion(5, 0)), None);
    }

    #[test]
    fn options_that_allow_more_count_as_looser() {
        let none = KeyOptions::default();
        let strict = KeyOptions {
            no_touch_required: false,
            ..all()
        };
        assert!(!strict.loosen(&none) && none.loosen(&strict));
        assert!(!strict.loosen(&strict) && !none.loosen(&none));
        let edits: [fn(&mut KeyOptions); 6] = [
            |options| options.restrict = false,
            |options| options.no_touch_required = true,
            |options| options.verify_required = false,
            |options| options.command = ForcedCommand::parse("sh").ok(),
            |options| options.permitopen.clear(),
            |options| {
                options
                    .permitopen
                    .push(ForwardTarget::parse("x:1").unwrap());
            },
        ];
        for (place, edit) in edits.iter().enumerate() {
            let mut edited = strict.clone();
            edit(&mut edited);
            assert!(edited.loosen(&strict), "{place}");
        }
        let mut fewer = strict.clone();
        fewer.permitopen.pop();
        assert!(!fewer.loosen(&strict));
    }

    /// Parses `name="value"` like sshd's `opt_dequote`. Returns the value and the rest.
    fn dequote<'a>(text: &'a str, name: &str) -> (String, &'a str) {
        let text = text.strip_prefix(name).unwrap();
        let text = text.strip_prefix("=\"").unwrap();
        let (mut value, mut at) = (String::new(), 0);
        while !text[at..].starts_with('"') {
            if text[at..].starts_with("\\\"") {
                at += 1;
            }
            let c = text[at..].chars().next().expect("the quote is closed");
            value.push(c);
            at += c.len_utf8();
        }
        (value, &text[at + 1..])
    }

    proptest! {
        /// No command leaves its quotes, and sshd runs exactly the given text.
        #[test]
        fn quoted_command_is_read_back_unchanged(text in "[\"\\\\ ,=a-cé]{1,12}") {
            if let Ok(command) = ForcedCommand::parse(&text) {
                let quoted = quoted("command", command.as_str());
                prop_assert_eq!(dequote(&quoted, "command"), (text, ""));
            }
        }
    }
}
