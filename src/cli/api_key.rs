//! `keycroft api-key`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::client::{Client, encode};
use super::connection::Remote;
use super::created::name_created;
use super::exit::{Failure, USAGE};
use super::explain::{KeyOwner, Question, explain};
use super::lookup::find_id;
use super::notice;
use super::output::{self, Cell, Out, say};
use super::prompt::{ask_line, confirm, is_interactive};
use crate::model::time::Time;
use crate::wire::{ApiKeyIn, ApiKeyOut, RotateIn};

/// Scope API keys are meant.
#[derive(Args, Clone, Debug, Default)]
pub struct WhoseKeys {
    #[command(flatten)]
    owner: KeyOwner,
    /// A service's, for admins
    #[arg(long, value_name = "SERVICE", conflicts_with = "user")]
    service: Option<String>,
}

/// A service's API keys, in place of one's own: what can't be done with another user's.
#[derive(Args, Clone, Debug, Default)]
pub struct OwnOrService {
    /// A service's, for admins
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
}

impl OwnOrService {
    fn path(&self) -> String {
        api_keys_path(None, self.service.as_deref())
    }
}

fn api_keys_path(user: Option<&str>, service: Option<&str>) -> String {
    match (user, service) {
        (_, Some(service)) => format!("/api/v1/services/{}/api-keys", encode(service)),
        (Some(user), None) => format!("/api/v1/users/{}/api-keys", encode(user)),
        (None, None) => "/api/v1/api-keys".to_owned(),
    }
}

impl WhoseKeys {
    fn path(&self) -> String {
        api_keys_path(self.owner.user.as_deref(), self.service.as_deref())
    }
}

#[derive(Args)]
pub struct ApiKeyArguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: ApiKeyCommand,
}

#[derive(Subcommand)]
enum ApiKeyCommand {
    /// List API keys
    List {
        #[command(flatten)]
        owner: WhoseKeys,
        /// Those deleted in the last 30 days
        #[arg(long)]
        ended: bool,
    },
    /// Make an API key; its secret is all that standard output gets: KEY=$(keycroft api-key create ci)
    Create(Create),
    /// Show one API key
    Show {
        /// Name or id
        key: String,
        #[command(flatten)]
        owner: WhoseKeys,
    },
    /// Change an API key: name, note, end, permissions, addresses
    Edit(Edit),
    /// Give an API key a new secret; the old one stays valid for a grace period, or is revoked
    #[command(alias = "reset")]
    Rotate(Rotate),
    /// Refuse an API key until it is enabled again
    Disable {
        /// Name or id
        key: String,
        #[command(flatten)]
        owner: WhoseKeys,
    },
    /// Let a disabled API key be good again
    Enable {
        /// Name or id
        key: String,
        #[command(flatten)]
        owner: WhoseKeys,
    },
    /// Delete an API key: it is refused from the next request on
    Delete {
        /// Name or id
        key: String,
        /// Delete what it made, too
        #[arg(long)]
        with_made: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        owner: WhoseKeys,
    },
    /// Say why an API key is refused, or would be
    Explain {
        /// Name or id
        key: String,
        #[command(flatten)]
        question: Question,
        #[command(flatten)]
        owner: WhoseKeys,
    },
}

#[derive(Args)]
struct Create {
    /// What will use it
    name: String,
    /// When it ends: 30d, 12h, never, or a time like 2027-01-31T15:04:05Z [default: as the policy says]
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// What it may do; repeatable [default: all that you may]
    #[arg(long = "permission", value_name = "PERMISSION", value_delimiter = ',')]
    permissions: Vec<String>,
    /// From where it may be used, CIDR; repeatable [default: everywhere]
    #[arg(long = "address", value_name = "CIDR", value_delimiter = ',')]
    addresses: Vec<String>,
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    owner: OwnOrService,
}

#[derive(Args)]
struct Edit {
    /// Name or id
    key: String,
    /// A new name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A note; an empty one takes it away
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// When it ends: 30d, 12h, never, or a time
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// All that it may do; repeatable
    #[arg(long = "permission", value_name = "PERMISSION", value_delimiter = ',')]
    permissions: Vec<String>,
    /// All addresses from which it may be used; repeatable; "any" takes the limit away
    #[arg(long = "address", value_name = "CIDR", value_delimiter = ',')]
    addresses: Vec<String>,
    #[command(flatten)]
    owner: OwnOrService,
}

