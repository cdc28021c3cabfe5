//! `keycroft ssh-key`. A private key is recognized here and never sent.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::api_key_request::end_of;
use super::client::{ApiAnswer, ApiList, Client};
use super::completion::CompletedNames;
use super::deletion::{Consent, Deletion, delete_all};
use super::listing::print_list_after;
use super::lookup::find_id;
use super::notice;
use super::ssh_key_file::{from_agent, from_file, path_of};
use super::ssh_key_generate::{GenerateSshKey, GeneratedKey, generate};
use super::ssh_key_import::{self, ImportSshKeys};
use crate::client::connection::Remote;
use crate::model::time::Time;
use crate::terminal::exit::{Failure, NOT_FOUND, USAGE};
use crate::terminal::output::{self, Cell, write_stderr};
use crate::terminal::prompt::{confirm, is_interactive};
use crate::wire::{ProblemType, SshKeyIn, SshKeyOptionsIn, SshKeyOut};

const WHAT: &str = "SSH key";

#[derive(Args)]
pub struct SshKeyArguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: SshKeyCommand,
}

#[derive(Subcommand)]
enum SshKeyCommand {
    /// List SSH keys
    #[command(alias = "ls")]
    List {
        #[command(flatten)]
        scope: UserScope,
    },
    /// Add an SSH key: hosts accept it from the next login on
    Add(AddSshKey),
    /// Generate a key pair with ssh-keygen and add its public key
    Generate(GenerateSshKey),
    /// Show an SSH key
    Show {
        /// Name or id
        #[arg(add = CompletedNames::SshKeys.completer())]
        key: String,
        #[command(flatten)]
        scope: UserScope,
    },
    /// Edit an SSH key: name, expiration, allowed addresses, options, or the key itself
    Edit(EditSshKey),
    /// Delete SSH keys: hosts reject them from the next login on
    #[command(alias = "rm")]
    Delete {
        /// Names or ids
        #[arg(required = true, value_name = "KEY", add = CompletedNames::SshKeys.completer())]
        keys: Vec<String>,
        /// Delete without confirmation
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        scope: UserScope,
    },
    /// Add the keys of an `authorized_keys` file, or of all home directories in a folder
    Import(ImportSshKeys),
}

/// The owner of the SSH keys.
#[derive(Args, Clone, Debug, Default)]
pub struct UserScope {
    /// Owner, if not you (admin)
    #[arg(long, value_name = "USERNAME")]
    user: Option<String>,
}

impl UserScope {
    fn path(&self) -> String {
        path_of(self.user.as_deref())
    }
}

#[derive(Args)]
struct AddSshKey {
    /// Public key file; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "agent")]
    file: Option<PathBuf>,
    /// Use the key in ssh-agent
    #[arg(long, conflicts_with = "file")]
    agent: bool,
    /// Name [default: the comment of the key]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Expiration: 30d, 12h, never, a date, or a time such as 2027-01-31T15:04:05Z [default: the latest that policy allows]
    #[arg(short, long, value_name = "WHEN")]
    expires: Option<String>,
    /// Allowed address in CIDR notation; repeatable [default: all]
    #[arg(long = "address", value_name = "CIDR", value_delimiter = ',')]
    addresses: Vec<String>,
    #[command(flatten)]
    options: OptionFlags,
    /// Add the key although another user has it; admins are notified
    #[arg(long)]
    allow_shared: bool,
}

/// The options of sshd for a key.
#[derive(Args, Default)]
struct OptionFlags {
    /// Forbid forwarding, a terminal and ~/.ssh/rc (--restrict=false allows them)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    restrict: Option<bool>,
    /// Accept signatures of a security key without a touch
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    no_touch_required: Option<bool>,
    /// Require the PIN or fingerprint of a security key (OpenSSH 8.4 or newer; older hosts reject the key)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    verify_required: Option<bool>,
    /// Run this command instead of the requested one ("" removes it)
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// Limit local forwarding to this destination; repeatable ("any" removes the limit)
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    permitopen: Vec<String>,
}

impl OptionFlags {
    /// The options as the API takes them, if any was given.
    fn wanted(self) -> Option<SshKeyOptionsIn> {
        let is_given = self
            .restrict
            .or(self.no_touch_required)
            .or(self.verify_required)
            .is_some()
            || self.command.is_some()
            || !self.permitopen.is_empty();
        is_given.then(|| SshKeyOptionsIn {
            restrict: self.restrict,
            no_touch_required: self.no_touch_required,
            verify_required: self.verify_required,
            command: self
                .command
                .map(|text| Some(text).filter(|text| !text.is_empty())),
            permitopen: match self.permitopen.as_slice() {
                [] => None,
                [any] if any == "any" => Some(None),
                _ => Some(Some(self.permitopen)),
            },
        })
    }
}

