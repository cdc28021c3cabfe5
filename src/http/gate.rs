//! The gate: finds the secret in a request and who is behind it.

use data_encoding::BASE64;

use super::ask::Ask;
use super::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::error::{Error, SecretSent};
use crate::model::event::Way;
use crate::model::permission::Own;
use crate::model::secret::Presented;

/// Longest `Authorization` header looked into, in bytes.
const AUTHORIZATION_BYTES_MAX: usize = 1_024;

/// What the `Authorization` header of a request holds.
pub enum Sent {
    Nothing,
    /// Something that is no secret of ours, or more than one.
    Foreign,
    Secret(Presented),
}

/// Finds the secret in `Authorization`: Bearer (RFC 6750, 2.1), or Basic (RFC 7617) with the secret as password or user name.
#[must_use]
pub fn authorization(ask: &Ask<'_>) -> Sent {
    let mut lines = ask
        .request
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .map(|(_, value)| value);
    match (lines.next(), lines.next()) {
        (None, _) => Sent::Nothing,
        (Some(line), None) => secret_in(line).map_or(Sent::Foreign, Sent::Secret),
        (Some(_), Some(_)) => Sent::Foreign,
    }
}

fn secret_in(line: &str) -> Option<Presented> {
    if line.len() > AUTHORIZATION_BYTES_MAX {
        return None;
    }
    let (scheme, rest) = line.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Presented::parse(rest);
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(rest.as_bytes()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    match (Presented::parse(user), Presented::parse(password)) {
        (Some(one), None) | (None, Some(one)) => Some(one),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// The secret in `Authorization`, of whatever kind.
///
/// # Errors
/// 401.
pub fn presented(ask: &Ask<'_>) -> Result<Presented, Problem> {
    match authorization(ask) {
        Sent::Secret(presented) => Ok(presented),
        Sent::Nothing => Err(Error::Unauthenticated {
            sent: SecretSent::No,
        }
        .into()),
        Sent::Foreign => Err(Error::Unauthenticated {
            sent: SecretSent::Yes,
        }
        .into()),
    }
}

/// The caller behind an API key or a token, who may do what `permission` says.
///
/// # Errors
/// 401; 403, which names the missing permission and, when it is an administrative one, leaves an event.
pub fn bearer(ask: &Ask<'_>, permission: Option<Own>) -> Result<Caller, Problem> {
    let presented = presented(ask)?;
    let caller = ask
        .desk()
        .caller(&presented, Kind::is_bearer, ask.origin(Way::Api), ask.now)?;
    if let Some(permission) = permission
        && let Err(error) = caller.demand(permission)
    {
        if permission.is_administrative() {
            ask.desk().note_refused_request(
                &caller,
                permission,
                &format!("{} {}", ask.request.method(), ask.path),
            );
        }
        return Err(error.into());
    }
    Ok(caller)
}

/// Refuses a changing request that a browser marks as coming from another site.
///
/// # Errors
/// [`Problem::CrossSite`].
pub fn demand_same_site(ask: &Ask<'_>) -> Result<(), Problem> {
    let site = ask.request.header("Sec-Fetch-Site");
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(Problem::CrossSite);
    }
    match ask.request.header("Origin") {
        Some(origin) if !is_own_origin(ask, origin) => Err(Problem::CrossSite),
        Some(_) | None => Ok(()),
    }
}

/// Whether `origin` is this site: the public URL's, or without one the name that was used, when that is loopback's.
#[must_use]
pub fn is_own_origin(ask: &Ask<'_>, origin: &str) -> bool {
    let settings = &ask.house.settings;
    if origin == settings.public_url {
        return true;
    }
    let Some(host) = ask.request.header("Host") else {
        return false;
    };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_loopback = matches!(name, "localhost" | "[::1]")
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback());
    !settings.public_url_given && is_loopback && origin.strip_prefix("http://") == Some(host)
}
