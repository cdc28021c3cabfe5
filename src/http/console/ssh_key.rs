//! `/ssh-keys`.

use super::{
    Answer, bulk, done_with, form, frame, list, page, page_response, require_version, show_again,
};
use crate::app::{App, Holders, ListExtent, OwnedItem};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::list::ListPlace;
use crate::html::ssh_key::{
    self as pages, HostUse, SshKeyEdit, SshKeyFacts, SshKeyNew, SshKeyPage,
};
use crate::html::ssh_key_list::{self, SshKeyList, SshKeyRow};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::inventory::Item;
use crate::model::list::List;
use crate::model::ssh_key::{KeyHostUse as Seen, KeyOptions, SshKey, SshKeyChange};
use crate::model::time::Time;
use crate::wire::{SshKeyIn, SshKeyOptionsIn, SshKeyOptionsOut, SshKeyPatch};

/// A key as pages show it.
pub(super) fn facts(key: &SshKey, now: Time) -> SshKeyFacts {
    let seen = |seen: &Option<Seen>| {
        seen.as_ref().map(|seen| HostUse {
            at: seen.at,
            host: seen.host.clone(),
        })
    };
    SshKeyFacts {
        id: key.id,
        name: key.name.clone(),
        key_type: key.key.kind().name().to_owned(),
        bits: key.key.bits(),
        fingerprint: key.key.fingerprint().to_owned(),
        comment: key.key.comment().to_owned(),
        public_key: key.public_line(),
        allowed_addresses: key.allowed_addresses.clone(),
        options: key.options.clone(),
        created_at: key.created_at,
        expires_at: key.expires_at,
        expired: key.is_expired(now),
        looked_up: seen(&key.looked_up),
        used: seen(&key.used),
    }
}

fn find_ssh_key(context: &RequestContext<'_>, caller: &Caller) -> Result<SshKey, Problem> {
    let id = context.id("SSH key")?;
    Ok(context
        .app()
        .ssh_key(caller, &App::own_ssh_keys(caller)?, id)?)
}

/// An SSH key as lists show it.
pub(super) fn row(owned: &OwnedItem, now: Time) -> Option<SshKeyRow> {
    match &owned.item {
        Item::SshKey(key, weakness) => Some(SshKeyRow {
            key: facts(key, now),
            weakness: *weakness,
        }),
        Item::Credential(_) => None,
    }
}

pub fn list_ssh_keys(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let scope = App::own_ssh_keys(caller)?;
    let (query, extent) = (list::query(context, List::SshKeys), list::extent(context));
    let app = context.app();
    let listed = app.list_items(caller, Holders::Of(&scope), &query, extent)?;
    if extent == ListExtent::All {
        return Ok(list::csv_of_items("ssh-keys", &listed.rows, context.now));
    }
    let view = SshKeyList {
        at: ListPlace::new("/ssh-keys", query, &listed),
        rows: listed
            .rows
            .iter()
            .filter_map(|one| row(one, context.now))
            .collect(),
    };
    page_response(ssh_key_list::ssh_key_list(&frame(context, caller), &view))
}

/// Deletes those that were picked in the list.
pub fn delete_picked(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let scope = App::own_ssh_keys(caller)?;
    let picked = bulk::Picked {
        list: List::SshKeys,
        holders: Holders::Of(&scope),
        path: "/ssh-keys",
        fixed: Vec::new(),
    };
    bulk::delete_picked_items(context, caller, input, &picked)
}

fn new_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let policy = context.app().present_policy()?;
    Ok(pages::new(
        &frame(context, caller),
        &SshKeyNew { policy, input },
    ))
}

pub fn show_new_ssh_key_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(new_form(context, caller, Input::default())?)
}

/// The options of a form that differ from `present`; `None` for a form without these fields.
fn changed_options(input: &Input, present: &KeyOptions) -> Option<SshKeyOptionsIn> {
    input.value("with_options")?;
    let is_set = |name: &str| input.has(name, "yes");
    let command = input.value("options.command").map(str::to_owned);
    let wanted = SshKeyOptionsOut {
        restrict: is_set("options.restrict"),
        no_touch_required: is_set("options.no_touch_required"),
        verify_required: is_set("options.verify_required"),
        command: command.filter(|command| !command.is_empty()),
        permitopen: form::entries(input, "options.permitopen"),
    };
    (wanted != SshKeyOptionsOut::new(present)).then(|| wanted.into())
}

