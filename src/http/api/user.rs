//! `/api/v1/users`.

use super::{ApiResult, Problem, created, idempotency_key, list_answer, no_content, ok};
use crate::app::{App, CredentialScope, WithDerived};
use crate::http::context::RequestContext;
use crate::http::query::Query;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::model::code::Purpose;
use crate::model::credential::Kind;
use crate::model::error::Error;
use crate::model::secret::Secret;
use crate::model::user::Username;
use crate::wire::{
    HostLoginOut, LinkOut, NothingIn, OffboardOut, OffboardPreviewOut, OperatorTokenIn,
    SecondFactorOut, SessionOut, TokenOut, UserIn, UserOut, UserPatch,
};

pub(super) fn username(context: &RequestContext<'_>) -> Result<Username, Error> {
    Username::parse(context.parameter(0)).map_err(|_| Error::NotFound("user"))
}

/// A one-time link.
pub fn link(context: &RequestContext<'_>, purpose: Purpose, code: Secret) -> String {
    let path = purpose.path().unwrap_or("/");
    format!(
        "{}{path}?code={}",
        context.server_state.settings.public_url,
        *code.reveal()
    )
}

pub fn list_users(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    list_answer(
        &context.app().users(caller, part.after, part.limit)?,
        UserOut::new,
    )
}

pub fn create_user(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<UserIn>(context)?;
    let once = idempotency_key(context, caller, &bytes)?;
    let invited = context.app().add_user(caller, wanted.parse()?, once)?;
    let invitation = invited
        .code
        .map(|code| link(context, Purpose::Invitation, code));
    created(&UserOut {
        invitation,
        ..UserOut::new(&invited.user)
    })
}

pub fn show_user(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let user = context.app().user(caller, &username(context)?)?;
    let factors = context.app().second_factors_of(caller, &user)?;
    ok(&UserOut {
        second_factor: Some(SecondFactorOut::new(&factors)),
        ..UserOut::new(&user)
    })
}

pub fn edit_user(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let wanted: UserPatch = body::json(context)?;
    ok(&UserOut::new(&context.app().change_user(
        caller,
        &username(context)?,
        wanted.parse()?,
    )?))
}

pub fn delete_user(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    context.app().delete_user(caller, &username(context)?)?;
    no_content()
}

pub fn reset_password(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let NothingIn {} = body::json(context)?;
    let code = context
        .app()
        .reset_password(caller, &username(context)?, None)?;
    ok(&LinkOut {
        link: link(context, Purpose::PasswordReset, code),
    })
}

/// Removes the second factors; the link lets the user choose a new password.
pub fn reset_second_factor(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let code = context
        .app()
        .reset_second_factor(caller, &username(context)?)?;
    ok(&LinkOut {
        link: link(context, Purpose::PasswordReset, code),
    })
}

pub fn offboard_preview(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let preview = context
        .app()
        .offboard_preview(caller, &username(context)?)?;
    ok(&OffboardPreviewOut {
        api_keys: preview.counts.api_keys,
        tokens: preview.counts.tokens,
        sessions: preview.counts.sessions,
        ssh_keys: preview.counts.ssh_keys,
        groups: preview.groups,
        logins: preview.logins.iter().map(HostLoginOut::new).collect(),
    })
}

pub fn offboard_user(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let NothingIn {} = body::json(context)?;
    let revoked = context.app().offboard(caller, &username(context)?)?;
    ok(&OffboardOut {
        api_keys: revoked.api_keys,
        tokens: revoked.tokens,
        sessions: revoked.sessions,
        ssh_keys: revoked.ssh_keys,
    })
}

/// A token with all permissions of a user, for the operator alone.
pub fn create_token(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<OperatorTokenIn>(context)?;
    let once = idempotency_key(context, caller, &bytes)?;
    let (username, end) = (username(context)?, wanted.parse()?);
    let issued = context.app().user_token(caller, &username, end, once)?;
    created(&TokenOut::new(&issued.record, None, context.now).with_secret(&issued.secret.reveal()))
}

pub(super) fn scope(
    context: &RequestContext<'_>,
    caller: &Caller,
) -> Result<CredentialScope, Problem> {
    Ok(App::of_user(
        context.app().user(caller, &username(context)?)?.id,
    ))
}

pub fn list_api_keys(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    super::api_key::list_of(context, caller, scope)
}

pub fn show_api_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    super::api_key::show_of(context, caller, scope)
}

pub fn api_key_usage(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    super::api_key::usage_of(context, caller, scope)
}

pub fn set_api_key_disabled(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    super::api_key::set_disabled_of(context, caller, scope_to_delete)
}

pub fn show_token(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    super::token::show_of(context, caller, scope)
}

pub fn token_usage(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    super::token::usage_of(context, caller, scope)
}

pub fn show_session(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let scope = scope(context, caller)?;
    let id = context.id(Kind::Session.name())?;
    let record = context
        .app()
        .credential(caller, &scope, Kind::Session, id)?;
    ok(&SessionOut::new(&record, caller.credential_id()))
}

pub fn list_tokens(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    super::token::list_of(context, caller, &scope(context, caller)?, &part)
}

pub fn list_sessions(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    let page = context.app().credentials(
        caller,
        &scope(context, caller)?,
        Kind::Session,
        false,
        part.after,
        part.limit,
    )?;
    list_answer(&page, |record| {
        SessionOut::new(record, caller.credential_id())
    })
}

pub fn delete_api_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    end(context, caller, Kind::ApiKey)
}

pub fn delete_token(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    end(context, caller, Kind::Token)
}

pub fn delete_session(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    end(context, caller, Kind::Session)
}

/// The scope of credentials to delete.
pub(super) fn scope_to_delete(
    context: &RequestContext<'_>,
    caller: &Caller,
) -> Result<CredentialScope, Problem> {
    let user = context.app().user_for_change(caller, &username(context)?)?;
    Ok(App::of_user(user.id))
}

fn end(context: &RequestContext<'_>, caller: &Caller, kind: Kind) -> ApiResult {
    let names: &[&str] = match kind {
        Kind::ApiKey | Kind::Token => &["with_created"],
        Kind::Session | Kind::Host => &[],
    };
    let mut query = Query::read(context, names);
    let with_created = WithDerived::from(query.flag("with_created"));
    query.check()?;
    let scope = scope_to_delete(context, caller)?;
    let id = context.id(kind.name())?;
    context.app().end(caller, &scope, kind, id, with_created)?;
    no_content()
}
