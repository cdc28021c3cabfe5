//! SSH keys: the list, one of them, and the forms.

use maud::{Markup, html};

use super::form::{self, Field, Input, Tick, acts, button, danger, hidden, post, summary};
use super::layout::{Frame, Section, page};
use super::lifetime;
use super::shown_once::paste;
use super::status_badge::badge;
use super::when::{exact, time};
use crate::model::address::AllowedAddresses;
use crate::model::host::HostLogin;
use crate::model::notice::Notice;
use crate::model::policy::Policy;
use crate::model::secret::Id;
use crate::model::ssh_key::{COMMAND_BYTES_MAX, ForcedCommand, KeyOptions};
use crate::model::text::NAME_CHARACTERS_MAX;
use crate::model::time::Time;

/// Lines to log in with that a page shows.
const LOGINS_MAX: usize = 50;

/// A host's use of a key.
#[derive(Debug, Clone)]
pub struct HostUse {
    pub at: Time,
    pub host: String,
}

/// An SSH key for pages.
#[derive(Debug, Clone)]
pub struct SshKeyFacts {
    pub id: Id,
    pub name: String,
    /// `ssh-ed25519` and so on.
    pub key_type: String,
    pub bits: u32,
    /// `SHA256:…`.
    pub fingerprint: String,
    pub comment: String,
    /// The line of the `.pub` file: type, base64, comment.
    pub public_key: String,
    pub allowed_addresses: AllowedAddresses,
    /// The options of sshd.
    pub options: KeyOptions,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    /// True if it has expired or was seen expired.
    pub expired: bool,
    /// When a host last looked it up. A mere offer causes a lookup too.
    pub looked_up: Option<HostUse>,
    /// When a host last reported a login with it.
    pub used: Option<HostUse>,
}

/// The form of a new key.
#[derive(Debug, Clone)]
pub struct SshKeyNew {
    pub policy: Policy,
    pub input: Input,
}

/// One key.
#[derive(Debug, Clone)]
pub struct SshKeyPage {
    pub key: SshKeyFacts,
    /// The hosts and logins that its owner may use now; shown as `ssh` lines.
    pub logins: Vec<HostLogin>,
}

/// The form of a change.
#[derive(Debug, Clone)]
pub struct SshKeyEdit {
    pub key: SshKeyFacts,
    pub policy: Policy,
    /// The version of the key in the form, so that a concurrent change is not overwritten.
    pub version: String,
    pub input: Input,
}

/// `ED25519`, `RSA 3072`, `ECDSA 256`, with `SK` before those in hardware.
pub(super) fn kind(key: &SshKeyFacts) -> String {
    let name = key.key_type.trim_end_matches("@openssh.com");
    let (hardware, name) = name
        .strip_prefix("sk-")
        .map_or(("", name), |rest| ("SK ", rest));
    if name == "ssh-ed25519" {
        format!("{hardware}ED25519")
    } else if name == "ssh-rsa" {
        format!("RSA {}", key.bits)
    } else {
        format!("{hardware}ECDSA {}", key.bits)
    }
}

fn pill(key: &SshKeyFacts, now: Time) -> Markup {
    if key.expired {
        badge("bad", "Expired")
    } else if Notice::from_expiration(key.expires_at, now).is_some() {
        badge("warn", "Expiring")
    } else {
        badge("ok", "Active")
    }
}