#[derive(Args)]
struct Rotate {
    /// Name or id
    key: String,
    /// Keep the old secret valid for so long: a duration up to 7d
    #[arg(long, value_name = "DURATION")]
    grace: Option<String>,
    /// Revoke the old secret now: it leaked, or nothing uses it
    #[arg(long, conflicts_with_all = ["grace", "until_unused"])]
    now: bool,
    /// Keep the old secret valid until the new one has been used and the old one has not for so long: 1h or longer
    #[arg(long, value_name = "DURATION", conflicts_with = "grace")]
    until_unused: Option<String>,
    /// With --until-unused: how long the old secret is valid at the longest
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "7d",
        requires = "until_unused"
    )]
    at_most: String,
    /// A new expiration [default: unchanged]
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    owner: OwnOrService,
}

/// `keycroft api-key`.
pub fn api_key(arguments: ApiKeyArguments) -> Result<(), Failure> {
    let client = arguments.remote.client()?;
    match arguments.command {
        ApiKeyCommand::List { owner, ended } => {
            let query = if ended { "?ended=true" } else { "" };
            list_keys(&client, &format!("{}{query}", owner.path()))
        }
        ApiKeyCommand::Create(create) => create_key(&client, create),
        ApiKeyCommand::Show { key, owner } => show_key(&client, &owner, &key),
        ApiKeyCommand::Edit(edit) => edit_key(&client, edit),
        ApiKeyCommand::Rotate(rotate) => rotate_key(&client, rotate),
        ApiKeyCommand::Disable { key, owner } => set_disabled(&client, &owner, &key, true),
        ApiKeyCommand::Enable { key, owner } => set_disabled(&client, &owner, &key, false),
        ApiKeyCommand::Delete {
            key,
            with_made,
            yes,
            owner,
        } => {
            let path = owner.path();
            let id = find_id(&client, &path, "API key", &key)?;
            if !with_made {
                name_created(&client, &id);
            }
            confirm(&question(&client, &path, &id, &key), yes)?;
            let query = if with_made { "?with_made=true" } else { "" };
            client.delete(&format!("{path}/{id}{query}"))?;
            say(&format!(
                "deleted the API key {key} ({id}); it is refused from now on"
            ));
            Ok(())
        }
        ApiKeyCommand::Explain {
            key,
            question,
            owner,
        } => explain(&client, &owner.path(), "API key", &key, &question),
    }
}

/// The question before something is deleted, with what would break.
fn question(client: &Client, path: &str, id: &str, given: &str) -> String {
    format!("Delete {given} ({id}; {})?", last_used(client, path, id))
}

/// The last use of an API key in words.
fn last_used(client: &Client, path: &str, id: &str) -> String {
    let key = client
        .get(&format!("{path}/{id}"))
        .and_then(|answer| answer.parse::<ApiKeyOut>());
    match key
        .ok()
        .and_then(|key| Some((key.last_used_at?, key.last_used_from, key.last_used_by)))
    {
        None => "no recorded use".to_owned(),
        Some((at, from, by)) => {
            let when = Time::parse(&at).map_or(at, |time| output::relative(time, client.now()));
            let from = from.map_or_else(String::new, |from| format!(" from {from}"));
            let by = by.map_or_else(String::new, |by| format!(" by {by}"));
            format!("last used {when}{from}{by}")
        }
    }
}

pub const KEY_HEADINGS: [&str; 7] = [
    "name",
    "id",
    "state",
    "expires",
    "last used",
    "from",
    "permissions",
];

fn list_keys(client: &Client, path: &str) -> Result<(), Failure> {
    let listed = client.list(path)?;
    if client.connection.json {
        return output::line(&listed.json());
    }
    let rows: Vec<Vec<Cell>> = listed
        .parse::<ApiKeyOut>()?
        .iter()
        .map(|key| key_row(key, client.now()))
        .collect();
    output::table(&KEY_HEADINGS, &rows)?;
    notice::of_list(client, "api-key", &listed);
    Ok(())
}

