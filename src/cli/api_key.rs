//! `keycroft api-key`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::api_key_request::{
    OwnOrService, delete_credentials, end_of, non_empty, request_api_key,
};
use super::api_key_rotate::{RotateApiKey, rotate_key};
use super::client::{ApiList, Client};
use super::completion::CompletedNames;
use super::explain::{KeyOwner, Question, explain};
use super::listing::print_list_after;
use super::lookup::{api_keys_path, find_id};
use super::notice;
use crate::client::connection::Remote;
use crate::model::time::Time;
use crate::terminal::exit::{Failure, USAGE};
use crate::terminal::output::{self, Cell, Out, write_stderr};
use crate::wire::{ApiKeyIn, ApiKeyOut};

/// The owner of the API keys.
#[derive(Args, Clone, Debug, Default)]
pub struct KeyScope {
    #[command(flatten)]
    owner: KeyOwner,
    /// Service that owns the API key (admin)
    #[arg(long, value_name = "SERVICE", conflicts_with = "user")]
    service: Option<String>,
}

impl KeyScope {
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
    #[command(alias = "ls")]
    List {
        #[command(flatten)]
        owner: KeyScope,
        /// List the API keys deleted in the last 30 days
        #[arg(long, alias = "ended")]
        deleted: bool,
    },
    /// Create an API key and print its secret
    Create(CreateApiKey),
    /// Show an API key
    Show {
        /// Name or id
        #[arg(add = CompletedNames::ApiKeys.completer())]
        key: String,
        #[command(flatten)]
        owner: KeyScope,
    },
    /// Edit an API key: name, note, expiration, permissions, allowed addresses
    Edit(EditApiKey),
    /// Rotate the secret of an API key; the old one stays valid for a grace period or is revoked
    #[command(alias = "reset")]
    Rotate(RotateApiKey),
    /// Disable an API key
    Disable {
        /// Name or id
        #[arg(add = CompletedNames::ApiKeys.completer())]
        key: String,
        #[command(flatten)]
        owner: KeyScope,
    },
    /// Re-enable an API key
    Enable {
        /// Name or id
        #[arg(add = CompletedNames::ApiKeys.completer())]
        key: String,
        #[command(flatten)]
        owner: KeyScope,
    },
    /// Delete API keys: they are rejected immediately
    #[command(alias = "rm")]
    Delete {
        /// Names or ids
        #[arg(required = true, value_name = "KEY", add = CompletedNames::ApiKeys.completer())]
        keys: Vec<String>,
        /// Also delete the credentials that these API keys created
        #[arg(long, alias = "with-made")]
        with_created: bool,
        /// Delete without confirmation
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        owner: KeyScope,
    },
    /// Explain why an API key is accepted or rejected
    Explain {
        /// Name or id
        #[arg(add = CompletedNames::ApiKeys.completer())]
        key: String,
        #[command(flatten)]
        question: Question,
        #[command(flatten)]
        owner: KeyScope,
    },
}

#[derive(Args)]
struct CreateApiKey {
    /// Name of the API key, such as ci
    name: String,
    /// Expiration: 30d, 12h, never, a date, or a time such as 2027-01-31T15:04:05Z [default: set by policy]
    #[arg(short, long, value_name = "WHEN")]
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
    /// Note, such as the purpose of the key
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    owner: OwnOrService,
}

#[derive(Args)]
struct EditApiKey {
    /// Name or id
    #[arg(add = CompletedNames::ApiKeys.completer())]
    key: String,
    /// New name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// New note; "" removes it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// New expiration: 30d, 12h, never, a date, or a time such as 2027-01-31T15:04:05Z
    #[arg(short, long, value_name = "WHEN")]
    expires: Option<String>,
    /// New permission; repeatable; replaces all
    #[arg(
        short = 'p',
        long = "permission",
        value_name = "PERMISSION",
        value_delimiter = ','
    )]
    permissions: Vec<String>,
    /// New allowed address in CIDR notation; repeatable; replaces all; "any" removes the limit
    #[arg(long = "address", value_name = "CIDR", value_delimiter = ',')]
    addresses: Vec<String>,
    #[command(flatten)]
    owner: OwnOrService,
}

/// `keycroft api-key`.
pub fn api_key(arguments: ApiKeyArguments) -> Result<(), Failure> {
    let client = arguments.remote.client()?;
    match arguments.command {
        ApiKeyCommand::List { owner, deleted } => {
            let query = if deleted { "?ended=true" } else { "" };
            list_keys(&client, &format!("{}{query}", owner.path()))
        }
        ApiKeyCommand::Create(create) => create_key(&client, create),
        ApiKeyCommand::Show { key, owner } => show_key(&client, &owner, &key),
        ApiKeyCommand::Edit(edit) => edit_key(&client, edit),
        ApiKeyCommand::Rotate(rotate) => rotate_key(&client, rotate),
        ApiKeyCommand::Disable { key, owner } => set_disabled(&client, &owner, &key, true),
        ApiKeyCommand::Enable { key, owner } => set_disabled(&client, &owner, &key, false),
        ApiKeyCommand::Delete {
            keys,
            with_created,
            yes,
            owner,
        } => delete_credentials(&client, &owner.path(), "API key", &keys, with_created, yes),
        ApiKeyCommand::Explain {
            key,
            question,
            owner,
        } => explain(&client, &owner.path(), "API key", &key, &question),
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
    let empty = "no API keys; create one: keycroft api-key create NAME";
    let notes = |listed: &ApiList| notice::of_list(client, "api-key", listed);
    print_list_after(client, path, &KEY_HEADINGS, key_row, empty, notes)
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

fn show_key(client: &Client, owner: &KeyScope, given: &str) -> Result<(), Failure> {
    let path = owner.path();
    let id = find_id(client, &path, "API key", given)?;
    let answer = client.get(&format!("{path}/{id}"))?;
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let key: ApiKeyOut = answer.parse()?;
    let time = |time: &Option<String>, nothing| Cell::time(time.as_deref(), nothing, client.now());
    output::record(
        client.format(),
        &[
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
        ],
    )
}

fn create_key(client: &Client, create: CreateApiKey) -> Result<(), Failure> {
    let (expires_in, expires_at) = end_of(create.expires);
    let body = ApiKeyIn {
        name: Some(create.name),
        note: create.note,
        expires_in,
        expires_at,
        permissions: non_empty(create.permissions),
        allowed_addresses: non_empty(create.addresses),
    };
    request_api_key(client, &create.out, &create.owner.path(), &body, "created")
}

fn edit_key(client: &Client, edit: EditApiKey) -> Result<(), Failure> {
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
        return Err(
            Failure::new(USAGE, "nothing to change: pass at least one option")
                .hint("keycroft api-key edit NAME --expires 30d"),
        );
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
    owner: &KeyScope,
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
    if client.format().is_json() {
        return client.format().print_json(&answer.text);
    }
    let key: ApiKeyOut = answer.parse()?;
    write_stderr(&format!(
        "{done} API key {} ({}), {}, {}",
        key.name,
        key.id,
        key.state,
        output::lifetime_text(key.expires_at.as_deref(), client.now())
    ));
    Ok(())
}
