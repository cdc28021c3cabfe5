//! `/api-keys`, and the API keys of services.

use rouille::Response;
use serde_json::json;

use super::{
    Answer, bulk, done_with, explain, form, frame, idempotency_key, list, nonce, nonce_again, page,
    page_response, query, require_version, show_again,
};
use crate::app::{App, CredentialScope, Holders, Issued, ListExtent, OwnedItem, WithDerived};
use crate::html::api_key::{
    self as pages, ApiKeyDelete, ApiKeyEdit, ApiKeyIssued, ApiKeyList, ApiKeyNew, ApiKeyPage,
    ApiKeyRotate, ApiKeyRow, Creator, Holder,
};
use crate::html::form::Input;
use crate::html::list::ListPlace;
use crate::html::permission::as_fields;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::{CredentialChange, Kind, Record};
use crate::model::error::Error;
use crate::model::list::List;
use crate::model::permission::Permissions;
use crate::model::secret::Id;
use crate::model::text::is_same_name;
use crate::model::user::{Disabled, Username};
use crate::wire::{ApiKeyIn, ApiKeyPatch, RotateIn};

const KIND: Kind = Kind::ApiKey;
/// Events on the page of one key.
const EVENTS: usize = 20;

/// The API keys of a page, and the most permissions that one of them may have.
struct Subject {
    holder: Holder,
    scope: CredentialScope,
    offered: Permissions,
}

/// Chosen by path: `/api-keys/…`, `/admin/services/{name}/api-keys/…` or `/admin/users/{username}/api-keys/…`.
fn subject(context: &RequestContext<'_>, caller: &Caller) -> Result<Subject, Problem> {
    if context.path.starts_with("/admin/services/") {
        let service = context.app().service(caller, context.parameter(0))?;
        let offered = caller.power.intersection(&service.power());
        return Ok(Subject {
            holder: Holder::Service(service.name.clone()),
            scope: App::of_service(service.id),
            offered,
        });
    }
    if context.path.starts_with("/admin/users/") {
        let name = Username::parse(context.parameter(0)).map_err(|_| Error::NotFound("user"))?;
        let user = context.app().user(caller, &name)?;
        return Ok(Subject {
            holder: Holder::User(user.username.to_string()),
            scope: App::of_user(user.id),
            offered: caller.power.clone(),
        });
    }
    Ok(Subject {
        holder: Holder::Me,
        scope: App::own(caller, KIND)?,
        offered: caller.power.clone(),
    })
}

fn find_api_key(
    context: &RequestContext<'_>,
    caller: &Caller,
) -> Result<(Subject, Record), Problem> {
    let subject = subject(context, caller)?;
    let record =
        context
            .app()
            .credential(caller, &subject.scope, KIND, context.id(KIND.name())?)?;
    Ok((subject, record))
}

pub fn list_api_keys(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let subject = subject(context, caller)?;
    let (query, extent) = (list::query(context, List::ApiKeys), list::extent(context));
    let holders = Holders::Of(&subject.scope);
    let app = context.app();
    let listed = app.list_items(caller, holders, &query, extent)?;
    if extent == ListExtent::All {
        return Ok(list::csv_of_items("api-keys", &listed.rows, context.now));
    }
    let at = ListPlace::new(subject.holder.path(), query, &listed);
    let records: Vec<Record> = listed
        .rows
        .iter()
        .filter_map(OwnedItem::record)
        .cloned()
        .collect();
    let mut usages = app.usages(caller, &subject.scope, &records)?;
    let row = |record: Record| ApiKeyRow {
        usage: usages.remove(&record.id).unwrap_or_default(),
        record,
    };
    let view = ApiKeyList {
        rows: records.into_iter().map(row).collect(),
        holder: subject.holder,
        at,
        offered: subject.offered,
    };
    page_response(pages::api_key_list(&frame(context, caller), &view))
}

/// Deletes those that were picked in the list.
pub fn delete_picked(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let subject = subject(context, caller)?;
    let path = subject.holder.path();
    let picked = bulk::Picked {
        list: List::ApiKeys,
        holders: Holders::Of(&subject.scope),
        path: &path,
        fixed: Vec::new(),
    };
    bulk::delete_picked_items(context, caller, input, &picked)
}