fn key_row(key: &ApiKeyOut, now: Time) -> Vec<Cell> {
    vec![
        key.name.as_str().into(),
        key.id.as_str().into(),
        key.state.as_str().into(),
        Cell::time(key.expires_at.as_deref(), "never", now),
        Cell::time(key.last_used_at.as_deref(), "never", now),
        Cell::maybe(key.last_used_from.as_deref()),
        Cell::permissions(&key.permissions),
    ]
}

fn show_key(client: &Client, owner: &WhoseKeys, given: &str) -> Result<(), Failure> {
    let path = owner.path();
    let id = find_id(client, &path, "API key", given)?;
    let answer = client.get(&format!("{path}/{id}"))?;
    if client.connection.json {
        return output::line(&answer.text);
    }
    let key: ApiKeyOut = answer.parse()?;
    let time = |time: &Option<String>, nothing| Cell::time(time.as_deref(), nothing, client.now());
    output::record(&[
        ("name", key.name.as_str().into()),
        ("id", key.id.as_str().into()),
        ("state", key.state.as_str().into()),
        ("note", Cell::maybe(key.note.as_deref())),
        ("permissions", Cell::words(&key.permissions)),
        ("allowed addresses", Cell::words(&key.allowed_addresses)),
        ("created", time(&Some(key.created_at), "-")),
        (
            "created by",
            key.creator
                .map_or_else(|| "the server's command line".to_owned(), |by| by.line())
                .into(),
        ),
        ("expires", time(&key.expires_at, "never")),
        ("last used", time(&key.last_used_at, "never")),
        ("last used from", Cell::maybe(key.last_used_from.as_deref())),
        ("last used by", Cell::maybe(key.last_used_by.as_deref())),
        ("rotated", time(&key.rotated_at, "never")),
        ("previous secret expires", time(&key.previous_ends_at, "-")),
        (
            "or when unused for",
            Cell::maybe(key.previous_quiet_for.as_deref()),
        ),
        (
            "current secret last used",
            time(&key.current_last_used_at, "never"),
        ),
        (
            "previous secret last used",
            time(&key.previous_last_used_at, "-"),
        ),
    ])
}

/// `--expires` as the API's two fields.
pub fn end_of(expires: Option<String>) -> (Option<String>, Option<String>) {
    match expires {
        // A day counts as a whole.
        Some(text) if is_date(&text) => (None, Some(format!("{text}T23:59:59Z"))),
        Some(text) if text.contains('T') && text.contains('-') => (None, Some(text)),
        other => (other, None),
    }
}

/// Whether this has the form of a day: 2027-01-31.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-').map(str::len);
    let has_parts = parts.next() == Some(4) && parts.next() == Some(2) && parts.next() == Some(2);
    has_parts && parts.next().is_none() && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// A list that says something.
pub fn some(words: Vec<String>) -> Option<Vec<String>> {
    (!words.is_empty()).then_some(words)
}

fn create_key(client: &Client, create: Create) -> Result<(), Failure> {
    let (expires_in, expires_at) = end_of(create.expires);
    let body = ApiKeyIn {
        name: Some(create.name),
        note: create.note,
        expires_in,
        expires_at,
        permissions: some(create.permissions),
        allowed_addresses: some(create.addresses),
    };
    hand_over(client, &create.out, &create.owner.path(), &body, "created")
}

/// Asks for a secret and puts it where it belongs; words about it go to standard error.
fn hand_over<T: serde::Serialize>(
    client: &Client,
    out: &Out,
    path: &str,
    body: &T,
    done: &str,
) -> Result<(), Failure> {
    let place = out.open()?;
    let answer = match client.post(path, body) {
        Ok(answer) => answer,
        Err(failure) => {
            place.forget();
            return Err(failure);
        }
    };
    let mut key: ApiKeyOut = answer.parse()?;
    let Some(secret) = key.secret.take().map(zeroize::Zeroizing::new) else {
        return Err(Failure::new(
            super::exit::FAILED,
            "the server's answer holds no secret",
        ));
    };
    let rotate = format!("keycroft api-key rotate {} or delete {0}", key.id);
    if client.connection.json && out.out.is_none() {
        return place.put(&answer.text, &rotate);
    }
    place.put(&secret, &rotate)?;
    if client.connection.json {
        return output::line(&serde_json::to_string(&key).unwrap_or_default());
    }
    say(&format!(
        "{done} API key {} ({}), {}, {}",
        key.name,
        key.id,
        key.permissions.join(" "),
        output::until(key.expires_at.as_deref(), client.now())
    ));
    let place = out.out.as_ref().map_or_else(
        || "standard output".to_owned(),
        |path| path.display().to_string(),
    );
    say(&format!(
        "the secret was written to {place} and can't be shown again"
    ));
    Ok(())
}

