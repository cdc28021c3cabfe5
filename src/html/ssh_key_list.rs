//! The list of SSH keys.

use maud::{Markup, html};

use super::layout::{Frame, Section, heading, page};
use super::list::{self, ListPlace, plain, sorted};
use super::ssh_key::{SshKeyFacts, kind, option_names};
use super::status_badge::badge;
use super::when::relative;
use crate::model::inventory::Weakness;
use crate::model::list::Column;
use crate::model::notice::Notice;
use crate::model::time::Time;

/// The type whose keys are so long that the list does not contain their text: Copy opens it.
const LONG_TYPE: &str = "ssh-rsa";

/// An SSH key in a list.
#[derive(Debug, Clone)]
pub struct SshKeyRow {
    pub key: SshKeyFacts,
    pub weakness: Weakness,
}

/// The list of a person's SSH keys.
#[derive(Debug, Clone)]
pub struct SshKeyList {
    pub at: ListPlace,
    pub rows: Vec<SshKeyRow>,
}

/// `/ssh-keys`.
pub fn ssh_key_list(frame: &Frame, view: &SshKeyList) -> Markup {
    let at = &view.at;
    let columns = [
        list::PICK,
        sorted(Column::Name, "Name", "name"),
        sorted(Column::Fingerprint, "Fingerprint", "low"),
        sorted(Column::Status, "Status", "state"),
        sorted(Column::Expires, "Expires", ""),
        sorted(Column::LastUsed, "Last used", "from"),
        sorted(Column::Created, "Added", "low"),
        plain("", ""),
    ];
    let acts = html! {
        @if !at.is_empty() {
            a.button href=(at.csv()) { "CSV" }
            a.button.primary href="/ssh-keys/new" { "Add SSH key" }
        }
    };
    let content = html! {
        (heading("SSH keys", &acts))
        p.lead { "Every host that admits you accepts these keys." }
        @if at.is_empty() {
            div.notice {
                p { "No SSH keys yet: add one to log in to every host you may use." }
                div.actions { a.button.primary href="/ssh-keys/new" { "Add SSH key" } }
                p { "Or run " code { "keycroft ssh-key add ~/.ssh/id_ed25519.pub" } }
            }
        } @else {
            (list::search(at, false))
            @if view.rows.is_empty() { (list::no_match(at)) } @else {
                (list::picked_form(frame, at, &columns, &html! {
                    @for row in &view.rows { (list_row(row, frame.now)) }
                }))
            }
        }
    };
    page(frame, Section::SshKeys, "SSH keys", &content)
}

fn list_row(row: &SshKeyRow, now: Time) -> Markup {
    let key = &row.key;
    let own = format!("/ssh-keys/{}", key.id);
    let text = Some(&key.public_key).filter(|_| key.key_type != LONG_TYPE);
    html! {
        tr {
            (list::pick(key.id.as_str(), &key.name))
            (name(key, Some(&own)))
            td.low { (fingerprint(key)) }
            (cells(row, now))
            td.actions {
                a href={ (own) ".pub" } data-copy=[text] aria-label={ "Copy " (key.name) } { "Copy" } " "
                a href={ (own) "/edit" } aria-label={ "Edit " (key.name) } { "Edit" } " "
                a.danger href={ (own) "/delete" } aria-label={ "Delete " (key.name) } { "Delete" }
            }
        }
    }
}

/// The name with a link, type and options.
pub(super) fn name(key: &SshKeyFacts, link: Option<&String>) -> Markup {
    let options = option_names(&key.options);
    html! {
        th.name scope="row" {
            @if let Some(link) = link { a href=(link) { (key.name) } } @else { bdi { (key.name) } }
            small { (kind(key)) @if !options.is_empty() { " · " (options) } }
        }
    }
}

/// The ends of the fingerprint and the comment: the key's page has all of it.
pub(super) fn fingerprint(key: &SshKeyFacts) -> Markup {
    let full = &key.fingerprint;
    let short = match (full.get(..11), full.get(full.len().saturating_sub(4)..)) {
        (Some(start), Some(end)) => format!("{start}…{end}"),
        _ => full.clone(),
    };
    html! {
        code { (short) }
        @if !key.comment.is_empty() { small { bdi { (key.comment) } } }
    }
}

/// Status, expiration, last use and creation.
pub(super) fn cells(row: &SshKeyRow, now: Time) -> Markup {
    let key = &row.key;
    html! {
        td.state { (pill(row, now)) }
        (list::expires(key.expires_at, now))
        (last_used(key, now))
        (list::created(key.created_at))
    }
}

pub(super) fn pill(row: &SshKeyRow, now: Time) -> Markup {
    match row.weakness {
        _ if row.key.expired => badge("bad", "Expired"),
        Weakness::AgainstPolicy => badge("bad", "Weak"),
        Weakness::Shared => badge("warn", "Shared"),
        Weakness::None if Notice::from_expiration(row.key.expires_at, now).is_some() => {
            badge("warn", "Expiring")
        }
        Weakness::None => badge("ok", "Active"),
    }
}

/// A host reports a use after the login; an offered key is not yet used.
pub(super) fn last_used(key: &SshKeyFacts, now: Time) -> Markup {
    match (&key.used, &key.looked_up) {
        (Some(used), _) => html! {
            td.when.from data-label="Used" { time datetime=(used.at) { (relative(used.at, now)) } small { (used.host) } }
        },
        (None, Some(offered)) => html! {
            td.when.from { "Not recorded" small { "offered " (relative(offered.at, now)) " to " (offered.host) } }
        },
        (None, None) => html! { td.when.from.muted { "Not recorded" } },
    }
}
