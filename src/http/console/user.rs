//! `/admin/users`.

use super::{
    Answer, again, done, form, frame, nonce, nonce_again, once, page, page_number, part, query,
    show,
};
use crate::desk::{Desk, WithMade};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::permission::ticked;
use crate::html::user::{
    self as pages, Holdings, LinkPurpose, OneTimeLink, Removable, UserEnd, UserList, UserNew,
    UserPage, UserRow,
};
use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::code::Purpose;
use crate::model::credential::{Kind, Record, State};
use crate::model::error::Error;
use crate::model::permission::Own;
use crate::model::secret::{Id, Secret};
use crate::model::user::{Disabled, User, UserChange, Username};
use crate::wire::{UserIn, UserPatch};

/// Users that a list looks at.
const ROWS_MAX: usize = 100_000;
/// Credentials of a kind on the page of one user.
const HELD_MAX: usize = 200;

fn find(ask: &Ask<'_>, caller: &Caller) -> Result<User, Error> {
    let name = Username::parse(ask.parameter(0)).map_err(|_| Error::NotFound("user"))?;
    ask.desk().user(caller, &name)
}

fn path(user: &User) -> String {
    format!("/admin/users/{}", user.username)
}

pub fn list(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let text = query(ask, "text").unwrap_or_default();
    let wanted = text.to_lowercase();
    let mut users = ask.desk().users(caller, None, ROWS_MAX)?.items;
    users.retain(|user| {
        wanted.is_empty()
            || user.username.as_str().contains(&wanted)
            || user.display_name.to_lowercase().contains(&wanted)
    });
    let (users, pager) = part(users, page_number(ask));
    let counts = ask.desk().counts_of(caller, &users)?;
    let row = |(user, counts): (User, crate::desk::UserCounts)| UserRow {
        user,
        api_keys: counts.api_keys,
        tokens: counts.tokens,
        sessions: counts.sessions,
        ssh_keys: counts.ssh_keys,
        last_active_at: counts.last_active_at,
    };
    let rows = users.into_iter().zip(counts).map(row).collect();
    show(pages::list(
        &frame(ask, caller),
        &UserList { rows, text, pager },
    ))
}

pub fn new(ask: &Ask<'_>, caller: &Caller) -> Answer {
    caller.demand(Own::UsersWrite)?;
    show(pages::new(
        &frame(ask, caller),
        &UserNew {
            nonce: nonce(ask),
            input: Input::default(),
        },
    ))
}

pub fn add(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    match try_add(ask, caller, &input) {
        Ok(invited) => match invited.code {
            Some(code) => Ok(link(ask, caller, &invited.user, Purpose::Invitation, code)),
            None => done(&path(&invited.user), "added"),
        },
        Err(Problem::Asked(Error::AlreadyDone { id })) => {
            done(&format!("/admin/users/{id}"), "added")
        }
        Err(problem) => again(problem, input, "username", |input| {
            let nonce = nonce_again(ask, caller, &input);
            Ok(pages::new(&frame(ask, caller), &UserNew { nonce, input }))
        }),
    }
}

fn try_add(ask: &Ask<'_>, caller: &Caller, input: &Input) -> Result<crate::desk::Invited, Problem> {
    let once = once(ask, caller, input)?;
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
    Ok(ask.desk().add_user(caller, wanted.parse()?, Some(once))?)
}

/// The only page that ever shows a link.
fn link(
    ask: &Ask<'_>,
    caller: &Caller,
    user: &User,
    purpose: Purpose,
    code: Secret,
) -> rouille::Response {
    let url = crate::http::api::link(ask, purpose, code);
    let shown = match purpose {
        Purpose::Invitation => LinkPurpose::Invitation,
        Purpose::PasswordReset | Purpose::SetUp | Purpose::Enrolment | Purpose::Device => {
            LinkPurpose::PasswordReset
        }
    };
    let view = OneTimeLink {
        username: user.username.as_str(),
        url: &url,
        expires_at: ask.now.after(purpose.lifetime()),
        purpose: shown,
    };
    page(200, pages::link(&frame(ask, caller), &view))
}

fn holdings(ask: &Ask<'_>, caller: &Caller, user: &User) -> Result<Holdings, Problem> {
    let whose = Desk::of_user(user.id);
    let live = |kind: Kind| -> Result<Vec<Record>, Problem> {
        let mut records = ask
            .desk()
            .credentials(caller, &whose, kind, false, None, HELD_MAX)?
            .items;
        records.retain(|record| record.state(ask.now) != State::Expired);
        Ok(records)
    };
    let keys = ask.desk().ssh_keys(caller, &whose, None, HELD_MAX)?.items;
    let keys = keys.iter().filter(|key| !key.is_expired(ask.now));
    let ssh_keys = keys
        .map(|key| super::ssh_key::facts(key, ask.now))
        .collect();
    Ok(Holdings {
        api_keys: live(Kind::ApiKey)?,
        tokens: live(Kind::Token)?,
        sessions: live(Kind::Session)?,
        ssh_keys,
    })
}

fn one_page(ask: &Ask<'_>, caller: &Caller, input: Input) -> Result<Markup, Problem> {
    let user = find(ask, caller)?;
    let view = UserPage {
        groups: user.groups.clone(),
        holdings: holdings(ask, caller, &user)?,
        grantable: ask.desk().grantable()?,
        removable: if ask.desk().may_lose(&user)? {
            Removable::Yes
        } else {
            Removable::LastAdmin
        },
        version: user.version(),
        nonce: nonce(ask),
        user,
        input,
    };
    Ok(pages::show(&frame(ask, caller), &view))
}