#[derive(Args)]
struct EditSshKey {
    /// Name or id
    #[arg(add = CompletedNames::SshKeys.completer())]
    key: String,
    /// New name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Public key file that replaces the key; - for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// New expiration: 30d, 12h, never, a date, or a time such as 2027-01-31T15:04:05Z
    #[arg(short, long, value_name = "WHEN")]
    expires: Option<String>,
    /// New allowed address in CIDR notation; repeatable; replaces all; "any" removes the limit
    #[arg(long = "address", value_name = "CIDR", value_delimiter = ',')]
    addresses: Vec<String>,
    #[command(flatten)]
    options: OptionFlags,
    /// Accept the new key although another user has it; admins are notified
    #[arg(long)]
    allow_shared: bool,
}

/// `keycroft ssh-key`.
pub fn run_ssh_key(arguments: SshKeyArguments) -> Result<(), Failure> {
    let client = arguments.remote.client()?;
    match arguments.command {
        SshKeyCommand::List { scope } => list_ssh_keys(&client, &scope),
        SshKeyCommand::Add(add) => add_key(&client, add),
        SshKeyCommand::Show { key, scope } => show_ssh_key(&client, &scope, &key),
        SshKeyCommand::Edit(edit) => edit_key(&client, edit),
        SshKeyCommand::Delete { keys, yes, scope } => delete_ssh_keys(&client, &scope, &keys, yes),
        SshKeyCommand::Generate(wanted) => add_generated(&client, generate(&client, wanted)?),
        SshKeyCommand::Import(import) => ssh_key_import::import_ssh_keys(&client, &import),
    }
}

const HEADINGS: [&str; 7] = [
    "name",
    "id",
    "type",
    "fingerprint",
    "state",
    "expires",
    "last used",
];

fn list_ssh_keys(client: &Client, scope: &UserScope) -> Result<(), Failure> {
    let empty = "no SSH keys; add one: keycroft ssh-key add";
    let notes = |listed: &ApiList| notice::of_list(client, "ssh-key", listed);
    print_list_after(client, &scope.path(), &HEADINGS, row, empty, notes)
}

fn row(key: &SshKeyOut, now: Time) -> Vec<Cell> {
    vec![
        key.name.as_str().into(),
        key.id.as_str().into(),
        type_text(key).into(),
        key.fingerprint.as_str().into(),
        key.state.as_str().into(),
        Cell::time(key.expires_at.as_deref(), "never", now),
        Cell::time(key.last_used_at.as_deref(), "not recorded", now),
    ]
}

/// The type, for RSA with its size.
fn type_text(key: &SshKeyOut) -> String {
    match key.kind.as_str() {
        "ssh-rsa" => format!("{} {}", key.kind, key.bits),
        _ => key.kind.clone(),
    }
}

/// A key and its JSON. Those of another user are found in the list.
fn find_ssh_key(
    client: &Client,
    scope: &UserScope,
    given: &str,
) -> Result<(SshKeyOut, String), Failure> {
    let path = scope.path();
    let id = find_id(client, &path, WHAT, given)?;
    if scope.user.is_none() {
        let answer = client.get(&format!("{path}/{id}"))?;
        return Ok((answer.parse()?, answer.text.to_string()));
    }
    let keys: Vec<SshKeyOut> = client.list_items(&path)?.parse()?;
    let key = keys.into_iter().find(|key| key.id == id).ok_or_else(|| {
        Failure::new(NOT_FOUND, format!("no {WHAT} has the name or id {given:?}"))
    })?;
    let text = serde_json::to_string(&key).unwrap_or_default();
    Ok((key, text))
}

fn show_ssh_key(client: &Client, scope: &UserScope, given: &str) -> Result<(), Failure> {
    let (key, text) = find_ssh_key(client, scope, given)?;
    if client.format().is_json() {
        return client.format().print_json(&text);
    }
    let time = |time: &Option<String>, nothing| Cell::time(time.as_deref(), nothing, client.now());
    let mut rows = vec![
        ("name", key.name.as_str().into()),
        ("id", key.id.as_str().into()),
        ("state", key.state.as_str().into()),
        ("public key", key.public_key.as_str().into()),
        ("type", type_text(&key).into()),
        ("fingerprint", key.fingerprint.as_str().into()),
        ("comment", key.comment.as_str().into()),
        ("allowed addresses", Cell::words(&key.allowed_addresses)),
        ("options", Cell::words(&options_of(&key))),
        ("added", time(&Some(key.created_at), "-")),
        ("expires", time(&key.expires_at, "never")),
        ("last looked up", time(&key.last_looked_up_at, "never")),
        ("last used", time(&key.last_used_at, "not recorded")),
        ("last used on", Cell::maybe(key.last_used_host.as_deref())),
    ];
    if let Some(others) = &key.shared_with {
        rows.push(("also of", Cell::words(others)));
    }
    output::record(client.format(), &rows)
}

fn add_generated(client: &Client, key: GeneratedKey) -> Result<(), Failure> {
    let add = AddSshKey {
        file: Some(key.file),
        agent: false,
        name: key.name,
        expires: key.expires,
        addresses: Vec::new(),
        options: OptionFlags::default(),
        allow_shared: false,
    };
    add_key(client, add)
}

