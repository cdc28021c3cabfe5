//! The server and the credential of a command, and their sources: flag before environment before files.

use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::config::{Config, ConfigFolder};
use crate::model::credential::Kind;
use crate::model::secret::{Id, Presented, SecretForm};
use crate::model::time::Time;
use crate::terminal::environment::{path_variable, variable};
use crate::terminal::exit::{FAILED, Failure, INVALID, SIGN_IN_NEEDED, USAGE};
use crate::terminal::output::OutputArguments;
use crate::terminal::text_file;

const SERVER: &str = "KEYCROFT_SERVER";
const TOKEN: &str = "KEYCROFT_TOKEN";
const TOKEN_FILE: &str = "KEYCROFT_TOKEN_FILE";
const CONTEXT: &str = "KEYCROFT_CONTEXT";
pub const CA_FILE: &str = "KEYCROFT_CA_FILE";
/// Longest file that is read for a secret, in bytes.
const TOKEN_FILE_BYTES_MAX: u64 = 4_096;
/// The `User-Agent` of requests.
pub const PROGRAM: &str = concat!("keycroft/", env!("CARGO_PKG_VERSION"));

/// The arguments of every command that contacts a server.
#[derive(Args, Clone, Debug, Default)]
pub struct Remote {
    /// URL of the server [env: KEYCROFT_SERVER] [default: that of the context]
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    pub server: Option<String>,
    /// Context, a saved login [env: KEYCROFT_CONTEXT] [default: the active one]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Server")]
    pub context: Option<String>,
    /// PEM file of certificates to trust instead of the system's [env: KEYCROFT_CA_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    pub ca_file: Option<PathBuf>,
    /// Allow plain HTTP to other machines; the network can read the secret
    #[arg(long, global = true, help_heading = "Server")]
    pub insecure_http: bool,
    #[command(flatten)]
    pub format: OutputArguments,
}

/// The address of a server: `https://` or `http://`, a host and an optional port, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress(String);

impl ServerAddress {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "expected a URL such as https://keys.lab.example, without a path";
        let text = text.trim().trim_end_matches('/');
        let mut lower = text.to_ascii_lowercase();
        if lower.starts_with("http:") || lower.starts_with("https:") {
            // A scheme is there: nothing is added in front.
        } else if !lower.contains("://") {
            lower.insert_str(0, "https://");
            // A server on this machine usually speaks plain HTTP: either may be meant.
            if Self(lower.clone()).is_loopback() {
                return Err("expected http:// or https:// before a server on this machine");
            }
        }
        let host = lower
            .strip_prefix("https://")
            .or_else(|| lower.strip_prefix("http://"))
            .ok_or(FORM)?;
        let fine = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        if fine { Ok(Self(lower)) } else { Err(FORM) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Host and port: the default name of a context.
    pub fn host(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, host)| host)
    }

    /// The host without its port, and an IPv6 address without brackets.
    pub fn name(&self) -> &str {
        let host = self.host();
        match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((address, _)) => address,
            None => host.split_once(':').map_or(host, |(name, _)| name),
        }
    }

    /// Returns true for loopback, which no network can read.
    pub fn is_loopback(&self) -> bool {
        let name = self.name();
        name == "localhost"
            || name
                .parse::<IpAddr>()
                .is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// The source of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingSource {
    Flag(&'static str),
    Variable(&'static str),
    /// The files, under this context.
    Context(String),
    /// The output of the `credential_command` of this context.
    Command(String),
    StandardInput,
}

impl std::fmt::Display for SettingSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::Context(name) => write!(f, "the saved login of context {name}"),
            Self::Command(name) => write!(f, "the credential_command of context {name}"),
            Self::StandardInput => f.write_str("standard input"),
        }
    }
}

/// A credential on its way to the server. No `Debug`: it holds a secret.
pub struct ClientCredential {
    pub secret: Zeroizing<String>,
    pub form: SecretForm,
    pub id: Id,
    pub source: SettingSource,
    /// As it was when it was saved.
    pub expires_at: Option<Time>,
}

