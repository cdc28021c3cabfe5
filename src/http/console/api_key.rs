//! `/api-keys`, and the API keys of services.

use std::collections::HashMap;

use rouille::Response;

use super::{
    Answer, again, done, explain, form, frame, nonce, nonce_again, once, page, page_number, part,
    query, show,
};
use crate::desk::{Desk, Issued, Whose, WithMade};
use crate::html::api_key::{
    self as pages, ApiKeyDelete, ApiKeyEdit, ApiKeyIssued, ApiKeyList, ApiKeyNew, ApiKeyPage,
    ApiKeyRotate, ApiKeyRow, Filter, Holder, Maker, Sort,
};
use crate::html::form::Input;
use crate::html::permission::as_fields;
use crate::html::standing::Standing;
use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::{CredentialChange, Kind, Record, UsageDay};
use crate::model::error::Error;
use crate::model::permission::Permissions;
use crate::model::secret::Id;
use crate::model::user::Disabled;
use crate::wire::{ApiKeyIn, ApiKeyPatch, RotateIn};

const KIND: Kind = Kind::ApiKey;
/// API keys that one list looks at.
const ROWS_MAX: usize = crate::model::policy::API_KEYS_MAX as usize;
/// Ended ones that are counted.
const ENDED_MAX: usize = 200;
/// Events on the page of one key.
const EVENTS: usize = 20;

/// Whose API keys a page is about, and what one of them may have at most.
struct Scope {
    holder: Holder,
    whose: Whose,
    offered: Permissions,
}

/// By the path: `/api-keys/…` or `/admin/services/{name}/api-keys/…`.
fn scope(ask: &Ask<'_>, caller: &Caller) -> Result<Scope, Problem> {
    if ask.path.starts_with("/admin/services/") {
        let service = ask.desk().service(caller, ask.parameter(0))?;
        let offered = caller.power.intersection(&service.power());
        return Ok(Scope {
            holder: Holder::Service(service.name.clone()),
            whose: Desk::of_service(&service),
            offered,
        });
    }
    Ok(Scope {
        holder: Holder::Me,
        whose: Desk::own(caller, KIND)?,
        offered: caller.power.clone(),
    })
}

fn find(ask: &Ask<'_>, caller: &Caller) -> Result<(Scope, Record), Problem> {
    let scope = scope(ask, caller)?;
    let record = ask
        .desk()
        .credential(caller, &scope.whose, KIND, ask.id(KIND.name())?)?;
    Ok((scope, record))
}

pub fn list(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let scope = scope(ask, caller)?;
    let filter = Filter {
        text: query(ask, "text").unwrap_or_default(),
        state: query(ask, "state").as_deref().and_then(Standing::from_word),
        sort: query(ask, "sort")
            .as_deref()
            .and_then(Sort::from_word)
            .unwrap_or_default(),
    };
    let records = ask
        .desk()
        .credentials(caller, &scope.whose, KIND, false, None, ROWS_MAX)?
        .items;
    let ended = ask
        .desk()
        .credentials(caller, &scope.whose, KIND, true, None, ENDED_MAX)?
        .items;
    let total = records.len();
    let wanted = filter.text.to_lowercase();
    let mut records: Vec<Record> = records
        .into_iter()
        .filter(|record| {
            wanted.is_empty()
                || record.name.to_lowercase().contains(&wanted)
                || record.id.as_str() == wanted
        })
        .filter(|record| {
            filter
                .state
                .is_none_or(|state| Standing::of(record, ask.now) == state)
        })
        .collect();
    let mut usages = HashMap::new();
    // Only this order has to know the uses of all.
    if filter.sort == Sort::Uses {
        usages = ask.desk().usages(caller, &scope.whose, &records)?;
    }
    sort(&mut records, filter.sort, &usages, ask.now);
    let (records, pager) = part(records, page_number(ask));
    if filter.sort != Sort::Uses {
        usages = ask.desk().usages(caller, &scope.whose, &records)?;
    }
    let row = |record: Record| ApiKeyRow {
        usage: usages.remove(&record.id).unwrap_or_default(),
        record,
    };
    let rows = records.into_iter().map(row).collect();
    let ended_total = ended.len();
    let view = ApiKeyList {
        holder: scope.holder,
        rows,
        total,
        filter,
        pager,
        offered: scope.offered,
        ended,
        ended_total,
    };
    show(pages::list(&frame(ask, caller), &view))
}

