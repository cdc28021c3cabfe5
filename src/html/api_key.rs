//! API keys: the forms for creating, changing, rotating and deleting one. The list and the page of one key are in other
//! files.

use std::time::Duration;

use maud::{Markup, html};

use super::form::{self, Field, Input, acts, danger, hidden, post, summary};
use super::layout::{Frame, page};
use super::permission_form::choice;
use super::table::{last_use, last_use_in_line};
use super::when::{counted, end_in_line};
use super::{lifetime, shown_once};
use crate::model::credential::{Kind, Record, State, UsageDay};
use crate::model::permission::Permissions;
use crate::model::policy::Policy;
use crate::model::secret::Id;
use crate::model::text::{NAME_CHARACTERS_MAX, NOTE_CHARACTERS_MAX};
use crate::model::time::Time;

pub use super::api_key_list::{ApiKeyList, ApiKeyRow, api_key_list};
pub use super::api_key_page::{ApiKeyPage, Creator, api_key_page};
pub use super::holder::Holder;

/// The form of a new API key, empty or with rejected input.
#[derive(Debug, Clone)]
pub struct ApiKeyNew {
    pub holder: Holder,
    pub policy: Policy,
    /// The permissions that can be given.
    pub offered: Permissions,
    /// A second form with the same nonce creates nothing.
    pub nonce: String,
    /// The address of this browser, as a suggestion for the allowed addresses; `None` if unknown.
    pub here: Option<String>,
    pub input: Input,
}

/// The form of a change; empty fields show the present values.
#[derive(Debug, Clone)]
pub struct ApiKeyEdit {
    pub holder: Holder,
    pub record: Record,
    pub policy: Policy,
    pub offered: Permissions,
    /// The version of the key in the form, so that a concurrent change is not overwritten.
    pub version: String,
    pub input: Input,
}

/// The form of a rotation.
#[derive(Debug, Clone)]
pub struct ApiKeyRotate {
    pub holder: Holder,
    pub record: Record,
    pub policy: Policy,
    pub nonce: String,
    pub input: Input,
}

/// The confirmation of a deletion.
#[derive(Debug, Clone)]
pub struct ApiKeyDelete {
    pub holder: Holder,
    pub record: Record,
    pub usage: Vec<UsageDay>,
    /// Valid credentials that it created.
    pub created: Vec<Record>,
    /// SSH keys that it added: ids and names.
    pub ssh_keys: Vec<(Id, String)>,
    pub input: Input,
}

/// A new secret, from creation or rotation.
pub struct ApiKeyIssued<'a> {
    pub holder: Holder,
    pub record: Record,
    /// The permissions that the creator could give.
    pub offered: Permissions,
    pub secret: &'a str,
}

/// `/api-keys/new`. Sends `nonce`, `name`, `expires_in` and `expires_at` (see `lifetime`), `access` and the rows (read
/// by [`super::permission::chosen`]), `allowed_addresses` and `note`.
pub fn new(frame: &Frame, view: &ApiKeyNew) -> Markup {
    let input = &view.input;
    let path = view.holder.path();
    let is_of_service = matches!(view.holder, Holder::Service(_));
    let name = Field::text("name")
        .required()
        .autofocus()
        .characters_max(NAME_CHARACTERS_MAX)
        .help("The program or job that uses the key.");
    let form = html! {
        (hidden("nonce", &view.nonce))
        (name.show(input))
        (lifetime::for_api_key(input, &view.policy, is_of_service, frame.now))
        @if is_of_service { p.hint { "The service stops working when its key expires. Rotate it before, or choose a long lifetime." } }
        (choice(input, &view.offered, None, view.holder.presets()))
        details open[limits_are_open(input)] {
            summary { "More limits" }
            (form::addresses(input, ""))
            @if let Some(here) = &view.here { p.hint { "Address of this browser: " code { (here) } } }
            (note(input, ""))
        }
        (acts("Create API key", &path))
    };
    let content = html! {
        div.narrow {
            h1 { "New API key" }
            (summary(input))
            (post(frame, &format!("{path}/new"), &form))
            @if matches!(view.holder, Holder::Me) { p.hint { "On a command line: " code { "keycroft api-key create my-script --expires 30d" } } }
        }
    };
    page(
        frame,
        view.holder.section(),
        &input.title("New API key"),
        &content,
    )
}

fn limits_are_open(input: &Input) -> bool {
    ["allowed_addresses", "note"].iter().any(|name| {
        input.error(name).is_some() || input.value(name).is_some_and(|text| !text.is_empty())
    })
}

