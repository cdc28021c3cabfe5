//! The gate: finds the secret in a request and who is behind it.

use data_encoding::BASE64;

use super::context::RequestContext;
use super::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::error::{Error, SecretSent};
use crate::model::event::Channel;
use crate::model::permission::BuiltinPermission;
use crate::model::secret::Presented;
use crate::transport::Peer;

/// Longest `Authorization` header looked into, in bytes.
const AUTHORIZATION_BYTES_MAX: usize = 1_024;

/// The content of a request's `Authorization` header.
pub enum Sent {
    Nothing,
    /// Something that is no secret of ours.
    Unrecognized,
    /// More than one secret of ours: nobody can say which was meant.
    Several,
    Secret(Presented),
}

/// Finds the secret in `Authorization`: Bearer (RFC 6750, 2.1), or Basic (RFC 7617) with the secret as password or user name.
#[must_use]
pub fn authorization(context: &RequestContext<'_>) -> Sent {
    sent(context, "Authorization", secrets_in)
}

/// Finds the secret in `X-API-Key`.
#[must_use]
pub fn api_key_header(context: &RequestContext<'_>) -> Sent {
    sent(context, "X-API-Key", |line| {
        [Presented::parse(line.trim()), None]
    })
}

/// The content of all lines of one header.
fn sent(
    context: &RequestContext<'_>,
    name: &str,
    read: fn(&str) -> [Option<Presented>; 2],
) -> Sent {
    let mut found = Sent::Nothing;
    for (_, line) in context
        .request
        .headers()
        .filter(|(own, _)| own.eq_ignore_ascii_case(name))
    {
        if let Sent::Nothing = found {
            found = Sent::Unrecognized;
        }
        for presented in read(line).into_iter().flatten() {
            found = match found {
                Sent::Nothing | Sent::Unrecognized => Sent::Secret(presented),
                Sent::Secret(_) | Sent::Several => Sent::Several,
            };
        }
    }
    found
}

fn secrets_in(line: &str) -> [Option<Presented>; 2] {
    basic_or_bearer(line).unwrap_or([None, None])
}

fn basic_or_bearer(line: &str) -> Option<[Option<Presented>; 2]> {
    if line.len() > AUTHORIZATION_BYTES_MAX {
        return None;
    }
    let (scheme, rest) = line.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some([Presented::parse(rest), None]);
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(rest.as_bytes()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some([Presented::parse(user), Presented::parse(password)])
}

/// The secret in `Authorization`, of whatever kind.
///
/// # Errors
/// 401.
pub fn presented(context: &RequestContext<'_>) -> Result<Presented, Problem> {
    match authorization(context) {
        Sent::Secret(presented) => Ok(presented),
        Sent::Nothing => Err(Error::Unauthenticated {
            sent: SecretSent::No,
        }
        .into()),
        Sent::Unrecognized | Sent::Several => Err(Error::Unauthenticated {
            sent: SecretSent::Yes,
        }
        .into()),
    }
}

/// The caller behind an API key or a token, who may do what `permission` says.
///
/// # Errors
/// 401; 403, which names the missing permission and, when it is an administrative one, leaves an event.
pub fn bearer(
    context: &RequestContext<'_>,
    permission: Option<BuiltinPermission>,
) -> Result<Caller, Problem> {
    let origin = context.origin(Channel::Api);
    let caller = match (context.peer, authorization(context)) {
        (Peer::Operator { uid }, Sent::Nothing) => Caller::operator(uid, origin, context.now),
        _ => {
            let presented = presented(context)?;
            context
                .app()
                .caller(&presented, Kind::is_bearer, origin, context.now)?
        }
    };
    if let Some(permission) = permission
        && let Err(error) = caller.demand(permission)
    {
        // Asking about credentials is no administrative act, and is answered on the lane that never waits for the writer.
        if permission.is_administrative() && permission != BuiltinPermission::Introspect {
            context.app().note_refused_request(
                &caller,
                permission,
                &format!("{} {}", context.request.method(), context.shown_path()),
            );
        }
        return Err(error.into());
    }
    Ok(caller)
}

/// The host behind a host credential, which is good at the hosts' own doors alone.
///
/// # Errors
/// 401.
pub fn host(context: &RequestContext<'_>) -> Result<Caller, Problem> {
    let presented = presented(context)?;
    let origin = context.origin(Channel::Host);
    let is_host = |kind| kind == Kind::Host;
    Ok(context
        .app()
        .caller(&presented, is_host, origin, context.now)?)
}

/// Refuses a changing request that a browser marks as coming from another site.
///
/// # Errors
/// [`Problem::CrossSite`].
pub fn require_same_site(context: &RequestContext<'_>) -> Result<(), Problem> {
    let site = context.request.header("Sec-Fetch-Site");
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(Problem::CrossSite);
    }
    match context.request.header("Origin") {
        Some(origin) if !is_own_origin(context, origin) => Err(Problem::CrossSite),
        Some(_) | None => Ok(()),
    }
}

/// Whether `origin` is this site: the public URL's, or without one the name that was used, when that is loopback's.
#[must_use]
pub fn is_own_origin(context: &RequestContext<'_>, origin: &str) -> bool {
    let settings = &context.server_state.settings;
    if origin == settings.public_url {
        return true;
    }
    let Some(host) = context.request.header("Host") else {
        return false;
    };
    !settings.public_url_given
        && is_loopback_name(host)
        && origin.strip_prefix("http://") == Some(host)
}

/// Whether a `Host` names this machine to itself, whatever its port: no name that a stranger's DNS could answer for.
#[must_use]
pub fn is_loopback_name(host: &str) -> bool {
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "[::1]")
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}
