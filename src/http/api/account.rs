//! `/api/v1/me`, and codes for accounts.

use super::{ApiResult, no_content, ok};
use crate::http::context::RequestContext;
use crate::http::{auth, body, query};
use crate::model::caller::Caller;
use crate::model::code::Purpose;
use crate::model::error::{Error, FieldErrors};
use crate::model::event::Channel;
use crate::model::password::Password;
use crate::model::second_factor::{FactorProof, TypedCode};
use crate::model::text::parse_name;
use crate::model::user::{NewUser, Role, Username};
use crate::wire::{
    MeIn, MeOut, NothingIn, NoticeOut, PasswordByCodeIn, PasswordIn, SecondFactorOut, SetUpIn,
    UserOut,
};

pub fn show_account(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    ok(&account_json(context, caller)?)
}

fn account_json(context: &RequestContext<'_>, caller: &Caller) -> Result<MeOut, Error> {
    let notices = context.app().open_account_notices(caller)?;
    let factors = context.app().own_second_factors(caller)?;
    let email = context.app().own_email(caller)?.unwrap_or_default();
    let address = email.confirmed.as_ref().or(email.pending.as_ref());
    Ok(MeOut {
        notices: notices.iter().map(NoticeOut::new).collect(),
        email: address.map(ToString::to_string),
        email_confirmed: email.confirmed.is_some(),
        second_factor: factors.as_ref().map(SecondFactorOut::new),
        ..MeOut::new(caller, caller.credential()?)
    })
}

/// `POST /api/v1/me/notices/{id}/acknowledge`.
pub fn acknowledge_notice(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let NothingIn {} = body::json(context)?;
    let id = context.id("notice")?;
    let notice = context.app().acknowledge_notice(caller, id)?;
    ok(&NoticeOut::new(&notice))
}

pub fn edit_account(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let wanted: MeIn = body::json(context)?;
    let Some(name) = wanted.display_name else {
        return ok(&account_json(context, caller)?);
    };
    let name = parse_name(&name).map_err(|message| Error::field("display_name", message))?;
    let user = context.app().rename_self(caller, name)?;
    ok(&MeOut {
        display_name: user.display_name,
        ..account_json(context, caller)?
    })
}

pub fn change_password(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let wanted: PasswordIn = body::json(context)?;
    let current =
        Password::typed(&wanted.current).map_err(|message| Error::field("current", message))?;
    let proof = match &wanted.code {
        Some(code) => Some(typed_code(code, caller)?),
        None => None,
    };
    context
        .app()
        .change_password(caller, &current, &wanted.new, proof, None)?;
    no_content()
}

/// A code of the second factor, in the field `code`.
pub fn typed_code(text: &str, caller: &Caller) -> Result<FactorProof, Error> {
    let code = TypedCode::parse(text, &caller.user()?.subject).ok_or_else(|| {
        Error::field(
            "code",
            "expected the 6 digits of an authenticator app, or a recovery code",
        )
    })?;
    Ok(FactorProof::Code(code))
}

/// `POST /api/v1/setup`, with a setup code as the bearer.
pub fn set_up(context: &RequestContext<'_>) -> ApiResult {
    let code = auth::presented(context)?;
    context
        .app()
        .code_user(&code, Purpose::SetUp, context.now)?;
    let wanted: SetUpIn = body::json(context)?;
    let mut faults = FieldErrors::default();
    let username = faults.take("username", Username::parse(&wanted.username));
    let display_name = wanted
        .display_name
        .and_then(|name| faults.take("display_name", parse_name(&name)));
    let password = username.as_ref().and_then(|username| {
        faults.take(
            "password",
            Password::chosen(&wanted.password, username.as_str()),
        )
    });
    faults.check()?;
    let username = username.ok_or_else(|| Error::field("username", "enter a username"))?;
    let display_name = display_name.unwrap_or_else(|| username.to_string());
    let user = NewUser {
        username,
        display_name,
        role: Role::Admin,
        password,
    };
    let user = context
        .app()
        .set_up(code, user, context.origin(Channel::Api), context.now)?;
    super::created(&UserOut::new(&user))
}

/// `POST /api/v1/invitation`, with an invitation as the bearer.
pub fn accept_invitation(context: &RequestContext<'_>) -> ApiResult {
    set_password(context, Purpose::Invitation)
}

/// `POST /api/v1/password-reset`, with a reset code as the bearer.
pub fn reset_password(context: &RequestContext<'_>) -> ApiResult {
    set_password(context, Purpose::PasswordReset)
}

fn set_password(context: &RequestContext<'_>, purpose: Purpose) -> ApiResult {
    let code = auth::presented(context)?;
    context.app().code_user(&code, purpose, context.now)?;
    let wanted: PasswordByCodeIn = body::json(context)?;
    context.app().set_password_by_code(
        code,
        purpose,
        &wanted.password,
        None,
        context.origin(Channel::Api),
        context.now,
    )?;
    no_content()
}
