//! Keys with options in front: a complete `authorized_keys` file, line by line, or a single pasted line.

use std::fmt;

use super::options::{looks_like_options, option_name};
use super::{
    ForcedCommand, ForwardTarget, KeyOptions, KeyRejection, KeyRules, KeyType, OptionError,
    PublicKey, moment, paste,
};
use crate::model::address::{
    ADDRESSES_MAX, AllowedAddresses, AmbiguousNetwork, NetworkError, read_network,
};
use crate::model::time::Time;

/// The largest accepted file, in bytes.
pub const IMPORT_BYTES_MAX: usize = 1024 * 1024;

/// A line of the file that is neither empty nor a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportLine {
    /// Counted from 1.
    pub number: usize,
    /// The key, or the reason why the line is not imported.
    pub outcome: Result<ImportedKey, ImportRejection>,
}

/// A key and the options in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedKey {
    /// The key.
    pub key: PublicKey,
    /// The first moment at which it is expired; it may be past.
    pub expires_at: Option<Time>,
    /// Allowed addresses.
    pub allowed_addresses: AllowedAddresses,
    /// The other options.
    pub options: KeyOptions,
}

/// The reason why a line is not imported. Like [`KeyRejection`] it repeats nothing of the line but network addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportRejection {
    /// The key itself is rejected.
    Key(KeyRejection),
    /// An option of sshd that is not supported.
    Option(&'static str),
    /// An option whose value can't be stored.
    Value(&'static str, OptionError),
    /// `command=` twice, which sshd rejects too.
    RepeatedCommand,
    /// An option that is unknown to sshd too.
    UnknownOption,
    /// Quotes or commas that sshd rejects too.
    BadOptions,
    /// `from=` twice.
    RepeatedFrom,
    /// `from=` with names, wildcards or negations.
    FromPattern,
    /// `from=` with a network that has bits outside its mask, which sshd rejects too.
    FromHostBits(AmbiguousNetwork),
    /// `from=` with too many networks.
    FromTooLong,
    /// `expiry-time=` in local time of an unknown zone.
    LocalExpiry,
    /// `expiry-time=` with an invalid time.
    BadExpiry,
}

impl From<KeyRejection> for ImportRejection {
    fn from(rejection: KeyRejection) -> Self {
        Self::Key(rejection)
    }
}

impl fmt::Display for ImportRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(rejection) => return rejection.fmt(f),
            Self::Option(name) => return write!(f, "the option {name} is not supported: {}", remedy(name)),
            Self::Value(name, error) => return write!(f, "the option {name} can't be stored: {error}"),
            Self::RepeatedCommand => "the option command occurs twice in front of this key: keep one",
            Self::UnknownOption => "an option in front of this key is unknown to sshd: remove it",
            Self::BadOptions => "sshd can't read the options in front of this key: check quotes and commas",
            Self::RepeatedFrom => "the option from occurs twice in front of this key: combine both lists",
            Self::FromPattern => "the option from can only contain IP addresses and networks: host names, wildcards and exceptions (!) are not supported",
            Self::FromHostBits(meanings) => {
                return write!(f, "the option from has a network with bits outside its mask: use {meanings}");
            }
            Self::FromTooLong => {
                return write!(f, "the option from has more than {ADDRESSES_MAX} networks: combine them");
            }
            Self::LocalExpiry => "the option expiry-time is in local time: write it in UTC with a Z at its end",
            Self::BadExpiry => "the option expiry-time is not a date and time as sshd writes them",
        })
    }
}

impl std::error::Error for ImportRejection {}

/// How to do without an option that is not supported.
fn remedy(option: &str) -> &'static str {
    match option {
        "no-agent-forwarding"
        | "no-port-forwarding"
        | "no-pty"
        | "no-user-rc"
        | "no-X11-forwarding" => "use restrict, which includes it, or remove it",
        "agent-forwarding" | "port-forwarding" | "pty" | "user-rc" | "X11-forwarding" => {
            "it allows again what restrict forbids; remove it, and restrict if the key needs it"
        }
        "touch-required" | "no-verify-required" => "it is the default; remove it",
        "cert-authority" | "principals" => "Keycroft manages no SSH certificates; remove it",
        _ => "remove it if the key works without it",
    }
}

