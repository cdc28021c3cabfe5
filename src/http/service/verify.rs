//! `/verify`: forward authentication for proxies. 204, 401 or 403, and nothing else once the file could be read.

use rouille::{Response, ResponseBody};

use crate::app::Asked;
use crate::http::context::RequestContext;
use crate::http::gate::{Sent, api_key_header, authorization};
use crate::http::problem::Problem;
use crate::model::credential::{Credential, Kind};
use crate::model::error::{Error, SecretSent};
use crate::model::permission::{Permission, Permissions};
use crate::model::text::is_invisible;

/// Answers whether the secret in a request is good; `?permission=` (repeatable) demands permissions.
pub fn verify(context: &RequestContext<'_>) -> Result<Response, Problem> {
    let presented = match find(context) {
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
    let asked = Asked {
        address: context.address(),
        program: program.as_deref(),
        now: context.now,
    };
    let (credential, _) = context
        .app()
        .authenticate(&presented, Kind::is_bearer, asked)?;
    let power = credential.power();
    demand(context.request.raw_query_string(), &power)?;
    Ok(identity(&credential, &power))
}

/// `Authorization`, then `X-API-Key`: what is not in our form is passed over, the first that is decides.
fn find(context: &RequestContext<'_>) -> Sent {
    match authorization(context) {
        Sent::Nothing => api_key_header(context),
        Sent::Unrecognized => match api_key_header(context) {
            Sent::Nothing => Sent::Unrecognized,
            other => other,
        },
        decided => decided,
    }
}

/// # Errors
/// 403 that names the first permission that is missing; also for one that is malformed.
fn demand(query: &str, power: &Permissions) -> Result<(), Problem> {
    if query.is_empty() {
        return Ok(());
    }
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name == "permission" {
            let permission = Permission::parse(&value).map_err(Error::NotAllowed)?;
            if !power.contains(&permission) {
                return Err(Error::Forbidden {
                    missing: permission,
                }
                .into());
            }
        }
    }
    Ok(())
}

/// A name without what can't stand in a header or be seen, whatever the file holds.
fn shown(name: &str) -> String {
    if name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return name.to_owned();
    }
    name.chars().filter(|c| !is_invisible(*c)).collect()
}

/// 204 with who it is. All of these headers are always there, empty where there is nothing, so that a client's own can't
/// survive a proxy. Without a body on purpose: an answer with one makes nginx drop its connection to us.
fn identity(credential: &Credential, power: &Permissions) -> Response {
    let user = credential.owner.user();
    let groups = user.map_or_else(String::new, |user| user.groups.join(","));
    let expires = credential
        .expires_at
        .map_or_else(String::new, |end| end.to_string());
    let headers = vec![
        (
            "Remote-User".into(),
            credential.owner.name().to_owned().into(),
        ),
        (
            "Remote-Name".into(),
            shown(credential.owner.display_name()).into(),
        ),
        ("Remote-Groups".into(), groups.into()),
        (
            "Keycroft-Credential".into(),
            credential.id.as_str().to_owned().into(),
        ),
        ("Keycroft-Kind".into(), credential.kind.as_str().into()),
        ("Keycroft-Permissions".into(), power.joined().into()),
        ("Keycroft-Expires".into(), expires.into()),
    ];
    Response {
        status_code: 204,
        headers,
        data: ResponseBody::empty(),
        upgrade: None,
    }
}