fn add_key(client: &Client, add: AddSshKey) -> Result<(), Failure> {
    let public_key = match &add.file {
        Some(file) => from_file(file)?,
        None => from_agent()?,
    };
    let (expires_in, expires_at) = end_of(add.expires);
    let body = SshKeyIn {
        name: add.name,
        public_key: Some(public_key),
        expires_in,
        expires_at,
        allowed_addresses: (!add.addresses.is_empty()).then_some(add.addresses),
        options: add.options.wanted(),
        allow_shared: add.allow_shared,
    };
    let answer = shared_or(client.post("/api/v1/ssh-keys", &body), || {
        let body = SshKeyIn {
            allow_shared: true,
            ..body
        };
        client.post("/api/v1/ssh-keys", &body)
    })?;
    report_change(client, &answer.text, &answer.parse()?, "added")
}

/// The answer, or that of `again` once a person agreed that another user has the same key.
fn shared_or(
    answer: Result<ApiAnswer, Failure>,
    again: impl FnOnce() -> Result<ApiAnswer, Failure>,
) -> Result<ApiAnswer, Failure> {
    match answer {
        Err(failure) if failure.kind == ProblemType::SharedKey.as_str() => {
            let why = "another user has the same key: its holder can log in as both of you";
            if !is_interactive() {
                let failure = Failure {
                    message: why.to_owned(),
                    ..failure
                };
                return Err(failure.hint("the same with --allow-shared; admins are notified"));
            }
            confirm(&format!("{why}; add it anyway?"), false)?;
            again()
        }
        other => other,
    }
}

/// The options of a key as sshd is given them.
fn options_of(key: &SshKeyOut) -> Vec<String> {
    key.options
        .parse()
        .map_or_else(|_| Vec::new(), |options| options.to_sshd())
}

/// Reports the result of a change; with --json prints the key.
fn report_change(client: &Client, text: &str, key: &SshKeyOut, done: &str) -> Result<(), Failure> {
    if client.format().is_json() {
        return client.format().print_json(text);
    }
    let options = options_of(key);
    let options = if options.is_empty() {
        String::new()
    } else {
        format!(", {}", options.join(", "))
    };
    write_stderr(&format!(
        "{done} SSH key {} ({}), {} {}, {}{}",
        key.name,
        key.id,
        type_text(key),
        key.fingerprint,
        output::lifetime_text(key.expires_at.as_deref(), client.now()),
        options
    ));
    Ok(())
}

fn edit_key(client: &Client, edit: EditSshKey) -> Result<(), Failure> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    if let Some(name) = edit.name {
        set("name", json!(name));
    }
    if let Some(file) = &edit.file {
        set("public_key", json!(from_file(file)?));
    }
    let (expires_in, expires_at) = end_of(edit.expires);
    if let Some(text) = expires_in {
        set("expires_in", json!(text));
    }
    if let Some(text) = expires_at {
        set("expires_at", json!(text));
    }
    match edit.addresses.as_slice() {
        [] => {}
        [any] if any == "any" => set("allowed_addresses", Value::Null),
        addresses => set("allowed_addresses", json!(addresses)),
    }
    if let Some(options) = edit.options.wanted() {
        set("options", json!(options));
    }
    if body.is_empty() {
        let failure = Failure::new(USAGE, "nothing to change: pass at least one option");
        return Err(failure.hint("keycroft ssh-key edit NAME --expires 30d"));
    }
    let path = path_of(None);
    let id = find_id(client, &path, WHAT, &edit.key)?;
    if edit.allow_shared {
        body.insert("allow_shared".to_owned(), json!(true));
    }
    let path = format!("{path}/{id}");
    let answer = shared_or(client.patch(&path, &Value::Object(body.clone())), || {
        body.insert("allow_shared".to_owned(), json!(true));
        client.patch(&path, &Value::Object(body))
    })?;
    report_change(client, &answer.text, &answer.parse()?, "changed")
}

fn delete_ssh_keys(
    client: &Client,
    scope: &UserScope,
    given: &[String],
    yes: bool,
) -> Result<(), Failure> {
    let path = scope.path();
    let mut deletions = Vec::new();
    for key in given {
        let id = find_id(client, &path, WHAT, key)?;
        deletions.push(Deletion {
            label: format!("{key} ({id})"),
            effect: last_used(client, scope, &id),
            path: format!("{path}/{id}"),
            done: format!("deleted SSH key {key} ({id}); hosts reject it from the next login on"),
            was_found: find_ssh_key(client, scope, &id).is_ok(),
        });
    }
    delete_all(client, WHAT, deletions, &Consent::Yes, yes)
}

/// The last use of an SSH key in words.
fn last_used(client: &Client, scope: &UserScope, id: &str) -> String {
    match find_ssh_key(client, scope, id).map(|(key, _)| (key.last_used_at, key.last_used_host)) {
        Ok((Some(at), host)) => {
            let when =
                Time::parse(&at).map_or(at, |time| output::relative_time(time, client.now()));
            let host = host.map_or_else(String::new, |host| format!(" on {host}"));
            format!("last used {when}{host}")
        }
        Ok((None, _)) | Err(_) => "no recorded use".to_owned(),
    }
}