/// `/api-keys/new`, prefilled by `?name=&permissions=&expires=` or `?from=ID`.
pub fn show_new_api_key_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let subject = subject(context, caller)?;
    let input = prefilled(context, caller, &subject)?;
    page_response(new_form(context, caller, subject, input, nonce(context))?)
}

fn prefilled(
    context: &RequestContext<'_>,
    caller: &Caller,
    subject: &Subject,
) -> Result<Input, Problem> {
    let mut values = Vec::new();
    if let Some(from) = query(context, "from").as_deref().and_then(Id::parse) {
        let record = context
            .app()
            .credential(caller, &subject.scope, KIND, from)?;
        values.push(("name".to_owned(), format!("{} (copy)", record.name)));
        values.push(("note".to_owned(), record.note.unwrap_or_default()));
        values.push((
            "allowed_addresses".to_owned(),
            record
                .allowed_addresses
                .iter()
                .collect::<Vec<_>>()
                .join("\n"),
        ));
        values.extend(as_fields(&record.permissions));
    }
    for (parameter, field) in [("name", "name"), ("expires", "expires_in")] {
        values.extend(query(context, parameter).map(|value| (field.to_owned(), value)));
    }
    if let Some(words) = query(context, "permissions") {
        let words: Vec<&str> = words
            .split([',', ' '])
            .filter(|word| !word.is_empty())
            .collect();
        values.extend(as_fields(&Permissions::parse(&words).unwrap_or_default()));
    }
    Ok(Input {
        values,
        errors: Vec::new(),
    })
}

fn new_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    subject: Subject,
    input: Input,
    nonce: String,
) -> Result<crate::html::Markup, Problem> {
    let policy = context.app().present_policy()?;
    let here = context.address().map(|address| address.to_string());
    Ok(pages::new(
        &frame(context, caller),
        &ApiKeyNew {
            holder: subject.holder,
            policy,
            offered: subject.offered,
            nonce,
            here,
            input,
        },
    ))
}

pub fn create_api_key(context: &RequestContext<'_>, caller: &Caller, mut input: Input) -> Answer {
    let subject = subject(context, caller)?;
    if form::is_filled(&mut input, &subject.offered) {
        let nonce = nonce_again(context, caller, &input);
        return page_response(new_form(context, caller, subject, input, nonce)?);
    }
    match try_create(context, caller, &subject, &input) {
        Ok(issued) => Ok(shown_once(context, caller, subject, issued, pages::created)),
        Err(Problem::App(Error::AlreadyDone { id })) => already(context, caller, &subject, &id),
        Err(problem) => show_again(problem, input, "name", |input| {
            let nonce = nonce_again(context, caller, &input);
            new_form(context, caller, subject, input, nonce)
        }),
    }
}

fn try_create(
    context: &RequestContext<'_>,
    caller: &Caller,
    subject: &Subject,
    input: &Input,
) -> Result<Issued, Problem> {
    let once = idempotency_key(context, caller, input)?;
    let (expires_in, expires_at) = form::end(input)?;
    let wanted = ApiKeyIn {
        name: form::filled(input, "name"),
        note: form::filled(input, "note"),
        expires_in,
        expires_at,
        permissions: Some(form::permissions(
            input,
            &subject.offered,
            subject.holder.presets(),
        )?),
        allowed_addresses: Some(form::entries(input, "allowed_addresses")),
    };
    let mut wanted = wanted.parse()?;
    // An empty field stands for the caller's own addresses.
    wanted.allowed_addresses = wanted
        .allowed_addresses
        .filter(|allowed_addresses| !allowed_addresses.is_everywhere());
    Ok(context
        .app()
        .issue(caller, &subject.scope, wanted, Some(once))?)
}