pub fn add_ssh_key(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match try_add(context, caller, &input) {
        Ok(key) => {
            let path = format!("/ssh-keys/{}", key.id);
            done_with(context, &path, "added", &format!("SSH key {}", key.name))
        }
        Err(problem) => show_again(problem, input, "public_key", |input| {
            new_form(context, caller, input)
        }),
    }
}

fn try_add(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<SshKey, Problem> {
    let (expires_in, expires_at) = form::end(input)?;
    let wanted = SshKeyIn {
        name: form::filled(input, "name"),
        public_key: Some(input.value("public_key").unwrap_or_default().to_owned()),
        expires_in,
        expires_at,
        // An empty field stands for the addresses of the pasted line, or the caller's own.
        allowed_addresses: Some(form::entries(input, "allowed_addresses"))
            .filter(|entries| !entries.is_empty()),
        options: changed_options(input, &KeyOptions::default()),
        allow_shared: input.has("allow_shared", "yes"),
    };
    let rules = context.app().present_policy()?.ssh_key_rules();
    let new = wanted.parse(&rules)?;
    let scope = App::own_ssh_keys(caller)?;
    Ok(context.app().add_ssh_key(caller, &scope, new, None)?)
}

pub fn show_one(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let key = facts(&find_ssh_key(context, caller)?, context.now);
    let logins = context.app().logins(caller)?;
    page_response(pages::ssh_key_page(
        &frame(context, caller),
        &SshKeyPage { key, logins },
    ))
}

fn edit_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let key = find_ssh_key(context, caller)?;
    let view = SshKeyEdit {
        key: facts(&key, context.now),
        policy: context.app().present_policy()?,
        version: key.version(),
        input,
    };
    Ok(pages::edit(&frame(context, caller), &view))
}

pub fn show_edit_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(edit_form(context, caller, Input::default())?)
}

pub fn edit_ssh_key(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match try_edit(context, caller, &input) {
        Ok(key) => {
            let path = format!("/ssh-keys/{}", key.id);
            done_with(context, &path, "saved", &format!("SSH key {}", key.name))
        }
        Err(problem) => show_again(problem, input, "public_key", |input| {
            edit_form(context, caller, input)
        }),
    }
}

fn try_edit(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<SshKey, Problem> {
    let key = find_ssh_key(context, caller)?;
    require_version(input, &key.version(), "this SSH key")?;
    let (expires_in, expires_at) = form::end(input)?;
    // The field contains the present key. Only another text is another key, which the present policy has to allow.
    let public_key = form::filled(input, "public_key").filter(|text| *text != key.public_line());
    let patch = SshKeyPatch {
        name: Some(input.value("name").unwrap_or_default().to_owned()),
        public_key,
        expires_in: expires_in.map(Some),
        expires_at: expires_at.map(Some),
        allowed_addresses: Some(form::entries(input, "allowed_addresses"))
            .filter(|entries| *entries != key.allowed_addresses.iter().collect::<Vec<_>>())
            .map(Some),
        options: changed_options(input, &key.options).map(Some),
        allow_shared: input.has("allow_shared", "yes"),
    };
    let rules = context.app().present_policy()?.ssh_key_rules();
    let change = SshKeyChange {
        version: input.value("version").map(str::to_owned),
        ..patch.parse(&rules)?
    };
    let scope = App::own_ssh_keys(caller)?;
    Ok(context.app().edit_ssh_key(caller, &scope, key.id, change)?)
}

pub fn show_delete_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let key = facts(&find_ssh_key(context, caller)?, context.now);
    Ok(page(200, pages::delete(&frame(context, caller), &key)))
}

pub fn delete_ssh_key(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    let key = find_ssh_key(context, caller)?;
    context
        .app()
        .delete_ssh_key(caller, &App::own_ssh_keys(caller)?, key.id)?;
    let object = format!("SSH key {}", key.name);
    done_with(context, "/ssh-keys", "deleted-ssh-key", &object)
}
