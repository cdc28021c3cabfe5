//! `/admin/groups`.

use super::{Answer, again, done, frame, show};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::group::{self as pages, GroupList, GroupPage};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::group::parse_group_name;
use crate::model::permission::BuiltinPermission;
use crate::model::user::Username;

/// Limit of groups in the list.
const ROWS_MAX: usize = 10_000;

fn list_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let groups = context.app().groups(caller, None, ROWS_MAX)?.items;
    Ok(pages::list(
        &frame(context, caller),
        &GroupList { groups, input },
    ))
}

pub fn list(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    show(list_page(context, caller, Input::default())?)
}

pub fn add(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let name = parse_group_name(input.value("name").unwrap_or_default())
        .map_err(|message| Error::field("name", message));
    match name.and_then(|name| context.app().add_group(caller, name, None)) {
        Ok(group) => done(&format!("/admin/groups/{}", group.name), "added"),
        Err(error) => again(error.into(), input, "name", |input| {
            list_page(context, caller, input)
        }),
    }
}

fn one_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
    render: fn(&crate::html::Frame, &GroupPage) -> Markup,
) -> Result<Markup, Problem> {
    caller.require(BuiltinPermission::UsersRead)?;
    let group = context.app().group(caller, context.parameter(0))?;
    let hosts = context.app().hosts_of_group(caller, &group)?;
    Ok(render(
        &frame(context, caller),
        &GroupPage {
            group,
            hosts,
            input,
        },
    ))
}

pub fn show_one(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    show(one_page(context, caller, Input::default(), pages::show)?)
}

fn member(input: &Input) -> Result<Username, Error> {
    Username::parse(&Username::normalize(
        input.value("username").unwrap_or_default(),
    ))
    .map_err(|message| Error::field("username", message))
}

pub fn add_member(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let group = context.parameter(0).to_owned();
    match member(&input)
        .and_then(|user| context.app().add_group_member(caller, group.clone(), user))
    {
        Ok(()) => done(&format!("/admin/groups/{group}"), "added"),
        Err(Error::NotFound("user")) => again(
            Error::field("username", "unknown user").into(),
            input,
            "username",
            |input| one_page(context, caller, input, pages::show),
        ),
        Err(error) => again(error.into(), input, "username", |input| {
            one_page(context, caller, input, pages::show)
        }),
    }
}

pub fn remove_member(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let group = context.parameter(0).to_owned();
    context
        .app()
        .remove_group_member(caller, group.clone(), member(&input)?)?;
    done(&format!("/admin/groups/{group}"), "removed")
}

pub fn ask_delete(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    show(one_page(context, caller, Input::default(), pages::delete)?)
}

pub fn delete(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match context
        .app()
        .delete_group(caller, context.parameter(0).to_owned())
    {
        Ok(()) => done("/admin/groups", "removed"),
        Err(error) => again(error.into(), input, "name", |input| {
            one_page(context, caller, input, pages::delete)
        }),
    }
}
