//! Endpoints for hosts: enrollment, keys for logins, and reports of logins.

use rouille::Response;

use super::context::RequestContext;
use super::problem::Problem;
use super::query::Query;
use super::{auth, body, headers};
use crate::app::HostKeyFilter;
use crate::model::caller::Caller;
use crate::model::credential::SecretSlot;
use crate::model::error::{Error, SecretSent};
use crate::model::event::Channel;
use crate::model::host::{is_fingerprint, parse_host_name};
use crate::model::secret::{Digest, SecretForm};
use crate::model::time::Time;
use crate::model::user::Username;
use crate::wire::{
    AuthorizedKeysOut, CLOCK_HEADER, EnrollIn, EnrollOut, LoginIn, LoginKeyOut, NothingIn,
};

type HostResult = Result<Response, Problem>;

/// Enrolls a host, with an enrollment code as the bearer.
pub fn enroll(context: &RequestContext<'_>) -> HostResult {
    let presented = auth::presented(context)?;
    if !matches!(presented.form, SecretForm::Code) {
        return Err(Error::Unauthenticated {
            sent: SecretSent::Yes,
        }
        .into());
    }
    context
        .app()
        .require_enrollment_code(&presented, context.now)?;
    let wanted: EnrollIn = body::json(context)?;
    let name = parse_host_name(&wanted.name).map_err(|message| Error::field("name", message))?;
    let origin = context.origin(Channel::Host);
    let issued = context
        .app()
        .enroll_host(presented, name, origin, context.now)?;
    let out = EnrollOut {
        id: issued.record.id.to_string(),
        name: issued.record.name,
        secret: issued.secret.reveal().to_string(),
    };
    Ok(headers::json("application/json", 201, &out))
}

/// The keys of all users, or those of one login, with an `ETag` (RFC 9110, 8.8.3), so that a repeated request costs
/// nothing.
pub fn authorized_keys(context: &RequestContext<'_>, caller: &Caller) -> HostResult {
    let Some(wanted) = read_wanted(context)? else {
        return keys_answer(context, caller, Vec::new(), None);
    };
    let is_whole = wanted.login.is_none();
    if is_whole && let Err(error) = context.app().finish_rotation(caller) {
        // The keys matter more; the next sync tries again.
        log::warn!("the previous secret of a host is not revoked: {error:?}");
    }
    if is_whole
        && !must_rotate(context, caller)?
        && let Some(tag) = context.app().sent_keys_tag(caller)?
        && has_tag(context, &tag)
    {
        context.app().note_contact(caller, true, clock(context))?;
        return Ok(tagged(headers::empty_response(304), &tag));
    }
    let found = context.app().host_keys(caller, &wanted)?;
    let items = found.keys.iter().map(LoginKeyOut::new).collect();
    keys_answer(context, caller, items, is_whole.then_some(found.as_of))
}

/// Returns whether the host should rotate its credential: an admin requested it, or the answer of an earlier rotation
/// was lost.
fn must_rotate(context: &RequestContext<'_>, caller: &Caller) -> Result<bool, Problem> {
    let host = context.app().calling_host(caller)?;
    Ok(host.rotation_requested_at.is_some() || caller.slot()? == SecretSlot::Previous)
}

/// The reported time of the host's clock.
fn clock(context: &RequestContext<'_>) -> Option<Time> {
    let header = context.request.header(CLOCK_HEADER)?;
    Time::parse(header).ok()
}

/// The requested filter; `None` for an invalid name or fingerprint, which no key has.
fn read_wanted(context: &RequestContext<'_>) -> Result<Option<HostKeyFilter>, Problem> {
    let mut query = Query::read(context, &["username", "fingerprint"]);
    let login = query.get("username").map(Username::parse);
    let fingerprint = query.get("fingerprint").map(str::to_owned);
    if login.is_none() && fingerprint.is_some() {
        query.fault("username", "this is required with a fingerprint");
    }
    query.check()?;
    let is_form = fingerprint.as_deref().is_none_or(is_fingerprint);
    Ok(match login {
        Some(Err(_)) => None,
        _ if !is_form => None,
        Some(Ok(login)) => Some(HostKeyFilter {
            login: Some(login),
            fingerprint,
            even_if_paused: false,
        }),
        None => Some(HostKeyFilter::default()),
    })
}

fn keys_answer(
    context: &RequestContext<'_>,
    caller: &Caller,
    items: Vec<LoginKeyOut>,
    complete: Option<crate::app::KeyListValidity>,
) -> HostResult {
    let host = context.app().calling_host(caller)?;
    let out = AuthorizedKeysOut {
        items,
        cache_age_max: host.cache_age_max.as_secs(),
        rotate_credential: complete.is_some() && must_rotate(context, caller)?,
    };
    let text =
        serde_json::to_vec(&out).expect("our own shapes have only string keys and can be written");
    let tag = format!("\"{}\"", &Digest::new(&text).hex()[..32]);
    context
        .app()
        .note_contact(caller, complete.is_some(), clock(context))?;
    if let Some(as_of) = complete {
        context.app().remember_sent_keys(caller, &tag, as_of)?;
    }
    let response = if has_tag(context, &tag) && !out.rotate_credential {
        headers::empty_response(304)
    } else {
        headers::bytes_of("application/json", 200, text)
    };
    Ok(tagged(response, &tag))
}

fn tagged(mut response: Response, tag: &str) -> Response {
    let header = ("ETag".into(), tag.to_owned().into());
    response.headers.push(header);
    response
}

/// Returns whether the caller has the version `tag` (RFC 9110, 13.1.2).
fn has_tag(context: &RequestContext<'_>, tag: &str) -> bool {
    let lines = context
        .request
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("if-none-match"));
    let mut tags = lines.flat_map(|(_, value)| value.split(',')).map(str::trim);
    tags.any(|one| one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// Replaces the credential of the calling host.
pub fn rotate(context: &RequestContext<'_>, caller: &Caller) -> HostResult {
    let NothingIn {} = body::json(context)?;
    let issued = context.app().rotate_host(caller)?;
    let out = EnrollOut {
        id: issued.record.id.to_string(),
        name: issued.record.name,
        secret: issued.secret.reveal().to_string(),
    };
    Ok(headers::json("application/json", 200, &out))
}

/// Records logins that the host's sshd accepted.
pub fn report_logins(context: &RequestContext<'_>, caller: &Caller) -> HostResult {
    let logins: Vec<LoginIn> = body::json_list(context)?;
    let logins = LoginIn::parse_all(&logins)?;
    context.app().note_contact(caller, false, clock(context))?;
    context.app().report_logins(caller, logins)?;
    Ok(headers::empty_response(204))
}

/// Calls `handler` with the calling host.
pub fn call_host_handler(
    context: &RequestContext<'_>,
    handler: fn(&RequestContext<'_>, &Caller) -> HostResult,
) -> HostResult {
    let caller = auth::host(context)?;
    handler(context, &caller)
}
