//! `keycroft serve`.

use std::fmt::Display;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;

use super::notice_delivery::mail_server::MailSettings;
use super::notice_delivery::{self, DeliverySettings};
use super::operator::Database;
use super::serve_file::ServeFile;
use super::systemd;
use crate::http::{self, HttpSettings};
use crate::model::address::AllowedAddresses;
use crate::model::code::Purpose;
use crate::terminal::environment::{list_variable, path_variable, variable};
use crate::terminal::exit::{FAILED, Failure, USAGE};
use crate::terminal::output::write_stderr;
use crate::transport::{
    ControlSocket, Stop, TlsFiles, TransportSettings as Wire, control_socket_path,
};

/// Where to listen when nothing else is said.
const LISTEN: &str = "127.0.0.1:8420";

#[derive(Args)]
pub struct ServeArguments {
    /// Settings file [env: `KEYCROFT_CONFIG`] [default: keycroft.toml in `$CONFIGURATION_DIRECTORY` or the current folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    database: Database,
    /// Address and port to listen on; port 0: any free port [env: `KEYCROFT_LISTEN`] [default: 127.0.0.1:8420]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// URL under which people and programs reach this server [env: `KEYCROFT_PUBLIC_URL`] [default: the listening address]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Certificate chain for TLS, PEM; read again on SIGHUP [env: `KEYCROFT_TLS_CERT`]
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key for TLS, PEM [env: `KEYCROFT_TLS_KEY`]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Address of a proxy whose X-Forwarded-For is trusted, or a network that contains only proxies; repeatable [env: `KEYCROFT_BEHIND_PROXY`]
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    behind_proxy: Vec<String>,
    /// Allow plain HTTP on addresses other than loopback; the network can read every secret [env: `KEYCROFT_INSECURE_HTTP`]
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "true|false"
    )]
    insecure_http: Option<bool>,
    /// Mail server for notices: smtp://USER@HOST:587 with STARTTLS, or smtps://USER@HOST:465 [env: `KEYCROFT_SMTP`]
    #[arg(long, value_name = "URL")]
    smtp: Option<String>,
    /// Sender of mails [env: `KEYCROFT_SMTP_FROM`] [default: keycroft at the host of the public URL]
    #[arg(long, value_name = "MAILBOX")]
    smtp_from: Option<String>,
    /// File with the password of the mail server [env: `KEYCROFT_SMTP_PASSWORD_FILE`] [default: the systemd credential smtp-password]
    #[arg(long, value_name = "FILE")]
    smtp_password_file: Option<PathBuf>,
    /// Log level: off, error, warn, info or debug [env: `KEYCROFT_LOG`] [default: info]
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
}

/// The settings from flags, environment and file.
struct ServeSettings {
    database: Database,
    listen: SocketAddr,
    public_url: Option<String>,
    tls: Option<TlsFiles>,
    behind_proxy: Option<AllowedAddresses>,
    insecure_http: bool,
    mail: MailSettings,
    log: log::LevelFilter,
}

