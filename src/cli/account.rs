//! Who one is and where: `keycroft whoami`, `status`, `context`, `auth-token`, `open`.

use std::process::{Command, Stdio};

use clap::{Args, Subcommand};

use super::client::{Client, PROGRAM};
use super::config::Folder;
use super::connection::{Connection, Credential, Remote};
use super::environment::variable;
use super::exit::{FAILED, Failure, NOT_FOUND, SIGN_IN_NEEDED, USAGE};
use super::notice;
use super::output::{self, Cell, relative, say};
use crate::wire::{MeOut, TokenGrantOut};

#[derive(Args)]
pub struct RemoteArguments {
    #[command(flatten)]
    remote: Remote,
}

/// `keycroft whoami`.
pub fn whoami(arguments: &RemoteArguments) -> Result<(), Failure> {
    let client = arguments.remote.client()?;
    let answer = client.get("/api/v1/me")?;
    if client.connection.json {
        return output::line(&answer.text);
    }
    let me: MeOut = answer.parse()?;
    let name = me.username.or(me.service).unwrap_or_default();
    output::record(&[
        ("username", name.into()),
        ("display name", me.display_name.into()),
        ("role", Cell::maybe(me.role.as_deref())),
        ("kind", me.kind.into()),
        ("id", me.id.into()),
        (
            "expires",
            Cell::time(me.expires_at.as_deref(), "never", client.now()),
        ),
        ("permissions", Cell::words(&me.permissions)),
    ])
}

/// `keycroft status`: what would be asked, as whom, and who said so; and whether it works.
pub fn status(arguments: &RemoteArguments) -> Result<(), Failure> {
    let connection = arguments.remote.connection()?;
    let json = connection.json;
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
    if json && let Some(Ok(answer)) = &me {
        return output::line(&answer.text);
    }
    let said = |done: &Result<(), Failure>| {
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
        ("reached", said(&reached).into()),
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
            "stands before",
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
        rows.push(("kind", me.kind.as_str().into()));
        rows.push((
            "expires",
            Cell::time(me.expires_at.as_deref(), "never", client.now()),
        ));
    }
    output::record(&rows)?;
    reached?;
    match me {
        None => Err(
            Failure::new(SIGN_IN_NEEDED, format!("you are not signed in at {server}"))
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
    // What is handed on has to be good now.
    let me: MeOut = client.get("/api/v1/me")?.parse()?;
    let credential = client.connection.credential()?;
    if !client.connection.json {
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
    output::line(&serde_json::to_string(&out).unwrap_or_default())
}

#[derive(Args)]
pub struct ContextArguments {
    #[command(subcommand)]
    command: ContextCommand,
}

#[derive(Subcommand)]
enum ContextCommand {
    /// List the servers you signed in at
    List,
    /// Use another one from now on
    Use { name: String },
    /// Forget one; a token of it should be ended first, by `keycroft logout`
    Remove { name: String },
}

/// `keycroft context`.
pub fn context(arguments: ContextArguments) -> Result<(), Failure> {
    let folder = Folder::find()
        .ok_or_else(|| Failure::new(FAILED, "neither XDG_CONFIG_HOME nor HOME is set"))?;
    let missing = |name: &str| {
        Failure::new(NOT_FOUND, format!("there is no context {name}")).hint("keycroft context list")
    };
    match arguments.command {
        ContextCommand::List => {
            let (config, credentials) = (folder.config()?, folder.credentials()?);
            let now = crate::clock::Clock::System.now();
            let row = |name: &String, context: &super::config::Context| -> Vec<Cell> {
                let saved = credentials.contexts.get(name);
                let hint = saved
                    .and_then(|saved| {
                        Credential::parse(
                            &saved.secret,
                            super::connection::Source::Context(name.clone()),
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
                .map(|(name, context)| row(name, context))
                .collect();
            output::table(
                &["", "name", "server", "username", "credential", "expires"],
                &rows,
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
            say(&format!("{name} is used from now on"));
            Ok(())
        }
        ContextCommand::Remove { name } => {
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
            say(&format!("forgot {name}"));
            let until = held
                .and_then(|saved| saved.expires_at)
                .and_then(|text| crate::model::time::Time::parse(&text).ok());
            if let Some(end) = until {
                say(&format!(
                    "its credential stays good at the server; it ends {}",
                    relative(end, crate::clock::Clock::System.now())
                ));
            }
            Ok(())
        }
    }
}

/// The console's pages that can be opened.
const PAGES: [&str; 8] = [
    "", "api-keys", "tokens", "ssh-keys", "sessions", "events", "account", "device",
];

#[derive(Args)]
pub struct OpenArguments {
    /// api-keys, tokens, ssh-keys, sessions, events, account or device
    #[arg(default_value = "")]
    page: String,
    #[command(flatten)]
    remote: Remote,
}

/// `keycroft open`: the console in a browser; its address is printed in any case.
pub fn open(arguments: &OpenArguments) -> Result<(), Failure> {
    if !PAGES.contains(&arguments.page.as_str()) {
        return Err(Failure::new(USAGE, "there is no such page")
            .hint(format!("one of:{}", PAGES.join(" "))));
    }
    let connection: Connection = arguments.remote.server()?;
    let url = format!("{}/{}", connection.server.as_str(), arguments.page);
    output::line(&url)?;
    let has_screen = variable("BROWSER").is_some()
        || variable("DISPLAY").is_some()
        || variable("WAYLAND_DISPLAY").is_some()
        || cfg!(target_os = "macos");
    if has_screen && !browse(&url) {
        say("no browser could be started; open the address above");
    }
    Ok(())
}

/// Starts a browser without a shell in between.
fn browse(url: &str) -> bool {
    let program = variable("BROWSER").unwrap_or_else(|| {
        if cfg!(target_os = "macos") {
            "open"
        } else {
            "xdg-open"
        }
        .to_owned()
    });
    Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
