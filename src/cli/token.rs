//! `keycroft token` and `keycroft session`.

use clap::{Args, Subcommand};

use super::api_key::KEY_HEADINGS;
use super::api_key_request::{delete_credentials, non_empty};
use super::client::Client;
use super::completion::CompletedNames;
use super::deletion::{Consent, Deletion, delete_all};
use super::explain::{KeyOwner, Question, explain};
use super::listing::print_list;
use super::lookup::find_id;
use super::new_secret::post_for_secret;
use crate::client::connection::Remote;
use crate::model::time::Time;
use crate::terminal::exit::{Failure, NOT_FOUND};
use crate::terminal::output::{self, Cell, Out, write_stderr};
use crate::terminal::prompt::confirm;
use crate::wire::{SessionOut, TokenIn, TokenOut};

#[derive(Args)]
pub struct TokenArguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// List tokens
    #[command(alias = "ls")]
    List {
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// Create a token and print its secret
    Create {
        /// Name of the token, such as notebook
        name: Option<String>,
        /// Lifetime in full hours: 1h to 24h [default: set by policy]
        #[arg(short, long, value_name = "DURATION")]
        expires: Option<String>,
        /// Permission, such as api-keys:read (whoami lists yours); repeatable [default: all permissions you have]
        #[arg(
            short = 'p',
            long = "permission",
            value_name = "PERMISSION",
            value_delimiter = ','
        )]
        permissions: Vec<String>,
        /// Allowed address in CIDR notation; repeatable [default: all]
        #[arg(long = "address", value_name = "CIDR", value_delimiter = ',')]
        addresses: Vec<String>,
        #[command(flatten)]
        out: Out,
    },
    /// Show a token
    Show {
        /// Name or id
        #[arg(add = CompletedNames::Tokens.completer())]
        token: String,
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// Delete tokens: they are rejected immediately
    #[command(alias = "rm")]
    Delete {
        /// Names or ids
        #[arg(required = true, value_name = "TOKEN", add = CompletedNames::Tokens.completer())]
        tokens: Vec<String>,
        /// Also delete the credentials that these tokens created
        #[arg(long, alias = "with-made")]
        with_created: bool,
        /// Delete without confirmation
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// Explain why a token is accepted or rejected
    Explain {
        /// Name or id
        #[arg(add = CompletedNames::Tokens.completer())]
        token: String,
        #[command(flatten)]
        question: Question,
        #[command(flatten)]
        owner: KeyOwner,
    },
}

/// `keycroft token`.
pub fn token(arguments: TokenArguments) -> Result<(), Failure> {
    let client = arguments.remote.client()?;
    match arguments.command {
        TokenCommand::List { owner } => {
            let empty = "no tokens; create one: keycroft token create";
            let path = owner.path("tokens");
            print_list(&client, &path, &KEY_HEADINGS, token_row, empty)
        }
        TokenCommand::Create {
            name,
            expires,
            permissions,
            addresses,
            out,
        } => {
            let body = TokenIn {
                name,
                expires_in: expires,
                permissions: non_empty(permissions),
                allowed_addresses: non_empty(addresses),
            };
            create_token(&client, &out, &body)
        }
        TokenCommand::Delete {
            tokens,
            with_created,
            yes,
            owner,
        } => {
            let path = owner.path("tokens");
            delete_credentials(&client, &path, "token", &tokens, with_created, yes)
        }
        TokenCommand::Show { token, owner } => show_token(&client, &owner.path("tokens"), &token),
        TokenCommand::Explain {
            token,
            question,
            owner,
        } => explain(&client, &owner.path("tokens"), "token", &token, &question),
    }
}

fn show_token(client: &Client, path: &str, given: &str) -> Result<(), Failure> {
    let id = find_id(client, path, "token", given)?;
    let answer = client.get(&format!("{path}/{id}"))?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let cells = token_row(&answer.parse()?, client.now());
    let rows: Vec<(&str, Cell)> = KEY_HEADINGS.into_iter().zip(cells).collect();
    output::record(client.format(), &rows)
}

fn token_row(token: &TokenOut, now: Time) -> Vec<Cell> {
    vec![
        token.name.as_str().into(),
        token.id.as_str().into(),
        token.state.as_str().into(),
        Cell::time(token.expires_at.as_deref(), "never", now),
        Cell::time(token.last_used_at.as_deref(), "never", now),
        Cell::maybe(token.last_used_from.as_deref()),
        Cell::permissions(&token.permissions),
    ]
}

fn create_token(client: &Client, out: &Out, body: &TokenIn) -> Result<(), Failure> {
    let take = |token: &mut TokenOut| token.secret.take();
    let lost = |token: &TokenOut| format!("keycroft token delete {}", token.id);
    let Some(token) = post_for_secret(client, out, "/api/v1/tokens", body, take, lost)? else {
        return Ok(());
    };
    write_stderr(&format!(
        "created token {} ({}), {}",
        token.name,
        token.id,
        output::lifetime_text(token.expires_at.as_deref(), client.now())
    ));
    Ok(())
}

#[derive(Args)]
pub struct SessionArguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: SessionCommand,
}