impl ServeArguments {
    /// A flag precedes the environment, which precedes the file.
    fn settle(self) -> Result<ServeSettings, Failure> {
        let wrong = |message: String| Failure::new(USAGE, message);
        let config = self.config.or_else(|| path_variable("KEYCROFT_CONFIG"));
        let file = ServeFile::read(config.as_deref())?;
        let path = |flag: Option<PathBuf>, name: &str, file: Option<PathBuf>| {
            flag.or_else(|| path_variable(name)).or(file)
        };
        let tls = match (
            path(self.tls_cert, "KEYCROFT_TLS_CERT", file.tls_cert),
            path(self.tls_key, "KEYCROFT_TLS_KEY", file.tls_key),
        ) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(wrong("tls-cert requires tls-key".to_owned())),
            (None, Some(_)) => return Err(wrong("tls-key requires tls-cert".to_owned())),
        };
        let proxies = [
            self.behind_proxy,
            list_variable("KEYCROFT_BEHIND_PROXY"),
            file.behind_proxy,
        ];
        let proxies = proxies.into_iter().find(|list| !list.is_empty());
        let proxies = proxies.unwrap_or_default();
        let proxies: Vec<&str> = proxies.iter().map(|entry| entry.trim()).collect();
        let networks = AllowedAddresses::parse(&proxies)
            .map_err(|message| wrong(format!("behind-proxy: {message}")))?;
        let level = self.log.or_else(|| variable("KEYCROFT_LOG")).or(file.log);
        let log = match level.as_deref().map(str::parse) {
            None => log::LevelFilter::Info,
            Some(Ok(level)) => level,
            Some(Err(_)) => {
                return Err(wrong(
                    "log: expected off, error, warn, info, debug or trace".to_owned(),
                ));
            }
        };
        let public_url = self
            .public_url
            .or_else(|| variable("KEYCROFT_PUBLIC_URL"))
            .or(file.public_url);
        let listen = parsed_or_variable(self.listen, "KEYCROFT_LISTEN")?.or(file.listen);
        let insecure_http = parsed_or_variable(self.insecure_http, "KEYCROFT_INSECURE_HTTP")?;
        Ok(ServeSettings {
            database: Database {
                db: path(self.database.db, "KEYCROFT_DB", file.db),
            },
            listen: match listen {
                Some(address) => address,
                None => LISTEN.parse().expect("expected an address and a port"),
            },
            public_url: public_url.as_deref().map(parse_public_url).transpose()?,
            tls,
            behind_proxy: (!networks.is_everywhere()).then_some(networks),
            insecure_http: insecure_http.or(file.insecure_http).unwrap_or(false),
            mail: MailSettings {
                url: self
                    .smtp
                    .or_else(|| variable("KEYCROFT_SMTP"))
                    .or(file.smtp),
                from: self
                    .smtp_from
                    .or_else(|| variable("KEYCROFT_SMTP_FROM"))
                    .or(file.smtp_from),
                password_file: path(
                    self.smtp_password_file,
                    "KEYCROFT_SMTP_PASSWORD_FILE",
                    file.smtp_password_file,
                ),
            },
            log,
        })
    }
}

impl ServeSettings {
    fn require_safe_way(&self, address: SocketAddr) -> Result<(), Failure> {
        let safe = address.ip().to_canonical().is_loopback()
            || self.tls.is_some()
            || self.insecure_http
            || self.behind_proxy.is_some();
        if safe {
            return Ok(());
        }
        let message =
            format!("refusing plain HTTP on {address}: the network could read every secret");
        Err(Failure::new(USAGE, message)
            .hint("pass --tls-cert and --tls-key, or --behind-proxy CIDR, or --insecure-http"))
    }

    /// The sockets: those that were handed over, else one of our own. With where the first of them is.
    fn listen(&self) -> Result<(Vec<TcpListener>, SocketAddr), Failure> {
        let mut listeners = systemd::inherited()?;
        if listeners.is_empty() {
            self.require_safe_way(self.listen)?;
            let own = http::listen(self.listen)
                .map_err(|error| Failure::new(FAILED, error.to_string()))?;
            listeners.push(own);
        }
        let mut first = None;
        for listener in &listeners {
            let address = listener
                .local_addr()
                .map_err(|error| Failure::new(FAILED, error.to_string()))?;
            self.require_safe_way(address)?;
            first = first.or(Some(address));
        }
        Ok((listeners, first.unwrap_or(self.listen)))
    }
}