fn note(input: &Input, present: &str) -> Markup {
    Field::text("note")
        .default(present)
        .characters_max(NOTE_CHARACTERS_MAX)
        .help("For people: where the key is stored, and who is responsible.")
        .show_lines(input, 2)
}

/// The answer after creating an API key: the only page that shows its secret.
pub fn created(frame: &Frame, view: &ApiKeyIssued<'_>) -> Markup {
    issued(frame, view, "created", &html! {})
}

/// The answer after rotating an API key: the only page that shows its new secret.
pub fn rotated(frame: &Frame, view: &ApiKeyIssued<'_>) -> Markup {
    let note = html! {
        p {
            @match view.record.grace_ends_at(frame.now) {
                Some(end) => { "The old secret expires " (end_in_line(Some(end), frame.now)) " at the latest. The key's page shows when each secret was last used." }
                None => { "The old secret is revoked." }
            }
        }
    };
    issued(frame, view, "rotated", &note)
}

fn issued(frame: &Frame, view: &ApiKeyIssued<'_>, act: &str, note: &Markup) -> Markup {
    let record = &view.record;
    let content = html! {
        div.narrow {
            h1 { "API key " bdi { (record.name) } " " (act) }
            (shown_once::facts(frame, record, &view.offered))
            (note)
            (shown_once::panel(frame, "API key", view.secret, &view.holder.path_of(record.id, "")))
        }
    };
    let title = format!("API key {act}");
    page(frame, view.holder.section(), &title, &content)
}

/// The answer to a repeated form of a new API key or a rotation; `record` is the created key, if it still exists.
pub fn already_created(frame: &Frame, holder: &Holder, record: Option<&Record>) -> Markup {
    let item = record.map(|record| (holder.path_of(record.id, ""), record.name.as_str()));
    let item = item.as_ref().map(|(path, name)| (path.as_str(), *name));
    page(
        frame,
        holder.section(),
        "Already created",
        &shown_once::already("API key", &holder.path(), item),
    )
}

/// `/api-keys/ID/edit`. Sends `version`, and the fields of [`new`] except the nonce; an empty `expires_in` keeps the
/// expiration.
pub fn edit(frame: &Frame, view: &ApiKeyEdit) -> Markup {
    let (input, record) = (&view.input, &view.record);
    let path = view.holder.path_of(record.id, "");
    let addresses: Vec<String> = record.allowed_addresses.iter().collect();
    let title = format!("Edit {}", record.name);
    let form = html! {
        (hidden("version", &view.version))
        (Field::text("name").default(&record.name).required().autofocus().characters_max(NAME_CHARACTERS_MAX).show(input))
        (lifetime::for_renewal(input, &view.policy, record.expires_at, frame.now))
        (choice(input, &view.offered, Some(&record.permissions), view.holder.presets()))
        (form::addresses(input, &addresses.join("\n")))
        (note(input, record.note.as_deref().unwrap_or("")))
        (acts("Save", &path))
    };
    let content = html! {
        div.narrow {
            h1 { "Edit " bdi { (record.name) } }
            (summary(input))
            (post(frame, &view.holder.path_of(record.id, "/edit"), &form))
        }
    };
    page(frame, view.holder.section(), &input.title(&title), &content)
}

/// The grace periods of a planned rotation: the sent value, and the label.
const GRACES: [(&str, &str); 6] = [
    ("1h", "1 hour"),
    ("6h", "6 hours"),
    ("24h", "24 hours"),
    ("3d", "3 days"),
    ("7d", "7 days"),
    (UNTIL_UNUSED, "until unused for 2 hours, 7 days at most"),
];
/// The grace period that ends when the old secret is unused.
pub const UNTIL_UNUSED: &str = "until-unused";
/// For a key used within this time, a planned rotation is the default.
const IN_USE: Duration = Duration::from_secs(7 * 86_400);

