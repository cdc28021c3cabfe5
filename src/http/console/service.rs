//! `/admin/services`.

use super::{Answer, again, done, form, frame, show};
use crate::desk::ServiceUse;
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::service::{self as pages, ServiceDelete, ServiceFacts, ServiceForm};
use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::{Error, Faults};
use crate::model::permission::{Own, Permissions};
use crate::model::service::{
    ByRole, Service, ServiceChange, parse_service_name, parse_service_permissions,
};

/// Services that the list shows.
const ROWS_MAX: usize = 10_000;

fn facts(
    ask: &Ask<'_>,
    caller: &Caller,
    services: Vec<Service>,
) -> Result<Vec<ServiceFacts>, Error> {
    let uses = ask.desk().service_uses(caller, &services)?;
    let facts = |(service, used): (Service, ServiceUse)| ServiceFacts {
        service,
        api_keys: used.api_keys,
        last_asked_at: used.last_used_at,
    };
    Ok(services.into_iter().zip(uses).map(facts).collect())
}

fn facts_of(ask: &Ask<'_>, caller: &Caller, service: Service) -> Result<ServiceFacts, Error> {
    let facts = facts(ask, caller, vec![service])?;
    facts.into_iter().next().ok_or(Error::NotFound("service"))
}

fn find(ask: &Ask<'_>, caller: &Caller) -> Result<Service, Error> {
    ask.desk().service(caller, ask.parameter(0))
}

pub fn list(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let services = ask.desk().services(caller, None, ROWS_MAX)?.items;
    let rows = facts(ask, caller, services)?;
    show(pages::list(&frame(ask, caller), &rows))
}

pub fn show_one(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let facts = facts_of(ask, caller, find(ask, caller)?)?;
    let by_role = ask.desk().given_by_role(caller, &facts.service)?;
    show(pages::show(&frame(ask, caller), &facts, &by_role))
}

pub fn new(ask: &Ask<'_>, caller: &Caller) -> Answer {
    caller.demand(Own::ServicesWrite)?;
    show(pages::form(
        &frame(ask, caller),
        &ServiceForm {
            service: None,
            by_role: ByRole::default(),
            version: String::new(),
            input: Input::default(),
        },
    ))
}

pub fn add(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    match try_add(ask, caller, &input) {
        Ok(service) => done(&format!("/admin/services/{}", service.name), "added"),
        Err(error) => again(error.into(), input, "name", |input| {
            Ok(pages::form(
                &frame(ask, caller),
                &ServiceForm {
                    service: None,
                    by_role: ByRole::default(),
                    version: String::new(),
                    input,
                },
            ))
        }),
    }
}

fn try_add(ask: &Ask<'_>, caller: &Caller, input: &Input) -> Result<Service, Error> {
    let typed = input.value("name").unwrap_or_default().trim();
    let mut faults = Faults::default();
    let name = faults.take("name", parse_service_name(typed));
    let permissions = faults.take(
        "permissions",
        parse_service_permissions(typed, &form::entries(input, "permissions")),
    );
    faults.check()?;
    ask.desk().add_service(
        caller,
        name.unwrap_or_default(),
        permissions.unwrap_or_default(),
        None,
    )
}

/// What the form says that it was made of.
fn version(service: &Service, by_role: &ByRole) -> String {
    format!(
        "{}/{}/{}",
        service.permissions, by_role.member, by_role.admin
    )
}

fn edit_form(ask: &Ask<'_>, caller: &Caller, input: Input) -> Result<Markup, Problem> {
    let service = find(ask, caller)?;
    let by_role = ask.desk().given_by_role(caller, &service)?;
    Ok(pages::form(
        &frame(ask, caller),
        &ServiceForm {
            version: version(&service, &by_role),
            service: Some(service),
            by_role,
            input,
        },
    ))
}

pub fn ask_edit(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(edit_form(ask, caller, Input::default())?)
}

pub fn edit(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    match try_edit(ask, caller, &input) {
        Ok(service) => done(&format!("/admin/services/{}", service.name), "saved"),
        Err(error) => again(error.into(), input, "permissions", |input| {
            edit_form(ask, caller, input)
        }),
    }
}

fn try_edit(ask: &Ask<'_>, caller: &Caller, input: &Input) -> Result<Service, Error> {
    let service = find(ask, caller)?;
    let by_role = ask.desk().given_by_role(caller, &service)?;
    if input.value("version") != Some(version(&service, &by_role).as_str()) {
        return Err(Error::changed_meanwhile("this service"));
    }
    let mut faults = Faults::default();
    let mut read = |field: &str| {
        let words = form::entries(input, field);
        faults.take(field, parse_service_permissions(&service.name, &words))
    };
    let (permissions, member, admin) = (
        read("permissions"),
        read("roles.member"),
        read("roles.admin"),
    );
    faults.check()?;
    // What is taken out of the first box is meant to go from everywhere.
    let gone = permissions
        .as_ref()
        .map(|left| service.permissions.without(left));
    let but_gone = |given: Permissions| {
        gone.as_ref()
            .map_or(given.clone(), |gone| given.without(gone))
    };
    let change = ServiceChange {
        permissions,
        member: member.map(but_gone),
        admin: admin.map(but_gone),
        seen: Some((service.permissions, by_role)),
    };
    let (service, _) = ask.desk().edit_service(caller, service.name, change)?;
    Ok(service)
}

fn delete_form(ask: &Ask<'_>, caller: &Caller, input: Input) -> Result<Markup, Problem> {
    let service = find(ask, caller)?;
    let carriers = ask.desk().carriers(caller, &service)?;
    Ok(pages::delete(
        &frame(ask, caller),
        &ServiceDelete {
            facts: facts_of(ask, caller, service)?,
            carriers,
            input,
        },
    ))
}

pub fn ask_delete(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(delete_form(ask, caller, Input::default())?)
}

pub fn delete(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let name = ask.parameter(0).to_owned();
    if input.value("confirm").unwrap_or_default().trim() != name {
        return again(
            Error::field("confirm", format!("type {name} to delete it")).into(),
            input,
            "confirm",
            |input| delete_form(ask, caller, input),
        );
    }
    ask.desk().delete_service(caller, name)?;
    done("/admin/services", "removed")
}
