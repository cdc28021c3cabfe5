//! `/admin/users`.

use super::overview::parts_of_user;
use super::{
    Answer, done_with, form, frame, idempotency_key, list, nonce, nonce_again, page, page_response,
    require_version, show_again,
};
use crate::app::{App, ListExtent, UserCounts, WithDerived};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::list::ListPlace;
use crate::html::permission::ticked;
use crate::html::ssh_key_list::SshKeyRow;
use crate::html::user::{
    self as pages, Holdings, LinkPurpose, OneTimeLink, Removable, UserEnd, UserNew, UserPage,
};
use crate::html::user_list::{self, UserList, UserRow};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::code::Purpose;
use crate::model::credential::{Kind, Record, State};
use crate::model::error::Error;
use crate::model::inventory::Weakness;
use crate::model::list::List;
use crate::model::permission::BuiltinPermission;
use crate::model::secret::{Id, Secret};
use crate::model::user::{Disabled, User, UserChange, Username};
use crate::model::user_agent;
use crate::wire::{UserIn, UserPatch};

/// Groups that a page offers.
const GROUPS_MAX: usize = 10_000;
/// Credentials of a kind on the page of one user.
const HELD_MAX: usize = 200;

fn find_user(context: &RequestContext<'_>, caller: &Caller) -> Result<User, Error> {
    let name = Username::parse(context.parameter(0)).map_err(|_| Error::NotFound("user"))?;
    context.app().user(caller, &name)
}

fn path(user: &User) -> String {
    format!("/admin/users/{}", user.username)
}

pub fn list_users(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let (query, extent) = (list::query(context, List::Users), list::extent(context));
    let listed = context.app().list_users(caller, &query, None, extent)?;
    let counts = context.app().counts_of(caller, &listed.rows)?;
    let at = ListPlace::new("/admin/users", query, &listed);
    let rows: Vec<(User, UserCounts)> = listed.rows.into_iter().zip(counts).collect();
    if extent == ListExtent::All {
        return Ok(list::csv_of_users(&rows));
    }
    let row = |(user, counts): (User, UserCounts)| UserRow {
        user,
        api_keys: counts.api_keys,
        tokens: counts.tokens,
        sessions: counts.sessions,
        ssh_keys: counts.ssh_keys,
        last_active_at: counts.last_active_at,
    };
    let rows = rows.into_iter().map(row).collect();
    page_response(user_list::user_list(
        &frame(context, caller),
        &UserList { at, rows },
    ))
}

pub fn show_new_user_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    caller.require(BuiltinPermission::UsersWrite)?;
    page_response(pages::new(
        &frame(context, caller),
        &UserNew {
            nonce: nonce(context),
            input: Input::default(),
        },
    ))
}

pub fn create_user(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    match try_add(context, caller, &input) {
        Ok(invited) => match invited.code {
            Some(code) => Ok(link(
                context,
                caller,
                &invited.user,
                Purpose::Invitation,
                code,
            )),
            None => {
                let user = &invited.user;
                done_with(
                    context,
                    &path(user),
                    "added",
                    &format!("User {}", user.username),
                )
            }
        },
        Err(Problem::App(Error::AlreadyDone { id })) => done_with(
            context,
            &format!("/admin/users/{id}"),
            "added",
            &format!("User {id}"),
        ),
        Err(problem) => show_again(problem, input, "username", |input| {
            let nonce = nonce_again(context, caller, &input);
            Ok(pages::new(
                &frame(context, caller),
                &UserNew { nonce, input },
            ))
        }),
    }
}

fn try_add(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: &Input,
) -> Result<crate::app::Invited, Problem> {
    let once = idempotency_key(context, caller, input)?;
    let by_password = input.value("how") == Some("password");
    let wanted = UserIn {
        username: Some(
            input
                .value("username")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        ),
        display_name: form::filled(input, "display_name"),
        role: form::filled(input, "role"),
        password: by_password.then(|| input.value("password").unwrap_or_default().to_owned()),
    };
    Ok(context
        .app()
        .add_user(caller, wanted.parse()?, Some(once))?)
}

