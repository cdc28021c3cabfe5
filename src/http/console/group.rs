//! `/admin/groups`.

use super::{Answer, again, done, frame, show};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::group::{self as pages, GroupList, GroupPage};
use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::group::parse_group_name;
use crate::model::permission::Own;
use crate::model::user::Username;

/// Groups that the list shows.
const ROWS_MAX: usize = 10_000;

fn list_page(ask: &Ask<'_>, caller: &Caller, input: Input) -> Result<Markup, Problem> {
    let groups = ask.desk().groups(caller, None, ROWS_MAX)?.items;
    Ok(pages::list(
        &frame(ask, caller),
        &GroupList { groups, input },
    ))
}

pub fn list(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(list_page(ask, caller, Input::default())?)
}

pub fn add(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let name = parse_group_name(input.value("name").unwrap_or_default())
        .map_err(|message| Error::field("name", message));
    match name.and_then(|name| ask.desk().add_group(caller, name, None)) {
        Ok(group) => done(&format!("/admin/groups/{}", group.name), "added"),
        Err(error) => again(error.into(), input, "name", |input| {
            list_page(ask, caller, input)
        }),
    }
}

fn one_page(
    ask: &Ask<'_>,
    caller: &Caller,
    input: Input,
    render: fn(&crate::html::Frame, &GroupPage) -> Markup,
) -> Result<Markup, Problem> {
    caller.demand(Own::UsersRead)?;
    let group = ask.desk().group(caller, ask.parameter(0))?;
    let hosts = ask.desk().hosts_of_group(caller, &group)?;
    Ok(render(
        &frame(ask, caller),
        &GroupPage {
            group,
            hosts,
            input,
        },
    ))
}

pub fn show_one(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(one_page(ask, caller, Input::default(), pages::show)?)
}

fn member(input: &Input) -> Result<Username, Error> {
    Username::parse(input.value("username").unwrap_or_default().trim())
        .map_err(|message| Error::field("username", message))
}

pub fn add_member(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let group = ask.parameter(0).to_owned();
    match member(&input).and_then(|user| ask.desk().add_group_member(caller, group.clone(), user)) {
        Ok(()) => done(&format!("/admin/groups/{group}"), "added"),
        Err(Error::NotFound("user")) => again(
            Error::field("username", "there is no such user").into(),
            input,
            "username",
            |input| one_page(ask, caller, input, pages::show),
        ),
        Err(error) => again(error.into(), input, "username", |input| {
            one_page(ask, caller, input, pages::show)
        }),
    }
}

pub fn remove_member(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let group = ask.parameter(0).to_owned();
    ask.desk()
        .remove_group_member(caller, group.clone(), member(&input)?)?;
    done(&format!("/admin/groups/{group}"), "removed")
}

pub fn ask_delete(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(one_page(ask, caller, Input::default(), pages::delete)?)
}

pub fn delete(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    match ask.desk().delete_group(caller, ask.parameter(0).to_owned()) {
        Ok(()) => done("/admin/groups", "removed"),
        Err(error) => again(error.into(), input, "name", |input| {
            one_page(ask, caller, input, pages::delete)
        }),
    }
}