impl ClientCredential {
    /// Parses a secret.
    pub fn parse(text: &str, source: SettingSource) -> Result<Self, Failure> {
        let text = text_file::unwrapped(text);
        let Some(presented) = Presented::parse(&text) else {
            return Err(Failure::new(
                INVALID,
                format!(
                    "{source} does not contain a complete Keycroft secret, which begins with kca_ or kct_ and ends with a checksum"
                ),
            ));
        };
        Ok(Self {
            secret: text,
            form: presented.form,
            id: presented.id,
            source,
            expires_at: None,
        })
    }

    /// `kct_4k2m9x0q7w1z_…`.
    pub fn hint(&self) -> String {
        crate::model::secret::hint(self.form, self.id)
    }

    /// Returns true for a one-time code.
    pub fn is_code(&self) -> bool {
        self.form == SecretForm::Code
    }

    pub fn is(&self, kind: Kind) -> bool {
        self.form == SecretForm::Credential(kind)
    }
}

/// The chosen server and credential.
pub struct Connection {
    pub server: ServerAddress,
    pub server_source: SettingSource,
    /// The context that the server belongs to, if one does.
    pub context: Option<String>,
    pub credential: Option<ClientCredential>,
    /// A saved login that the credential in use overrides.
    pub overridden: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub insecure_http: bool,
    pub format: OutputArguments,
}

impl Connection {
    /// A database on this machine, which needs no credential.
    pub fn of_database(shown: &str, format: &OutputArguments) -> Self {
        Self {
            server: ServerAddress(shown.to_owned()),
            server_source: SettingSource::Flag("--db"),
            context: None,
            credential: None,
            overridden: None,
            ca_file: None,
            insecure_http: false,
            format: format.clone(),
        }
    }

    /// The same server with `credential`.
    pub fn with(&self, credential: ClientCredential) -> Self {
        Self {
            credential: Some(credential),
            ..self.without_credential()
        }
    }

    /// The same server without a credential.
    pub fn without_credential(&self) -> Self {
        Self {
            server: self.server.clone(),
            server_source: self.server_source.clone(),
            context: self.context.clone(),
            credential: None,
            overridden: None,
            ca_file: self.ca_file.clone(),
            insecure_http: self.insecure_http,
            format: self.format.clone(),
        }
    }

    /// The credential.
    pub fn credential(&self) -> Result<&ClientCredential, Failure> {
        self.credential.as_ref().ok_or_else(|| {
            Failure::new(
                SIGN_IN_NEEDED,
                format!("you are not logged in to {}", self.server.as_str()),
            )
            .hint(format!("keycroft login {}", self.server.as_str()))
        })
    }
}

/// The variable that names a server or a credential, if one does.
pub fn named_by_environment() -> Option<&'static str> {
    [SERVER, CONTEXT, TOKEN, TOKEN_FILE]
        .into_iter()
        .find(|name| variable(name).is_some())
}

impl Remote {
    /// Returns true when a flag names a server.
    pub const fn is_named_by_flag(&self) -> bool {
        self.server.is_some() || self.context.is_some()
    }

    /// Returns true when a saved login is in use. A file that can't be read counts as one: no other target is chosen.
    pub fn is_signed_in() -> bool {
        ConfigFolder::find().is_some_and(|folder| {
            folder
                .config()
                .map_or(true, |config| config.current.is_some())
        })
    }

    /// Chooses the server, without a credential.
    pub fn server(&self) -> Result<Connection, Failure> {
        let config = ConfigFolder::find()
            .map(|folder| folder.config())
            .transpose()?
            .unwrap_or_default();
        let mut connection = self.find_server(&config)?;
        let context = connection
            .context
            .as_ref()
            .and_then(|name| config.contexts.get(name));
        connection.ca_file = self
            .ca_file
            .clone()
            .or_else(|| path_variable(CA_FILE))
            .or_else(|| context.and_then(|context| context.ca_file.clone()));
        connection.insecure_http =
            self.insecure_http || context.is_some_and(|context| context.insecure_http);
        if !connection.server.is_https()
            && !connection.server.is_loopback()
            && !connection.insecure_http
        {
            let message = format!(
                "{} is plain HTTP to another machine; the network could read the secret",
                connection.server.as_str()
            );
            return Err(Failure::new(USAGE, message).hint(format!(
                "https://{}, or --insecure-http on a trusted network",
                connection.server.host()
            )));
        }
        Ok(connection)
    }