/// The only page that shows a link.
fn link(
    context: &RequestContext<'_>,
    caller: &Caller,
    user: &User,
    purpose: Purpose,
    code: Secret,
) -> rouille::Response {
    let url = crate::http::api::link(context, purpose, code);
    let shown = match purpose {
        Purpose::Invitation => LinkPurpose::Invitation,
        Purpose::PasswordReset
        | Purpose::SetUp
        | Purpose::Enrollment
        | Purpose::Device
        | Purpose::EmailConfirmation => LinkPurpose::PasswordReset,
    };
    let view = OneTimeLink {
        username: user.username.as_str(),
        url: &url,
        expires_at: context.now.after(purpose.lifetime()),
        purpose: shown,
    };
    page(200, pages::link(&frame(context, caller), &view))
}

fn holdings(
    context: &RequestContext<'_>,
    caller: &Caller,
    user: &User,
) -> Result<Holdings, Problem> {
    let scope = App::of_user(user.id);
    let mut has_more = false;
    let mut live = |kind: Kind| -> Result<Vec<Record>, Problem> {
        let part = context
            .app()
            .credentials(caller, &scope, kind, false, None, HELD_MAX)?;
        has_more |= part.next.is_some();
        let mut records = part.items;
        records.retain(|record| record.state(context.now) != State::Expired);
        Ok(records)
    };
    let [api_keys, tokens, sessions] = [
        live(Kind::ApiKey)?,
        live(Kind::Token)?,
        live(Kind::Session)?,
    ];
    let keys = context.app().ssh_keys(caller, &scope, None, HELD_MAX)?;
    has_more |= keys.next.is_some();
    let keys = keys.items;
    let keys = keys.iter().filter(|key| !key.is_expired(context.now));
    let ssh_keys = keys
        .map(|key| SshKeyRow {
            key: super::ssh_key::facts(key, context.now),
            weakness: Weakness::None,
        })
        .collect();
    Ok(Holdings {
        api_keys,
        tokens,
        sessions,
        ssh_keys,
        has_more,
    })
}

fn group_names(context: &RequestContext<'_>, caller: &Caller) -> Result<Vec<String>, Error> {
    let groups = context.app().groups(caller, None, GROUPS_MAX)?.items;
    let mut names: Vec<String> = groups.into_iter().map(|group| group.name).collect();
    names.sort_unstable();
    Ok(names)
}

fn one_page(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let user = find_user(context, caller)?;
    let counts = context
        .app()
        .counts_of(caller, std::slice::from_ref(&user))?;
    let view = UserPage {
        all_groups: group_names(context, caller)?,
        factors: context.app().second_factors_of(caller, &user)?,
        last_active_at: counts.first().and_then(|counts| counts.last_active_at),
        parts: parts_of_user(context, caller, user.id)?,
        grantable: context.app().grantable()?,
        removable: if context.app().may_lose(&user)? {
            Removable::Yes
        } else {
            Removable::LastAdmin
        },
        version: user.version(),
        nonce: nonce(context),
        user,
        input,
    };
    Ok(pages::user_page(&frame(context, caller), &view))
}

pub fn show_one(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(one_page(context, caller, Input::default())?)
}

pub fn edit_user(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let user = find_user(context, caller)?;
    match try_edit(context, caller, &user, &input) {
        Ok(_) => named(context, &user, "saved"),
        Err(error) => {
            let is_role =
                form::filled(&input, "role").is_some_and(|role| role != user.role.as_str());
            let field = if is_role { "role" } else { "display_name" };
            show_again(error.into(), input, field, |input| {
                one_page(context, caller, input)
            })
        }
    }
}