/// `/ssh-keys/new`. Sends `name` (may be empty when the key has a comment), `public_key`, `expires_in`, `expires_at`
/// `allowed_addresses`, `with_options` with the `options.…`, and `allow_shared`.
pub fn new(frame: &Frame, view: &SshKeyNew) -> Markup {
    let input = &view.input;
    let policy = &view.policy;
    let form = html! {
        (public_key(input, "", "The content of your .pub file, such as ~/.ssh/id_ed25519.pub. Never paste the file without .pub. Options in front of the key become the limits below."))
        (Field::text("name").characters_max(NAME_CHARACTERS_MAX).help("Empty: the comment of the key.").show(input))
        (lifetime::for_ssh_key(input, policy.ssh_key_lifetime_max, frame.now))
        (shared(input))
        details open[has_limits(input)] {
            summary { "More limits" }
            (form::addresses(input, ""))
            (options(input, &KeyOptions::default()))
        }
        (acts("Add SSH key", "/ssh-keys"))
    };
    let content = html! {
        h1 { "Add SSH key" }
        (summary(input))
        (post(frame, "/ssh-keys/new", &form))
        (paste("No key yet?", "the command that creates a key", "ssh-keygen -t ed25519"))
        p.lead { "Accepted: " (policy.ssh_key_types.join(", ")) ". RSA of at least " (policy.ssh_rsa_bits_min) " bits." }
    };
    page(
        frame,
        Section::SshKeys,
        &input.title("Add SSH key"),
        &content,
    )
}

/// The names of the options that a key has: `restrict, command`.
pub(super) fn option_names(options: &KeyOptions) -> String {
    let words = options.to_sshd();
    let mut names: Vec<&str> = words
        .iter()
        .filter_map(|word| word.split('=').next())
        .collect();
    names.dedup();
    names.join(", ")
}

/// The options as written for sshd, and the effect of some.
fn shown_options(key: &SshKeyFacts) -> Markup {
    let options = &key.options;
    let is_hardware = key.key_type.starts_with("sk-");
    html! {
        @if options.is_empty() { "None" }
        @for word in options.to_sshd() { code { (word) } " " }
        @if !is_hardware && (options.verify_required || options.no_touch_required) {
            small { "sshd applies verify-required and no-touch-required to security keys (sk-) only." }
        }
        @if options.restrict && !options.permitopen.is_empty() {
            small { "restrict also forbids port forwarding, so permitopen has no effect." }
        }
    }
}

/// Returns whether the form comes back with limits of the folded part.
fn has_limits(input: &Input) -> bool {
    let names = [
        "allowed_addresses",
        "options",
        "options.command",
        "options.permitopen",
    ];
    let is_filled = |name: &&str| input.value(name).is_some_and(|value| !value.is_empty());
    names
        .iter()
        .any(|name| input.error(name).is_some() || is_filled(name))
        || OPTION_FLAGS
            .iter()
            .any(|(name, ..)| input.value(name).is_some())
}

/// The confirmation of a shared key.
fn shared(input: &Input) -> Markup {
    if input.error("allow_shared").is_none() {
        return html! {};
    }
    let tick = Tick {
        kind: "checkbox",
        name: "allow_shared",
        value: "yes",
        words: "Add the key although another user has it. Admins are notified.",
        on: false,
    };
    form::group("allow_shared", "Shared key", input, &tick.show())
}

/// The flags: field, value in [`KeyOptions`], label.
pub const OPTION_FLAGS: [(&str, fn(&KeyOptions) -> bool, &str); 3] = [
    (
        "options.restrict",
        |options| options.restrict,
        "restrict: no forwarding, no terminal, no ~/.ssh/rc",
    ),
    (
        "options.no_touch_required",
        |options| options.no_touch_required,
        "no-touch-required: a security key signs without a touch",
    ),
    (
        "options.verify_required",
        |options| options.verify_required,
        "verify-required: a security key requires its PIN or a fingerprint (OpenSSH 8.4 or newer; older hosts reject the key)",
    ),
];

/// The fields for the options of sshd.
fn options(input: &Input, present: &KeyOptions) -> Markup {
    let command = present.command.as_ref().map_or("", ForcedCommand::as_str);
    let destinations = present.stored_permitopen().replace(' ', "\n");
    let content = html! {
        (hidden("with_options", "yes"))
        @for (name, is_set, words) in OPTION_FLAGS {
            (Tick {
                kind: "checkbox",
                name,
                value: "yes",
                words,
                on: if input.is_fresh() { is_set(present) } else { input.has(name, "yes") },
            }.show())
        }
        (Field::text("options.command").default(command).characters_max(COMMAND_BYTES_MAX)
            .help("Runs instead of the requested command. Empty: no limit.").show(input))
        (Field::text("options.permitopen").default(&destinations)
            .help("Destinations of local forwarding: HOST:PORT, one per line. Empty: no limit.").show_lines(input, 2))
    };
    form::group("options", "SSH options", input, &content)
}