#[derive(Subcommand)]
enum SessionCommand {
    /// List console sessions
    #[command(alias = "ls")]
    List {
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// Show a session
    Show {
        /// Id, as printed by session list
        #[arg(add = CompletedNames::Sessions.completer())]
        session: String,
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// Delete sessions: they are signed out immediately
    #[command(alias = "rm")]
    Delete {
        /// Ids, as printed by session list
        #[arg(required = true, value_name = "SESSION", add = CompletedNames::Sessions.completer())]
        sessions: Vec<String>,
        /// Delete without confirmation
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// Sign out all your console sessions
    DeleteOthers {
        /// Sign out without confirmation
        #[arg(short, long)]
        yes: bool,
    },
}

const SESSION_HEADINGS: [&str; 6] = [
    "device",
    "id",
    "address",
    "signed in",
    "last active",
    "expires",
];

fn session_row(session: &SessionOut, now: Time) -> Vec<Cell> {
    vec![
        session.device.as_str().into(),
        session.id.as_str().into(),
        Cell::maybe(session.address.as_deref()),
        Cell::time(Some(&session.created_at), "-", now),
        Cell::time(session.last_active_at.as_deref(), "never", now),
        Cell::time(session.expires_at.as_deref(), "never", now),
    ]
}

/// The last use of a session in words.
fn last_active(session: &SessionOut, now: Time) -> String {
    let time = session.last_active_at.as_deref();
    match time.and_then(|text| Time::parse(text).ok()) {
        Some(time) => format!("last active {}", output::relative_time(time, now)),
        None => "no recorded use".to_owned(),
    }
}

/// `keycroft session`.
pub fn session(arguments: SessionArguments) -> Result<(), Failure> {
    let client = arguments.remote.client()?;
    match arguments.command {
        SessionCommand::List { owner } => {
            let path = owner.path("sessions");
            print_list(
                &client,
                &path,
                &SESSION_HEADINGS,
                session_row,
                "no sessions",
            )
        }
        SessionCommand::Delete {
            sessions,
            yes,
            owner,
        } => {
            let path = owner.path("sessions");
            let listed: Vec<SessionOut> = client.list_items(&path)?.parse()?;
            let mut deletions = Vec::new();
            for given in &sessions {
                let id = find_id(&client, &path, "session", given)?;
                let found = listed.iter().find(|one| one.id == id);
                deletions.push(Deletion {
                    label: found.map_or_else(|| id.clone(), |one| format!("{} ({id})", one.device)),
                    effect: found.map_or_else(
                        || "unknown".to_owned(),
                        |one| last_active(one, client.now()),
                    ),
                    path: format!("{path}/{id}"),
                    done: format!("signed out {id}; it is rejected from now on"),
                    was_found: found.is_some(),
                });
            }
            delete_all(&client, "session", deletions, &Consent::Yes, yes)
        }
        SessionCommand::Show { session, owner } => {
            let path = owner.path("sessions");
            let id = find_id(&client, &path, "session", &session)?;
            let listed: Vec<SessionOut> = client.list_items(&path)?.parse()?;
            let found = listed.into_iter().find(|one| one.id == id);
            let found = found.ok_or_else(|| {
                Failure::new(NOT_FOUND, format!("session {session:?} not found"))
                    .hint("keycroft session list")
            })?;
            if client.format().is_json() {
                return client.format().print_value(&found);
            }
            let cells = session_row(&found, client.now());
            let rows: Vec<(&str, Cell)> = SESSION_HEADINGS.into_iter().zip(cells).collect();
            output::record(client.format(), &rows)
        }
        SessionCommand::DeleteOthers { yes } => {
            confirm("Sign out all your console sessions?", yes)?;
            client.delete("/api/v1/sessions")?;
            write_stderr("signed out of all console sessions; API keys and tokens stay");
            Ok(())
        }
    }
}
