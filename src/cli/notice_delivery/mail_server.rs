//! The mail server in the settings of `keycroft serve`.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::client::connection::ServerAddress;
use crate::terminal::environment::path_variable;
use crate::terminal::exit::{FAILED, Failure, USAGE};

/// The name of the systemd credential with the password.
const CREDENTIAL: &str = "smtp-password";

/// The encryption of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte.
    Tls,
    /// STARTTLS, required.
    StartTls,
    /// For a relay on this machine, without a login.
    None,
}

/// The mail server and its login.
#[derive(Clone)]
pub struct MailServer {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    pub username: Option<String>,
    pub password: Option<Zeroizing<String>>,
    /// The sender, such as `Keycroft <keys@lab.example>`.
    pub from: String,
}

impl std::fmt::Debug for MailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MailServer({}:{})", self.host, self.port)
    }
}

/// The settings of the mail server, as they are given.
#[derive(Debug, Clone, Default)]
pub struct MailSettings {
    pub url: Option<String>,
    pub from: Option<String>,
    pub password_file: Option<PathBuf>,
}

impl MailSettings {
    /// The mail server; `None` when none is configured.
    pub fn settle(self, public_url: &str) -> Result<Option<MailServer>, Failure> {
        let Some(url) = &self.url else {
            return match (self.from, self.password_file) {
                (None, None) => Ok(None),
                _ => Err(Failure::new(
                    USAGE,
                    "smtp-from and smtp-password-file need smtp",
                )),
            };
        };
        let (encryption, username, host, port) =
            parse(url).map_err(|message| Failure::new(USAGE, format!("smtp: {message}")))?;
        let from = self.from.unwrap_or_else(|| {
            let domain = ServerAddress::parse(public_url);
            let domain = domain.map_or_else(|_| host.clone(), |server| server.name().to_owned());
            format!("Keycroft <keycroft@{domain}>")
        });
        if let Err(error) = from.parse::<lettre::message::Mailbox>() {
            let message = format!("smtp-from: {from:?} is not a mailbox: {error}");
            return Err(Failure::new(USAGE, message).hint("--smtp-from keys@lab.example"));
        }
        let password = match (&username, self.password_file.or_else(credential)) {
            (Some(_), Some(path)) => Some(read_password(&path)?),
            (Some(_), None) => {
                let message = "smtp contains a username: set smtp-password-file";
                return Err(Failure::new(USAGE, message));
            }
            (None, _) => None,
        };
        Ok(Some(MailServer {
            host,
            port,
            encryption,
            username,
            password,
            from,
        }))
    }
}

fn credential() -> Option<PathBuf> {
    let path = path_variable("CREDENTIALS_DIRECTORY")?.join(CREDENTIAL);
    path.exists().then_some(path)
}

fn read_password(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let fail = |error: std::io::Error| {
        Failure::new(
            FAILED,
            format!("smtp-password-file {}: {error}", path.display()),
        )
    };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(fail)?);
    Ok(Zeroizing::new(
        text.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

/// Parses `smtp://[USER@]HOST[:PORT]` or `smtps://…`.
fn parse(url: &str) -> Result<(Encryption, Option<String>, String, u16), &'static str> {
    const FORM: &str = "expected smtp://USER@HOST:587 (STARTTLS) or smtps://USER@HOST:465 (TLS)";
    let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
    let (username, place) = match rest.trim_end_matches('/').rsplit_once('@') {
        Some((username, place)) => (Some(username), place),
        None => (None, rest.trim_end_matches('/')),
    };
    if username.is_some_and(|name| name.contains(':')) {
        return Err("the URL must not contain a password; set smtp-password-file");
    }
    // The rules for a host and a port are the same.
    let server = ServerAddress::parse(&format!("https://{place}")).map_err(|_| FORM)?;
    let host = server.name().to_owned();
    let port = server
        .host()
        .rsplit_once(':')
        .filter(|(before, _)| !before.contains(':') || before.ends_with(']'));
    let port = port
        .map(|(_, port)| port.parse().map_err(|_| FORM))
        .transpose()?;
    let encryption = match scheme {
        "smtps" => Encryption::Tls,
        "smtp" if server.is_loopback() && username.is_none() => Encryption::None,
        "smtp" => Encryption::StartTls,
        _ => return Err(FORM),
    };
    let usual = match encryption {
        Encryption::Tls => 465,
        Encryption::StartTls => 587,
        Encryption::None => 25,
    };
    let username = username.map(|name| name.replace("%40", "@"));
    if host.is_empty() || username.as_deref() == Some("") {
        return Err(FORM);
    }
    Ok((encryption, username, host, port.unwrap_or(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_server_url_chooses_encryption_and_port() {
        use Encryption::{None as Plain, StartTls, Tls};
        for (url, encryption, username, host, port) in [
            (
                "smtp://mail.lab.example",
                StartTls,
                None,
                "mail.lab.example",
                587,
            ),
            (
                "smtp://keys@mail.lab.example:2525",
                StartTls,
                Some("keys"),
                "mail.lab.example",
                2525,
            ),
            (
                "smtps://keys%40lab.example@mail.lab.example/",
                Tls,
                Some("keys@lab.example"),
                "mail.lab.example",
                465,
            ),
            ("smtp://localhost", Plain, None, "localhost", 25),
            ("smtp://[::1]:26", Plain, None, "::1", 26),
            (
                "smtp://keys@127.0.0.1:2525",
                StartTls,
                Some("keys"),
                "127.0.0.1",
                2525,
            ),
        ] {
            let expected = (
                encryption,
                username.map(str::to_owned),
                host.to_owned(),
                port,
            );
            assert_eq!(parse(url), Ok(expected), "{url}");
        }
        for url in [
            "mail.lab.example",
            "http://a",
            "smtp://",
            "smtp://@a",
            "smtp://u:p@a",
            "smtp://a:x",
            "smtp://a/b",
            "smtp://a b",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