pub fn show_one(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(one_page(ask, caller, Input::default())?)
}

pub fn edit(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let user = find(ask, caller)?;
    match try_edit(ask, caller, &user, &input) {
        Ok(_) => done(&path(&user), "saved"),
        Err(error) => {
            let is_role = form::filled(&input, "role").is_some_and(|role| role != user.role.word());
            let field = if is_role { "role" } else { "display_name" };
            again(error.into(), input, field, |input| {
                one_page(ask, caller, input)
            })
        }
    }
}

fn try_edit(ask: &Ask<'_>, caller: &Caller, user: &User, input: &Input) -> Result<User, Error> {
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
    ask.desk().change_user(caller, &user.username, change)
}

fn set_disabled(
    ask: &Ask<'_>,
    caller: &Caller,
    input: Input,
    disabled: Disabled,
    word: &str,
) -> Answer {
    let user = find(ask, caller)?;
    let change = UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    };
    match ask.desk().change_user(caller, &user.username, change) {
        Ok(_) => done(&path(&user), word),
        Err(error) => again(error.into(), input, "role", |input| {
            one_page(
                ask,
                caller,
                Input {
                    values: Vec::new(),
                    ..input
                },
            )
        }),
    }
}

pub fn disable(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    set_disabled(ask, caller, input, Disabled::Yes, "disabled")
}

pub fn enable(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    set_disabled(ask, caller, input, Disabled::No, "enabled")
}

/// A reset link; for who has no password yet, the same under the name of an invitation.
pub fn reset_password(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let user = find(ask, caller)?;
    let code = once(ask, caller, &input).and_then(|once| {
        Ok(ask
            .desk()
            .reset_password(caller, &user.username, Some(once))?)
    });
    match code {
        Ok(code) => Ok(link(ask, caller, &user, Purpose::PasswordReset, code)),
        Err(Problem::Asked(Error::AlreadyDone { .. })) => Ok(page(
            409,
            pages::link_already_made(&frame(ask, caller), user.username.as_str()),
        )),
        Err(problem) => again(problem, input, "", |input| {
            let errors = input.errors;
            one_page(
                ask,
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
    ask: &Ask<'_>,
    caller: &Caller,
    input: Input,
    render: fn(&crate::html::Frame, &UserEnd) -> Markup,
) -> Result<Markup, Problem> {
    let user = find(ask, caller)?;
    let holdings = holdings(ask, caller, &user)?;
    Ok(render(
        &frame(ask, caller),
        &UserEnd {
            user,
            holdings,
            input,
        },
    ))
}

pub fn ask_end_everything(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(end_form(
        ask,
        caller,
        Input::default(),
        pages::end_everything,
    )?)
}

pub fn ask_delete(ask: &Ask<'_>, caller: &Caller) -> Answer {
    show(end_form(ask, caller, Input::default(), pages::delete)?)
}

/// The name typed once more, for what can't be undone.
fn confirmed(user: &User, input: &Input) -> Result<(), Error> {
    let typed = input.value("confirm").unwrap_or_default().trim();
    if typed == user.username.as_str() {
        Ok(())
    } else {
        Err(Error::field(
            "confirm",
            format!("type {} to go on", user.username),
        ))
    }
}

pub fn end_everything(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let user = find(ask, caller)?;
    match confirmed(&user, &input).and_then(|()| ask.desk().end_everything(caller, &user.username))
    {
        Ok(_) => done(&path(&user), "ended"),
        Err(error) => again(error.into(), input, "confirm", |input| {
            end_form(ask, caller, input, pages::end_everything)
        }),
    }
}

pub fn delete(ask: &Ask<'_>, caller: &Caller, input: Input) -> Answer {
    let user = find(ask, caller)?;
    match confirmed(&user, &input).and_then(|()| ask.desk().delete_user(caller, &user.username)) {
        Ok(()) => done("/admin/users", "deleted"),
        Err(error) => again(error.into(), input, "confirm", |input| {
            end_form(ask, caller, input, pages::delete)
        }),
    }
}

fn end_one(ask: &Ask<'_>, caller: &Caller, kind: Kind) -> Answer {
    let user = find(ask, caller)?;
    let id = Id::parse(ask.parameter(1)).ok_or(Error::NotFound(kind.name()))?;
    ask.desk()
        .end(caller, &Desk::of_user(user.id), kind, id, WithMade::No)?;
    done(&path(&user), "deleted")
}

pub fn delete_api_key(ask: &Ask<'_>, caller: &Caller, _: Input) -> Answer {
    end_one(ask, caller, Kind::ApiKey)
}

pub fn delete_token(ask: &Ask<'_>, caller: &Caller, _: Input) -> Answer {
    end_one(ask, caller, Kind::Token)
}

pub fn delete_session(ask: &Ask<'_>, caller: &Caller, _: Input) -> Answer {
    end_one(ask, caller, Kind::Session)
}

pub fn delete_ssh_key(ask: &Ask<'_>, caller: &Caller, _: Input) -> Answer {
    let user = find(ask, caller)?;
    let id = Id::parse(ask.parameter(1)).ok_or(Error::NotFound("SSH key"))?;
    ask.desk()
        .delete_ssh_key(caller, &Desk::of_user(user.id), id)?;
    done(&path(&user), "deleted-ssh-key")
}