/// The field for the key. Pasted text comes back only if it can't have been a private key.
fn public_key(input: &Input, present: &str, help: &str) -> Markup {
    let mut safe = input.clone();
    safe.values
        .retain(|(name, value)| form::safe_to_echo(name, value));
    html! {
        (Field::text("public_key").default(present).help(help).required().autofocus().show_lines(&safe, 4))
        label.f data-file="public_key" hidden { "Or take it from a file " input type="file" accept=".pub"; }
    }
}

/// `/ssh-keys/ID`; also the answer after adding one.
pub fn ssh_key_page(frame: &Frame, view: &SshKeyPage) -> Markup {
    let (key, now) = (&view.key, frame.now);
    let own = format!("/ssh-keys/{}", key.id);
    let buttons = html! { a.button href={ (own) "/edit" } { "Edit" } a.button.danger href={ (own) "/delete" } { "Delete" } };
    let content = html! {
        (head(key, now, &buttons))
        section { h2 { "Log in" } (logins(key, &view.logins)) }
        section { h2 { "Details" } (facts(key, now)) }
        section {
            div.head { h2 { "Public key" } a.button href={ (own) ".pub" } { "As text" } }
            pre #key data-copy="the public key" { (key.public_key) }
        }
    };
    page(frame, Section::SshKeys, &key.name, &content)
}

fn head(key: &SshKeyFacts, now: Time, buttons: &Markup) -> Markup {
    html! {
        div.head {
            div.bar { h1 { (key.name) } (pill(key, now)) }
            div.actions { (buttons) }
        }
    }
}

/// `/admin/users/NAME/ssh-keys/ID`, for admins: to see and to delete, not to change.
pub fn show_of_user(frame: &Frame, username: &str, key: &SshKeyFacts) -> Markup {
    let owner = format!("/admin/users/{username}");
    let delete = format!("{owner}/ssh-keys/{}/delete", key.id);
    let content = html! {
        (head(key, frame.now, &button(frame, &delete, Some("danger"), "Delete")))
        p.lead { "SSH key of " a href=(owner) { (username) } }
        section { h2 { "Details" } (facts(key, frame.now)) }
        section { h2 { "Public key" } pre { (key.public_key) } }
    };
    page(frame, Section::Users, &key.name, &content)
}

fn facts(key: &SshKeyFacts, now: Time) -> Markup {
    html! {
        dl.facts {
            dt { "Type" } dd { (kind(key)) small { (key.key_type) } }
            dt { "Fingerprint" } dd { code { (key.fingerprint) } }
            @if !key.comment.is_empty() { dt { "Comment" } dd { bdi { (key.comment) } } }
            dt { "Expires" } dd { @match key.expires_at { Some(at) => { (time(at, now)) small { (exact(at)) } }, None => "No expiration" } }
            dt { "Allowed addresses" } dd { @if key.allowed_addresses.is_everywhere() { "Everywhere" } @else { @for one in key.allowed_addresses.iter() { (one) br; } } }
            dt { "SSH options" } dd { (shown_options(key)) }
            dt { "Last used" } dd { @match &key.used { Some(used) => { (time(used.at, now)) small { "on " (used.host) } }, None => "Not recorded: no enrolled host has reported a login" } }
            dt { "Last offered" } dd { @match &key.looked_up { Some(offered) => { (time(offered.at, now)) small { "to " (offered.host) } }, None => "Never" } }
            dt { "Added" } dd { (time(key.created_at, now)) small { (exact(key.created_at)) } }
        }
    }
}