/// The only answer that contains the secret.
fn shown_once(
    context: &RequestContext<'_>,
    caller: &Caller,
    subject: Subject,
    issued: Issued,
    render: fn(&crate::html::layout::Frame, &ApiKeyIssued<'_>) -> crate::html::Markup,
) -> Response {
    let Issued { record, secret } = issued;
    let text = secret.reveal();
    page(
        200,
        render(
            &frame(context, caller),
            &ApiKeyIssued {
                holder: subject.holder,
                offered: subject.offered,
                record,
                secret: &text,
            },
        ),
    )
}

fn already(context: &RequestContext<'_>, caller: &Caller, subject: &Subject, id: &str) -> Answer {
    let record = Id::parse(id).and_then(|id| {
        context
            .app()
            .credential(caller, &subject.scope, KIND, id)
            .ok()
    });
    Ok(page(
        409,
        pages::already_created(&frame(context, caller), &subject.holder, record.as_ref()),
    ))
}

pub fn show_one(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let (subject, record) = find_api_key(context, caller)?;
    let app = context.app();
    let (power, rejection) = app.power_of(caller, &subject.scope, KIND, record.id)?;
    let creator = match record.created_by {
        None => Creator::Nobody,
        Some(id) => app
            .creators(caller, &subject.scope, [id])?
            .remove(&id)
            .map_or_else(
                || Creator::Other(id.to_string(), record.created_by_name.clone()),
                |creator| Creator::Credential(Box::new(creator)),
            ),
    };
    let events = app.events_on(caller, &subject.scope, KIND, record.id, EVENTS)?;
    let view = ApiKeyPage {
        chain: explain::chain(context, caller, &subject.scope, KIND, record.id)?,
        usage: app.usage(caller, &subject.scope, KIND, record.id)?,
        created: app.created_by(caller, &subject.scope, KIND, record.id)?,
        ssh_keys: app.ssh_keys_created_by(caller, &subject.scope, KIND, record.id)?,
        names: super::event::names(context, caller, &events)?,
        events,
        power,
        rejection,
        holder: subject.holder,
        creator,
        record,
    };
    page_response(pages::api_key_page(&frame(context, caller), &view))
}

pub fn show_edit_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let (subject, record) = find_api_key(context, caller)?;
    page_response(edit_form(
        context,
        caller,
        subject,
        record,
        Input::default(),
    )?)
}

fn edit_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    subject: Subject,
    record: Record,
    input: Input,
) -> Result<crate::html::Markup, Problem> {
    let (policy, version) = (context.app().present_policy()?, record.version());
    Ok(pages::edit(
        &frame(context, caller),
        &ApiKeyEdit {
            holder: subject.holder,
            record,
            policy,
            offered: subject.offered,
            version,
            input,
        },
    ))
}

pub fn edit_api_key(context: &RequestContext<'_>, caller: &Caller, mut input: Input) -> Answer {
    let (subject, record) = find_api_key(context, caller)?;
    let is_fresh = require_version(&input, &record.version(), "this API key");
    if is_fresh.is_ok() && form::is_filled(&mut input, &subject.offered) {
        return page_response(edit_form(context, caller, subject, record, input)?);
    }
    let path = format!("{}/{}", subject.holder.path(), record.id);
    let edited = is_fresh.map_err(Problem::from);
    match edited.and_then(|()| try_edit(context, caller, &subject, &record, &input)) {
        Ok(()) => {
            let name = input.value("name").unwrap_or_default().trim();
            done_with(context, &path, "saved", &format!("API key {name}"))
        }
        Err(problem) => show_again(problem, input, "name", |input| {
            let (subject, record) = find_api_key(context, caller)?;
            edit_form(context, caller, subject, record, input)
        }),
    }
}

fn try_edit(
    context: &RequestContext<'_>,
    caller: &Caller,
    subject: &Subject,
    record: &Record,
    input: &Input,
) -> Result<(), Problem> {
    let (expires_in, expires_at) = form::end(input)?;
    let patch = ApiKeyPatch {
        name: Some(input.value("name").unwrap_or_default().to_owned()),
        note: Some(form::filled(input, "note")),
        expires_in: expires_in.map(Some),
        expires_at: expires_at.map(Some),
        permissions: Some(form::permissions(
            input,
            &subject.offered,
            subject.holder.presets(),
        )?),
        allowed_addresses: Some(Some(form::entries(input, "allowed_addresses"))),
        disabled: None,
    };
    let change = CredentialChange {
        version: input.value("version").map(str::to_owned),
        ..patch.parse()?
    };
    context
        .app()
        .edit(caller, &subject.scope, record.id, change)?;
    Ok(())
}

pub fn disable_api_key(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    set_disabled(context, caller, Disabled::Yes, "disabled")
}

pub fn enable_api_key(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    set_disabled(context, caller, Disabled::No, "enabled")
}

