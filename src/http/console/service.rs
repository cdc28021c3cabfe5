//! `/admin/services`.

use rouille::Response;

use super::{Answer, done_with, form, frame, list, page_response, require_version, show_again};
use crate::app::{ListExtent, ServiceUse};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::list::ListPlace;
use crate::html::service::{self as pages, ServiceDelete, ServiceFacts, ServiceForm};
use crate::html::service_list::{self, ServiceList};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::{Error, FieldErrors};
use crate::model::list::List;
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::service::{
    ByRole, Service, ServiceChange, parse_service_name, parse_service_permissions,
};

fn facts(
    context: &RequestContext<'_>,
    caller: &Caller,
    services: Vec<Service>,
) -> Result<Vec<ServiceFacts>, Error> {
    let uses = context.app().service_uses(caller, &services)?;
    let facts = |(service, used): (Service, ServiceUse)| ServiceFacts {
        service,
        api_keys: used.api_keys,
        last_asked_at: used.last_used_at,
    };
    Ok(services.into_iter().zip(uses).map(facts).collect())
}

fn facts_of(
    context: &RequestContext<'_>,
    caller: &Caller,
    service: Service,
) -> Result<ServiceFacts, Error> {
    let facts = facts(context, caller, vec![service])?;
    facts.into_iter().next().ok_or(Error::NotFound("service"))
}

fn find_service(context: &RequestContext<'_>, caller: &Caller) -> Result<Service, Error> {
    context.app().service(caller, context.parameter(0))
}

pub fn list_services(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let (query, extent) = (list::query(context, List::Services), list::extent(context));
    let listed = context.app().list_services(caller, &query, extent)?;
    let at = ListPlace::new("/admin/services", query, &listed);
    let rows = facts(context, caller, listed.rows)?;
    if extent == ListExtent::All {
        return Ok(csv(&rows));
    }
    page_response(service_list::service_list(
        &frame(context, caller),
        &ServiceList { at, rows },
    ))
}

fn csv(services: &[ServiceFacts]) -> Response {
    let head = [
        "name",
        "permissions",
        "api_keys",
        "last_verification_at",
        "added_at",
    ];
    let row = |facts: &ServiceFacts| {
        vec![
            facts.service.name.clone(),
            facts.service.permissions.to_string(),
            facts.api_keys.to_string(),
            list::csv_time(facts.last_asked_at),
            facts.service.created_at.to_string(),
        ]
    };
    list::csv("services", &head, services.iter().map(row))
}

pub fn show_one(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let facts = facts_of(context, caller, find_service(context, caller)?)?;
    let by_role = context.app().given_by_role(caller, &facts.service)?;
    page_response(pages::service_page(
        &frame(context, caller),
        &facts,
        &by_role,
    ))
}

pub fn show_new_service_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    caller.require(BuiltinPermission::ServicesWrite)?;
    page_response(pages::form(
        &frame(context, caller),
        &ServiceForm {
            service: None,
            by_role: ByRole::default(),
            version: String::new(),
            input: Input::default(),
        },
    ))
}

pub fn create_service(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match try_add(context, caller, &input) {
        Ok(service) => {
            let path = format!("/admin/services/{}", service.name);
            done_with(
                context,
                &path,
                "added",
                &format!("Service {}", service.name),
            )
        }
        Err(error) => show_again(error.into(), input, "name", |input| {
            Ok(pages::form(
                &frame(context, caller),
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

fn try_add(context: &RequestContext<'_>, caller: &Caller, input: &Input) -> Result<Service, Error> {
    let typed = input.value("name").unwrap_or_default().trim();
    let mut faults = FieldErrors::default();
    let name = faults.take("name", parse_service_name(typed));
    let permissions = faults.take(
        "permissions",
        parse_service_permissions(typed, &form::entries(input, "permissions")),
    );
    faults.check()?;
    context.app().add_service(
        caller,
        name.unwrap_or_default(),
        permissions.unwrap_or_default(),
        None,
    )
}

/// The version of the service that a form was loaded from.
fn version(service: &Service, by_role: &ByRole) -> String {
    format!(
        "{}/{}/{}",
        service.permissions, by_role.member, by_role.admin
    )
}

fn edit_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let service = find_service(context, caller)?;
    let by_role = context.app().given_by_role(caller, &service)?;
    Ok(pages::form(
        &frame(context, caller),
        &ServiceForm {
            version: version(&service, &by_role),
            service: Some(service),
            by_role,
            input,
        },
    ))
}

pub fn show_edit_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(edit_form(context, caller, Input::default())?)
}

pub fn edit_service(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match try_edit(context, caller, &input) {
        Ok(service) => {
            let path = format!("/admin/services/{}", service.name);
            done_with(
                context,
                &path,
                "saved",
                &format!("Service {}", service.name),
            )
        }
        Err(error) => show_again(error.into(), input, "permissions", |input| {
            edit_form(context, caller, input)
        }),
    }
}

fn try_edit(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<Service, Error> {
    let service = find_service(context, caller)?;
    let by_role = context.app().given_by_role(caller, &service)?;
    require_version(input, &version(&service, &by_role), "this service")?;
    let mut faults = FieldErrors::default();
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
    // A permission removed from the first field is removed everywhere.
    let gone = permissions
        .as_ref()
        .map(|left| service.permissions.without(left));
    let without_removed = |given: Permissions| {
        gone.as_ref()
            .map_or(given.clone(), |gone| given.without(gone))
    };
    let change = ServiceChange {
        permissions,
        member: member.map(without_removed),
        admin: admin.map(without_removed),
        seen: Some((service.permissions, by_role)),
    };
    let (service, _) = context.app().edit_service(caller, service.name, change)?;
    Ok(service)
}

fn delete_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let service = find_service(context, caller)?;
    let carriers = context.app().carriers(caller, &service)?;
    Ok(pages::delete(
        &frame(context, caller),
        &ServiceDelete {
            facts: facts_of(context, caller, service)?,
            carriers,
            input,
        },
    ))
}

pub fn show_delete_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(delete_form(context, caller, Input::default())?)
}

pub fn delete_service(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let name = context.parameter(0).to_owned();
    if input.value("confirm").unwrap_or_default().trim() != name {
        return show_again(
            Error::field("confirm", format!("type {name} to delete it")).into(),
            input,
            "confirm",
            |input| delete_form(context, caller, input),
        );
    }
    context.app().delete_service(caller, name.clone())?;
    done_with(
        context,
        "/admin/services",
        "deleted",
        &format!("Service {name}"),
    )
}
