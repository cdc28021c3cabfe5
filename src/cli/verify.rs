//! `keycroft verify` and `keycroft revoke`: the secret is read from standard input. `keycroft api`: any call of the API.

use std::io::Read;

use clap::Args;
use serde_json::json;
use ureq::http::Method;
use zeroize::Zeroizing;

use super::client::Client;
use crate::client::connection::{ClientCredential, Remote, SettingSource};
use crate::model::credential::Kind;
use crate::model::text::percent_encode;
use crate::terminal::exit::{FAILED, Failure, INVALID, NOT_ACTIVE, USAGE};
use crate::terminal::output::{self, Cell, write_stderr};
use crate::terminal::prompt;

/// Longest body that `api` sends, in bytes.
const INPUT_BYTES_MAX: u64 = 8 << 20;

#[derive(Args)]
pub struct VerifyArguments {
    /// Required permission; repeatable, all are required
    #[arg(short = 'p', long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

/// `keycroft verify`: asks `/verify` with the secret on standard input.
pub fn verify(arguments: &VerifyArguments) -> Result<(), Failure> {
    let client = with_secret(&arguments.remote)?;
    let query: Vec<String> = arguments
        .permissions
        .iter()
        .map(|permission| format!("permission={}", percent_encode(permission)))
        .collect();
    let path = format!("/verify?{}", query.join("&"));
    let answer = client.exchange(Method::GET, &path, None)?;
    match answer.status {
        204 => {}
        401 => return Err(Failure::new(NOT_ACTIVE, "invalid")),
        _ => return Err(client.failure(&answer, "GET /verify")),
    }
    let value = |name: &str| {
        let value = answer.headers.get(name);
        value
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default()
    };
    let words = |name: &str, mark: char| -> Vec<String> {
        value(name)
            .split(mark)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let expires = Some(value("Keycroft-Expires")).filter(|text| !text.is_empty());
    if client.format().is_json() {
        let out = json!({
            "active": true, "username": value("Remote-User"), "display_name": value("Remote-Name"), "groups": words("Remote-Groups", ','),
            "id": value("Keycroft-Credential"), "kind": value("Keycroft-Kind"), "permissions": words("Keycroft-Permissions", ' '), "expires_at": expires,
        });
        return client.format().print_value(&out);
    }
    output::record(
        client.format(),
        &[
            ("username", value("Remote-User").into()),
            ("display name", value("Remote-Name").into()),
            ("groups", Cell::words(&words("Remote-Groups", ','))),
            ("id", value("Keycroft-Credential").into()),
            ("kind", value("Keycroft-Kind").into()),
            ("permissions", value("Keycroft-Permissions").into()),
            (
                "expires",
                Cell::time(expires.as_deref(), "never", client.now()),
            ),
        ],
    )
}

#[derive(Args)]
pub struct RevokeArguments {
    #[command(flatten)]
    remote: Remote,
}

/// `keycroft revoke`: revokes the secret on standard input.
pub fn revoke(arguments: &RevokeArguments) -> Result<(), Failure> {
    let client = with_secret(&arguments.remote)?;
    let credential = client.connection.credential()?;
    let hint = credential.hint();
    if credential.is_code() {
        return Err(Failure::new(
            INVALID,
            format!(
                "{hint} is a one-time code; only API keys, tokens, sessions and host credentials can be revoked"
            ),
        ));
    }
    let server = client.connection.server.as_str();
    let is_session = credential.is(Kind::Session);
    // If this fails, the secret is revoked all the same.
    let is_accepted = if is_session {
        None
    } else {
        is_accepted(&client, credential)
    };
    // Also a secret that is rejected: it may be disabled, or limited to other addresses.
    client.revoke()?;
    if is_accepted == Some(false) {
        write_stderr(&format!(
            "warning: {hint} was not valid at {server}; it is revoked there if that server created it"
        ));
        write_stderr("  if another server did: keycroft revoke --server URL");
    } else if is_accepted.is_none() {
        write_stderr(&format!("revoked {hint}, if {server} created it"));
    } else {
        write_stderr(&format!("revoked {hint}"));
    }
    Ok(())
}

/// Returns whether the server accepts the secret; `None` if it does not say. (It accepts a session as a cookie only.)
fn is_accepted(client: &Client, credential: &ClientCredential) -> Option<bool> {
    let path = if credential.is(Kind::Host) {
        "/api/v1/hosts/self/authorized-keys?username=keycroft-check"
    } else {
        "/verify"
    };
    match client.exchange(Method::GET, path, None).ok()?.status {
        200 | 204 => Some(true),
        401 => Some(false),
        _ => None,
    }
}

/// A client with the credential from standard input.
fn with_secret(remote: &Remote) -> Result<Client, Failure> {
    let connection = remote.server()?;
    let credential = ClientCredential::parse(
        &prompt::credential("Secret (it is not shown): ")?,
        SettingSource::StandardInput,
    )
    .map_err(|failure| Failure {
        code: NOT_ACTIVE,
        ..failure
    })?;
    Client::new(connection.with(credential))
}

#[derive(Args)]
pub struct ApiArguments {
    /// GET, POST, PUT, PATCH or DELETE
    method: String,
    /// Path, such as /api/v1/me; keycroft openapi lists all
    path: String,
    /// Body of the request: a file with JSON; - for standard input
    #[arg(long, value_name = "FILE")]
    input: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// `keycroft api`: one request with your credential; the answer goes to standard output, with any status.
pub fn api(arguments: &ApiArguments) -> Result<(), Failure> {
    let method = match arguments.method.to_ascii_uppercase().as_str() {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        _ => {
            return Err(Failure::new(
                USAGE,
                "expected the method GET, POST, PUT, PATCH or DELETE",
            ));
        }
    };
    // Without a slash the path could send the credential to another host.
    if !arguments.path.starts_with('/') || arguments.path.starts_with("//") {
        return Err(Failure::new(
            USAGE,
            "expected a path that begins with one slash, such as /api/v1/me",
        ));
    }
    let body = arguments.input.as_deref().map(read_input).transpose()?;
    let client = arguments.remote.client()?;
    let sent = body
        .as_ref()
        .map(|body| ("application/json", body.as_slice()));
    let answer = client.exchange(method.clone(), &arguments.path, sent)?;
    let is_done = answer.is_success();
    // A problem has no field of the expected answer.
    let is_printed = is_done || client.format().field.is_none();
    if is_printed && !answer.text.is_empty() {
        client.format().print_json(&answer.text)?;
    }
    if is_done {
        return Ok(());
    }
    let what = format!("{method} {}", arguments.path);
    let failure = client.failure(&answer, &what);
    // The answer was printed: it is not repeated.
    Err(if is_printed && failure.problem.is_some() {
        Failure::quiet(failure.code)
    } else {
        failure
    })
}

fn read_input(name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let fail = |error: std::io::Error| Failure::new(FAILED, format!("{name}: {error}"));
    let mut bytes = Zeroizing::new(Vec::new());
    if name == "-" {
        std::io::stdin()
            .lock()
            .take(INPUT_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(fail)?;
    } else {
        std::fs::File::open(name)
            .map_err(fail)?
            .take(INPUT_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(fail)?;
    }
    Ok(bytes)
}
