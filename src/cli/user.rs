//! `keycroft user`.

use std::io::{BufRead, IsTerminal};

use clap::Subcommand;

use super::exit::{Failure, INVALID, USAGE};
use super::operator::Database;
use super::output;
use crate::desk::Desk;
use crate::model::code::Purpose;
use crate::model::password::Password;
use crate::model::secret::Secret;
use crate::model::time::WantedEnd;
use crate::model::user::{Disabled, NewUser, Role, User, UserChange, Username};

#[derive(Subcommand)]
pub enum UserCommand {
    /// Add a user; prints a one-time invitation link, unless a password is given
    Add {
        name: String,
        /// Make them an admin
        #[arg(long)]
        admin: bool,
        /// The name that people read
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
        /// Where the invitation link leads
        #[arg(
            long,
            env = "KEYCROFT_PUBLIC_URL",
            default_value = "http://127.0.0.1:8420"
        )]
        public_url: String,
        #[command(flatten)]
        database: Database,
    },
    /// List users
    List {
        #[command(flatten)]
        database: Database,
    },
    /// Show one user
    Show {
        name: String,
        #[command(flatten)]
        database: Database,
    },
    /// Refuse all of a user's credentials from the next request on
    Disable {
        name: String,
        #[command(flatten)]
        database: Database,
    },
    /// Let a disabled user's credentials be good again
    Enable {
        name: String,
        #[command(flatten)]
        database: Database,
    },
    /// Change a user's role
    Role {
        name: String,
        /// member or admin
        role: String,
        #[command(flatten)]
        database: Database,
    },
    /// Print a one-time link with which the user chooses a new password
    ResetPassword {
        name: String,
        /// Where the link leads
        #[arg(
            long,
            env = "KEYCROFT_PUBLIC_URL",
            default_value = "http://127.0.0.1:8420"
        )]
        public_url: String,
        #[command(flatten)]
        database: Database,
    },
    /// Delete a user and all that is theirs; the name stays reserved
    Delete {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        database: Database,
    },
    /// Print a token with all of a user's permissions, so that an installation can be automated
    Token {
        name: String,
        /// How long it lives: whole hours, 1h to 24h
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
        #[command(flatten)]
        database: Database,
    },
}

/// Does what the command says, on the file.
///
/// # Errors
/// With what to say and the exit code.
pub fn run(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add {
            name,
            admin,
            display_name,
            password_stdin,
            public_url,
            database,
        } => {
            let username = parse(&name)?;
            let password = if password_stdin {
                Some(read_password(&username)?)
            } else {
                None
            };
            let display_name = match display_name {
                Some(text) => crate::model::text::parse_name(&text).map_err(|message| {
                    Failure::new(INVALID, format!("the display name: {message}"))
                })?,
                None => username.to_string(),
            };
            let role = if admin { Role::Admin } else { Role::Member };
            let office = database.open_or_create()?;
            let invited = office.desk()?.add_user_as_operator(NewUser {
                username,
                display_name,
                role,
                password,
            })?;
            office.close();
            eprintln!("added {} {}", invited.user.role, invited.user.username);
            match invited.code {
                Some(code) => print_link(&public_url, Purpose::Invitation, code),
                None => Ok(()),
            }
        }
        UserCommand::List { database } => list(&database),
        UserCommand::Show { name, database } => {
            let user = on_desk(&database, |desk| Ok(desk.user_as_operator(&parse(&name)?)?))?;
            output::table(&HEADINGS, &[row(&user)])
        }
        UserCommand::Disable { name, database } => change(
            &name,
            &database,
            UserChange {
                disabled: Some(Disabled::Yes),
                ..UserChange::default()
            },
            "disabled",
        ),
        UserCommand::Enable { name, database } => change(
            &name,
            &database,
            UserChange {
                disabled: Some(Disabled::No),
                ..UserChange::default()
            },
            "enabled",
        ),
        UserCommand::Role {
            name,
            role,
            database,
        } => {
            let role = Role::parse(&role).map_err(|message| Failure::new(USAGE, message))?;
            change(
                &name,
                &database,
                UserChange {
                    role: Some(role),
                    ..UserChange::default()
                },
                "changed the role of",
            )
        }
        UserCommand::ResetPassword {
            name,
            public_url,
            database,
        } => {
            let code = on_desk(&database, |desk| {
                Ok(desk.reset_password_as_operator(&parse(&name)?)?)
            })?;
            print_link(&public_url, Purpose::PasswordReset, code)
        }
        UserCommand::Delete {
            name,
            yes,
            database,
        } => {
            confirm_deletion(&name, yes)?;
            on_desk(&database, |desk| {
                Ok(desk.delete_user_as_operator(&parse(&name)?)?)
            })?;
            eprintln!("deleted {name}");
            Ok(())
        }
        UserCommand::Token {
            name,
            expires,
            database,
        } => {
            let end = WantedEnd::parse(expires.as_deref(), None)
                .map_err(|(_, message)| Failure::new(INVALID, format!("--expires: {message}")))?;
            let issued = on_desk(&database, |desk| {
                Ok(desk.user_token_as_operator(&parse(&name)?, end)?)
            })?;
            let expires = issued
                .record
                .expires_at
                .map_or_else(String::new, |end| format!(", expires {end}"));
            eprintln!("made a token of {name} ({}){expires}", issued.record.id);
            output::line(&issued.secret.reveal())
        }
    }
}

