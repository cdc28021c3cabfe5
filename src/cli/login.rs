//! `keycroft login` and `logout`.

use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::account::{has_browser, start_browser};
use super::client::Client;
use crate::client::config::{ConfigFolder, Context, SavedLogin};
use crate::client::connection::PROGRAM;
use crate::client::connection::{
    ClientCredential, Connection, Remote, ServerAddress, SettingSource,
};
use crate::model::credential::Kind;
use crate::terminal::environment::variable;
use crate::terminal::exit::{FAILED, FORBIDDEN, Failure, INVALID, SIGN_IN_NEEDED, USAGE};
use crate::terminal::output::{lifetime_text, write_stderr};
use crate::terminal::prompt::{self, is_interactive};
use crate::wire::{DeviceAuthorizationOut, MeOut, OauthProblemOut, TokenGrantOut};

const CLIENT_ID: &str = "keycroft-cli";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Added to the polling interval on each `slow_down` (RFC 8628, 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// Maximum polling interval.
const INTERVAL_MAX: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct LoginArguments {
    /// Server, such as keys.lab.example [default: that of the active context]
    url: Option<String>,
    /// Save a token or API key read from standard input; no approval is needed
    #[arg(long)]
    with_token: bool,
    /// Lifetime of the token in full hours: 1h to 24h; can be changed at approval [default: set by policy]
    #[arg(short, long, value_name = "DURATION", conflicts_with = "with_token")]
    expires: Option<String>,
    /// Also print the approval link as a QR code
    #[arg(long, conflicts_with = "with_token")]
    qr: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
pub struct LogoutArguments {
    /// Log out of every context
    #[arg(long, conflicts_with_all = ["context", "server"])]
    all: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `keycroft login`.
pub fn login(arguments: LoginArguments) -> Result<(), Failure> {
    let folder = ConfigFolder::find().ok_or_else(|| {
        Failure::new(
            FAILED,
            "a login can't be saved: neither XDG_CONFIG_HOME nor HOME is set",
        )
        .hint("KEYCROFT_TOKEN_FILE=FILE")
    })?;
    let (connection, name) = target(&arguments, &folder)?;
    // Fails before the login when it could not be saved.
    folder.lock()?.try_out()?;
    let credential = if arguments.with_token {
        read_token()?
    } else {
        by_device(Client::new(connection.without_credential())?, &arguments)?
    };
    let client = Client::new(connection.with(credential))?;
    let kept = save_login(&client, &folder, &name);
    if let Err(failure) = kept {
        if !arguments.with_token {
            // It was created for this login alone, and would be lost.
            let _ = client.revoke();
        }
        return Err(failure);
    }
    kept
}

/// The server, and the name of its context.
fn target(
    arguments: &LoginArguments,
    folder: &ConfigFolder,
) -> Result<(Connection, String), Failure> {
    let config = folder.config()?;
    let mut remote = arguments.remote.clone();
    if let Some(url) = &arguments.url {
        if remote.server.is_some() {
            return Err(Failure::new(
                USAGE,
                "the server is given twice: pass HOST or --server",
            ));
        }
        remote.server = Some(url.clone());
    }
    // With a server, --context names the new context.
    let named = remote.context.clone();
    if remote.server.is_some() {
        remote.context = None;
    }
    let is_known = named
        .as_ref()
        .is_none_or(|name| config.contexts.contains_key(name));
    if remote.server.is_none() && !is_known {
        return Err(
            Failure::new(USAGE, "a new context requires a server").hint(format!(
                "keycroft login https://keys.lab.example --context {}",
                named.unwrap_or_default()
            )),
        );
    }
    let connection = remote.server()?;
    let name = match named {
        Some(name) => parse_context_name(&name)?,
        None => connection
            .context
            .clone()
            .unwrap_or_else(|| connection.server.host().to_owned()),
    };
    let taken = config.contexts.get(&name).is_some_and(|context| {
        ServerAddress::parse(&context.server).as_ref() != Ok(&connection.server)
    });
    if taken {
        return Err(Failure::new(
            INVALID,
            format!("the context {name} belongs to another server"),
        )
        .hint("another name with --context, or: keycroft context delete"));
    }
    Ok((connection, name))
}

/// 1 to 64 letters, digits, `.`, `-`, `_`, `:`, `[` and `]`.
fn parse_context_name(name: &str) -> Result<String, Failure> {
    let fine = (1..=64).contains(&name.len())
        && !name.starts_with('-')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:[]-".contains(&b));
    if fine {
        Ok(name.to_owned())
    } else {
        Err(Failure::new(
            USAGE,
            "a context's name has 1 to 64 letters, digits, dots, dashes and underscores",
        ))
    }
}

fn read_token() -> Result<ClientCredential, Failure> {
    let credential = ClientCredential::parse(
        &prompt::credential("Token or API key (it is not shown): ")?,
        SettingSource::StandardInput,
    )?;
    if credential.is(Kind::Token) || credential.is(Kind::ApiKey) {
        return Ok(credential);
    }
    Err(Failure::new(
        INVALID,
        format!("{} is neither a token nor an API key", credential.hint()),
    ))
}

/// Requests a token with a code that a person approves in the console (RFC 8628).
fn by_device(client: Client, arguments: &LoginArguments) -> Result<ClientCredential, Failure> {
    let computer = computer_name();
    let mut form = vec![
        ("client_id", CLIENT_ID),
        ("computer", &computer),
        ("program", PROGRAM),
    ];
    if let Some(expires) = arguments.expires.as_deref() {
        form.push(("lifetime", expires));
    }
    let (status, text) = client.form("/oauth/device_authorization", &form)?;
    if status != 200 {
        return Err(oauth_failure(&client, status, &text, INVALID));
    }
    let begun: DeviceAuthorizationOut =
        serde_json::from_str(&text).map_err(|_| unexpected_answer(&client))?;
    write_stderr(&format!(
        "Open {}\nand type the code {}",
        begun.verification_uri, begun.user_code
    ));
    if arguments.qr {
        write_stderr(&qr_code_text(&begun.verification_uri)?);
    }
    if is_interactive() && has_browser() {
        start_browser(&begun.verification_uri);
    }
    write_stderr(&format!(
        "Approve it only if the page names this computer, {computer}. Waiting … (Ctrl-C to stop)"
    ));
    let secret = wait_for_approval(&client, &begun)?;
    ClientCredential::parse(&secret, SettingSource::Flag("this login"))
}

/// An address as a QR code, two squares in a character, with the quiet zone that readers need. It does not contain the
/// code to type: the person who approves compares it.
fn qr_code_text(address: &str) -> Result<String, Failure> {
    use qrcode::render::unicode::Dense1x2;

    let code = qrcode::QrCode::new(address)
        .map_err(|error| Failure::new(FAILED, format!("{address} can't be drawn: {error}")))?;
    let mut picture = code.render::<Dense1x2>();
    picture.dark_color(Dense1x2::Light);
    picture.light_color(Dense1x2::Dark);
    Ok(picture.build())
}

fn wait_for_approval(
    client: &Client,
    begun: &DeviceAuthorizationOut,
) -> Result<Zeroizing<String>, Failure> {
    let mut interval = Duration::from_secs(begun.interval.clamp(1, INTERVAL_MAX.as_secs()));
    let form = [
        ("grant_type", GRANT),
        ("client_id", CLIENT_ID),
        ("device_code", begun.device_code.as_str()),
    ];
    let mut left = Duration::from_secs(begun.expires_in.clamp(1, 3_600));
    loop {
        sleep(interval);
        let answered = client.form("/oauth/token", &form);
        left = left.saturating_sub(interval);
        let (status, text) = match answered {
            Ok(answered) => answered,
            // A server that starts again, or a moment without a network, ends nothing (RFC 8628, 3.5).
            Err(failure)
                if failure.code == crate::terminal::exit::UNREACHABLE && !left.is_zero() =>
            {
                interval = (interval * 2).min(INTERVAL_MAX);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        if status == 200 {
            let granted: TokenGrantOut =
                serde_json::from_str(&text).map_err(|_| unexpected_answer(client))?;
            return Ok(Zeroizing::new(granted.access_token));
        }
        let problem: OauthProblemOut =
            serde_json::from_str(&text).map_err(|_| unexpected_answer(client))?;
        match problem.error.as_str() {
            "authorization_pending" => {}
            "slow_down" => interval = (interval + SLOWER).min(INTERVAL_MAX),
            "access_denied" => return Err(Failure::new(FORBIDDEN, "rejected in the console")),
            "expired_token" => {
                return Err(
                    Failure::new(SIGN_IN_NEEDED, "not approved in time").hint("keycroft login")
                );
            }
            "temporarily_unavailable" if !left.is_zero() => {}
            _ => return Err(oauth_failure(client, status, &text, FAILED)),
        }
    }
}

fn oauth_failure(client: &Client, status: u16, text: &str, code: u8) -> Failure {
    let Ok(problem) = serde_json::from_str::<OauthProblemOut>(text) else {
        return unexpected_answer(client);
    };
    let code = match status {
        429 => crate::terminal::exit::TOO_MANY,
        500.. => FAILED,
        _ => code,
    };
    let mut failure = Failure::new(code, problem.error_description);
    if client.format().is_json() {
        failure.problem = Some(text.to_owned());
    }
    failure
}

fn unexpected_answer(client: &Client) -> Failure {
    Failure::new(
        FAILED,
        format!(
            "{} does not answer like a Keycroft server",
            client.connection.server.as_str()
        ),
    )
}

/// The hostname.
fn computer_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "a computer without a name".to_owned()
    } else {
        name.to_owned()
    }
}

/// Reads the account and saves the login, which becomes the active one.
fn save_login(client: &Client, folder: &ConfigFolder, name: &str) -> Result<(), Failure> {
    let answer = client.get("/api/v1/me")?;
    let me: MeOut = answer.parse()?;
    let who = me
        .username
        .clone()
        .or_else(|| me.service.clone())
        .unwrap_or_default();
    let connection = &client.connection;
    let context = Context {
        server: connection.server.as_str().to_owned(),
        username: Some(who.clone()),
        ca_file: connection
            .ca_file
            .as_ref()
            .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        // The saved credential replaces that of another program.
        credential_command: None,
        insecure_http: connection.insecure_http,
    };
    let saved = SavedLogin {
        secret: connection.credential()?.secret.clone(),
        expires_at: me.expires_at.clone(),
    };
    let mut replaced = None;
    folder.lock()?.change(|config, credentials| {
        replaced = credentials
            .contexts
            .get(name)
            .map(|saved| saved.secret.clone());
        config.contexts.insert(name.to_owned(), context);
        config.current = Some(name.to_owned());
        credentials.contexts.insert(name.to_owned(), saved);
        Ok(())
    })?;
    if client.format().is_json() {
        client.format().print_json(&answer.text)?;
    }
    let credential = connection.credential()?;
    write_stderr(&format!(
        "logged in to {} as {who} with {}, {} (context {name})",
        connection.server.as_str(),
        credential.hint(),
        lifetime_text(me.expires_at.as_deref(), client.now())
    ));
    let old = replaced
        .and_then(|secret| {
            ClientCredential::parse(&secret, SettingSource::Context(name.to_owned())).ok()
        })
        .filter(|old| old.id != credential.id);
    if let Some(old) = old {
        write_stderr(&format!(
            "the previous login with {} is deleted here and stays valid until it expires; to keep both, log in with --context NAME",
            old.hint()
        ));
    }
    if let Some(name) = ["KEYCROFT_TOKEN", "KEYCROFT_TOKEN_FILE"]
        .into_iter()
        .find(|name| variable(name).is_some())
    {
        write_stderr(&format!(
            "keycroft: {name} is set and hides this login; unset it"
        ));
    }
    Ok(())
}

/// `keycroft logout`.
pub fn logout(arguments: &LogoutArguments) -> Result<(), Failure> {
    let folder =
        ConfigFolder::find().ok_or_else(|| Failure::new(SIGN_IN_NEEDED, "no saved login"))?;
    let names: Vec<String> = if arguments.all {
        folder.credentials()?.contexts.into_keys().collect()
    } else {
        vec![arguments.remote.server()?.context.ok_or_else(|| {
            Failure::new(SIGN_IN_NEEDED, "no saved login for this server")
                .hint("keycroft context list")
        })?]
    };
    let mut worst = None;
    for name in &names {
        if let Err(failure) = log_out_of(arguments, &folder, name) {
            write_stderr(&format!("keycroft: {}", failure.message));
            worst = Some(failure.code);
        }
    }
    if names.is_empty() {
        write_stderr("no saved login");
    }
    worst.map_or(Ok(()), |code| Err(Failure::quiet(code)))
}

/// Deletes one login; a token is revoked on the server first.
fn log_out_of(
    arguments: &LogoutArguments,
    folder: &ConfigFolder,
    name: &str,
) -> Result<(), Failure> {
    let remote = Remote {
        context: Some(name.to_owned()),
        server: None,
        ..arguments.remote.clone()
    };
    let Some(saved) = folder.credentials()?.contexts.remove(name) else {
        write_stderr(&format!("{name}: no saved login"));
        return Ok(());
    };
    let ended = remote.server().and_then(|connection| {
        let credential =
            ClientCredential::parse(&saved.secret, SettingSource::Context(name.to_owned()))?;
        let (hint, is_token) = (credential.hint(), credential.is(Kind::Token));
        if !is_token {
            return Ok(format!(
                "deleted {hint} here; it stays valid; to revoke it: keycroft revoke"
            ));
        }
        Client::new(connection.with(credential))?.revoke()?;
        Ok(format!("revoked {hint} on the server and deleted it here"))
    });
    folder.lock()?.change(|_, credentials| {
        credentials.contexts.remove(name);
        Ok(())
    })?;
    match ended {
        Ok(words) => {
            write_stderr(&format!("{name}: {words}"));
            Ok(())
        }
        Err(failure) => Err(Failure::new(
            failure.code,
            format!(
                "{name}: deleted here, but not revoked on the server, where it stays valid until it expires: {}",
                failure.message
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each character is two squares, one above the other: together the code, with four light ones on every side.
    #[test]
    fn qr_code_contains_the_complete_address() {
        let address = "https://keys.lab.example/device";
        let mut squares: Vec<Vec<bool>> = Vec::new();
        for line in qr_code_text(address).unwrap().lines() {
            let two = |glyph: char| match glyph {
                ' ' => (true, true),
                '\u{2584}' => (true, false),
                '\u{2580}' => (false, true),
                _ => (false, false),
            };
            let (upper, lower): (Vec<bool>, Vec<bool>) = line.chars().map(two).unzip();
            squares.extend([upper, lower]);
        }
        let code = qrcode::QrCode::new(address).unwrap();
        let width = code.width();
        let dark: Vec<bool> = (0..width * width)
            .map(|place| squares[4 + place / width][4 + place % width])
            .collect();
        let wanted: Vec<bool> = code
            .to_colors()
            .iter()
            .map(|color| *color == qrcode::Color::Dark)
            .collect();
        assert!(dark == wanted);
        let edge = |line: &Vec<bool>| line.iter().all(|dark| !dark);
        assert!(squares[..4].iter().all(edge) && squares[4 + width..8 + width].iter().all(edge));
    }
}
