//! `/api/v1/hosts`, for admins.

use rouille::Response;

use super::{Answer, created, list, no_content, ok, once};
use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::wire::{EnrolmentCodeIn, EnrolmentCodeOut, HostOut, HostPatch, ListOut};

pub fn list_hosts(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let part = query::part(ask)?;
    list(
        &ask.desk().hosts(caller, part.after, part.limit)?,
        HostOut::of,
    )
}

pub fn show(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ok(&HostOut::of(&ask.desk().host(caller, ask.id("host")?)?))
}

pub fn edit(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let wanted: HostPatch = body::json(ask)?;
    let change = wanted.parse()?;
    let host = ask.desk().edit_host(caller, ask.id("host")?, change)?;
    ok(&HostOut::of(&host))
}

pub fn delete(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ask.desk().delete_host(caller, ask.id("host")?)?;
    no_content()
}

pub fn list_codes(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    let codes = ask.desk().enrolment_codes(caller)?;
    ok(&ListOut {
        items: codes.iter().map(EnrolmentCodeOut::of).collect(),
        next: None,
    })
}

pub fn create_code(ask: &Ask<'_>, caller: &Caller) -> Result<Response, Problem> {
    let (wanted, bytes) = body::json_with_bytes::<EnrolmentCodeIn>(ask)?;
    let new = wanted.parse()?;
    let once = once(ask, caller, &bytes)?;
    let (secret, code) = ask.desk().add_enrolment_code(caller, new, once)?;
    let mut out = EnrolmentCodeOut::of(&code);
    out.secret = Some(secret.reveal().to_string());
    created(&out)
}

pub fn delete_code(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    let id = ask.id("enrolment code")?;
    ask.desk().delete_enrolment_code(caller, id)?;
    no_content()
}