/// The usual file of a private key of this type.
fn usual_file(key_type: &str) -> &'static str {
    match key_type {
        "ssh-rsa" => "~/.ssh/id_rsa",
        "sk-ssh-ed25519@openssh.com" => "~/.ssh/id_ed25519_sk",
        "sk-ecdsa-sha2-nistp256@openssh.com" => "~/.ssh/id_ecdsa_sk",
        ecdsa if ecdsa.starts_with("ecdsa-") => "~/.ssh/id_ecdsa",
        _ => "~/.ssh/id_ed25519",
    }
}

/// The `ssh` lines with the address of each host, and a block for `~/.ssh/config`.
fn logins(key: &SshKeyFacts, logins: &[HostLogin]) -> Markup {
    let file = usual_file(&key.key_type);
    let shown = || logins.iter().take(LOGINS_MAX);
    let address = |login: &HostLogin| login.address.clone().unwrap_or(login.host.clone());
    let block = |login: &HostLogin| {
        format!(
            "Host {}\n    HostName {}\n    User {}\n    IdentityFile {file}\n",
            login.host,
            address(login),
            login.login
        )
    };
    html! {
        @if key.expired {
            p { "The key has expired, and hosts reject it. Set a new expiration to use it again." }
        } @else if logins.is_empty() {
            p { "No host admits you yet. The ssh command of each host appears here." }
        } @else {
            p { "Every host that admits you accepts the key from the next login on. Replace the path if the private key is in another file." }
            ul {
                @for login in shown() {
                    li { code data-copy={ "the line for " (login.login) " on " (login.host) } { "ssh -i " (file) " " (login.login) "@" (address(login)) } " " span.muted { bdi { (login.host) } } }
                }
            }
            (paste("For ~/.ssh/config", "the lines for the configuration", &shown().map(block).collect::<Vec<String>>().concat()))
            @if logins.len() > LOGINS_MAX { p { "And " (logins.len() - LOGINS_MAX) " more: " code { "keycroft api GET /api/v1/ssh-keys/logins" } } }
        }
    }
}

/// `/ssh-keys/ID/edit`. Sends `version` and the fields of [`new`]; an empty `expires_in` keeps the expiration.
pub fn edit(frame: &Frame, view: &SshKeyEdit) -> Markup {
    let (input, key) = (&view.input, &view.key);
    let addresses: Vec<String> = key.allowed_addresses.iter().collect();
    let form = html! {
        (hidden("version", &view.version))
        (Field::text("name").default(&key.name).required().autofocus().characters_max(NAME_CHARACTERS_MAX).show(input))
        (public_key(input, &key.public_key, "Put another public key here to replace it."))
        (lifetime::for_ssh_key_renewal(input, view.policy.ssh_key_lifetime_max, key.expires_at, frame.now))
        (shared(input))
        (form::addresses(input, &addresses.join("\n")))
        (options(input, &key.options))
        (acts("Save", &format!("/ssh-keys/{}", key.id)))
    };
    let content = html! {
        h1 { "Edit " bdi { (key.name) } }
        (summary(input))
        (post(frame, &format!("/ssh-keys/{}/edit", key.id), &form))
    };
    page(
        frame,
        Section::SshKeys,
        &input.title(&format!("Edit {}", key.name)),
        &content,
    )
}

/// `/ssh-keys/ID/delete`.
pub fn delete(frame: &Frame, key: &SshKeyFacts) -> Markup {
    let path = format!("/ssh-keys/{}", key.id);
    let content = html! {
        h1 { "Delete " bdi { (key.name) } "?" }
        div.notice.warn {
            @match &key.used {
                Some(used) => p { "Last used " (time(used.at, frame.now)) " on " (used.host) "." }
                None => p { "No host has reported a login with it." }
            }
            p { "Hosts reject it from the next login on. Open logins stay open. A host that cannot reach the server uses its cache up to its maximum age." }
        }
        p { (kind(key)) " · " code { (key.fingerprint) } }
        (post(frame, &format!("{path}/delete"), &danger("Delete SSH key", &path)))
    };
    page(
        frame,
        Section::SshKeys,
        &format!("Delete {}", key.name),
        &content,
    )
}
