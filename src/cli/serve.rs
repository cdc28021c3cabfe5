//! `keycroft serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;

use super::exit::{FAILED, Failure, USAGE};
use super::operator::Database;
use crate::http::transport::{Settings as Wire, Stop, TlsFiles};
use crate::http::{self, Settings};
use crate::model::address::Networks;
use crate::model::code::Purpose;

#[derive(Args)]
pub struct ServeArguments {
    #[command(flatten)]
    database: Database,
    /// Where to listen; port 0 takes a free one
    #[arg(
        long,
        env = "KEYCROFT_LISTEN",
        default_value = "127.0.0.1:8420",
        value_name = "ADDR:PORT"
    )]
    listen: SocketAddr,
    /// Where people and programs reach this server [default: http(s):// and where it listens]
    #[arg(long, env = "KEYCROFT_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Certificate chain for TLS, PEM; read again on SIGHUP
    #[arg(
        long,
        env = "KEYCROFT_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,
    /// Private key for TLS, PEM
    #[arg(
        long,
        env = "KEYCROFT_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
    /// Network of a proxy whose X-Forwarded-For is to be believed; repeatable
    #[arg(
        long,
        env = "KEYCROFT_BEHIND_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    behind_proxy: Vec<IpNet>,
    /// Allow plain HTTP on other addresses than loopback: everybody on the way can read every secret
    #[arg(long, env = "KEYCROFT_INSECURE_HTTP")]
    insecure_http: bool,
    /// How much to log: error, warn, info, debug
    #[arg(
        long,
        env = "KEYCROFT_LOG",
        default_value = "info",
        value_name = "LEVEL"
    )]
    log: log::LevelFilter,
}

/// Serves until told to stop.
///
/// # Errors
/// With what to say and the exit code.
pub fn run(arguments: ServeArguments) -> Result<(), Failure> {
    start_log(arguments.log);
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        _ => None,
    };
    let encrypted = tls.is_some() || arguments.insecure_http || !arguments.behind_proxy.is_empty();
    if !arguments.listen.ip().is_loopback() && !encrypted {
        let message = format!(
            "plain HTTP on {} would show every secret to everybody on the way",
            arguments.listen
        );
        return Err(Failure::new(USAGE, message)
            .hint("give --tls-cert and --tls-key, or --behind-proxy CIDR, or --insecure-http"));
    }
    let fail = |error: http::ServeError| Failure::new(FAILED, error.to_string());
    let office = arguments.database.open_or_create()?;
    let listener = http::listen(arguments.listen).map_err(fail)?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::new(FAILED, error.to_string()))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let public_url = match &arguments.public_url {
        Some(url) => parse_public_url(url)?,
        None => format!("{scheme}://{address}"),
    };
    let networks: Vec<String> = arguments
        .behind_proxy
        .iter()
        .map(ToString::to_string)
        .collect();
    let networks = Networks::parse(&networks)
        .map_err(|message| Failure::new(USAGE, format!("--behind-proxy: {message}")))?;
    let behind_proxy = (!networks.is_everywhere()).then_some(networks);
    if let Some(code) = office.desk()?.set_up_code()? {
        // One of the two places where a secret is ever written down: there is nobody yet who could be shown it otherwise.
        eprintln!(
            "no admin yet: make one within an hour at {public_url}{}?code={}",
            Purpose::SetUp.path().unwrap_or("/"),
            *code.reveal()
        );
    }
    eprintln!("listening on {scheme}://{address}");
    let exempt = behind_proxy.clone();
    let mut wire = Wire {
        tls,
        signals: true,
        ..Wire::default()
    };
    wire.exempt = std::sync::Arc::new(move |peer| {
        peer.is_loopback() || exempt.as_ref().is_some_and(|networks| networks.allow(peer))
    });
    let settings = Settings {
        public_url,
        public_url_given: arguments.public_url.is_some(),
        behind_proxy,
    };
    http::serve(&office, settings, &wire, listener, &Stop::default()).map_err(fail)
}

/// `http://` or `https://`, a host, perhaps a port; nothing behind it.
fn parse_public_url(text: &str) -> Result<String, Failure> {
    let trimmed = text.trim_end_matches('/');
    let rest = trimmed
        .strip_prefix("https://")
        .or_else(|| trimmed.strip_prefix("http://"));
    let is_host = rest.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
    });
    if is_host {
        return Ok(trimmed.to_ascii_lowercase());
    }
    Err(Failure::new(
        USAGE,
        "--public-url: write http:// or https://, a host and perhaps a port, and nothing behind it",
    ))
}

/// One line an event on standard error; control characters are escaped, so that nobody can forge a line.
fn start_log(level: log::LevelFilter) {
    let config = simplelog::ConfigBuilder::new()
        .set_time_level(simplelog::LevelFilter::Error)
        .set_thread_level(simplelog::LevelFilter::Off)
        .set_target_level(simplelog::LevelFilter::Off)
        .set_location_level(simplelog::LevelFilter::Off)
        .build();
    let _ = simplelog::WriteLogger::init(level, config, Escaped(std::io::stderr()));
}

/// Escapes control characters, but for the line end that the logger itself writes.
struct Escaped<W>(W);

impl<W: std::io::Write> std::io::Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The logger writes its own line end apart from all that it was given to write.
        if bytes == b"\n" {
            return self.0.write_all(bytes).map(|()| 1);
        }
        let text = String::from_utf8_lossy(bytes);
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            if crate::model::text::is_unseen(character) {
                escaped.extend(character.escape_unicode());
            } else {
                escaped.push(character);
            }
        }
        self.0.write_all(escaped.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
