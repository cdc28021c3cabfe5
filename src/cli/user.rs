//! `keycroft user`.

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;

use super::client::{ApiAnswer, Client};
use super::completion::CompletedNames;
use super::deletion::{Consent, Deletion, delete_all, find_before};
use super::listing::print_list;
use super::local::MissingDatabase;
use super::new_secret::{post_for_secret, require_field, write_unread};
use super::target::TargetArguments;
use crate::client::connection::ServerAddress;
use crate::model::time::Time;
use crate::model::user::Username;
use crate::terminal::exit::{Failure, INVALID, USAGE};
use crate::terminal::output::{self, Cell, Out, write_stderr};
use crate::terminal::prompt;
use crate::wire::{
    LinkOut, NothingIn, OffboardOut, OffboardPreviewOut, TokenIn, TokenOut, UserIn, UserOut,
    UserPatch,
};

#[derive(Args)]
#[command(after_help = super::target::HELP)]
pub struct UserArguments {
    #[command(flatten)]
    place: TargetArguments,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Create a user and print a one-time invitation link
    #[command(alias = "add")]
    Create {
        /// Username, which is also the login name on hosts
        #[arg(value_name = "USERNAME")]
        name: String,
        /// Create an admin instead of a member
        #[arg(long)]
        admin: bool,
        /// Display name, such as the full name
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// Set the password from standard input instead of printing a link
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        link: CreateLink,
    },
    /// List users
    #[command(alias = "ls")]
    List,
    /// Show a user
    Show {
        /// Username
        #[arg(value_name = "USERNAME", add = CompletedNames::Users.completer())]
        name: String,
    },
    /// Edit a user: display name, role, permissions beyond the role
    Edit {
        /// Username
        #[arg(value_name = "USERNAME", add = CompletedNames::Users.completer())]
        name: String,
        /// Role: member or admin
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
        /// New display name
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// New permission beyond the role, such as introspect or slurm:submit; repeatable; replaces all; "none" removes all
        #[arg(
            short = 'p',
            long = "permission",
            value_name = "PERMISSION",
            value_delimiter = ','
        )]
        permissions: Vec<String>,
    },
    /// Disable a user: all credentials are rejected immediately
    Disable {
        /// Username
        #[arg(value_name = "USERNAME", add = CompletedNames::Users.completer())]
        name: String,
    },
    /// Re-enable a user and their credentials
    Enable {
        /// Username
        #[arg(value_name = "USERNAME", add = CompletedNames::Users.completer())]
        name: String,
    },
    /// Change the role of a user
    Role {
        /// Username
        #[arg(value_name = "USERNAME", add = CompletedNames::Users.completer())]
        name: String,
        /// Role: member or admin
        role: String,
    },
    /// Print a one-time link for a new password
    ResetPassword {
        /// Username
        #[arg(value_name = "USERNAME", add = CompletedNames::Users.completer())]
        name: String,
        #[command(flatten)]
        link: CreateLink,
    },
    /// Remove second factors and password; print a one-time link for a new password
    ResetSecondFactor {
        /// Username
        #[arg(value_name = "USERNAME", add = CompletedNames::Users.completer())]
        name: String,
        #[command(flatten)]
        link: CreateLink,
    },
    /// Delete users with all their credentials; the names stay reserved
    #[command(alias = "rm")]
    Delete {
        /// Usernames
        #[arg(required = true, value_name = "USERNAME", add = CompletedNames::Users.completer())]
        names: Vec<String>,
        /// Delete without confirmation
        #[arg(short, long)]
        yes: bool,
    },
    /// Disable a user and revoke all their credentials and SSH keys
    #[command(alias = "end-everything")]
    Offboard {
        /// Username
        #[arg(value_name = "USERNAME", add = CompletedNames::Users.completer())]
        name: String,
        /// Show what would be revoked and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Offboard without confirmation
        #[arg(short, long)]
        yes: bool,
    },
    /// Create a token with all permissions of a user (owner of the database only)
    Token {
        /// Username
        #[arg(value_name = "USERNAME", add = CompletedNames::Users.completer())]
        name: String,
        /// Lifetime in full hours: 1h to 24h [default: set by policy]
        #[arg(short, long, value_name = "DURATION")]
        expires: Option<String>,
        #[command(flatten)]
        out: Out,
    },
}

