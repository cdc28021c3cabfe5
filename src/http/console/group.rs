//! `/admin/groups`.

use super::{Answer, done, done_with, frame, list, page_response, show_again};
use crate::app::{ListExtent, Membership};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::group::{self as pages, GroupDelete, GroupList, GroupPage};
use crate::html::list::ListPlace;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::group::{Group, parse_group_name};
use crate::model::list::List;
use crate::model::permission::BuiltinPermission;
use crate::model::user::Username;

/// Users added or removed by one form.
const PICKED_MAX: usize = 500;

fn list_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let query = list::query(context, List::Groups);
    let listed = context
        .app()
        .list_groups(caller, &query, ListExtent::Page)?;
    let view = GroupList {
        at: ListPlace::new("/admin/groups", query, &listed),
        groups: listed.rows,
        input,
    };
    Ok(pages::group_list(&frame(context, caller), &view))
}

pub fn list_groups(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    if list::extent(context) == ListExtent::Page {
        return page_response(list_page(context, caller, Input::default())?);
    }
    let query = list::query(context, List::Groups);
    let groups = context.app().list_groups(caller, &query, ListExtent::All)?;
    let row = |group: &Group| {
        vec![
            group.name.clone(),
            group.members.join(" "),
            group.created_at.to_string(),
        ]
    };
    let head = ["name", "members", "created_at"];
    Ok(list::csv("groups", &head, groups.rows.iter().map(row)))
}

pub fn create_group(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let name = parse_group_name(input.value("name").unwrap_or_default())
        .map_err(|message| Error::field("name", message));
    match name.and_then(|name| context.app().add_group(caller, name, None)) {
        Ok(group) => {
            let path = format!("/admin/groups/{}", group.name);
            done_with(context, &path, "added", &format!("Group {}", group.name))
        }
        Err(error) => show_again(error.into(), input, "name", |input| {
            list_page(context, caller, input)
        }),
    }
}

fn find_group(
    context: &RequestContext<'_>,
    caller: &Caller,
) -> Result<(Group, Vec<String>), Problem> {
    caller.require(BuiltinPermission::UsersRead)?;
    let group = context.app().group(caller, context.parameter(0))?;
    let hosts = context.app().hosts_of_group(caller, &group)?;
    Ok((group, hosts))
}

/// Which users a page of a group lists.
#[derive(Clone, Copy)]
enum Users {
    Members,
    Others,
}

fn users_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
    users: Users,
) -> Result<Markup, Problem> {
    let (group, hosts) = find_group(context, caller)?;
    let query = list::query(context, List::Users);
    let (membership, path) = match users {
        Users::Members => (Membership::Inside(group.id), ""),
        Users::Others => (Membership::Outside(group.id), "/members/add"),
    };
    let app = context.app();
    let listed = app.list_users(caller, &query, Some(membership), ListExtent::Page)?;
    let view = GroupPage {
        at: ListPlace::new(
            format!("/admin/groups/{}{path}", group.name),
            query,
            &listed,
        ),
        users: listed.rows,
        group,
        hosts,
        input,
    };
    let frame = frame(context, caller);
    Ok(match users {
        Users::Members => pages::group_page(&frame, &view),
        Users::Others => pages::add(&frame, &view),
    })
}

pub fn show_one(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(users_page(
        context,
        caller,
        Input::default(),
        Users::Members,
    )?)
}

pub fn show_add_members_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(users_page(
        context,
        caller,
        Input::default(),
        Users::Others,
    )?)
}

/// The users of a form: the one of the button, or those that were picked; each once.
fn picked(input: &Input) -> Result<Vec<Username>, Error> {
    let one = input.value("username").map(|name| vec![name]);
    let all = || {
        let picked = input.values.iter().filter(|(name, _)| name == "pick");
        picked.map(|(_, value)| value.as_str()).collect()
    };
    let mut users = Vec::new();
    for name in one.unwrap_or_else(all).into_iter().take(PICKED_MAX) {
        let user = Username::parse(&Username::normalize(name))
            .map_err(|message| Error::field("", message))?;
        if !users.contains(&user) {
            users.push(user);
        }
    }
    Ok(users)
}

fn change_members(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
    users: Users,
) -> Answer {
    let group = context.parameter(0).to_owned();
    let page = format!("/admin/groups/{group}");
    let changed = picked(&input).and_then(|picked| {
        let app = context.app();
        for user in &picked {
            match users {
                Users::Others => app.add_group_member(caller, group.clone(), user.clone())?,
                Users::Members => app.remove_group_member(caller, group.clone(), user.clone())?,
            }
        }
        Ok(picked)
    });
    let word = match users {
        Users::Others => "added",
        Users::Members => "removed",
    };
    match changed {
        Ok(picked) => match picked.as_slice() {
            [] => done(&page, "nothing-picked"),
            [one] => done_with(context, &page, word, &format!("User {one}")),
            more => done_with(context, &page, word, &format!("{} users", more.len())),
        },
        Err(Error::NotFound("user")) => show_again(
            Error::field("", "unknown user").into(),
            input,
            "",
            |input| users_page(context, caller, input, users),
        ),
        Err(error) => show_again(error.into(), input, "", |input| {
            users_page(context, caller, input, users)
        }),
    }
}

pub fn add_members(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    change_members(context, caller, input, Users::Others)
}

pub fn remove_members(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    change_members(context, caller, input, Users::Members)
}

fn delete_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let (group, hosts) = find_group(context, caller)?;
    let view = GroupDelete {
        group,
        hosts,
        input,
    };
    Ok(pages::delete(&frame(context, caller), &view))
}

pub fn show_delete_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(delete_page(context, caller, Input::default())?)
}

pub fn delete_group(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match context
        .app()
        .delete_group(caller, context.parameter(0).to_owned())
    {
        Ok(()) => {
            let object = format!("Group {}", context.parameter(0));
            done_with(context, "/admin/groups", "deleted", &object)
        }
        Err(error) => show_again(error.into(), input, "name", |input| {
            delete_page(context, caller, input)
        }),
    }
}