fn sort(
    records: &mut [Record],
    sort: Sort,
    usages: &HashMap<Id, Vec<UsageDay>>,
    now: crate::model::time::Time,
) {
    let never = crate::model::time::Time::LAST;
    match sort {
        // The list came newest first, and sorting keeps that order among equals.
        Sort::Attention => records.sort_by_key(|record| match Standing::of(record, now) {
            Standing::Expired => 0,
            Standing::Soon => 1,
            Standing::Rotating => 2,
            Standing::Active => 3,
            Standing::Disabled | Standing::Ended => 4,
        }),
        Sort::Name => records.sort_by_key(|record| record.name.to_lowercase()),
        Sort::Expires => records.sort_by_key(|record| record.expires_at.unwrap_or(never)),
        Sort::LastUsed => records
            .sort_by_key(|record| std::cmp::Reverse(record.last_use.as_ref().map(|last| last.at))),
        Sort::Created => records.sort_by_key(|record| std::cmp::Reverse(record.created_at)),
        Sort::Uses => {
            let sum = |record: &Record| -> u64 {
                let days = usages.get(&record.id).into_iter().flatten();
                days.map(|day| day.uses).sum()
            };
            records.sort_by_cached_key(|record| std::cmp::Reverse(sum(record)));
        }
    }
}

/// `/api-keys/new`; `?name=&permissions=&expires=` and `?from=ID` fill it in.
pub fn new(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let scope = scope(ask, caller)?;
    let input = prefilled(ask, caller, &scope)?;
    show(new_form(ask, caller, scope, input, nonce(ask))?)
}