const HEADINGS: [&str; 5] = ["name", "display name", "role", "state", "created"];

fn row(user: &User) -> Vec<output::Cell> {
    let state = if user.is_enabled() {
        "enabled"
    } else {
        "disabled"
    };
    vec![
        user.username.to_string().into(),
        user.display_name.as_str().into(),
        user.role.to_string().into(),
        state.into(),
        user.created_at.to_string().into(),
    ]
}

fn list(database: &Database) -> Result<(), Failure> {
    let users = on_desk(database, |desk| {
        let mut users = Vec::new();
        let mut after = None;
        loop {
            let page = desk.users_as_operator(after, 200)?;
            users.extend(page.items);
            after = page.next.and_then(|next| next.parse().ok());
            if after.is_none() {
                return Ok(users);
            }
        }
    })?;
    let rows: Vec<Vec<output::Cell>> = users.iter().map(row).collect();
    output::table(&HEADINGS, &rows)
}

fn change(name: &str, database: &Database, change: UserChange, done: &str) -> Result<(), Failure> {
    on_desk(database, |desk| {
        Ok(desk.change_user_as_operator(&parse(name)?, change)?)
    })?;
    eprintln!("{done} {name}");
    Ok(())
}

fn on_desk<T>(
    database: &Database,
    ask: impl FnOnce(&Desk) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let office = database.open()?;
    let answer = ask(&office.desk()?);
    office.close();
    answer
}

fn parse(name: &str) -> Result<Username, Failure> {
    Username::parse(name)
        .map_err(|message| Failure::new(INVALID, format!("the user name: {message}")))
}

fn read_password(username: &Username) -> Result<Password, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut text)
        .map_err(|error| Failure::new(USAGE, format!("standard input: {error}")))?;
    let text = text.trim_end_matches(['\n', '\r']);
    Password::chosen(text, username)
        .map_err(|message| Failure::new(INVALID, format!("the password: {message}")))
}

fn print_link(public_url: &str, purpose: Purpose, code: Secret) -> Result<(), Failure> {
    let path = purpose.path().unwrap_or("/");
    output::line(&format!(
        "{}{path}?code={}",
        public_url.trim_end_matches('/'),
        *code.reveal()
    ))
}

fn confirm_deletion(name: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            USAGE,
            format!("deleting {name} can't be undone, and there is nobody to ask"),
        )
        .hint(format!("keycroft user delete {name} --yes")));
    }
    eprint!("Delete {name} and all that is theirs? Type the name to go on: ");
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut text)
        .map_err(|error| Failure::new(USAGE, format!("standard input: {error}")))?;
    if text.trim() == name {
        Ok(())
    } else {
        Err(Failure::new(super::exit::FAILED, "nothing was deleted"))
    }
}