fn set_disabled(
    context: &RequestContext<'_>,
    caller: &Caller,
    disabled: Disabled,
    word: &str,
) -> Answer {
    let (subject, record) = find_api_key(context, caller)?;
    context.app().edit(
        caller,
        &subject.scope,
        record.id,
        CredentialChange {
            disabled: Some(disabled),
            ..CredentialChange::default()
        },
    )?;
    let path = format!("{}/{}", subject.holder.path(), record.id);
    done_with(context, &path, word, &format!("API key {}", record.name))
}

pub fn show_rotate_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let (subject, record) = find_api_key(context, caller)?;
    page_response(rotate_form(
        context,
        caller,
        subject,
        record,
        Input::default(),
        nonce(context),
    )?)
}

fn rotate_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    subject: Subject,
    record: Record,
    input: Input,
    nonce: String,
) -> Result<crate::html::Markup, Problem> {
    let policy = context.app().present_policy()?;
    Ok(pages::rotate(
        &frame(context, caller),
        &ApiKeyRotate {
            holder: subject.holder,
            record,
            policy,
            nonce,
            input,
        },
    ))
}

pub fn rotate_api_key(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let (subject, record) = find_api_key(context, caller)?;
    match try_rotate(context, caller, &subject, &record, &input) {
        Ok(issued) => Ok(shown_once(context, caller, subject, issued, pages::rotated)),
        Err(Problem::App(Error::AlreadyDone { id })) => already(context, caller, &subject, &id),
        Err(problem) => show_again(problem, input, "how", |input| {
            let nonce = nonce_again(context, caller, &input);
            rotate_form(context, caller, subject, record, input, nonce)
        }),
    }
}

fn try_rotate(
    context: &RequestContext<'_>,
    caller: &Caller,
    subject: &Subject,
    record: &Record,
    input: &Input,
) -> Result<Issued, Problem> {
    let once = idempotency_key(context, caller, input)?;
    let (expires_in, expires_at) = form::end(input)?;
    let grace = match (input.value("how"), input.value("grace")) {
        (Some("leaked"), _) => json!("0s"),
        (Some("planned"), Some(pages::UNTIL_UNUSED)) => {
            json!({"until_unused": "2h", "at_most": "7d"})
        }
        (Some("planned"), Some(grace)) => json!(grace),
        _ => {
            let message = "choose whether the old secret stays valid for a while";
            return Err(Error::field("how", message).into());
        }
    };
    let wanted = RotateIn {
        grace: Some(grace),
        expires_in,
        expires_at,
    };
    Ok(context.app().rotate(
        caller,
        &subject.scope,
        record.id,
        wanted.parse()?,
        Some(once),
    )?)
}

pub fn show_delete_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let (subject, record) = find_api_key(context, caller)?;
    page_response(delete_form(
        context,
        caller,
        subject,
        record,
        Input::default(),
    )?)
}

fn delete_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    subject: Subject,
    record: Record,
    input: Input,
) -> Result<crate::html::Markup, Problem> {
    let usage = context
        .app()
        .usage(caller, &subject.scope, KIND, record.id)?;
    let created = context
        .app()
        .created_by(caller, &subject.scope, KIND, record.id)?;
    let ssh_keys = context
        .app()
        .ssh_keys_created_by(caller, &subject.scope, KIND, record.id)?;
    Ok(pages::delete(
        &frame(context, caller),
        &ApiKeyDelete {
            holder: subject.holder,
            record,
            usage,
            created,
            ssh_keys,
            input,
        },
    ))
}

pub fn delete_api_key(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let (subject, record) = find_api_key(context, caller)?;
    let typed = input.value("confirm").unwrap_or_default().trim();
    if pages::must_type_name(&record, context.now) && !is_same_name(typed, &record.name) {
        let problem = Error::field("confirm", format!("type {} to delete it", record.name)).into();
        return show_again(problem, input, "confirm", |input| {
            delete_form(context, caller, subject, record, input)
        });
    }
    let with_created = if input.value("made") == Some("end") {
        WithDerived::Yes
    } else {
        WithDerived::No
    };
    context
        .app()
        .end(caller, &subject.scope, KIND, record.id, with_created)?;
    let object = format!("API key {}", record.name);
    let path = subject.holder.list_path();
    done_with(context, &path, "deleted-credential", &object)
}