/// Serves until told to stop.
pub fn run_server(arguments: ServeArguments) -> Result<(), Failure> {
    let wanted = arguments.settle()?;
    start_log(wanted.log);
    deny_memory_access();
    let (listeners, address) = wanted.listen()?;
    let app_state = wanted.database.serve()?;
    app_state.reserve_space();
    let scheme = if wanted.tls.is_some() {
        "https"
    } else {
        "http"
    };
    if wanted.behind_proxy.is_some() && wanted.public_url.is_none() {
        log::warn!(
            "--behind-proxy is set without --public-url: links name {scheme}://{address}, and browsers' forms are rejected; set --public-url to the URL that people use"
        );
    }
    let settings = HttpSettings {
        public_url_given: wanted.public_url.is_some(),
        public_url: wanted
            .public_url
            .unwrap_or_else(|| format!("{scheme}://{address}")),
        behind_proxy: wanted.behind_proxy,
        untrusted_forwarder: std::sync::OnceLock::new(),
        certificate: wanted.tls.as_ref().map(|files| files.certificate.clone()),
    };
    let mail_server = wanted.mail.settle(&settings.public_url)?;
    app_state.app()?.note_start(settings.behind_proxy.as_ref());
    app_state.note_public_url(&settings.public_url);
    if let Some(code) = app_state.app()?.setup_code()? {
        // One of the two places where a secret is ever written down: there is nobody yet who could be shown it otherwise.
        write_stderr(&format!(
            "no admin yet: create one within an hour at {}{}?code={}",
            settings.public_url,
            Purpose::SetUp.path().unwrap_or("/"),
            *code.reveal()
        ));
    }
    let addresses: Vec<SocketAddr> = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect();
    let exempt = settings.behind_proxy.clone();
    let path = wanted.database.path();
    let control = match ControlSocket::bind(&path) {
        Ok(socket) => Some(Arc::new(socket)),
        Err(error) => {
            let socket = control_socket_path(&path);
            log::warn!(
                "{}: the control socket cannot be bound: {error}; local commands fail while this server runs",
                socket.display()
            );
            None
        }
    };
    let wire = Wire {
        control,
        tls: wanted.tls,
        signals: true,
        exempt: Arc::new(move |peer| {
            peer.is_loopback()
                || exempt
                    .as_ref()
                    .is_some_and(|allowed_addresses| allowed_addresses.allow(peer))
        }),
        ..Wire::default()
    };
    let deliveries = DeliverySettings {
        public_url: settings.public_url.clone(),
        mail_server,
        certificate: settings.certificate.clone(),
    };
    if let Err(error) = notice_delivery::prepare(&app_state, deliveries) {
        log::error!("notices are not delivered: {error}");
    }
    let ready = || {
        for address in addresses {
            write_stderr(&format!("listening on {scheme}://{address}"));
        }
        systemd::notify_ready();
        if let Err(error) = systemd::watch(address) {
            log::error!("the watchdog: {error}");
        }
    };
    let served = http::serve(
        &app_state,
        settings,
        &wire,
        listeners,
        &Stop::default(),
        ready,
    );
    systemd::notify_stopping();
    app_state.notice_signal().stop();
    // Before the lock is released: a command that finds no socket takes the lock.
    drop(wire);
    app_state.close();
    served.map_err(|error| Failure::new(FAILED, error.to_string()))
}

/// The value of a flag, else of its variable.
fn parsed_or_variable<T: FromStr<Err: Display>>(
    flag: Option<T>,
    name: &str,
) -> Result<Option<T>, Failure> {
    if flag.is_some() {
        return Ok(flag);
    }
    let parsed = variable(name).map(|text| {
        text.parse()
            .map_err(|error| Failure::new(USAGE, format!("{name}: {error}")))
    });
    parsed.transpose()
}

/// No other process of this user may read the server's memory, and it leaves no core dump.
fn deny_memory_access() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        log::warn!("core dumps and access to the server's memory were not denied: {error}");
    }
}

/// `http://` or `https://`, a host, perhaps a port; nothing behind it.
fn parse_public_url(text: &str) -> Result<String, Failure> {
    let trimmed = text.trim_end_matches('/');
    // A browser leaves out the usual port of a scheme (RFC 6454, 6.2), and so does its `Origin`.
    let usual = if trimmed.starts_with("https://") {
        ":443"
    } else {
        ":80"
    };
    let trimmed = trimmed.strip_suffix(usual).unwrap_or(trimmed);
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
        "--public-url: expected a URL such as https://keys.lab.example, without a path",
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
            if crate::model::text::is_invisible(character) {
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

#[cfg(test)]
mod tests {
    use super::parse_public_url;

    #[test]
    fn public_url_is_written_like_the_origin_of_a_browser() {
        for (given, url) in [
            ("https://Keys.lab.example:443/", "https://keys.lab.example"),
            ("http://keys.lab.example:80", "http://keys.lab.example"),
            ("https://keys.lab.example:80", "https://keys.lab.example:80"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ] {
            assert_eq!(parse_public_url(given).unwrap(), url);
        }
        for bad in [
            "https://",
            "https://:443",
            "keys.lab.example",
            "https://a/b",
        ] {
            assert!(parse_public_url(bad).is_err(), "{bad}");
        }
    }
}
