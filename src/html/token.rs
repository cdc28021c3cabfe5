//! Tokens: short-lived, for the command line.

use maud::{Markup, html};

use super::api_key::{created_credentials, what_breaks};
use super::form::{Field, Input, acts, addresses, danger, hidden, post, summary};
use super::layout::{Frame, Section, page};
use super::permission::Presets;
use super::permission_form::choice;
pub use super::token_list::{TokenList, TokenRow, token_list};
use super::when::end_in_line;
use super::{lifetime, shown_once};
use crate::model::credential::{Record, UsageDay};
use crate::model::permission::Permissions;
use crate::model::policy::Policy;
use crate::model::secret::Id;
use crate::model::text::NAME_CHARACTERS_MAX;

/// The form of a new token.
#[derive(Debug, Clone)]
pub struct TokenNew {
    pub policy: Policy,
    pub offered: Permissions,
    /// A second form with the same nonce creates nothing.
    pub nonce: String,
    pub input: Input,
}

/// A new token.
pub struct TokenIssued<'a> {
    pub record: Record,
    /// The permissions that the creator could give.
    pub offered: Permissions,
    pub secret: &'a str,
}

/// The confirmation of a deletion.
#[derive(Debug, Clone)]
pub struct TokenDelete {
    pub record: Record,
    pub usage: Vec<UsageDay>,
    /// The valid credentials it created.
    pub created: Vec<Record>,
    /// SSH keys that it added: ids and names.
    pub ssh_keys: Vec<(Id, String)>,
}

/// `/tokens/new`. Sends `nonce`, `name` (may be empty), `expires_in` (`8h`), `access`, the rows and `allowed_addresses`.
pub fn new(frame: &Frame, view: &TokenNew) -> Markup {
    let input = &view.input;
    let name = Field::text("name")
        .autofocus()
        .characters_max(NAME_CHARACTERS_MAX)
        .help("Optional: the shell or computer that uses the token.");
    let limits_are_open = input.error("allowed_addresses").is_some()
        || input
            .value("allowed_addresses")
            .is_some_and(|text| !text.is_empty());
    let form = html! {
        (hidden("nonce", &view.nonce))
        (name.show(input))
        (lifetime::for_token(input, &view.policy.token, frame.now))
        (choice(input, &view.offered, None, Presets::Person))
        details open[limits_are_open] {
            summary { "More limits" }
            (addresses(input, ""))
        }
        (acts("Generate token", "/tokens"))
    };
    let content = html! {
        div.narrow {
            h1 { "Generate token" }
            p.lead { "For the command line, at most 24 hours. For a program that runs longer, create an " a href="/api-keys/new" { "API key" } "." }
            (summary(input))
            (post(frame, "/tokens/new", &form))
            p.hint { "On a command line: " code { "keycroft login " (frame.public_url) } }
        }
    };
    page(
        frame,
        Section::Tokens,
        &input.title("Generate token"),
        &content,
    )
}

/// The answer after creating a token: the only page that shows it.
pub fn created(frame: &Frame, view: &TokenIssued<'_>) -> Markup {
    let content = html! {
        div.narrow {
            h1 { "Token " bdi { (view.record.name) } " created" }
            (shown_once::facts(frame, &view.record, &view.offered))
            (shown_once::panel(frame, "token", view.secret, "/tokens"))
        }
    };
    page(frame, Section::Tokens, "Token created", &content)
}

/// The answer to a repeated form of a new token.
pub fn already_created(frame: &Frame) -> Markup {
    page(
        frame,
        Section::Tokens,
        "Already created",
        &shown_once::already("token", "/tokens", None),
    )
}

/// `/tokens/ID/delete`.
pub fn delete(frame: &Frame, view: &TokenDelete) -> Markup {
    let record = &view.record;
    let content = html! {
        h1 { "Delete " bdi { (record.name) } "?" }
        p.lead { "It expires by itself: " (end_in_line(record.expires_at, frame.now)) "." }
        (what_breaks(record, &view.usage, frame.now))
        (post(frame, &format!("/tokens/{}/delete", record.id), &html! {
            (created_credentials(&view.created, &view.ssh_keys, &Input::default()))
            (danger("Delete token", "/tokens"))
        }))
    };
    page(
        frame,
        Section::Tokens,
        &format!("Delete {}", record.name),
        &content,
    )
}
