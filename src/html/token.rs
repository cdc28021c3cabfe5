//! Tokens: short-lived, for the command line.

use maud::{Markup, html};

use super::api_key::{created_credentials, what_breaks};
use super::form::{Field, Input, acts, danger, hidden, post, summary};
use super::layout::{Frame, Section, heading, page};
use super::table::{Pager, last_use, pager};
use super::when::{self, end_in_line, expiry, time};
use super::{lifetime, permission, shown_once, standing};
use crate::model::credential::{Record, UsageDay};
use crate::model::permission::Permissions;
use crate::model::policy::Policy;
use crate::model::secret::{Id, SecretForm, hint};
use crate::model::text::NAME_CHARACTERS_MAX;

/// The list of tokens.
#[derive(Debug, Clone)]
pub struct TokenList {
    pub rows: Vec<TokenRow>,
    pub pager: Pager,
    /// The permissions that one of them can have.
    pub offered: Permissions,
}

/// One token in the list.
#[derive(Debug, Clone)]
pub struct TokenRow {
    pub record: Record,
    /// Its creator: `console`, `keycroft login`, `API key ci`.
    pub created_by: String,
}

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
    pub secret: &'a str,
}

/// The confirmation of a deletion.
#[derive(Debug, Clone)]
pub struct TokenDelete {
    pub record: Record,
    pub usage: Vec<UsageDay>,
    /// The valid credentials it created.
    pub made: Vec<Record>,
    /// SSH keys that it added: ids and names.
    pub ssh_keys: Vec<(Id, String)>,
}

/// `/tokens`.
pub fn list(frame: &Frame, view: &TokenList) -> Markup {
    let content = html! {
        (heading("Tokens", &html! { a.button.primary href="/tokens/new" { "Generate token" } }))
        p.lead { "Short-lived, for the command line. Most people do not need this page: run " code { "keycroft login " (frame.public_url) } "." }
        @if view.rows.is_empty() {
            div.notice {
                p { "No tokens: the command line makes one when you log in with it." }
                div.actions { a.button.primary href="/tokens/new" { "Generate token" } }
                p { "Or run " code { "keycroft token create" } }
            }
        } @else {
            table.list {
                thead { tr { th { "Name" } th { "Status" } th { "Created by" } th { "Expires" } th { "Last used" } th { "Created" } th { "Actions" } } }
                tbody { @for row in &view.rows { (list_row(frame, view, row)) } }
            }
            (pager(&view.pager, "/tokens", &[]))
        }
    };
    page(frame, Section::Tokens, "Tokens", &content)
}

fn list_row(frame: &Frame, view: &TokenList, row: &TokenRow) -> Markup {
    let (record, now) = (&row.record, frame.now);
    html! {
        tr {
            th.name scope="row" {
                b { bdi { (record.name) } }
                small { (hint(SecretForm::Credential(record.kind), record.id)) br; (permission::brief(&record.permissions, &view.offered)) }
            }
            td { (standing::cell(record, now)) }
            td data-label="Created by" { bdi { (row.created_by) } }
            td.when data-label="Expires" { (when::end(record.expires_at, now)) }
            td.when.from data-label="Used" { (last_use(record.last_use.as_ref(), now)) }
            td data-label="Created" { (time(record.created_at, now)) }
            td.actions.keep { a href={ "/tokens/" (record.id) "/delete" } aria-label={ "Delete " (record.name) } { "Delete" } }
        }
    }
}

/// `/tokens/new`. Sends `nonce`, `name` (may be empty), `expires_in` (`8h`), `access` and the rows.
pub fn new(frame: &Frame, view: &TokenNew) -> Markup {
    let input = &view.input;
    let name = Field::text("name")
        .characters_max(NAME_CHARACTERS_MAX)
        .help("May stay empty.");
    let narrowed = input
        .value(permission::ACCESS)
        .is_some_and(|access| access != "everything");
    let form = html! {
        (hidden("nonce", &view.nonce))
        (name.show(input))
        (lifetime::for_token(input, &view.policy.token, frame.now))
        details open[narrowed] { summary { "Fewer permissions" } (permission::choice(input, &view.offered, None)) }
        (acts("Generate token", "/tokens"))
    };
    let content = html! {
        h1 { "Generate token" }
        p.lead { "When it ends, you authenticate again." }
        (summary(input))
        (post(frame, "/tokens/new", &form))
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
        h1 { "Save your token now" }
        p.lead { bdi { (view.record.name) } " · " (expiry(view.record.expires_at, frame.now)) }
        (shown_once::panel(frame, "token", view.secret, "/tokens", "Go to the tokens"))
        (shown_once::paste("Log in with it", "the login line", &format!("keycroft login {} --with-token", frame.public_url)))
    };
    page(frame, Section::Tokens, "Save your token now", &content)
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
        p.lead { "It would end by itself: " (end_in_line(record.expires_at, frame.now)) "." }
        (what_breaks(record, &view.usage, frame.now))
        (post(frame, &format!("/tokens/{}/delete", record.id), &html! {
            (created_credentials(&view.made, &view.ssh_keys, &Input::default()))
            (danger("Delete token", "Keep it", "/tokens"))
        }))
    };
    page(
        frame,
        Section::Tokens,
        &format!("Delete {}", record.name),
        &content,
    )
}