/// `/api-keys/ID/rotate`. Sends `nonce`, `how` (`planned` or `leaked`), `grace` (for a planned one: a duration or
/// [`UNTIL_UNUSED`]) and the expiration as in [`edit`].
pub fn rotate(frame: &Frame, view: &ApiKeyRotate) -> Markup {
    let (input, record) = (&view.input, &view.record);
    let is_in_use = record
        .last_use
        .as_ref()
        .is_some_and(|last| frame.now.since(last.at) <= IN_USE);
    let how = if is_in_use { "planned" } else { "leaked" };
    let how = input.value("how").unwrap_or(how);
    let graces = GRACES.map(|(value, words)| (value.to_owned(), words.to_owned()));
    let planned =
        "Both secrets are valid during the grace period, until the programs use the new one.";
    let leaked =
        "The old secret is revoked immediately. Programs fail until they have the new one.";
    let reason = html! {
        div.choices {
            div {
                (form::radio("how", "planned", how, "Planned", planned))
                div.bar { (Field::text("grace").label("Grace period").default("24h").show_choice(input, &graces)) }
            }
            (form::radio("how", "leaked", how, "Leaked", leaked))
        }
    };
    let form = html! {
        (hidden("nonce", &view.nonce))
        (form::group("how", "Reason", input, &reason))
        (lifetime::for_renewal(input, &view.policy, record.expires_at, frame.now))
        (acts("Rotate API key", &view.holder.path_of(record.id, "")))
    };
    let content = html! {
        div.narrow {
            h1 { "Rotate " bdi { (record.name) } }
            p.lead { "Keycroft creates a new secret. Name, id and permissions stay the same." }
            dl.facts { dt { "Last used" } dd { (last_use(record.last_use.as_ref(), frame.now)) } }
            @if record.grace(frame.now).is_some() { div.notice.warn { p { b { "An older secret is still valid." } " It is revoked when you rotate now." } } }
            (summary(input))
            (post(frame, &view.holder.path_of(record.id, "/rotate"), &form))
            p.hint { "On a command line: " code { "keycroft api-key rotate " (record.id) " --grace 24h" } }
        }
    };
    page(
        frame,
        view.holder.section(),
        &input.title(&format!("Rotate {}", record.name)),
        &content,
    )
}

/// `/api-keys/ID/delete`. Sends `confirm` (the name, required only after a use within a day) and `made` = `end` to
/// delete what it created, too.
pub fn delete(frame: &Frame, view: &ApiKeyDelete) -> Markup {
    let record = &view.record;
    let form = html! {
        (created_credentials(&view.created, &view.ssh_keys, &view.input))
        @if must_type_name(record, frame.now) {
            (Field::text("confirm").label("Type the key's name, since it is in use").required().autofocus().show(&view.input))
        }
        (danger("Delete API key", &view.holder.path_of(record.id, "")))
    };
    let content = html! {
        h1 { "Delete " bdi { (record.name) } "?" }
        (summary(&view.input))
        (what_breaks(record, &view.usage, frame.now))
        (post(frame, &view.holder.path_of(record.id, "/delete"), &form))
    };
    page(
        frame,
        view.holder.section(),
        &view.input.title(&format!("Delete {}", record.name)),
        &content,
    )
}

/// The choice to delete what a credential created together with it. Sends `made`: `end`.
pub(super) fn created_credentials(
    created: &[Record],
    ssh_keys: &[(Id, String)],
    input: &Input,
) -> Markup {
    html! {
        @if !created.is_empty() || !ssh_keys.is_empty() {
            (form::group("made", "It created other credentials that are still valid", input, &html! {
                ul {
                    @for created in created { li { (created.kind) " " bdi { (created.name) } " (" code { (created.id) } ")" } }
                    @for (id, name) in ssh_keys { li { "SSH key " bdi { (name) } " (" code { (id) } ")" } }
                }
                (form::Tick { kind: "checkbox", name: "made", value: "end", words: "Also delete them", on: input.has("made", "end") }.show())
            }))
        }
    }
}

/// Returns whether deleting `record` at `now` requires its name: after a use within the last 24 hours.
pub fn must_type_name(record: &Record, now: Time) -> bool {
    let day = std::time::Duration::from_secs(86_400);
    record.kind == Kind::ApiKey
        && record
            .last_use
            .as_ref()
            .is_some_and(|last| now.since(last.at) <= day)
}

/// The effects of revoking a credential.
pub(super) fn what_breaks(record: &Record, usage: &[UsageDay], now: Time) -> Markup {
    let uses: u64 = usage
        .iter()
        .filter(|day| day.day.number() > now.day().number() - 30)
        .map(|day| day.uses)
        .sum();
    html! {
        div.notice.warn {
            @match &record.last_use {
                None => p { "No recorded use." },
                Some(last) => {
                    p { "Last used " (last_use_in_line(Some(last), now)) "." }
                    @if uses > 0 { p { "Programs that use it (" (counted(uses, "use")) " in the last 30 days) stop working immediately." } }
                }
            }
            p { @if record.state(now) == State::Expired { "It has expired: its secret is rejected already." } @else { "Its secret is rejected from the next request on." } " This cannot be undone." }
        }
    }
}
