//! The doors for hosts: enrolment, the keys that open logins, and what was seen of logins.

use rouille::Response;

use super::ask::Ask;
use super::problem::Problem;
use super::query::Query;
use super::{body, gate, headers};
use crate::desk::Wanted;
use crate::model::caller::Caller;
use crate::model::error::{Error, SecretSent};
use crate::model::event::Way;
use crate::model::host::{is_fingerprint, parse_host_name};
use crate::model::secret::{Digest, Form};
use crate::model::time::Time;
use crate::model::user::Username;
use crate::wire::{AuthorizedKeysOut, CLOCK_HEADER, EnrollIn, EnrollOut, LoginIn, LoginKeyOut};

type Answer = Result<Response, Problem>;

/// Enrols a host: an enrolment code is the bearer.
pub fn enroll(ask: &Ask<'_>) -> Answer {
    let presented = gate::presented(ask)?;
    if !matches!(presented.form, Form::Code) {
        return Err(Error::Unauthenticated {
            sent: SecretSent::Yes,
        }
        .into());
    }
    ask.desk().demand_enrolment_code(&presented, ask.now)?;
    let wanted: EnrollIn = body::json(ask)?;
    let name = parse_host_name(&wanted.name).map_err(|message| Error::field("name", message))?;
    let origin = ask.origin(Way::Host);
    let issued = ask.desk().enroll_host(presented, name, origin, ask.now)?;
    let out = EnrollOut {
        id: issued.record.id.to_string(),
        name: issued.record.name,
        secret: issued.secret.reveal().to_string(),
    };
    Ok(headers::json("application/json", 201, &out))
}

/// Everybody's keys, or those of one login; with an `ETag` (RFC 9110, 8.8.3), so that asking again costs nothing.
pub fn authorized_keys(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let Some(wanted) = read_wanted(ask)? else {
        return answer(ask, caller, Vec::new(), None);
    };
    let is_whole = wanted.login.is_none();
    if is_whole
        && let Some(tag) = ask.desk().copy_tag(caller)?
        && has_tag(ask, &tag)
    {
        ask.desk().note_contact(caller, true, clock(ask))?;
        return Ok(tagged(headers::empty(304), &tag));
    }
    let found = ask.desk().host_keys(caller, &wanted)?;
    let items = found.keys.iter().map(LoginKeyOut::of).collect();
    answer(ask, caller, items, is_whole.then_some(found.as_of))
}

/// What the host's clock says, when it says it.
fn clock(ask: &Ask<'_>) -> Option<Time> {
    let said = ask.request.header(CLOCK_HEADER)?;
    Time::parse(said).ok()
}

/// What is asked for; `None` when it is what nobody can have: a name or a fingerprint that is none.
fn read_wanted(ask: &Ask<'_>) -> Result<Option<Wanted>, Problem> {
    let mut query = Query::read(ask, &["username", "fingerprint"]);
    let login = query.get("username").map(Username::parse);
    let fingerprint = query.get("fingerprint").map(str::to_owned);
    if login.is_none() && fingerprint.is_some() {
        query.fault("username", "this is needed beside a fingerprint");
    }
    query.check()?;
    let is_form = fingerprint.as_deref().is_none_or(is_fingerprint);
    Ok(match login {
        Some(Err(_)) => None,
        _ if !is_form => None,
        Some(Ok(login)) => Some(Wanted {
            login: Some(login),
            fingerprint,
        }),
        None => Some(Wanted::default()),
    })
}

fn answer(
    ask: &Ask<'_>,
    caller: &Caller,
    items: Vec<LoginKeyOut>,
    whole: Option<crate::desk::AsOf>,
) -> Answer {
    let age = ask.desk().calling_host(caller)?.cache_age_max.as_secs();
    let out = AuthorizedKeysOut {
        items,
        cache_age_max: age,
    };
    let text =
        serde_json::to_vec(&out).expect("our own shapes have only string keys and can be written");
    let tag = format!("\"{}\"", &Digest::of(&text).hex()[..32]);
    ask.desk()
        .note_contact(caller, whole.is_some(), clock(ask))?;
    if let Some(as_of) = whole {
        ask.desk().remember_copy(caller, &tag, as_of)?;
    }
    let response = if has_tag(ask, &tag) {
        headers::empty(304)
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

/// Whether the caller has what `tag` names (RFC 9110, 13.1.2).
fn has_tag(ask: &Ask<'_>, tag: &str) -> bool {
    let lines = ask
        .request
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("if-none-match"));
    let mut tags = lines.flat_map(|(_, value)| value.split(',')).map(str::trim);
    tags.any(|one| one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// Takes a host's word for logins that its sshd accepted.
pub fn report_logins(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let logins: Vec<LoginIn> = body::json_list(ask)?;
    let logins = LoginIn::parse_all(&logins)?;
    ask.desk().note_contact(caller, false, clock(ask))?;
    ask.desk().report_logins(caller, logins)?;
    Ok(headers::empty(204))
}

/// Asks `handler` with the host that calls.
///
/// # Errors
/// 401; what the handler says.
pub fn called(ask: &Ask<'_>, handler: fn(&Ask<'_>, &Caller) -> Answer) -> Answer {
    let caller = gate::host(ask)?;
    handler(ask, &caller)
}