fn try_edit(
    context: &RequestContext<'_>,
    caller: &Caller,
    user: &User,
    input: &Input,
) -> Result<User, Error> {
    require_version(input, &user.version(), "this user")?;
    let granted = ticked(input).map_err(|message| Error::field("permissions", message))?;
    let patch = UserPatch {
        display_name: input.value("display_name").map(str::to_owned),
        role: form::filled(input, "role"),
        disabled: None,
        permissions: None,
    };
    let change = UserChange {
        granted: Some(granted),
        version: input.value("version").map(str::to_owned),
        ..patch.parse()?
    };
    context.app().change_user(caller, &user.username, change)
}

fn set_disabled(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
    disabled: Disabled,
    word: &str,
) -> Answer {
    let user = find_user(context, caller)?;
    let change = UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    };
    match context.app().change_user(caller, &user.username, change) {
        Ok(_) => named(context, &user, word),
        Err(error) => show_again(error.into(), input, "role", |input| {
            one_page(
                context,
                caller,
                Input {
                    values: Vec::new(),
                    ..input
                },
            )
        }),
    }
}

pub fn disable_user(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    set_disabled(context, caller, input, Disabled::Yes, "disabled")
}

pub fn enable_user(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    set_disabled(context, caller, input, Disabled::No, "enabled")
}

/// A reset link; for a user without a password, an invitation.
pub fn reset_password(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let user = find_user(context, caller)?;
    let code = idempotency_key(context, caller, &input).and_then(|once| {
        Ok(context
            .app()
            .reset_password(caller, &user.username, Some(once))?)
    });
    match code {
        Ok(code) => Ok(link(context, caller, &user, Purpose::PasswordReset, code)),
        Err(Problem::App(Error::AlreadyDone { .. })) => Ok(page(
            409,
            pages::link_already_created(&frame(context, caller), user.username.as_str()),
        )),
        Err(problem) => show_again(problem, input, "", |input| {
            let errors = input.errors;
            one_page(
                context,
                caller,
                Input {
                    values: Vec::new(),
                    errors,
                },
            )
        }),
    }
}

pub fn show_reset_second_factor_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let user = find_user(context, caller)?;
    let factors = context.app().second_factors_of(caller, &user)?;
    page_response(pages::reset_second_factor(
        &frame(context, caller),
        &user,
        &factors,
    ))
}

pub fn reset_second_factor(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let user = find_user(context, caller)?;
    match context.app().reset_second_factor(caller, &user.username) {
        Ok(code) => Ok(link(context, caller, &user, Purpose::PasswordReset, code)),
        Err(error) => show_again(error.into(), input, "", |input| {
            let errors = input.errors;
            one_page(
                context,
                caller,
                Input {
                    values: Vec::new(),
                    errors,
                },
            )
        }),
    }
}

fn end_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
    render: fn(&crate::html::Frame, &UserEnd) -> Markup,
) -> Result<Markup, Problem> {
    let user = find_user(context, caller)?;
    let holdings = holdings(context, caller, &user)?;
    Ok(render(
        &frame(context, caller),
        &UserEnd {
            user,
            holdings,
            input,
        },
    ))
}

pub fn show_offboard_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(end_form(
        context,
        caller,
        Input::default(),
        pages::offboard,
    )?)
}

pub fn show_delete_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(end_form(context, caller, Input::default(), pages::delete)?)
}

/// Redirects to the user's page, with a sentence about them.
fn named(context: &RequestContext<'_>, user: &User, word: &str) -> Answer {
    done_with(
        context,
        &path(user),
        word,
        &format!("User {}", user.username),
    )
}

/// Requires the name typed once more, for an act that can't be undone.
fn confirmed(user: &User, input: &Input) -> Result<(), Error> {
    let typed = input.value("confirm").unwrap_or_default().trim();
    if typed == user.username.as_str() {
        Ok(())
    } else {
        Err(Error::field(
            "confirm",
            format!("type {} to continue", user.username),
        ))
    }
}

