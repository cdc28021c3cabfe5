//! `/verify`: forward authentication for proxies. Answers 204, 401 or 403, and nothing else once the database could be
//! read.

use std::borrow::Cow;

use rouille::{Response, ResponseBody};

use crate::app::UseContext;
use crate::http::auth::{Sent, api_key_header, authorization};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::credential::{Credential, Kind};
use crate::model::error::{Error, SecretSent};
use crate::model::permission::{Permission, Permissions};
use crate::model::text::{is_invisible, sanitize};
use crate::wire::IDENTITY_HEADERS;

/// Verifies the secret of a request. `?permission=` (repeatable) requires permissions; `?challenge=basic` offers Basic in a 401.
pub fn verify(context: &RequestContext<'_>) -> Result<Response, Problem> {
    verify_secret(context).map_err(|problem| match problem {
        Problem::App(Error::Unauthenticated { sent }) if offers_basic(context) => {
            Problem::BasicChallenge(sent)
        }
        other => other,
    })
}

fn verify_secret(context: &RequestContext<'_>) -> Result<Response, Problem> {
    let presented = match find_secret(context) {
        Sent::Secret(presented) => presented,
        Sent::Nothing => {
            return Err(Error::Unauthenticated {
                sent: SecretSent::No,
            }
            .into());
        }
        Sent::Unrecognized | Sent::Several => {
            return Err(Error::Unauthenticated {
                sent: SecretSent::Yes,
            }
            .into());
        }
    };
    let program = context.program();
    let used = UseContext {
        address: context.address(),
        program: program.as_deref(),
        now: context.now,
    };
    let (credential, _) = context
        .app()
        .authenticate(&presented, Kind::is_bearer, used)?;
    let power = credential.power();
    require_permissions(context.request.raw_query_string(), &power)?;
    Ok(identity(&credential, &power))
}

/// `Authorization`, then `X-API-Key`. Text without the form of a secret is skipped; the first secret decides.
fn find_secret(context: &RequestContext<'_>) -> Sent {
    match authorization(context) {
        Sent::Nothing => api_key_header(context),
        Sent::Unrecognized => match api_key_header(context) {
            Sent::Nothing => Sent::Unrecognized,
            other => other,
        },
        decided => decided,
    }
}

/// Returns true if the query has `challenge=basic`.
fn offers_basic(context: &RequestContext<'_>) -> bool {
    form_urlencoded::parse(context.request.raw_query_string().as_bytes())
        .any(|(name, value)| name == "challenge" && value == "basic")
}

fn require_permissions(query: &str, power: &Permissions) -> Result<(), Problem> {
    if query.is_empty() {
        return Ok(());
    }
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (name.as_ref(), value.as_ref()) {
            ("permission", value) => {
                let permission = Permission::parse(value).map_err(Error::NotAllowed)?;
                if !power.contains(&permission) {
                    return Err(Error::Forbidden {
                        missing: permission,
                    }
                    .into());
                }
            }
            ("challenge", "basic") => {}
            (name, _) => return Err(Error::NotAllowed(unknown_parameter(name)).into()),
        }
    }
    Ok(())
}

/// A misspelled parameter must not allow more than the correct one. Another usual cause is a proxy that passes on the
/// query of the client's request.
fn unknown_parameter(name: &str) -> String {
    format!(
        "The parameter \"{}\" is unknown here: use permission=… or challenge=basic. If it is part of the client's own request, \
         the proxy must not pass its query on: in Caddy, end the uri of forward_auth with a question mark, as in /verify?",
        sanitize(name, 64)
    )
}

/// A name without characters that are invisible or invalid in a header.
fn header_name(name: &str) -> String {
    if name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return name.to_owned();
    }
    name.chars().filter(|c| !is_invisible(*c)).collect()
}

/// 204 with the identity. All of these headers are always present, even if empty, so that a client's own can't pass
/// through a proxy. Without a body on purpose: an answer with a body makes nginx drop its connection.
fn identity(credential: &Credential, power: &Permissions) -> Response {
    let user = credential.owner.user();
    let groups = user.map_or_else(String::new, |user| user.groups.join(","));
    let expires = credential
        .expires_at
        .map_or_else(String::new, |end| end.to_string());
    let values: [Cow<'static, str>; 7] = [
        credential.owner.name().to_owned().into(),
        header_name(credential.owner.display_name()).into(),
        groups.into(),
        credential.id.as_str().to_owned().into(),
        credential.kind.as_str().into(),
        power.joined().into(),
        expires.into(),
    ];
    let headers = IDENTITY_HEADERS.into_iter().map(Cow::Borrowed).zip(values);
    Response {
        status_code: 204,
        headers: headers.collect(),
        data: ResponseBody::empty(),
        upgrade: None,
    }
}
