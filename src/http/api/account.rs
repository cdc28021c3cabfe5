//! `/api/v1/me`, and the codes that lead to an account.

use super::{Answer, no_content, ok};
use crate::http::ask::Ask;
use crate::http::{body, gate, query};
use crate::model::caller::Caller;
use crate::model::code::Purpose;
use crate::model::error::{Error, Faults};
use crate::model::event::Way;
use crate::model::password::Password;
use crate::model::text::parse_name;
use crate::model::user::{NewUser, Role, Username};
use crate::wire::{MeIn, MeOut, PasswordByCodeIn, PasswordIn, SetUpIn, UserOut};

pub fn show(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ok(&MeOut::of(caller))
}

pub fn edit(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let wanted: MeIn = body::json(ask)?;
    let Some(name) = wanted.display_name else {
        return ok(&MeOut::of(caller));
    };
    let name = parse_name(&name).map_err(|message| Error::field("display_name", message))?;
    let user = ask.desk().rename_self(caller, name)?;
    ok(&MeOut {
        display_name: user.display_name,
        ..MeOut::of(caller)
    })
}

pub fn change_password(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let wanted: PasswordIn = body::json(ask)?;
    let current =
        Password::typed(&wanted.current).map_err(|message| Error::field("current", message))?;
    ask.desk().change_password(caller, &current, &wanted.new)?;
    no_content()
}

/// `POST /api/v1/setup`, with a set-up code as the bearer.
pub fn set_up(ask: &Ask<'_>) -> Answer {
    let code = gate::presented(ask)?;
    ask.desk().code_user(&code, Purpose::SetUp, ask.now)?;
    let wanted: SetUpIn = body::json(ask)?;
    let mut faults = Faults::default();
    let username = faults.take("username", Username::parse(&wanted.username));
    let display_name = wanted
        .display_name
        .and_then(|name| faults.take("display_name", parse_name(&name)));
    let password = username
        .as_ref()
        .and_then(|username| faults.take("password", Password::chosen(&wanted.password, username)));
    faults.check()?;
    let username = username.ok_or_else(|| Error::field("username", "give a user name"))?;
    let display_name = display_name.unwrap_or_else(|| username.to_string());
    let user = NewUser {
        username,
        display_name,
        role: Role::Admin,
        password,
    };
    let user = ask
        .desk()
        .set_up(code, user, ask.origin(Way::Api), ask.now)?;
    super::created(&UserOut::of(&user))
}

/// `POST /api/v1/invitation`, with an invitation as the bearer.
pub fn accept_invitation(ask: &Ask<'_>) -> Answer {
    set_password(ask, Purpose::Invitation)
}

/// `POST /api/v1/password-reset`, with a reset code as the bearer.
pub fn reset_password(ask: &Ask<'_>) -> Answer {
    set_password(ask, Purpose::PasswordReset)
}

fn set_password(ask: &Ask<'_>, purpose: Purpose) -> Answer {
    let code = gate::presented(ask)?;
    ask.desk().code_user(&code, purpose, ask.now)?;
    let wanted: PasswordByCodeIn = body::json(ask)?;
    ask.desk().set_password_by_code(
        code,
        purpose,
        &wanted.password,
        ask.origin(Way::Api),
        ask.now,
    )?;
    no_content()
}
