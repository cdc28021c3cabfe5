//! `/oauth/introspect` (RFC 7662) and `/oauth/revoke` (RFC 7009).

use std::borrow::Cow;
use std::net::IpAddr;

use rouille::Response;

use super::form::{self, single_value};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::http::{body, headers};
use crate::model::caller::Caller;
use crate::model::credential::Owner;
use crate::model::error::Error;
use crate::model::event::Channel;
use crate::model::secret::{Presented, SecretForm};
use crate::model::time::Time;
use crate::wire::IntrospectionOut;

/// Exactly these bytes for every invalid secret.
const INACTIVE: &[u8] = b"{\"active\":false}";

pub fn introspect(context: &RequestContext<'_>, caller: &Caller) -> Result<Response, Problem> {
    let bytes = body::form(context)?;
    let form = form::read(&bytes);
    let token = single_value(&form, "token")?.unwrap_or_default();
    let address = match single_value(&form, "address")?.map(str::parse::<IpAddr>) {
        None => None,
        Some(Ok(address)) => Some(address.to_canonical()),
        Some(Err(_)) => {
            return Err(Error::field("address", "expected an address such as 10.0.0.7").into());
        }
    };
    let found = context
        .app()
        .introspect(caller, Presented::parse(token).as_ref(), address)?;
    let Some(found) = found else {
        return Ok(headers::bytes_of(
            "application/json",
            200,
            INACTIVE.to_vec(),
        ));
    };
    let owner = &found.credential.owner;
    let out = IntrospectionOut {
        active: true,
        scope: found.power.joined(),
        username: Some(owner.name().into()),
        sub: subject(owner),
        token_type: "Bearer".into(),
        exp: found.credential.expires_at.map(Time::unix),
        iat: Some(found.credential.created_at.unix()),
        jti: found.credential.id.as_str().into(),
        kind: found.credential.kind.as_str().into(),
    };
    Ok(headers::json("application/json", 200, &out))
}

/// Stable and never reused: row numbers of users and services are never reused, unlike a service's name.
fn subject(owner: &Owner) -> Cow<'_, str> {
    match owner {
        Owner::User(user) => user.subject.as_str().into(),
        Owner::Service(service) => format!("service-{}", service.id.0).into(),
        Owner::Host(host) => format!("host-{}", host.id.0).into(),
    }
}

/// Revokes a secret; its possession is enough. 200 also for an unknown secret (RFC 7009, 2.2).
pub fn revoke(context: &RequestContext<'_>) -> Result<Response, Problem> {
    let bytes = body::form(context)?;
    let form = form::read(&bytes);
    let token =
        single_value(&form, "token")?.ok_or_else(|| Error::field("token", "this is needed"))?;
    if let Some(presented) = Presented::parse(token)
        .filter(|presented| matches!(presented.form, SecretForm::Credential(_)))
    {
        match context
            .app()
            .revoke(presented, context.origin(Channel::Api), context.now)
        {
            Ok(()) | Err(Error::Unauthenticated { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(headers::empty_response(200))
}
