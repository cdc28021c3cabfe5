//! `/admin/hosts`.

use std::collections::BTreeMap;

use rouille::Response;

use super::{
    Answer, done_with, form, frame, idempotency_key, list, nonce, nonce_again, page, page_response,
    require_version, show_again,
};
use crate::app::ListExtent;
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::host::{self as pages, CodeFacts, CodeIssued, CodeNew, HostEdit, HostFacts};
use crate::html::host_list::{self, HostList};
use crate::html::list::ListPlace;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::host::HostRecord;
use crate::model::list::List;
use crate::model::permission::BuiltinPermission;
use crate::wire::{EnrollmentCodeIn, HostPatch};

/// Groups that a form offers.
const GROUPS_MAX: usize = 10_000;

fn facts(record: HostRecord) -> HostFacts {
    HostFacts {
        id: record.host.public_id.to_string(),
        name: record.host.name,
        groups: record.groups,
        shared_logins: record
            .shared_logins
            .into_iter()
            .map(|shared| (shared.login.to_string(), shared.group))
            .collect(),
        cache_age_max: record.host.cache_age_max,
        created_at: record.host.created_at,
        last_contact_at: record.host.last_contact_at,
        last_contact_from: record.last_contact_from,
        version: record.version,
        cached_at: record.cached_at,
        clock_ahead_seconds: record.clock_ahead_seconds,
        paused_at: record.host.paused_at,
        allowed_addresses: record.allowed_addresses.iter().collect(),
        rotation_requested_at: record.host.rotation_requested_at,
        credential_rotated_at: record.credential_rotated_at,
    }
}

fn find_host(context: &RequestContext<'_>, caller: &Caller) -> Result<HostRecord, Problem> {
    Ok(context.app().host(caller, context.id("host")?)?)
}

fn group_names(context: &RequestContext<'_>, caller: &Caller) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = context
        .app()
        .groups(caller, None, GROUPS_MAX)?
        .items
        .into_iter()
        .map(|group| group.name)
        .collect();
    names.sort_unstable();
    Ok(names)
}

pub fn list_hosts(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let (query, extent) = (list::query(context, List::Hosts), list::extent(context));
    let listed = context.app().list_hosts(caller, &query, extent)?;
    if extent == ListExtent::All {
        return Ok(csv(&listed.rows));
    }
    let at = ListPlace::new("/admin/hosts", query, &listed);
    let codes = context.app().enrollment_codes(caller)?;
    let codes = codes
        .into_iter()
        .map(|code| CodeFacts {
            id: code.id.to_string(),
            uses_left: code.uses_left,
            expires_at: code.expires_at,
            groups: code.groups,
        })
        .collect();
    let hosts = listed.rows.into_iter().map(facts).collect();
    let view = HostList { at, hosts, codes };
    page_response(host_list::host_list(&frame(context, caller), &view))
}

fn csv(hosts: &[HostRecord]) -> Response {
    let head = [
        "id",
        "name",
        "paused",
        "groups",
        "last_contact_at",
        "last_contact_from",
        "cached_at",
        "version",
        "enrolled_at",
    ];
    let row = |record: &HostRecord| {
        let host = &record.host;
        vec![
            host.public_id.to_string(),
            host.name.clone(),
            host.paused_at.is_some().to_string(),
            record.groups.join(" "),
            list::csv_time(host.last_contact_at),
            record.last_contact_from.clone().unwrap_or_default(),
            list::csv_time(record.cached_at),
            record.version.clone().unwrap_or_default(),
            host.created_at.to_string(),
        ]
    };
    list::csv("hosts", &head, hosts.iter().map(row))
}

fn edit_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let record = find_host(context, caller)?;
    Ok(pages::host_page(
        &frame(context, caller),
        &HostEdit {
            version: record.version(),
            host: facts(record),
            groups: group_names(context, caller)?,
            input,
        },
    ))
}

pub fn show_one(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(edit_form(context, caller, Input::default())?)
}

pub fn edit_host(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    caller.require(BuiltinPermission::HostsWrite)?;
    match try_edit(context, caller, &input) {
        Ok(host) => {
            let path = format!("/admin/hosts/{}", host.host.public_id);
            done_with(context, &path, "saved", &format!("Host {}", host.host.name))
        }
        Err(problem) => show_again(problem, input, "name", |input| {
            edit_form(context, caller, input)
        }),
    }
}