impl ImportedKey {
    /// Parses one pasted key, with or without options in front of it.
    pub fn parse(text: &str, rules: &KeyRules) -> Result<Self, ImportRejection> {
        match PublicKey::parse(text, rules) {
            Ok(key) => Ok(key.into()),
            // The text was checked before: one line, and no private key.
            Err(KeyRejection::Options) => {
                let is_around = |c: char| c.is_whitespace() || c == '\u{feff}';
                read_line(text.trim_matches(is_around), rules)
            }
            Err(rejection) => Err(rejection.into()),
        }
    }
}

impl From<PublicKey> for ImportedKey {
    fn from(key: PublicKey) -> Self {
        Self {
            key,
            expires_at: None,
            allowed_addresses: AllowedAddresses::default(),
            options: KeyOptions::default(),
        }
    }
}

/// Parses a complete `authorized_keys` file (its form is in the manual page sshd(8)). Empty lines and comments are left
/// out.
pub fn parse_authorized_keys_file(
    text: &str,
    rules: &KeyRules,
) -> Result<Vec<ImportLine>, KeyRejection> {
    if paste::holds_private_key(text) {
        return Err(KeyRejection::PrivateKey);
    }
    if text.len() > IMPORT_BYTES_MAX {
        return Err(KeyRejection::TooLong);
    }
    let lines = text.trim_start_matches('\u{feff}').split('\n');
    let numbered = (1..).zip(lines.map(str::trim));
    Ok(numbered
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| ImportLine {
            number,
            outcome: read_line(line, rules),
        })
        .collect())
}

fn read_line(line: &str, rules: &KeyRules) -> Result<ImportedKey, ImportRejection> {
    let is_plain = line
        .split_whitespace()
        .next()
        .is_some_and(|word| KeyType::from_name(word).is_some());
    let options_end = options_end(line);
    let (options, rest) = line.split_at(options_end.unwrap_or(line.len()));
    // sshd, too, first looks for a key, and for options only where it finds none.
    if is_plain || !looks_like_options(options) {
        return Ok(PublicKey::parse(line, rules)?.into());
    }
    if options_end.is_none() {
        return Err(ImportRejection::BadOptions);
    }
    let key = PublicKey::parse(rest, rules)?;
    read_options(options, key)
}

/// The end of the options: the first space or tab outside quotes; `None` if a quote stays open.
fn options_end(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let (mut at, mut is_quoted) = (0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' if !is_quoted => return Some(at),
            b'\\' if bytes.get(at + 1) == Some(&b'"') => at += 1,
            b'"' => is_quoted = !is_quoted,
            _ => {}
        }
        at += 1;
    }
    (!is_quoted).then_some(bytes.len())
}