fn edit_key(client: &Client, edit: Edit) -> Result<(), Failure> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    if let Some(name) = edit.name {
        set("name", json!(name));
    }
    if let Some(note) = edit.note {
        set(
            "note",
            if note.is_empty() {
                Value::Null
            } else {
                json!(note)
            },
        );
    }
    let (expires_in, expires_at) = end_of(edit.expires);
    if let Some(text) = expires_in {
        set("expires_in", json!(text));
    }
    if let Some(text) = expires_at {
        set("expires_at", json!(text));
    }
    if !edit.permissions.is_empty() {
        set("permissions", json!(edit.permissions));
    }
    if !edit.addresses.is_empty() {
        set(
            "allowed_addresses",
            if edit.addresses == ["any"] {
                Value::Null
            } else {
                json!(edit.addresses)
            },
        );
    }
    if body.is_empty() {
        return Err(Failure::new(USAGE, "nothing was said to be changed")
            .hint("keycroft api-key edit NAME --expires 30d"));
    }
    change_key(
        client,
        &edit.owner.path(),
        &edit.key,
        &Value::Object(body),
        "changed",
    )
}

fn set_disabled(
    client: &Client,
    owner: &WhoseKeys,
    given: &str,
    disabled: bool,
) -> Result<(), Failure> {
    change_key(
        client,
        &owner.path(),
        given,
        &json!({ "disabled": disabled }),
        if disabled { "disabled" } else { "enabled" },
    )
}

fn change_key(
    client: &Client,
    path: &str,
    given: &str,
    body: &Value,
    done: &str,
) -> Result<(), Failure> {
    let id = find_id(client, path, "API key", given)?;
    let answer = client.patch(&format!("{path}/{id}"), body)?;
    if client.connection.json {
        return output::line(&answer.text);
    }
    let key: ApiKeyOut = answer.parse()?;
    say(&format!(
        "{done} API key {} ({}), {}, {}",
        key.name,
        key.id,
        key.state,
        output::until(key.expires_at.as_deref(), client.now())
    ));
    Ok(())
}

fn rotate_key(client: &Client, rotate: Rotate) -> Result<(), Failure> {
    let path = rotate.owner.path();
    let given = match (rotate.grace, rotate.until_unused) {
        (Some(grace), _) => Some(json!(grace)),
        (None, Some(quiet)) => Some(json!({"until_unused": quiet, "at_most": rotate.at_most})),
        (None, None) => rotate.now.then(|| json!(REVOKE_NOW)),
    };
    if given.is_none() && !is_interactive() {
        let what = "say what happens to the old secret: pass --grace DURATION or --now";
        return Err(Failure::new(USAGE, what).hint(format!(
            "keycroft api-key rotate {} --grace 24h",
            rotate.key
        )));
    }
    let id = find_id(client, &path, "API key", &rotate.key)?;
    let grace = match given {
        Some(grace) => grace,
        None => choose_grace(client, &path, &id, &rotate.key)?,
    };
    let (expires_in, expires_at) = end_of(rotate.expires);
    hand_over(
        client,
        &rotate.out,
        &format!("{path}/{id}/rotate"),
        &RotateIn {
            grace: Some(grace),
            expires_in,
            expires_at,
        },
        "rotated",
    )
}

/// The grace period that revokes the old secret.
const REVOKE_NOW: &str = "0s";
/// The grace period of a planned rotation, when nothing else is typed.
const PLANNED: &str = "24h";

/// Asks on the terminal how long the old secret stays valid.
fn choose_grace(client: &Client, path: &str, id: &str, given: &str) -> Result<Value, Failure> {
    let used = last_used(client, path, id);
    let question = format!(
        "Rotate {given} ({id}; {used}). How long does the old secret stay valid?\n\
         A duration up to 7d, or \"now\" to revoke it [{PLANNED}]: "
    );
    Ok(match ask_line(&question)?.trim() {
        "" => json!(PLANNED),
        "now" => json!(REVOKE_NOW),
        duration => json!(duration),
    })
}