pub fn offboard_user(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let user = find_user(context, caller)?;
    match confirmed(&user, &input).and_then(|()| context.app().offboard(caller, &user.username)) {
        Ok(_) => named(context, &user, "offboarded"),
        Err(error) => show_again(error.into(), input, "confirm", |input| {
            end_form(context, caller, input, pages::offboard)
        }),
    }
}

pub fn delete_user(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let user = find_user(context, caller)?;
    match confirmed(&user, &input).and_then(|()| context.app().delete_user(caller, &user.username))
    {
        Ok(()) => {
            let object = format!("User {}", user.username);
            done_with(context, "/admin/users", "deleted", &object)
        }
        Err(error) => show_again(error.into(), input, "confirm", |input| {
            end_form(context, caller, input, pages::delete)
        }),
    }
}

fn end_one(context: &RequestContext<'_>, caller: &Caller, kind: Kind) -> Answer {
    let user = find_user(context, caller)?;
    let id = Id::parse(context.parameter(1)).ok_or(Error::NotFound(kind.name()))?;
    let (app, scope) = (context.app(), App::of_user(user.id));
    // A missing object is reported after the checks of the act.
    let record = app.credential(caller, &scope, kind, id);
    app.end(caller, &scope, kind, id, WithDerived::No)?;
    let record = record.ok();
    let (word, object) = if kind == Kind::Session {
        let agent = record.as_ref().and_then(|one| one.user_agent.as_deref());
        let device = user_agent::device(agent);
        ("signed-out-there", format!("{} on {device}", user.username))
    } else {
        let name = record.map(|record| record.name).unwrap_or_default();
        ("deleted-credential", format!("Token {name}"))
    };
    done_with(context, &path(&user), word, &object)
}

pub fn delete_token(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    end_one(context, caller, Kind::Token)
}

pub fn delete_session(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    end_one(context, caller, Kind::Session)
}

/// One of their SSH keys.
pub fn show_ssh_key(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let user = find_user(context, caller)?;
    let id = Id::parse(context.parameter(1)).ok_or(Error::NotFound("SSH key"))?;
    let key = context.app().ssh_key(caller, &App::of_user(user.id), id)?;
    page_response(crate::html::ssh_key::show_of_user(
        &frame(context, caller),
        user.username.as_str(),
        &super::ssh_key::facts(&key, context.now),
    ))
}

/// Puts the user into the groups that are ticked, and out of all others.
pub fn change_groups(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let user = find_user(context, caller)?;
    let app = context.app();
    let all = app.groups(caller, None, GROUPS_MAX)?.items;
    let change = || -> Result<(), Error> {
        // An untouched tick does not ask to undo the change of another admin.
        if form::filled(&input, "present").unwrap_or_default() != user.groups.join(" ") {
            return Err(Error::ChangedMeanwhile("the groups of this user"));
        }
        for group in all {
            let is_member = user.groups.contains(&group.name);
            match (is_member, input.has("groups", &group.name)) {
                (false, true) => app.add_group_member(caller, group.name, user.username.clone())?,
                (true, false) => {
                    app.remove_group_member(caller, group.name, user.username.clone())?;
                }
                (true, true) | (false, false) => {}
            }
        }
        Ok(())
    };
    match change() {
        Ok(()) => named(context, &user, "saved"),
        Err(error) => show_again(error.into(), input, "groups", |input| {
            let errors = input.errors;
            let values = Vec::new();
            one_page(context, caller, Input { values, errors })
        }),
    }
}

pub fn delete_ssh_key(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    let user = find_user(context, caller)?;
    let id = Id::parse(context.parameter(1)).ok_or(Error::NotFound("SSH key"))?;
    let (app, scope) = (context.app(), App::of_user(user.id));
    let key = app.ssh_key(caller, &scope, id);
    let name = key.map(|key| key.name).unwrap_or_default();
    app.delete_ssh_key(caller, &scope, id)?;
    let object = format!("SSH key {name}");
    done_with(context, &path(&user), "deleted-ssh-key", &object)
}
