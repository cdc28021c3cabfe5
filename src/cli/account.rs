//! Account and login: `keycroft whoami`, `status`, `context`, `auth-token`, `open`.

use std::process::{Command, Stdio};

use clap::{Args, Subcommand};

use super::client::Client;
use super::notice;
use crate::client::config::ConfigFolder;
use crate::client::connection::PROGRAM;
use crate::client::connection::{ClientCredential, Connection, Remote};
use crate::terminal::environment::variable;
use crate::terminal::exit::{FAILED, Failure, NOT_FOUND, SIGN_IN_NEEDED, USAGE};
use crate::terminal::output::{self, Cell, OutputArguments, relative_time, write_stderr};
use crate::wire::{MeOut, SecondFactorOut, TokenGrantOut};

#[derive(Args)]
pub struct RemoteArguments {
    #[command(flatten)]
    remote: Remote,
}

/// `keycroft whoami`.
pub fn whoami(arguments: &RemoteArguments) -> Result<(), Failure> {
    let client = arguments.remote.client()?;
    let answer = client.get("/api/v1/me")?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let me: MeOut = answer.parse()?;
    let name = me.username.or(me.service).unwrap_or_default();
    output::record(
        client.format(),
        &[
            ("username", name.into()),
            ("display name", me.display_name.into()),
            ("role", Cell::maybe(me.role.as_deref())),
            (
                "second factor",
                Cell::maybe(
                    me.second_factor
                        .as_ref()
                        .map(SecondFactorOut::words)
                        .as_deref(),
                ),
            ),
            ("kind", me.kind.into()),
            ("id", me.id.into()),
            (
                "expires",
                Cell::time(me.expires_at.as_deref(), "never", client.now()),
            ),
            ("permissions", Cell::words(&me.permissions)),
        ],
    )
}

/// `keycroft status`: server, credential and their sources, tested.
pub fn status(arguments: &RemoteArguments) -> Result<(), Failure> {
    let connection = arguments.remote.connection()?;
    let source = connection.server_source.to_string();
    let (server, context) = (
        connection.server.as_str().to_owned(),
        connection.context.clone(),
    );
    let credential = connection
        .credential
        .as_ref()
        .map(|credential| (credential.hint(), credential.source.to_string()));
    let overridden = connection.overridden.clone();
    let client = Client::new(connection)?;
    let reached = client.without_credential()?.get("/healthz").map(|_| ());
    let me = match (&reached, &credential) {
        (Ok(()), Some(_)) => Some(client.get("/api/v1/me")),
        _ => None,
    };
    if client.format().is_json()
        && let Some(Ok(answer)) = &me
    {
        return client.format().print_json(&answer.text);
    }
    let printed = |done: &Result<(), Failure>| {
        done.as_ref().map_or_else(
            |failure| format!("no: {}", failure.message),
            |()| "yes".to_owned(),
        )
    };
    let mut rows: Vec<(&str, Cell)> = vec![
        ("program", PROGRAM.into()),
        ("server", server.as_str().into()),
        ("server from", source.into()),
        ("context", Cell::maybe(context.as_deref())),
        ("reached", printed(&reached).into()),
        (
            "credential",
            Cell::maybe(credential.as_ref().map(|(hint, _)| hint.as_str())),
        ),
        (
            "credential from",
            Cell::maybe(credential.as_ref().map(|(_, source)| source.as_str())),
        ),
    ];
    if let Some(name) = &overridden {
        rows.push((
            "overrides",
            format!("the saved login of context {name}").into(),
        ));
    }
    let me: Option<Result<MeOut, Failure>> =
        me.map(|answer| answer.and_then(|answer| answer.parse()));
    if let Some(Ok(me)) = &me {
        rows.push((
            "username",
            me.username
                .clone()
                .or_else(|| me.service.clone())
                .unwrap_or_default()
                .into(),
        ));
        if let Some(factors) = &me.second_factor {
            rows.push(("second factor", factors.words().into()));
        }
        rows.push(("kind", me.kind.as_str().into()));
        rows.push((
            "expires",
            Cell::time(me.expires_at.as_deref(), "never", client.now()),
        ));
    }
    if !client.format().is_json() {
        output::record(client.format(), &rows)?;
    }
    reached?;
    match me {
        None => Err(
            Failure::new(SIGN_IN_NEEDED, format!("you are not logged in to {server}"))
                .hint(format!("keycroft login {server}")),
        ),
        Some(me) => {
            me?;
            notice::of_everything(&client);
            Ok(())
        }
    }
}

