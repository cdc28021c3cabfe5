//! `keycroft user`: on the file itself as its owner, or through the API as an admin.

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;

use super::environment::variable;
use super::exit::{Failure, INVALID, USAGE};
use super::output::{self, Cell, Out, say};
use super::place::{Backend, File, Missing, Place, json};
use super::prompt;
use crate::model::code::Purpose;
use crate::model::secret::Secret;
use crate::model::time::{Time, WantedEnd};
use crate::model::user::Username;
use crate::wire::{
    LinkOut, NothingIn, OffboardOut, OffboardPreviewOut, UserIn, UserOut, UserPatch,
};

#[derive(Args)]
#[command(after_help = super::place::HELP)]
pub struct UserArguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add a user; prints a one-time invitation link, unless a password is given
    Add {
        /// The user name, which is also the login name on hosts
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
        #[command(flatten)]
        link: Link,
    },
    /// List users
    List,
    /// Show one user
    Show { name: String },
    /// Change the name that people read, or what is granted beyond the role
    Edit {
        name: String,
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// All that is granted beyond the role (introspect, metrics, services' permissions); repeatable; "none" takes all away
        #[arg(long = "permission", value_name = "PERMISSION", value_delimiter = ',')]
        permissions: Vec<String>,
    },
    /// Refuse all of a user's credentials from the next request on
    Disable { name: String },
    /// Let a disabled user's credentials be good again
    Enable { name: String },
    /// Change a user's role
    Role {
        name: String,
        /// member or admin
        role: String,
    },
    /// Print a one-time link with which the user chooses a new password
    ResetPassword {
        name: String,
        #[command(flatten)]
        link: Link,
    },
    /// Delete a user and all that is theirs; the name stays reserved
    Delete {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Disable a user and revoke all their credentials and SSH keys (through the API)
    #[command(alias = "end-everything")]
    Offboard {
        name: String,
        /// Show what would be revoked and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Print a token with all of a user's permissions, so that an installation can be automated (on the file)
    Token {
        name: String,
        /// How long it lives: whole hours, 1h to 24h
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
        #[command(flatten)]
        out: Out,
    },
}

/// Where a link leads that is made on the file; a server knows its own address.
#[derive(Args)]
struct Link {
    /// Where the link leads when it is created on the database [env: KEYCROFT_PUBLIC_URL] [default: the public URL of the
    /// server that ran last]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

/// Where a server listens that is told nothing else.
const USUAL_URL: &str = "http://127.0.0.1:8420";

impl Link {
    /// The link that spends `code`.
    fn with(&self, file: &File, purpose: Purpose, code: Secret) -> Result<String, Failure> {
        let given = self
            .public_url
            .clone()
            .or_else(|| variable("KEYCROFT_PUBLIC_URL"));
        let url = match given {
            Some(url) => url,
            None => file.app.public_url()?.unwrap_or_else(|| {
                say("keycroft: no server has run on this database, so the link leads to this machine; pass --public-url URL");
                USUAL_URL.to_owned()
            }),
        };
        let (url, path) = (url.trim_end_matches('/'), purpose.path().unwrap_or("/"));
        Ok(format!("{url}{path}?code={}", *code.reveal()))
    }
}

/// What came out, and the same as the API writes it.
struct Shown<T> {
    value: T,
    json: String,
}

impl<T: serde::Serialize> Shown<T> {
    fn of(value: T) -> Result<Self, Failure> {
        Ok(Self {
            json: json(&value)?,
            value,
        })
    }
}

fn answered<T: DeserializeOwned>(answer: &super::client::Answer) -> Result<Shown<T>, Failure> {
    Ok(Shown {
        value: answer.parse()?,
        json: answer.text.to_string(),
    })
}

/// `keycroft user`.
///
/// # Errors
/// With what to say and the exit code.
pub fn run(arguments: UserArguments) -> Result<(), Failure> {
    let makes_first = matches!(arguments.command, UserCommand::Add { admin: true, .. });
    let named =
        arguments.place.names_file() && matches!(arguments.command, UserCommand::Add { .. });
    let at = arguments.place.settle(if makes_first || named {
        Missing::Make
    } else {
        Missing::Refuse
    })?;
    match arguments.command {
        UserCommand::Add {
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
            add(
                &at,
                UserIn {
                    username: Some(name),
                    display_name,
                    role: Some(role),
                    password,
                },
                &link,
            )
        }
        UserCommand::List => list(&at),
        UserCommand::Show { name } => show(&at, &name),
        UserCommand::Edit {
            name,
            display_name,
            permissions,
        } => {
            let permissions = match permissions.as_slice() {
                [] => None,
                [none] if none == "none" => Some(Vec::new()),
                _ => Some(permissions),
            };
            if display_name.is_none() && permissions.is_none() {
                return Err(Failure::new(USAGE, "nothing was said to be changed")
                    .hint(format!("keycroft user edit {name} --permission introspect")));
            }
            change(
                &at,
                &name,
                UserPatch {
                    display_name,
                    permissions,
                    ..UserPatch::default()
                },
                "changed",
            )
        }
        UserCommand::Disable { name } => change(
            &at,
            &name,
            UserPatch {
                disabled: Some(true),
                ..UserPatch::default()
            },
            "disabled",
        ),
        UserCommand::Enable { name } => change(
            &at,
            &name,
            UserPatch {
                disabled: Some(false),
                ..UserPatch::default()
            },
            "enabled",
        ),
        UserCommand::Role { name, role } => change(
            &at,
            &name,
            UserPatch {
                role: Some(role),
                ..UserPatch::default()
            },
            "changed the role of",
        ),
        UserCommand::ResetPassword { name, link } => reset_password(&at, &name, &link),
        UserCommand::Delete { name, yes } => {
            prompt::confirm_by_name(
                &format!("Delete {name} and all that is theirs, {}?", at.name()),
                &name,
                yes,
            )?;
            match &at {
                Backend::File(file) => file.app.delete_user_as_operator(&username(&name)?)?,
                Backend::Server(client) => client.delete(&path(&name)?).map(|_| ())?,
            }
            say(&format!("deleted {name} {}", at.name()));
            Ok(())
        }
        UserCommand::Offboard { name, dry_run, yes } => offboard(&at, &name, dry_run, yes),
        UserCommand::Token { name, expires, out } => token(&at, &name, expires.as_deref(), &out),
    }
}

fn username(name: &str) -> Result<Username, Failure> {
    Username::parse(name)
        .map_err(|message| Failure::new(INVALID, format!("the user name: {message}")))
}

/// A user's path; only names that can be one get this far, so that nothing else is asked for.
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

fn now() -> Time {
    crate::clock::Clock::System.now()
}

fn add(at: &Backend, wanted: UserIn, link: &Link) -> Result<(), Failure> {
    let added: Shown<UserOut> = match at {
        Backend::Server(client) => answered(&client.post("/api/v1/users", &wanted)?)?,
        Backend::File(file) => {
            let invited = file.app.add_user_as_operator(wanted.parse()?)?;
            let invitation = invited
                .code
                .map(|code| link.with(file, Purpose::Invitation, code))
                .transpose()?;
            Shown::of(UserOut {
                invitation,
                ..UserOut::of(&invited.user)
            })?
        }
    };
    say(&format!(
        "added {} {} {}",
        added.value.role,
        added.value.username,
        at.name()
    ));
    if at.json() {
        return output::line(&added.json);
    }
    match added.value.invitation {
        None => Ok(()),
        Some(invitation) => {
            say("they choose a password within 7 days at this link, which works once:");
            output::line(&invitation)
        }
    }
}

fn list(at: &Backend) -> Result<(), Failure> {
    let users: Vec<UserOut> = match at {
        Backend::Server(client) => {
            let listed = client.list("/api/v1/users")?;
            if at.json() {
                return output::line(&listed.json());
            }
            listed.parse()?
        }
        Backend::File(file) => all_on(file)?,
    };
    if at.json() {
        return output::line(&json(&crate::wire::ListOut {
            items: users,
            next: None,
        })?);
    }
    let rows: Vec<Vec<Cell>> = users.iter().map(|user| row(user, now())).collect();
    output::table(&HEADINGS, &rows)
}

fn all_on(file: &File) -> Result<Vec<UserOut>, Failure> {
    let mut users = Vec::new();
    let mut after = None;
    loop {
        let page = file.app.users_as_operator(after, 200)?;
        users.extend(page.items.iter().map(UserOut::of));
        after = page.next.and_then(|next| next.parse().ok());
        if after.is_none() {
            return Ok(users);
        }
    }
}

fn show(at: &Backend, name: &str) -> Result<(), Failure> {
    let user: Shown<UserOut> = match at {
        Backend::Server(client) => answered(&client.get(&path(name)?)?)?,
        Backend::File(file) => {
            Shown::of(UserOut::of(&file.app.user_as_operator(&username(name)?)?))?
        }
    };
    if at.json() {
        return output::line(&user.json);
    }
    let rows: Vec<(&str, Cell)> = HEADINGS.into_iter().zip(row(&user.value, now())).collect();
    output::record(&rows)
}

fn change(at: &Backend, name: &str, patch: UserPatch, done: &str) -> Result<(), Failure> {
    let user: Shown<UserOut> = match at {
        Backend::Server(client) => answered(&client.patch(&path(name)?, &patch)?)?,
        Backend::File(file) => Shown::of(UserOut::of(
            &file
                .app
                .change_user_as_operator(&username(name)?, patch.parse()?)?,
        ))?,
    };
    if at.json() {
        return output::line(&user.json);
    }
    say(&format!("{done} {name} {}", at.name()));
    Ok(())
}

fn reset_password(at: &Backend, name: &str, link: &Link) -> Result<(), Failure> {
    let made: Shown<LinkOut> = match at {
        Backend::Server(client) => {
            answered(&client.post(&format!("{}/reset-password", path(name)?), &NothingIn {})?)?
        }
        Backend::File(file) => {
            let code = file.app.reset_password_as_operator(&username(name)?)?;
            let link = link.with(file, Purpose::PasswordReset, code)?;
            Shown::of(LinkOut { link })?
        }
    };
    if at.json() {
        return output::line(&made.json);
    }
    say(&format!(
        "{name} chooses a new password within a day at this link, which works once:"
    ));
    output::line(&made.value.link)
}

/// One line about what a user holds.
fn held(preview: &OffboardPreviewOut) -> String {
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

fn offboard(at: &Backend, name: &str, dry_run: bool, yes: bool) -> Result<(), Failure> {
    let Backend::Server(client) = at else {
        return Err(
            Failure::new(USAGE, "this is an admin's act and goes through the API")
                .hint("keycroft login; on the file: keycroft user disable, or delete"),
        );
    };
    let path = format!("{}/offboard", path(name)?);
    if dry_run {
        let preview: Shown<OffboardPreviewOut> = answered(&client.get(&path)?)?;
        if at.json() {
            return output::line(&preview.json);
        }
        return output::line(&format!("{name}: {}", held(&preview.value)));
    }
    if !yes {
        // Without users:read the question comes without what the user holds.
        let preview = client.get(&path).and_then(|answer| answer.parse());
        let held = preview.map_or_else(
            |_| String::new(),
            |preview| format!(" ({})", held(&preview)),
        );
        prompt::confirm_by_name(
            &format!("Disable {name} and revoke all their credentials{held}?"),
            name,
            yes,
        )?;
    }
    let ended: Shown<OffboardOut> = answered(&client.post(&path, &NothingIn {})?)?;
    if at.json() {
        return output::line(&ended.json);
    }
    let OffboardOut {
        api_keys,
        tokens,
        sessions,
        ssh_keys,
    } = ended.value;
    say(&format!(
        "disabled {name} and revoked {api_keys} API keys, {tokens} tokens, {sessions} sessions and {ssh_keys} SSH keys"
    ));
    Ok(())
}

fn token(at: &Backend, name: &str, expires: Option<&str>, out: &Out) -> Result<(), Failure> {
    let Backend::File(file) = at else {
        return Err(
            Failure::new(USAGE, "only the file's owner makes tokens for others")
                .hint(format!("keycroft user token {name} --db FILE")),
        );
    };
    let end = WantedEnd::parse(expires, None)
        .map_err(|(_, message)| Failure::new(INVALID, format!("--expires: {message}")))?;
    let place = out.open()?;
    let issued =
        match username(name).and_then(|name| Ok(file.app.user_token_as_operator(&name, end)?)) {
            Ok(issued) => issued,
            Err(failure) => {
                place.forget();
                return Err(failure);
            }
        };
    let expires = issued.record.expires_at.map(|end| end.to_string());
    let id = issued.record.id;
    place.put(
        &issued.secret.reveal(),
        &format!("keycroft token delete {id} --user {name}"),
    )?;
    say(&format!(
        "made a token of {name} ({id}), {}",
        output::until(expires.as_deref(), now())
    ));
    Ok(())
}