/// Reads a list of options into the limits of `key`.
fn read_options(text: &str, key: PublicKey) -> Result<ImportedKey, ImportRejection> {
    let mut read = ImportedKey::from(key);
    let mut rest = text;
    loop {
        let name_end = rest.find(['=', ',']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        let name = option_name(name).ok_or(ImportRejection::UnknownOption)?;
        let flag = match name {
            "restrict" => Some(&mut read.options.restrict),
            "no-touch-required" => Some(&mut read.options.no_touch_required),
            "verify-required" => Some(&mut read.options.verify_required),
            "command" | "expiry-time" | "from" | "permitopen" => None,
            _ => return Err(ImportRejection::Option(name)),
        };
        let after = if let Some(flag) = flag {
            *flag = true;
            after
        } else {
            let (value, after) = unquote(after)?;
            read.set(name, &value)?;
            after
        };
        if after.is_empty() {
            return Ok(read);
        }
        rest = after.strip_prefix(',').ok_or(ImportRejection::BadOptions)?;
    }
}

impl ImportedKey {
    fn set(&mut self, name: &'static str, value: &str) -> Result<(), ImportRejection> {
        match name {
            "command" => self.set_command(value),
            "expiry-time" => self.lower_expiry(value),
            "from" => self.set_addresses(value),
            _ => self.add_destination(value),
        }
    }

    fn set_command(&mut self, command: &str) -> Result<(), ImportRejection> {
        if self.options.command.is_some() {
            return Err(ImportRejection::RepeatedCommand);
        }
        let command = ForcedCommand::parse(command);
        self.options.command =
            Some(command.map_err(|error| ImportRejection::Value("command", error))?);
        Ok(())
    }

    fn add_destination(&mut self, destination: &str) -> Result<(), ImportRejection> {
        let mut all: Vec<String> = self
            .options
            .permitopen
            .iter()
            .map(ToString::to_string)
            .collect();
        all.push(destination.to_owned());
        let all = ForwardTarget::parse_list(&all);
        self.options.permitopen =
            all.map_err(|error| ImportRejection::Value("permitopen", error))?;
        Ok(())
    }

    fn set_addresses(&mut self, list: &str) -> Result<(), ImportRejection> {
        if !self.allowed_addresses.is_everywhere() {
            return Err(ImportRejection::RepeatedFrom);
        }
        let entries: Vec<&str> = list.split(',').collect();
        for entry in &entries {
            read_network(entry).map_err(|error| match error {
                NetworkError::Syntax => ImportRejection::FromPattern,
                NetworkError::HostBits(meanings) => ImportRejection::FromHostBits(meanings),
            })?;
        }
        self.allowed_addresses =
            AllowedAddresses::parse(&entries).map_err(|_| ImportRejection::FromTooLong)?;
        Ok(())
    }

    /// sshd uses the earliest of several times, and still accepts the key in that second.
    fn lower_expiry(&mut self, time: &str) -> Result<(), ImportRejection> {
        let utc = time
            .strip_suffix(['Z', 'z'])
            .or_else(|| time.strip_suffix("UTC"));
        let last = moment::from_digits(utc.unwrap_or(time))
            .filter(|last| last.unix() > 0)
            .ok_or(ImportRejection::BadExpiry)?;
        if utc.is_none() {
            return Err(ImportRejection::LocalExpiry);
        }
        let expires_at = Time::from_unix(last.unix() + 1);
        self.expires_at = Some(
            self.expires_at
                .map_or(expires_at, |other| other.min(expires_at)),
        );
        Ok(())
    }
}

/// The value of `="VALUE"` at the start, in which `\"` stands for a quote, and the text after it.
fn unquote(text: &str) -> Result<(String, &str), ImportRejection> {
    let text = text
        .strip_prefix("=\"")
        .ok_or(ImportRejection::BadOptions)?;
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' if characters.next_if(|&(_, next)| next == '"').is_some() => value.push('"'),
            c => value.push(c),
        }
    }
    Err(ImportRejection::BadOptions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslash_escapes_only_a_quote() {
        for (line, end) in [
            (r"no-pty ssh-rsa", Some(6)),
            (r"no-pty\ ssh-rsa", Some(7)),
            (r#"from="a\ b" ssh-rsa"#, Some(11)),
            (r#"from="a\"b" ssh-rsa"#, Some(11)),
            // As in sshd: the second backslash hides the quote.
            (r#"from="a\\" ssh-rsa"#, None),
        ] {
            assert_eq!(options_end(line), end, "{line}");
        }
    }

    #[test]
    fn option_value_ends_at_the_first_unescaped_quote() {
        for (text, value, rest) in [
            (r#"="a b",no-pty"#, "a b", ",no-pty"),
            (r#"="a\"b""#, r#"a"b"#, ""),
            (r#"="a\b\c""#, r"a\b\c", ""),
        ] {
            assert_eq!(unquote(text), Ok((value.to_owned(), rest)), "{text}");
        }
        for bad in ["", "a", r#"="a"#, r#"="a\""#] {
            assert_eq!(unquote(bad), Err(ImportRejection::BadOptions), "{bad}");
        }
    }
}