#[derive(Args)]
pub struct AuthTokenArguments {
    #[command(flatten)]
    remote: Remote,
}

/// `keycroft auth-token`: the secret in use, for other programs; `--json` as RFC 6749, 5.1 has it.
pub fn auth_token(arguments: &AuthTokenArguments) -> Result<(), Failure> {
    let client = arguments.remote.client()?;
    // Other programs get a valid credential or none.
    let me: MeOut = client.get("/api/v1/me")?.parse()?;
    let credential = client.connection.credential()?;
    if !client.format().is_json() {
        return output::line(&credential.secret);
    }
    let end = me
        .expires_at
        .as_deref()
        .and_then(|text| crate::model::time::Time::parse(text).ok());
    let out = TokenGrantOut {
        access_token: credential.secret.to_string(),
        token_type: "Bearer".to_owned(),
        expires_in: end.map(|end| end.since(client.now()).as_secs()),
        scope: me.permissions.join(" "),
    };
    client.format().print_value(&out)
}

#[derive(Args)]
pub struct ContextArguments {
    #[command(subcommand)]
    command: ContextCommand,
}

#[derive(Subcommand)]
enum ContextCommand {
    /// List contexts
    #[command(alias = "ls")]
    List,
    /// Show a context
    Show {
        /// Name of the context
        name: String,
    },
    /// Make a context the active one
    Use {
        /// Name of the context
        name: String,
    },
    /// Delete a context; its credential stays valid (`keycroft logout` revokes it)
    #[command(aliases = ["rm", "remove"])]
    Delete {
        /// Name of the context
        name: String,
    },
}

/// `keycroft context`.
pub fn context(arguments: ContextArguments, format: &OutputArguments) -> Result<(), Failure> {
    let folder = ConfigFolder::find()
        .ok_or_else(|| Failure::new(FAILED, "neither XDG_CONFIG_HOME nor HOME is set"))?;
    let missing = |name: &str| {
        Failure::new(NOT_FOUND, format!("context {name} not found")).hint("keycroft context list")
    };
    match arguments.command {
        ContextCommand::List | ContextCommand::Show { .. } => {
            let (config, credentials) = (folder.config()?, folder.credentials()?);
            let wanted = match &arguments.command {
                ContextCommand::Show { name } => Some(name),
                _ => None,
            };
            if let Some(name) = wanted
                && !config.contexts.contains_key(name)
            {
                return Err(missing(name));
            }
            if format.is_json() {
                let items: Vec<serde_json::Value> = config
                    .contexts
                    .iter()
                    .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name))
                    .map(|(name, context)| {
                        serde_json::json!({
                            "name": name, "server": context.server, "username": context.username,
                            "current": config.current.as_ref() == Some(name),
                            "expires_at": credentials.contexts.get(name).and_then(|saved| saved.expires_at.clone()),
                        })
                    })
                    .collect();
                return match (wanted, items.first()) {
                    (Some(_), Some(one)) => format.print_value(one),
                    _ => format.print_value(&serde_json::json!({ "items": items })),
                };
            }
            let now = crate::clock::Clock::System.now();
            let row = |name: &String, context: &crate::client::config::Context| -> Vec<Cell> {
                let saved = credentials.contexts.get(name);
                let hint = saved
                    .and_then(|saved| {
                        ClientCredential::parse(
                            &saved.secret,
                            crate::client::connection::SettingSource::Context(name.clone()),
                        )
                        .ok()
                    })
                    .map(|credential| credential.hint());
                let used = if config.current.as_ref() == Some(name) {
                    "*"
                } else {
                    ""
                };
                vec![
                    used.into(),
                    name.as_str().into(),
                    context.server.as_str().into(),
                    Cell::maybe(context.username.as_deref()),
                    Cell::maybe(hint.as_deref()),
                    saved.map_or_else(
                        || Cell::maybe(None),
                        |saved| Cell::time(saved.expires_at.as_deref(), "never", now),
                    ),
                ]
            };
            let rows: Vec<Vec<Cell>> = config
                .contexts
                .iter()
                .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name))
                .map(|(name, context)| row(name, context))
                .collect();
            output::list_table(
                format,
                &["", "name", "server", "username", "credential", "expires"],
                &rows,
                "no saved logins; log in: keycroft login HOST",
            )
        }
        ContextCommand::Use { name } => {
            folder.lock()?.change(|config, _| {
                if !config.contexts.contains_key(&name) {
                    return Err(missing(&name));
                }
                config.current = Some(name.clone());
                Ok(())
            })?;
            write_stderr(&format!("switched to {name}"));
            Ok(())
        }
        ContextCommand::Delete { name } => {
            let mut held = None;
            folder.lock()?.change(|config, credentials| {
                config
                    .contexts
                    .remove(&name)
                    .ok_or_else(|| missing(&name))?;
                held = credentials.contexts.remove(&name);
                if config.current.as_ref() == Some(&name) {
                    config.current = None;
                }
                Ok(())
            })?;
            write_stderr(&format!("deleted the saved login {name}"));
            let until = held
                .and_then(|saved| saved.expires_at)
                .and_then(|text| crate::model::time::Time::parse(&text).ok());
            if let Some(end) = until {
                write_stderr(&format!(
                    "its credential stays valid at the server and expires {}",
                    relative_time(end, crate::clock::Clock::System.now())
                ));
            }
            Ok(())
        }
    }
}

