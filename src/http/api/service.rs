//! `/api/v1/services`.

use super::{Answer, Problem, api_key, created, list, no_content, ok, once};
use crate::desk::{Desk, Whose};
use crate::http::ask::Ask;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::model::error::Faults;
use crate::model::service::{parse_service_name, parse_service_permissions};
use crate::wire::{ServiceIn, ServiceOut, ServicePatch};

pub fn list_services(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let part = query::part(ask)?;
    list(
        &ask.desk().services(caller, part.after, part.limit)?,
        ServiceOut::of,
    )
}

/// With how it is used, which lists leave out.
pub fn show(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    let service = ask.desk().service(caller, ask.parameter(0))?;
    let uses = ask
        .desk()
        .service_uses(caller, std::slice::from_ref(&service))?;
    let used = uses.first().copied().unwrap_or_default();
    let by_role = ask.desk().given_by_role(caller, &service)?;
    ok(&ServiceOut {
        carriers: Some(ask.desk().carriers(caller, &service)?),
        ..ServiceOut::of(&service)
            .given(&by_role)
            .used(used.api_keys, used.last_used_at)
    })
}

pub fn add(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (wanted, bytes) = body::json_with_bytes::<ServiceIn>(ask)?;
    let mut faults = Faults::default();
    let name = faults.take("name", parse_service_name(&wanted.name));
    let permissions = faults.take(
        "permissions",
        parse_service_permissions(&wanted.name, &wanted.permissions),
    );
    faults.check()?;
    let once = once(ask, caller, &bytes)?;
    let service = ask.desk().add_service(
        caller,
        name.unwrap_or_default(),
        permissions.unwrap_or_default(),
        once,
    )?;
    created(&ServiceOut::of(&service))
}

pub fn edit(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let name = ask.parameter(0);
    let change = body::json::<ServicePatch>(ask)?.parse(name)?;
    let (service, by_role) = ask.desk().edit_service(caller, name.to_owned(), change)?;
    ok(&ServiceOut::of(&service).given(&by_role))
}

pub fn delete(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ask.desk()
        .delete_service(caller, ask.parameter(0).to_owned())?;
    no_content()
}

fn to_read(ask: &Ask<'_>, caller: &Caller) -> Result<Whose, Problem> {
    Ok(Desk::of_service(
        &ask.desk().service(caller, ask.parameter(0))?,
    ))
}

fn to_write(ask: &Ask<'_>, caller: &Caller) -> Result<Whose, Problem> {
    Ok(Desk::of_service(
        &ask.desk().service_to_change(caller, ask.parameter(0))?,
    ))
}

pub fn list_api_keys(ask: &Ask<'_>, caller: &Caller) -> Answer {
    api_key::list_of(ask, caller, to_read)
}

pub fn create_api_key(ask: &Ask<'_>, caller: &Caller) -> Answer {
    api_key::create_of(ask, caller, to_write)
}

pub fn show_api_key(ask: &Ask<'_>, caller: &Caller) -> Answer {
    api_key::show_of(ask, caller, to_read)
}

pub fn api_key_usage(ask: &Ask<'_>, caller: &Caller) -> Answer {
    api_key::usage_of(ask, caller, to_read)
}

pub fn edit_api_key(ask: &Ask<'_>, caller: &Caller) -> Answer {
    api_key::edit_of(ask, caller, to_write)
}

pub fn rotate_api_key(ask: &Ask<'_>, caller: &Caller) -> Answer {
    api_key::rotate_of(ask, caller, to_write)
}

pub fn delete_api_key(ask: &Ask<'_>, caller: &Caller) -> Answer {
    api_key::delete_of(ask, caller, to_write)
}
