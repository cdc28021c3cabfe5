//! `keycroft token` and `keycroft session`.

use clap::{Args, Subcommand};

use super::api_key::{KEY_HEADINGS, some};
use super::client::Client;
use super::connection::Remote;
use super::created::name_created;
use super::exit::Failure;
use super::explain::{KeyOwner, Question, explain};
use super::lookup::find_id;
use super::output::{self, Cell, Out, say};
use super::prompt::confirm;
use crate::model::time::Time;
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
    List {
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// Make a token; its secret is all that standard output gets
    Create {
        /// What it is called
        name: Option<String>,
        /// How long it lives: whole hours, 1h to 24h
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
        /// What it may do; repeatable [default: all that you may]
        #[arg(long = "permission", value_name = "PERMISSION", value_delimiter = ',')]
        permissions: Vec<String>,
        /// From where it may be used, CIDR; repeatable [default: everywhere]
        #[arg(long = "address", value_name = "CIDR", value_delimiter = ',')]
        addresses: Vec<String>,
        #[command(flatten)]
        out: Out,
    },
    /// Delete a token: it is refused from the next request on
    Delete {
        /// Name or id
        token: String,
        /// Delete what it created, too
        #[arg(long)]
        with_made: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// Say why a token is refused, or would be
    Explain {
        /// Name or id
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
            let listed = client.list(&owner.path("tokens"))?;
            if client.connection.json {
                return output::line(&listed.json());
            }
            let rows: Vec<Vec<Cell>> = listed
                .parse::<TokenOut>()?
                .iter()
                .map(|token| token_row(token, client.now()))
                .collect();
            output::table(&KEY_HEADINGS, &rows)
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
                permissions: some(permissions),
                allowed_addresses: some(addresses),
            };
            create_token(&client, &out, &body)
        }
        TokenCommand::Delete {
            token,
            with_made,
            yes,
            owner,
        } => {
            let path = owner.path("tokens");
            let id = find_id(&client, &path, "token", &token)?;
            if !with_made {
                name_created(&client, &id);
            }
            confirm(&format!("Delete the token {token} ({id})?"), yes)?;
            let query = if with_made { "?with_made=true" } else { "" };
            client.delete(&format!("{path}/{id}{query}"))?;
            say(&format!(
                "deleted the token {token} ({id}); it is refused from now on"
            ));
            Ok(())
        }
        TokenCommand::Explain {
            token,
            question,
            owner,
        } => explain(&client, &owner.path("tokens"), "token", &token, &question),
    }
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
    let place = out.open()?;
    let answer = match client.post("/api/v1/tokens", body) {
        Ok(answer) => answer,
        Err(failure) => {
            place.forget();
            return Err(failure);
        }
    };
    let mut token: TokenOut = answer.parse()?;
    let Some(secret) = token.secret.take().map(zeroize::Zeroizing::new) else {
        return Err(Failure::new(
            super::exit::FAILED,
            "the server's answer holds no secret",
        ));
    };
    let lost = format!("keycroft token delete {}", token.id);
    if client.connection.json && out.out.is_none() {
        return place.put(&answer.text, &lost);
    }
    place.put(&secret, &lost)?;
    if client.connection.json {
        return output::line(&serde_json::to_string(&token).unwrap_or_default());
    }
    say(&format!(
        "created token {} ({}), {}",
        token.name,
        token.id,
        output::until(token.expires_at.as_deref(), client.now())
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
    /// List where you are signed in at the console
    List {
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// Sign one out: it is refused from the next request on
    Delete {
        /// Its id
        session: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// Sign out everywhere at the console
    DeleteOthers {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// `keycroft session`.
pub fn session(arguments: SessionArguments) -> Result<(), Failure> {
    let client = arguments.remote.client()?;
    match arguments.command {
        SessionCommand::List { owner } => {
            let listed = client.list(&owner.path("sessions"))?;
            if client.connection.json {
                return output::line(&listed.json());
            }
            let now = client.now();
            let row = |session: &SessionOut| -> Vec<Cell> {
                vec![
                    session.device.as_str().into(),
                    session.id.as_str().into(),
                    Cell::maybe(session.address.as_deref()),
                    Cell::time(Some(&session.created_at), "-", now),
                    Cell::time(session.last_active_at.as_deref(), "never", now),
                    Cell::time(session.expires_at.as_deref(), "never", now),
                ]
            };
            let rows: Vec<Vec<Cell>> = listed.parse::<SessionOut>()?.iter().map(row).collect();
            output::table(
                &[
                    "device",
                    "id",
                    "address",
                    "signed in",
                    "last active",
                    "expires",
                ],
                &rows,
            )
        }
        SessionCommand::Delete {
            session,
            yes,
            owner,
        } => {
            let path = owner.path("sessions");
            let id = find_id(&client, &path, "session", &session)?;
            confirm(&format!("Sign out {id}?"), yes)?;
            client.delete(&format!("{path}/{id}"))?;
            say(&format!("signed out {id}; it is refused from now on"));
            Ok(())
        }
        SessionCommand::DeleteOthers { yes } => {
            confirm("Sign out everywhere at the console?", yes)?;
            client.delete("/api/v1/sessions")?;
            say("signed out everywhere at the console; API keys and tokens stay");
            Ok(())
        }
    }
}