/// The address in links, for a database without a running server.
#[derive(Args)]
struct CreateLink {
    /// Public URL for the link when no server runs [env: KEYCROFT_PUBLIC_URL] [default: that of the last server]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

/// `keycroft user`.
pub fn run_user(arguments: UserArguments) -> Result<(), Failure> {
    let creates_first = matches!(arguments.command, UserCommand::Create { admin: true, .. });
    let is_add = matches!(arguments.command, UserCommand::Create { .. });
    let creates = creates_first || (is_add && arguments.place.names_database());
    let mut client = arguments.place.client_or(if creates {
        MissingDatabase::Create
    } else {
        MissingDatabase::Reject
    })?;
    match arguments.command {
        UserCommand::Create {
            name,
            admin,
            display_name,
            password_stdin,
            link,
        } => {
            let password = if password_stdin {
                Some(prompt::secret("Password (it is not shown): ")?.to_string())
            } else {
                None
            };
            let role = if admin { "admin" } else { "member" }.to_owned();
            client.set_public_url(link.public_url);
            create_user(
                &client,
                &UserIn {
                    username: Some(name),
                    display_name,
                    role: Some(role),
                    password,
                },
            )
        }
        UserCommand::List => list_users(&client),
        UserCommand::Show { name } => show_user(&client, &name),
        UserCommand::Edit {
            name,
            role,
            display_name,
            permissions,
        } => {
            let permissions = match permissions.as_slice() {
                [] => None,
                [none] if none == "none" => Some(Vec::new()),
                _ => Some(permissions),
            };
            if display_name.is_none() && permissions.is_none() && role.is_none() {
                return Err(
                    Failure::new(USAGE, "nothing to change: pass at least one option")
                        .hint(format!("keycroft user edit {name} --permission introspect")),
                );
            }
            change_user(
                &client,
                &name,
                &UserPatch {
                    display_name,
                    role,
                    permissions,
                    ..UserPatch::default()
                },
                "changed",
            )
        }
        UserCommand::Disable { name } => change_user(
            &client,
            &name,
            &UserPatch {
                disabled: Some(true),
                ..UserPatch::default()
            },
            "disabled",
        ),
        UserCommand::Enable { name } => change_user(
            &client,
            &name,
            &UserPatch {
                disabled: Some(false),
                ..UserPatch::default()
            },
            "enabled",
        ),
        UserCommand::Role { name, role } => change_user(
            &client,
            &name,
            &UserPatch {
                role: Some(role),
                ..UserPatch::default()
            },
            "changed the role of",
        ),
        UserCommand::ResetPassword { name, link } => {
            client.set_public_url(link.public_url);
            reset_password(&client, &name)
        }
        UserCommand::ResetSecondFactor { name, link } => {
            client.set_public_url(link.public_url);
            reset_second_factor(&client, &name)
        }
        UserCommand::Delete { names, yes } => delete_user(&client, &names, yes),
        UserCommand::Offboard { name, dry_run, yes } => offboard_user(&client, &name, dry_run, yes),
        UserCommand::Token { name, expires, out } => token(&client, &name, expires, &out),
    }
}

fn delete_user(client: &Client, names: &[String], yes: bool) -> Result<(), Failure> {
    let mut deletions = Vec::new();
    for name in names {
        let path = path(name)?;
        let preview = client
            .get(&format!("{path}/offboard"))
            .and_then(|answer| answer.parse());
        let preview = find_before(preview)?;
        deletions.push(Deletion {
            label: format!("{name} {}", client.place()),
            effect: preview
                .as_ref()
                .map_or_else(|| "with all credentials".to_owned(), credentials_text),
            path,
            done: format!("deleted {name} {}", client.place()),
            was_found: preview.is_some(),
        });
    }
    let name = names.first().cloned().unwrap_or_default();
    delete_all(client, "user", deletions, &Consent::Name(name), yes)
}

fn username(name: &str) -> Result<Username, Failure> {
    Username::parse(name)
        .map_err(|message| Failure::new(INVALID, format!("the username: {message}")))
}

/// The path of a user. Only valid names become one.
fn path(name: &str) -> Result<String, Failure> {
    Ok(format!("/api/v1/users/{}", username(name)?))
}

fn row(user: &UserOut, now: Time) -> Vec<Cell> {
    let state = if user.disabled { "disabled" } else { "enabled" };
    vec![
        user.username.as_str().into(),
        user.display_name.as_str().into(),
        user.role.as_str().into(),
        state.into(),
        Cell::time(Some(&user.created_at), "-", now),
        Cell::words(&user.groups),
        Cell::words(&user.permissions),
    ]
}

const HEADINGS: [&str; 7] = [
    "name",
    "display name",
    "role",
    "state",
    "created",
    "groups",
    "granted",
];

fn create_user(client: &Client, wanted: &UserIn) -> Result<(), Failure> {
    if wanted.password.is_none() {
        require_field(client.format(), "invitation", "")?;
    }
    let answer = client.post("/api/v1/users", wanted)?;
    let added: UserOut = parse_link(&answer)?;
    write_stderr(&format!(
        "created {} {} {}",
        added.role,
        added.username,
        client.place()
    ));
    match added.invitation {
        None if client.format().is_json() => client.format().print_json(&answer.text),
        None => Ok(()),
        Some(link) => {
            let words = "one-time invitation link, valid for 7 days:";
            print_link(client, &answer, &added.username, words, &link)
        }
    }
}

fn list_users(client: &Client) -> Result<(), Failure> {
    let empty = "no users; create one: keycroft user create NAME";
    print_list(client, "/api/v1/users", &HEADINGS, row, empty)
}

fn show_user(client: &Client, name: &str) -> Result<(), Failure> {
    let answer = client.get(&path(name)?)?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let user: UserOut = answer.parse()?;
    let cells = row(&user, client.now());
    let mut rows: Vec<(&str, Cell)> = HEADINGS.into_iter().zip(cells).collect();
    if let Some(factors) = &user.second_factor {
        rows.push(("second factor", factors.words().into()));
    }
    output::record(client.format(), &rows)
}

fn change_user(client: &Client, name: &str, patch: &UserPatch, done: &str) -> Result<(), Failure> {
    let answer = client.patch(&path(name)?, patch)?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    write_stderr(&format!("{done} {name} {}", client.place()));
    Ok(())
}

/// Warns of a link that only this machine can open: no server had a public URL yet.
fn warn_of_loopback(client: &Client, link: &str) {
    let origin: Vec<&str> = link.splitn(4, '/').take(3).collect();
    let is_loopback =
        ServerAddress::parse(&origin.join("/")).is_ok_and(|server| server.is_loopback());
    if client.is_local() && is_loopback {
        write_stderr(
            "keycroft: this link leads to this machine only; pass --public-url URL for other people",
        );
    }
}

/// Prints a one-time link, or the answer with it.
fn print_link(
    client: &Client,
    answer: &ApiAnswer,
    name: &str,
    words: &str,
    link: &str,
) -> Result<(), Failure> {
    let place = Out::default().open()?;
    let lost = format!("keycroft user reset-password {name}");
    if client.format().is_json() {
        let print = |text: &str| place.put(text, &lost);
        return client.format().print_json_by(&answer.text, print);
    }
    write_stderr(words);
    warn_of_loopback(client, link);
    place.put(link, &lost)
}

/// The answer of an act that created a one-time link.
fn parse_link<T: DeserializeOwned>(answer: &ApiAnswer) -> Result<T, Failure> {
    answer.parse().map_err(|failure| {
        let out = Out::default();
        match out.open() {
            Ok(place) => write_unread(&out, &place, &answer.text, failure),
            Err(failure) => failure,
        }
    })
}

fn reset_password(client: &Client, name: &str) -> Result<(), Failure> {
    require_field(client.format(), "link", "")?;
    let answer = client.post(&format!("{}/reset-password", path(name)?), &NothingIn {})?;
    let fresh: LinkOut = parse_link(&answer)?;
    let words = format!("one-time link for a new password of {name}, valid for a day:");
    print_link(client, &answer, name, &words, &fresh.link)
}

fn reset_second_factor(client: &Client, name: &str) -> Result<(), Failure> {
    require_field(client.format(), "link", "")?;
    let answer = client.delete(&format!("{}/second-factor", path(name)?))?;
    let fresh: LinkOut = parse_link(&answer)?;
    let words = format!(
        "removed the second factors of {name}; they choose a new password within a day at this link, which works once:"
    );
    print_link(client, &answer, name, &words, &fresh.link)
}

/// The credentials of a user in one line.
fn credentials_text(preview: &OffboardPreviewOut) -> String {
    let mut text = format!(
        "{} API keys, {} tokens, {} sessions, {} SSH keys",
        preview.api_keys, preview.tokens, preview.sessions, preview.ssh_keys
    );
    if !preview.groups.is_empty() {
        text = format!("{text}; groups: {}", preview.groups.join(", "));
    }
    let logins = preview.logins.iter();
    let logins: Vec<String> = logins
        .map(|one| format!("{}@{}", one.login, one.host))
        .collect();
    if !logins.is_empty() {
        text = format!("{text}; logins: {}", logins.join(", "));
    }
    text
}

fn offboard_user(client: &Client, name: &str, dry_run: bool, yes: bool) -> Result<(), Failure> {
    let path = format!("{}/offboard", path(name)?);
    if dry_run {
        let answer = client.get(&path)?;
        if client.format().is_json() {
            return client.format().print_json(&answer.text);
        }
        let preview: OffboardPreviewOut = answer.parse()?;
        return output::line(&format!("{name}: {}", credentials_text(&preview)));
    }
    if !yes {
        // Without users:read the question does not name the credentials.
        let preview = client.get(&path).and_then(|answer| answer.parse());
        let held = preview.map_or_else(
            |_| String::new(),
            |preview| format!(" ({})", credentials_text(&preview)),
        );
        prompt::confirm_by_name(
            &format!("Disable {name} and revoke all their credentials{held}?"),
            name,
            yes,
        )?;
    }
    let answer = client.post(&path, &NothingIn {})?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let OffboardOut {
        api_keys,
        tokens,
        sessions,
        ssh_keys,
    } = answer.parse()?;
    write_stderr(&format!(
        "disabled {name} and revoked {api_keys} API keys, {tokens} tokens, {sessions} sessions and {ssh_keys} SSH keys"
    ));
    Ok(())
}

fn token(client: &Client, name: &str, expires: Option<String>, out: &Out) -> Result<(), Failure> {
    if !client.is_local() {
        return Err(Failure::new(
            USAGE,
            "only the owner of the database can create tokens for others",
        )
        .hint(format!("keycroft user token {name} --db FILE")));
    }
    let wanted = TokenIn {
        expires_in: expires,
        ..TokenIn::default()
    };
    let path = format!("{}/token", path(name)?);
    let take = |token: &mut TokenOut| token.secret.take();
    let lost = |token: &TokenOut| format!("keycroft token delete {} --user {name}", token.id);
    let Some(fresh) = post_for_secret(client, out, &path, &wanted, take, lost)? else {
        return Ok(());
    };
    write_stderr(&format!(
        "created a token of {name} ({}), {}",
        fresh.id,
        output::lifetime_text(fresh.expires_at.as_deref(), client.now())
    ));
    Ok(())
}
