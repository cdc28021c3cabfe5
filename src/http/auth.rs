//! Authentication: finds the secret in a request and its caller.

use data_encoding::BASE64;

use super::context::RequestContext;
use super::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::error::{Error, SecretSent};
use crate::model::event::Channel;
use crate::model::permission::BuiltinPermission;
use crate::model::secret::Presented;
use crate::model::text::sanitize;
use crate::transport::Peer;
use crate::wire::is_end_to_end;

/// Longest `Authorization` header that is parsed, in bytes.
const AUTHORIZATION_BYTES_MAX: usize = 1_024;

/// The content of a request's `Authorization` header.
pub enum Sent {
    Nothing,
    /// Text that is not a Keycroft secret.
    Unrecognized,
    /// More than one Keycroft secret, so that the choice would be ambiguous.
    Several,
    Secret(Presented),
}

/// Finds the secret in `Authorization`: Bearer (RFC 6750, 2.1), or Basic (RFC 7617) with the secret as password or
/// username.
pub fn authorization(context: &RequestContext<'_>) -> Sent {
    sent(context, "Authorization", secrets_in)
}

/// Finds the secret in `X-API-Key`.
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
        // Proxies that copy a header send an empty one if the client sent none.
        if line.trim().is_empty() {
            continue;
        }
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

/// The secret in `Authorization`, of any kind.
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

/// The caller behind an API key or a token, who needs `permission`.
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
        && let Err(error) = caller.require(permission)
    {
        // Introspection is not administrative, and its lane never waits for the writer.
        if permission.is_administrative() && permission != BuiltinPermission::Introspect {
            context.app().note_rejected_request(
                &caller,
                permission,
                &format!("{} {}", context.request.method(), context.shown_path()),
            );
        }
        return Err(error.into());
    }
    Ok(caller)
}

/// The host behind a host credential, which is valid only at the endpoints for hosts.
pub fn host(context: &RequestContext<'_>) -> Result<Caller, Problem> {
    let presented = presented(context)?;
    let origin = context.origin(Channel::Host);
    let is_host = |kind| kind == Kind::Host;
    Ok(context
        .app()
        .caller(&presented, is_host, origin, context.now)?)
}

/// Rejects a `Connection` header that names a header of Keycroft. A proxy on the way would remove that header (RFC
/// 9110, 7.6.1), and with it the data about the sender.
pub fn require_end_to_end(request: &rouille::Request) -> Result<(), Problem> {
    let named = request
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
        .flat_map(|(_, line)| line.split(','))
        .map(str::trim)
        .find(|name| is_end_to_end(name));
    named.map_or(Ok(()), |name| Err(Problem::HopByHop(name.to_owned())))
}

/// Rejects a changing request that a browser marks as coming from another site.
pub fn require_same_site(context: &RequestContext<'_>) -> Result<(), Problem> {
    let site = context.request.header("Sec-Fetch-Site");
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(cross_site(context));
    }
    match context.request.header("Origin") {
        Some(origin) if !is_own_origin(context, origin) => Err(cross_site(context)),
        Some(_) | None => Ok(()),
    }
}

/// Longest reported foreign origin, in characters.
const ORIGIN_CHARACTERS_MAX: usize = 100;

/// Rejects a request from another site. Most often that site is this server itself, behind a proxy that is not
/// configured. So the answer and, once a minute and thread, the log contain both names and the setting.
pub fn cross_site(context: &RequestContext<'_>) -> Problem {
    let own = &context.server_state.settings.public_url;
    let origin = context.request.header("Origin").unwrap_or_default();
    let origin = sanitize(origin, ORIGIN_CHARACTERS_MAX);
    let is_site = origin.starts_with("https://") || origin.starts_with("http://");
    if !is_site || origin == *own {
        let sentence = "Your browser marks this request as coming from another site. Use Keycroft's own pages.";
        return Problem::CrossSite(sentence.to_owned());
    }
    if context.server_state.may_warn_of_origin(context.now) {
        log::warn!(
            "{} request from {origin} rejected: the public URL is {own}; if both are this server, set --public-url",
            context.request_id
        );
    }
    Problem::CrossSite(format!(
        "Your browser sent this request from {origin}, but this server is {own}. Use Keycroft's own pages. If {origin} \
         is this server, its operator must start it with --public-url {origin}."
    ))
}

/// Returns whether `origin` is this site: the public URL's, or without one a loopback name of the request.
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

/// Returns whether a `Host` is a loopback name, with any port: a name that foreign DNS can't answer for.
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