/// Pages of the console.
const PAGES: [&str; 8] = [
    "", "api-keys", "tokens", "ssh-keys", "sessions", "events", "account", "device",
];

#[derive(Args)]
pub struct OpenArguments {
    /// Page: api-keys, tokens, ssh-keys, sessions, events, account or device [default: the overview]
    #[arg(default_value = "", hide_default_value = true)]
    page: String,
    #[command(flatten)]
    remote: Remote,
}

/// `keycroft open`: the console in a browser; its address is printed in any case.
pub fn open(arguments: &OpenArguments) -> Result<(), Failure> {
    if !PAGES.contains(&arguments.page.as_str()) {
        return Err(Failure::new(USAGE, "no such page of the console")
            .hint(format!("one of:{}", PAGES.join(" "))));
    }
    arguments.remote.format.reject_field()?;
    let connection: Connection = arguments.remote.server()?;
    let url = format!("{}/{}", connection.server.as_str(), arguments.page);
    output::line(&url)?;
    if has_browser() && !browse(&url) {
        write_stderr("no browser could be started; open the address above");
    }
    Ok(())
}

/// Returns true where a browser can appear: on a screen, not over SSH.
pub fn has_browser() -> bool {
    let is_remote = variable("SSH_CONNECTION").is_some() || variable("SSH_TTY").is_some();
    let has_screen = variable("DISPLAY").is_some()
        || variable("WAYLAND_DISPLAY").is_some()
        || cfg!(target_os = "macos");
    variable("BROWSER").is_some() || (has_screen && !is_remote)
}

/// Runs a browser until it returns.
fn browse(url: &str) -> bool {
    browser(url).status().is_ok_and(|status| status.success())
}

/// Starts a browser and does not wait for it.
pub fn start_browser(url: &str) {
    // Without a browser the printed address is enough.
    let _ = browser(url).spawn();
}

/// The command of a browser, without a shell in between.
fn browser(url: &str) -> Command {
    let program = variable("BROWSER").unwrap_or_else(|| {
        if cfg!(target_os = "macos") {
            "open"
        } else {
            "xdg-open"
        }
        .to_owned()
    });
    let mut command = Command::new(program);
    command
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