    fn find_server(&self, config: &Config) -> Result<Connection, Failure> {
        let parse = |text: &str, source: &SettingSource| {
            ServerAddress::parse(text)
                .map_err(|message| Failure::new(USAGE, format!("{source}: {message}")))
        };
        let found = |server: ServerAddress,
                     server_source: SettingSource,
                     context: Option<String>| Connection {
            server,
            server_source,
            context,
            credential: None,
            overridden: None,
            ca_file: None,
            insecure_http: false,
            format: self.format.clone(),
        };
        let address = self
            .server
            .clone()
            .map(|text| (text, SettingSource::Flag("--server")));
        let by_flag = self
            .context
            .clone()
            .map(|name| (name, SettingSource::Flag("--context")));
        let (address, named) = match (address, by_flag) {
            (Some(address), named) => (Some(address), named),
            (None, Some(named)) => (None, Some(named)),
            (None, None) => (
                variable(SERVER).map(|text| (text, SettingSource::Variable(SERVER))),
                variable(CONTEXT).map(|name| (name, SettingSource::Variable(CONTEXT))),
            ),
        };
        if let Some((text, source)) = address {
            let server = parse(&text, &source)?;
            let context = pick_context(
                config,
                &server,
                named.as_ref().map(|(name, _)| name.as_str()),
            );
            return Ok(found(server, source, context));
        }
        let (name, source) = match named {
            Some((name, source)) => (name, source),
            None => match &config.current {
                Some(name) => (name.clone(), SettingSource::Context(name.clone())),
                None => {
                    return Err(Failure::new(SIGN_IN_NEEDED, "no server chosen")
                        .hint("keycroft login https://keys.lab.example"));
                }
            },
        };
        let Some(context) = config.contexts.get(&name) else {
            return Err(
                Failure::new(INVALID, format!("context {name} of {source} not found"))
                    .hint("keycroft context list"),
            );
        };
        Ok(found(
            parse(&context.server, &SettingSource::Context(name.clone()))?,
            source,
            Some(name),
        ))
    }

    /// Chooses server and credential. A saved credential is sent only to its own server.
    pub fn connection(&self) -> Result<Connection, Failure> {
        let mut connection = self.server()?;
        let from_context = connection.context.clone();
        let by_flag = self.context.is_some();
        let environment = if by_flag { None } else { from_environment()? };
        if let Some(credential) = environment {
            connection.overridden = from_context.filter(|name| {
                ConfigFolder::find().is_some_and(|folder| {
                    folder
                        .credentials()
                        .is_ok_and(|saved| saved.contexts.contains_key(name))
                })
            });
            connection.credential = Some(credential);
            return Ok(connection);
        }
        if let Some(name) = &from_context
            && let Some(credential) = from_command(name)?
        {
            connection.credential = Some(credential);
            return Ok(connection);
        }
        if let (Some(name), Some(folder)) = (from_context, ConfigFolder::find())
            && let Some(saved) = folder.credentials()?.contexts.get(&name)
        {
            let mut credential =
                ClientCredential::parse(&saved.secret, SettingSource::Context(name))?;
            credential.expires_at = saved
                .expires_at
                .as_deref()
                .and_then(|text| Time::parse(text).ok());
            connection.credential = Some(credential);
            return Ok(connection);
        }
        if by_flag {
            connection.credential = from_environment()?;
        }
        Ok(connection)
    }
}

/// The context of a server that was named by its address: the one that was named besides, the current one, or the only one.
fn pick_context(config: &Config, server: &ServerAddress, named: Option<&str>) -> Option<String> {
    let is_of = |name: &str| {
        config
            .contexts
            .get(name)
            .is_some_and(|context| ServerAddress::parse(&context.server).as_ref() == Ok(server))
    };
    if let Some(name) = named {
        return is_of(name).then(|| name.to_owned());
    }
    if let Some(current) = config.current.as_deref().filter(|name| is_of(name)) {
        return Some(current.to_owned());
    }
    let mut all = config.contexts.keys().filter(|name| is_of(name));
    match (all.next(), all.next()) {
        (Some(only), None) => Some(only.clone()),
        _ => None,
    }
}

