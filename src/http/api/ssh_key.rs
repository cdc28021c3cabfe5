//! `/api/v1/ssh-keys`, and those of other users for admins.

use super::user::{scope, scope_to_delete, username};
use super::{ApiResult, Problem, created, idempotency_key, list_answer, list_page, no_content, ok};
use crate::app::{App, ImportOutcome, ImportRequest, ImportedLine};
use crate::http::context::RequestContext;
use crate::http::{auth, body, console, headers, query};
use crate::model::caller::Caller;
use crate::model::permission::BuiltinPermission;
use crate::model::secret::Id;
use crate::wire::{
    HostLoginOut, ImportIn, ImportLineOut, ImportOut, ListOut, SshKeyIn, SshKeyOut, SshKeyPatch,
};

fn id(context: &RequestContext<'_>) -> Result<Id, Problem> {
    context.id("SSH key")
}

pub fn list_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    let scope = App::own_ssh_keys(caller)?;
    let page = context
        .app()
        .ssh_keys(caller, &scope, part.after, part.limit)?;
    list_answer(&page, |key| SshKeyOut::new(key, context.now))
}

pub fn add_ssh_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<SshKeyIn>(context)?;
    let rules = context.app().present_policy()?.ssh_key_rules();
    let (new, once) = (
        wanted.parse(&rules)?,
        idempotency_key(context, caller, &bytes)?,
    );
    let scope = App::own_ssh_keys(caller)?;
    let key = context.app().add_ssh_key(caller, &scope, new, once)?;
    created(&SshKeyOut::new(&key, context.now))
}

pub fn show_ssh_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let scope = App::own_ssh_keys(caller)?;
    let key = context.app().ssh_key(caller, &scope, id(context)?)?;
    ok(&SshKeyOut::new(&key, context.now))
}

/// The key as text, in the form of a `.pub` file.
pub fn show_text(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let scope = App::own_ssh_keys(caller)?;
    let key = context.app().ssh_key(caller, &scope, id(context)?)?;
    let text = key.public_line() + "\n";
    Ok(headers::bytes_of(
        "text/plain; charset=utf-8",
        200,
        text.into_bytes(),
    ))
}

/// The same text at the key's page, with a session or a bearer credential.
pub fn show_text_to_anybody(context: &RequestContext<'_>) -> ApiResult {
    if context.request.header("Authorization").is_none() {
        return console::visit(context, show_text);
    }
    let caller = auth::bearer(context, Some(BuiltinPermission::SshKeysRead))?;
    show_text(context, &caller)
}

pub fn show_of_user(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let scope = scope(context, caller)?;
    let key = context.app().ssh_key(caller, &scope, id(context)?)?;
    let shared_with = Some(context.app().others_with_ssh_key(caller, &key)?);
    ok(&SshKeyOut {
        shared_with,
        ..SshKeyOut::new(&key, context.now)
    })
}

/// Hosts and logins that the caller's keys may use.
pub fn list_logins(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    let logins = context.app().logins(caller)?;
    list_page(&logins, part, HostLoginOut::new)
}

pub fn edit_ssh_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let wanted: SshKeyPatch = body::json(context)?;
    let rules = context.app().present_policy()?.ssh_key_rules();
    let change = wanted.parse(&rules)?;
    let scope = App::own_ssh_keys(caller)?;
    let key = context
        .app()
        .edit_ssh_key(caller, &scope, id(context)?, change)?;
    ok(&SshKeyOut::new(&key, context.now))
}

pub fn delete_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let scope = App::own_ssh_keys(caller)?;
    context.app().delete_ssh_key(caller, &scope, id(context)?)?;
    no_content()
}

pub fn import_own(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<ImportIn>(context)?;
    let once = idempotency_key(context, caller, &bytes)?;
    imported(
        &context
            .app()
            .import_own_ssh_keys(caller, file(&wanted), once)?,
    )
}

pub fn list_of_user(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    let scope = scope(context, caller)?;
    let page = context
        .app()
        .ssh_keys(caller, &scope, part.after, part.limit)?;
    let mut items = Vec::with_capacity(page.items.len());
    for key in &page.items {
        let shared_with = Some(context.app().others_with_ssh_key(caller, key)?);
        items.push(SshKeyOut {
            shared_with,
            ..SshKeyOut::new(key, context.now)
        });
    }
    let next = page.next;
    ok(&ListOut { items, next })
}

pub fn delete_of_user(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let scope = scope_to_delete(context, caller)?;
    context.app().delete_ssh_key(caller, &scope, id(context)?)?;
    no_content()
}

pub fn import_of_user(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<ImportIn>(context)?;
    let once = idempotency_key(context, caller, &bytes)?;
    let name = username(context)?;
    imported(
        &context
            .app()
            .import_ssh_keys_of(caller, &name, file(&wanted), once)?,
    )
}

fn file(wanted: &ImportIn) -> ImportRequest<'_> {
    ImportRequest {
        text: &wanted.text,
        allow_shared: wanted.allow_shared,
    }
}

fn imported(lines: &[ImportedLine]) -> ApiResult {
    let lines: Vec<ImportLineOut> = lines.iter().map(line_out).collect();
    let count = |outcome: &str| lines.iter().filter(|line| line.outcome == outcome).count();
    ok(&ImportOut {
        added: count(ADDED),
        present: count(PRESENT),
        refused: count(REJECTED),
        lines,
    })
}

const ADDED: &str = "added";
const PRESENT: &str = "present";
const REJECTED: &str = "refused";

fn line_out(line: &ImportedLine) -> ImportLineOut {
    let out = |outcome: &str| ImportLineOut {
        line: line.number,
        outcome: outcome.to_owned(),
        id: None,
        name: None,
        fingerprint: None,
        message: None,
    };
    match &line.outcome {
        ImportOutcome::Added(key) => ImportLineOut {
            id: Some(key.id.to_string()),
            name: Some(key.name.clone()),
            fingerprint: Some(key.key.fingerprint().to_owned()),
            ..out(ADDED)
        },
        ImportOutcome::Present { name } => ImportLineOut {
            name: Some(name.clone()),
            ..out(PRESENT)
        },
        ImportOutcome::Rejected(message) => ImportLineOut {
            message: Some(message.clone()),
            ..out(REJECTED)
        },
    }
}
