//! `/api/v1/users`.

use super::{Answer, Problem, created, list, no_content, ok, once};
use crate::desk::{Desk, Whose, WithMade};
use crate::http::ask::Ask;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::model::code::Purpose;
use crate::model::credential::Kind;
use crate::model::error::Error;
use crate::model::secret::Secret;
use crate::model::user::Username;
use crate::wire::{EndedOut, LinkOut, NothingIn, SessionOut, TokenOut, UserIn, UserOut, UserPatch};

pub(super) fn username(ask: &Ask<'_>) -> Result<Username, Error> {
    Username::parse(ask.parameter(0)).map_err(|_| Error::NotFound("user"))
}

/// A link that opens one act, once.
pub fn link(ask: &Ask<'_>, purpose: Purpose, code: Secret) -> String {
    let path = purpose.path().unwrap_or("/");
    format!(
        "{}{path}?code={}",
        ask.house.settings.public_url,
        *code.reveal()
    )
}

pub fn list_users(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let part = query::part(ask)?;
    list(
        &ask.desk().users(caller, part.after, part.limit)?,
        UserOut::of,
    )
}

pub fn add(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (wanted, bytes) = body::json_with_bytes::<UserIn>(ask)?;
    let once = once(ask, caller, &bytes)?;
    let invited = ask.desk().add_user(caller, wanted.parse()?, once)?;
    let invitation = invited
        .code
        .map(|code| link(ask, Purpose::Invitation, code));
    created(&UserOut {
        invitation,
        ..UserOut::of(&invited.user)
    })
}

pub fn show(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ok(&UserOut::of(&ask.desk().user(caller, &username(ask)?)?))
}

pub fn edit(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let wanted: UserPatch = body::json(ask)?;
    ok(&UserOut::of(&ask.desk().change_user(
        caller,
        &username(ask)?,
        wanted.parse()?,
    )?))
}

pub fn delete(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ask.desk().delete_user(caller, &username(ask)?)?;
    no_content()
}

pub fn reset_password(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let NothingIn {} = body::json(ask)?;
    let code = ask.desk().reset_password(caller, &username(ask)?, None)?;
    ok(&LinkOut {
        link: link(ask, Purpose::PasswordReset, code),
    })
}

pub fn end_everything(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let NothingIn {} = body::json(ask)?;
    let ended = ask.desk().end_everything(caller, &username(ask)?)?;
    ok(&EndedOut {
        api_keys: ended.api_keys,
        tokens: ended.tokens,
        sessions: ended.sessions,
        ssh_keys: ended.ssh_keys,
    })
}

pub(super) fn whose(ask: &Ask<'_>, caller: &Caller) -> Result<Whose, Problem> {
    Ok(Desk::of_user(ask.desk().user(caller, &username(ask)?)?.id))
}

pub fn list_api_keys(ask: &Ask<'_>, caller: &Caller) -> Answer {
    super::api_key::list_of(ask, caller, whose)
}

pub fn list_tokens(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let part = query::part(ask)?;
    list(
        &ask.desk().credentials(
            caller,
            &whose(ask, caller)?,
            Kind::Token,
            false,
            part.after,
            part.limit,
        )?,
        |record| TokenOut::of(record, ask.now),
    )
}

pub fn list_sessions(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let part = query::part(ask)?;
    let page = ask.desk().credentials(
        caller,
        &whose(ask, caller)?,
        Kind::Session,
        false,
        part.after,
        part.limit,
    )?;
    list(&page, |record| SessionOut::of(record, caller.credential.id))
}

pub fn delete_api_key(ask: &Ask<'_>, caller: &Caller) -> Answer {
    end(ask, caller, Kind::ApiKey)
}

pub fn delete_token(ask: &Ask<'_>, caller: &Caller) -> Answer {
    end(ask, caller, Kind::Token)
}

pub fn delete_session(ask: &Ask<'_>, caller: &Caller) -> Answer {
    end(ask, caller, Kind::Session)
}

/// Whose things are to be ended.
pub(super) fn whose_to_end(ask: &Ask<'_>, caller: &Caller) -> Result<Whose, Problem> {
    let user = ask.desk().user_to_change(caller, &username(ask)?)?;
    Ok(Desk::of_user(user.id))
}

fn end(ask: &Ask<'_>, caller: &Caller, kind: Kind) -> Answer {
    query::none(ask)?;
    let whose = whose_to_end(ask, caller)?;
    ask.desk()
        .end(caller, &whose, kind, ask.id(kind.name())?, WithMade::No)?;
    no_content()
}