fn try_edit(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<HostRecord, Problem> {
    let id = context.id("host")?;
    require_version(input, &find_host(context, caller)?.version(), "this host")?;
    let patch = HostPatch {
        name: Some(form::filled(input, "name").unwrap_or_default()),
        groups: Some(chosen(input)),
        shared_logins: Some(shared(input)?),
        cache_age_max: Some(form::filled(input, "cache_age_max").unwrap_or_default()),
        paused: Some(input.has("paused", "yes")),
        allowed_addresses: Some(Some(form::entries(input, "allowed_addresses"))),
        rotation_requested: Some(input.has("rotation_requested", "yes")),
    };
    let mut change = patch.parse()?;
    change.version = input.value("version").map(str::to_owned);
    Ok(context.app().edit_host(caller, id, change)?)
}

/// The chosen groups.
fn chosen(input: &Input) -> Vec<String> {
    let ticked = input.values.iter().filter(|(name, _)| name == "groups");
    ticked.map(|(_, value)| value.clone()).collect()
}

/// `ubuntu: admins`, one per line.
fn shared(input: &Input) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut shared = BTreeMap::<String, Vec<String>>::new();
    let text = input.value("shared_logins").unwrap_or_default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((login, group)) = line.split_once(':') else {
            let message =
                "enter a login, a colon and a group, such as ubuntu: admins, one per line";
            return Err(Error::field("shared_logins", message));
        };
        let groups = shared.entry(login.trim().to_owned()).or_default();
        groups.push(group.trim().to_owned());
    }
    Ok(shared)
}

fn code_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
    nonce: String,
) -> Result<Markup, Problem> {
    let groups = group_names(context, caller)?;
    Ok(pages::code_new(
        &frame(context, caller),
        &CodeNew {
            groups,
            nonce,
            input,
        },
    ))
}

pub fn new_code(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    caller.require(BuiltinPermission::HostsWrite)?;
    page_response(code_form(
        context,
        caller,
        Input::default(),
        nonce(context),
    )?)
}

pub fn create_code(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    caller.require(BuiltinPermission::HostsWrite)?;
    match try_create(context, caller, &input) {
        Ok((secret, code)) => {
            let text = secret.reveal();
            Ok(page(
                200,
                pages::code_created(
                    &frame(context, caller),
                    &CodeIssued {
                        secret: &text,
                        uses_left: code.uses_left,
                        expires_at: code.expires_at,
                    },
                ),
            ))
        }
        Err(Problem::App(Error::AlreadyDone { .. })) => Ok(page(
            409,
            pages::code_already_created(&frame(context, caller)),
        )),
        Err(problem) => show_again(problem, input, "uses", |input| {
            let nonce = nonce_again(context, caller, &input);
            code_form(context, caller, input, nonce)
        }),
    }
}

fn try_create(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<
    (
        crate::model::secret::Secret,
        crate::model::host::EnrollmentCode,
    ),
    Problem,
> {
    let once = idempotency_key(context, caller, input)?;
    let uses = form::filled(input, "uses").unwrap_or_default();
    let uses: u32 = uses
        .parse()
        .map_err(|_| Error::field("uses", "enter a number"))?;
    let wanted = EnrollmentCodeIn {
        uses: Some(uses),
        expires_in: Some(form::filled(input, "expires_in").unwrap_or_default()),
        groups: Some(chosen(input)),
    };
    let created = context
        .app()
        .add_enrollment_code(caller, wanted.parse()?, Some(once))?;
    Ok(created)
}

pub fn delete_code(context: &RequestContext<'_>, caller: &Caller, _input: Input) -> Answer {
    let id = context.id("enrollment code")?;
    context.app().delete_enrollment_code(caller, id)?;
    done_with(
        context,
        "/admin/hosts",
        "deleted",
        &format!("Enrollment code {id}"),
    )
}

fn delete_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let host = facts(find_host(context, caller)?);
    Ok(pages::delete(&frame(context, caller), &host, &input))
}

pub fn show_delete_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    caller.require(BuiltinPermission::HostsWrite)?;
    page_response(delete_form(context, caller, Input::default())?)
}

pub fn delete_host(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    caller.require(BuiltinPermission::HostsWrite)?;
    let host = find_host(context, caller)?.host;
    if input.value("confirm").unwrap_or_default().trim() != host.name {
        return show_again(
            Error::field("confirm", format!("type {} to delete it", host.name)).into(),
            input,
            "confirm",
            |input| delete_form(context, caller, input),
        );
    }
    context.app().delete_host(caller, host.public_id)?;
    done_with(
        context,
        "/admin/hosts",
        "deleted",
        &format!("Host {}", host.name),
    )
}