/// The output of the `credential_command` of a context: a program that keeps the secret (a keyring, a password store).
fn from_command(context: &str) -> Result<Option<ClientCredential>, Failure> {
    let Some(folder) = ConfigFolder::find() else {
        return Ok(None);
    };
    let Some(command) = folder.credential_command(context)? else {
        return Ok(None);
    };
    let fail = |why: String| {
        Failure::new(
            SIGN_IN_NEEDED,
            format!("the credential_command of context {context}: {why}"),
        )
    };
    let Some((program, arguments)) = command.split_first() else {
        return Err(fail("it is empty".to_owned()));
    };
    let printed = std::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| fail(format!("{program}: {error}")))?;
    let text = Zeroizing::new(printed.stdout);
    if !printed.status.success() {
        return Err(fail(format!("{program} exited with {}", printed.status)));
    }
    let text = std::str::from_utf8(&text).map_err(|_| fail("its output is not text".to_owned()))?;
    ClientCredential::parse(text, SettingSource::Command(context.to_owned())).map(Some)
}

fn from_environment() -> Result<Option<ClientCredential>, Failure> {
    if let Some(text) = variable(TOKEN) {
        return ClientCredential::parse(&Zeroizing::new(text), SettingSource::Variable(TOKEN))
            .map(Some);
    }
    let Some(path) = variable(TOKEN_FILE) else {
        return Ok(None);
    };
    let fail =
        |error: std::io::Error| Failure::new(FAILED, format!("{TOKEN_FILE}: {path}: {error}"));
    let file = std::fs::File::open(&path).map_err(fail)?;
    let mut bytes = Zeroizing::new(Vec::new());
    std::io::Read::take(file, TOKEN_FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    let text = text_file::decode(&bytes).ok_or_else(|| fail(ErrorKind::InvalidData.into()))?;
    ClientCredential::parse(&text, SettingSource::Variable(TOKEN_FILE)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::config::Context;

    #[test]
    fn addresses_have_one_form() {
        for (text, server) in [
            ("https://Keys.lab.example/", "https://keys.lab.example"),
            ("http://127.0.0.1:8420", "http://127.0.0.1:8420"),
            ("https://[::1]:8420", "https://[::1]:8420"),
            ("keys.lab.example", "https://keys.lab.example"),
            ("Keys.lab.example:8420/", "https://keys.lab.example:8420"),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().as_str(), server);
        }
        for bad in [
            "",
            "localhost:8420",
            "127.0.0.1:8420",
            "keys.lab.example/login",
            "https://",
            "https://a/b",
            "https://user@a",
            "https://a?b",
            "ftp://a",
            "https://a b",
            "https://a\n",
        ] {
            assert!(
                ServerAddress::parse(bad).is_err() || bad.ends_with('\n'),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn loopback_is_distinguished_from_lookalikes() {
        for (text, loopback) in [
            ("http://localhost:8420", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:1", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost.example", false),
            ("http://127.0.0.1.example", false),
            ("http://10.0.0.1", false),
            ("http://[2001:db8::1]:1", false),
        ] {
            assert_eq!(
                ServerAddress::parse(text).unwrap().is_loopback(),
                loopback,
                "{text}"
            );
        }
    }

    #[test]
    fn context_is_used_only_for_its_server() {
        let context = |server: &str| Context {
            server: server.to_owned(),
            username: None,
            ca_file: None,
            credential_command: None,
            insecure_http: false,
        };
        let mut config = Config {
            current: Some("a".into()),
            ..Config::default()
        };
        for (name, server) in [
            ("a", "https://a.example"),
            ("b", "https://b.example"),
            ("c1", "https://c.example"),
            ("c2", "https://c.example"),
        ] {
            config.contexts.insert(name.into(), context(server));
        }
        let pick = |server: &str, named: Option<&str>| {
            pick_context(&config, &ServerAddress::parse(server).unwrap(), named)
        };
        assert_eq!(pick("https://a.example", None).as_deref(), Some("a"));
        assert_eq!(pick("https://b.example", None).as_deref(), Some("b"));
        assert_eq!(
            pick("https://c.example", None),
            None,
            "two would fit: neither is guessed"
        );
        assert_eq!(pick("https://c.example", Some("c2")).as_deref(), Some("c2"));
        assert_eq!(pick("https://evil.example", Some("a")), None);
        assert_eq!(pick("https://evil.example", None), None);
    }
}
