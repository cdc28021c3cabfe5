//! `keycroft.toml`: settings of `keycroft serve`, with the names of its flags.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::terminal::environment::path_variable;
use crate::terminal::exit::{FAILED, Failure, USAGE};

/// The file that is read when none is named and it is there.
const NAME: &str = "keycroft.toml";

/// All that may stand in the file; each is a flag of `serve` without its dashes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ServeFile {
    pub db: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    pub public_url: Option<String>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub behind_proxy: Vec<String>,
    pub insecure_http: Option<bool>,
    pub smtp: Option<String>,
    pub smtp_from: Option<String>,
    pub smtp_password_file: Option<PathBuf>,
    pub log: Option<String>,
}

impl ServeFile {
    /// Reads the file that `named` says, or `keycroft.toml` in `$CONFIGURATION_DIRECTORY` or the current folder; nothing
    /// when none is named and none is there.
    pub fn read(named: Option<&Path>) -> Result<Self, Failure> {
        let usual = || {
            path_variable("CONFIGURATION_DIRECTORY")
                .unwrap_or_default()
                .join(NAME)
        };
        let path = named.map_or_else(usual, Path::to_owned);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).map_err(|(line, message)| {
                Failure::new(USAGE, format!("{}:{line}: {message}", path.display()))
            }),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(error) => Err(Failure::new(FAILED, format!("{}: {error}", path.display()))),
        }
    }

    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start).min(text.len());
            let before = &text.as_bytes()[..place];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            (line, error.message().replace('\n', " "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_can_be_set_in_the_file() {
        let file = ServeFile::parse(
            "db = '/a/keycroft.db'\nlisten = '[::1]:80'\npublic-url = 'https://keys.example'\n\
             tls-cert = 'c'\ntls-key = 'k'\nbehind-proxy = ['10.0.0.0/8']\ninsecure-http = false\nlog = 'warn'\n\
             smtp = 'smtp://a'\nsmtp-from = 'a@b'\nsmtp-password-file = 'p'\n",
        )
        .unwrap();
        assert_eq!(file.db, Some("/a/keycroft.db".into()));
        assert_eq!(file.listen, Some("[::1]:80".parse().unwrap()));
        assert_eq!(file.public_url.as_deref(), Some("https://keys.example"));
        assert_eq!(file.tls_cert, Some("c".into()));
        assert_eq!(file.tls_key, Some("k".into()));
        assert_eq!(file.behind_proxy, ["10.0.0.0/8"]);
        assert_eq!(file.insecure_http, Some(false));
        assert_eq!(file.log.as_deref(), Some("warn"));
        assert_eq!(file.smtp.as_deref(), Some("smtp://a"));
        assert_eq!(file.smtp_from.as_deref(), Some("a@b"));
        assert_eq!(file.smtp_password_file, Some("p".into()));
    }

    #[test]
    fn faults_are_reported_with_their_line() {
        for (text, line, word) in [
            ("# no\nlisten-on = '127.0.0.1:1'", 2, "listen-on"),
            ("listen = 'here'", 1, "socket address"),
            ("log = 3", 1, "string"),
            ("\n\ninsecure-http = 'yes'", 3, "boolean"),
            ("db = ", 1, ""),
            ("log = 'a'\nlog = 'b'", 2, "duplicate"),
        ] {
            let (found, message) = ServeFile::parse(text).unwrap_err();
            assert_eq!(found, line, "{text}: {message}");
            assert!(message.contains(word), "{text}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