fn prefilled(ask: &Ask<'_>, caller: &Caller, scope: &Scope) -> Result<Input, Problem> {
    let mut values = Vec::new();
    if let Some(from) = query(ask, "from").as_deref().and_then(Id::parse) {
        let record = ask.desk().credential(caller, &scope.whose, KIND, from)?;
        values.push(("name".to_owned(), format!("{} (copy)", record.name)));
        values.push(("note".to_owned(), record.note.unwrap_or_default()));
        values.push((
            "allowed_addresses".to_owned(),
            record.networks.iter().collect::<Vec<_>>().join("\n"),
        ));
        values.extend(as_fields(&record.permissions));
    }
    for (parameter, field) in [("name", "name"), ("expires", "expires_in")] {
        values.extend(query(ask, parameter).map(|value| (field.to_owned(), value)));
    }
    if let Some(words) = query(ask, "permissions") {
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
    ask: &Ask<'_>,
    caller: &Caller,
    scope: Scope,
    input: Input,
    nonce: String,
) -> Result<crate::html::Markup, Problem> {
    let policy = ask.desk().present_policy()?;
    let here = ask.address().map(|address| address.to_string());
    Ok(pages::new(
        &frame(ask, caller),
        &ApiKeyNew {
            holder: scope.holder,
            policy,
            offered: scope.offered,
            nonce,
            here,
            input,
        },
    ))
}

pub fn create(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let scope = scope(ask, caller)?;
    match try_create(ask, caller, &scope, &input) {
        Ok(issued) => Ok(shown_once(
            ask,
            caller,
            scope.holder,
            issued,
            pages::created,
        )),
        Err(Problem::Asked(Error::AlreadyDone { id })) => already(ask, caller, &scope, &id),
        Err(problem) => again(problem, input, "name", |input| {
            let nonce = nonce_again(ask, caller, &input);
            new_form(ask, caller, scope, input, nonce)
        }),
    }
}

fn try_create(
    ask: &Ask<'_>,
    caller: &Caller,
    scope: &Scope,
    input: &Input,
) -> Result<Issued, Problem> {
    let once = once(ask, caller, input)?;
    let (expires_in, expires_at) = form::end(input)?;
    let wanted = ApiKeyIn {
        name: form::filled(input, "name"),
        note: form::filled(input, "note"),
        expires_in,
        expires_at,
        permissions: Some(form::permissions(input, &scope.offered)?),
        allowed_addresses: Some(form::entries(input, "allowed_addresses")),
    };
    let mut wanted = wanted.parse()?;
    // Nothing typed means: as the one who asks.
    wanted.networks = wanted.networks.filter(|networks| !networks.is_everywhere());
    Ok(ask.desk().issue(caller, &scope.whose, wanted, Some(once))?)
}

/// The only answer that ever holds the secret.
fn shown_once(
    ask: &Ask<'_>,
    caller: &Caller,
    holder: Holder,
    issued: Issued,
    render: fn(&crate::html::layout::Frame, &ApiKeyIssued<'_>) -> crate::html::Markup,
) -> Response {
    let Issued { record, secret } = issued;
    let text = secret.reveal();
    page(
        200,
        render(
            &frame(ask, caller),
            &ApiKeyIssued {
                holder,
                record,
                secret: &text,
            },
        ),
    )
}

fn already(ask: &Ask<'_>, caller: &Caller, scope: &Scope, id: &str) -> Answer {
    let record =
        Id::parse(id).and_then(|id| ask.desk().credential(caller, &scope.whose, KIND, id).ok());
    Ok(page(
        409,
        pages::already_created(&frame(ask, caller), &scope.holder, record.as_ref()),
    ))
}

pub fn show_one(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (scope, record) = find(ask, caller)?;
    let desk = ask.desk();
    let (power, refusal) = desk.power_of(caller, &scope.whose, KIND, record.id)?;
    let maker = match record.made_by {
        None => Maker::Nobody,
        Some(id) => desk.makers(caller, [id])?.remove(&id).map_or_else(
            || Maker::Id(id.to_string()),
            |maker| Maker::Credential(Box::new(maker)),
        ),
    };
    let view = ApiKeyPage {
        chain: explain::chain(ask, caller, &scope.whose, KIND, record.id)?,
        usage: desk.usage(caller, &scope.whose, KIND, record.id)?,
        made: desk.made_by(caller, &scope.whose, KIND, record.id)?,
        ssh_keys: desk.ssh_keys_made_by(caller, &scope.whose, KIND, record.id)?,
        events: desk.events_on(caller, &scope.whose, KIND, record.id, EVENTS)?,
        power,
        refusal,
        holder: scope.holder,
        maker,
        record,
    };
    show(pages::show(&frame(ask, caller), &view))
}

pub fn ask_edit(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (scope, record) = find(ask, caller)?;
    show(edit_form(ask, caller, scope, record, Input::default())?)
}

fn edit_form(
    ask: &Ask<'_>,
    caller: &Caller,
    scope: Scope,
    record: Record,
    input: Input,
) -> Result<crate::html::Markup, Problem> {
    let (policy, version) = (ask.desk().present_policy()?, record.version());
    Ok(pages::edit(
        &frame(ask, caller),
        &ApiKeyEdit {
            holder: scope.holder,
            record,
            policy,
            offered: scope.offered,
            version,
            input,
        },
    ))
}

pub fn edit(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let (scope, record) = find(ask, caller)?;
    let path = format!("{}/{}", scope.holder.path(), record.id);
    match try_edit(ask, caller, &scope, &record, &input) {
        Ok(()) => done(&path, "saved"),
        Err(problem) => again(problem, input, "name", |input| {
            let (scope, record) = find(ask, caller)?;
            edit_form(ask, caller, scope, record, input)
        }),
    }
}

fn try_edit(
    ask: &Ask<'_>,
    caller: &Caller,
    scope: &Scope,
    record: &Record,
    input: &Input,
) -> Result<(), Problem> {
    let (expires_in, expires_at) = form::end(input)?;
    let patch = ApiKeyPatch {
        name: Some(input.value("name").unwrap_or_default().to_owned()),
        note: Some(form::filled(input, "note")),
        expires_in: expires_in.map(Some),
        expires_at: expires_at.map(Some),
        permissions: Some(form::permissions(input, &scope.offered)?),
        allowed_addresses: Some(Some(form::entries(input, "allowed_addresses"))),
        disabled: None,
    };
    let change = CredentialChange {
        version: input.value("version").map(str::to_owned),
        ..patch.parse()?
    };
    ask.desk().edit(caller, &scope.whose, record.id, change)?;
    Ok(())
}

pub fn disable(ask: &Ask<'_>, caller: &Caller, _: Input) -> Answer {
    set_disabled(ask, caller, Disabled::Yes, "disabled")
}

pub fn enable(ask: &Ask<'_>, caller: &Caller, _: Input) -> Answer {
    set_disabled(ask, caller, Disabled::No, "enabled")
}

fn set_disabled(ask: &Ask<'_>, caller: &Caller, disabled: Disabled, word: &str) -> Answer {
    let (scope, record) = find(ask, caller)?;
    ask.desk().edit(
        caller,
        &scope.whose,
        record.id,
        CredentialChange {
            disabled: Some(disabled),
            ..CredentialChange::default()
        },
    )?;
    done(&format!("{}/{}", scope.holder.path(), record.id), word)
}

pub fn ask_rotate(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (scope, record) = find(ask, caller)?;
    show(rotate_form(
        ask,
        caller,
        scope,
        record,
        Input::default(),
        nonce(ask),
    )?)
}

fn rotate_form(
    ask: &Ask<'_>,
    caller: &Caller,
    scope: Scope,
    record: Record,
    input: Input,
    nonce: String,
) -> Result<crate::html::Markup, Problem> {
    let policy = ask.desk().present_policy()?;
    Ok(pages::rotate(
        &frame(ask, caller),
        &ApiKeyRotate {
            holder: scope.holder,
            record,
            policy,
            nonce,
            input,
        },
    ))
}

pub fn rotate(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let (scope, record) = find(ask, caller)?;
    match try_rotate(ask, caller, &scope, &record, &input) {
        Ok(issued) => Ok(shown_once(
            ask,
            caller,
            scope.holder,
            issued,
            pages::rotated,
        )),
        Err(Problem::Asked(Error::AlreadyDone { id })) => already(ask, caller, &scope, &id),
        Err(problem) => again(problem, input, "grace", |input| {
            let nonce = nonce_again(ask, caller, &input);
            rotate_form(ask, caller, scope, record, input, nonce)
        }),
    }
}

fn try_rotate(
    ask: &Ask<'_>,
    caller: &Caller,
    scope: &Scope,
    record: &Record,
    input: &Input,
) -> Result<Issued, Problem> {
    let once = once(ask, caller, input)?;
    let (expires_in, expires_at) = form::end(input)?;
    let wanted = RotateIn {
        grace: form::filled(input, "grace"),
        expires_in,
        expires_at,
    };
    Ok(ask
        .desk()
        .rotate(caller, &scope.whose, record.id, wanted.parse()?, Some(once))?)
}

pub fn ask_delete(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (scope, record) = find(ask, caller)?;
    show(delete_form(ask, caller, scope, record, Input::default())?)
}

fn delete_form(
    ask: &Ask<'_>,
    caller: &Caller,
    scope: Scope,
    record: Record,
    input: Input,
) -> Result<crate::html::Markup, Problem> {
    let usage = ask.desk().usage(caller, &scope.whose, KIND, record.id)?;
    let made = ask.desk().made_by(caller, &scope.whose, KIND, record.id)?;
    let ssh_keys = ask
        .desk()
        .ssh_keys_made_by(caller, &scope.whose, KIND, record.id)?;
    Ok(pages::delete(
        &frame(ask, caller),
        &ApiKeyDelete {
            holder: scope.holder,
            record,
            usage,
            made,
            ssh_keys,
            input,
        },
    ))
}

pub fn delete(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let (scope, record) = find(ask, caller)?;
    let typed = input.value("confirm").unwrap_or_default().trim();
    if pages::must_type_name(&record, ask.now) && typed != record.name {
        let problem = Error::field("confirm", format!("type {} to delete it", record.name)).into();
        return again(problem, input, "confirm", |input| {
            delete_form(ask, caller, scope, record, input)
        });
    }
    let with_made = if input.value("made") == Some("end") {
        WithMade::Yes
    } else {
        WithMade::No
    };
    ask.desk()
        .end(caller, &scope.whose, KIND, record.id, with_made)?;
    done(&scope.holder.path(), "deleted")
}
