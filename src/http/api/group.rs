//! `/api/v1/groups`.

use super::{Answer, created, list, no_content, once};
use crate::http::ask::Ask;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::group::parse_group_name;
use crate::model::user::Username;
use crate::wire::{GroupIn, GroupOut, NothingIn};

pub fn list_groups(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let part = query::part(ask)?;
    list(
        &ask.desk().groups(caller, part.after, part.limit)?,
        GroupOut::of,
    )
}

pub fn add(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let (wanted, bytes) = body::json_with_bytes::<GroupIn>(ask)?;
    let name = parse_group_name(&wanted.name).map_err(|message| Error::field("name", message))?;
    let once = once(ask, caller, &bytes)?;
    created(&GroupOut::of(&ask.desk().add_group(caller, name, once)?))
}

pub fn delete(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ask.desk()
        .delete_group(caller, ask.parameter(0).to_owned())?;
    no_content()
}

pub fn add_member(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let NothingIn {} = body::json(ask)?;
    ask.desk()
        .add_group_member(caller, ask.parameter(0).to_owned(), member(ask)?)?;
    no_content()
}

pub fn remove_member(ask: &Ask<'_>, caller: &Caller) -> Answer {
    query::none(ask)?;
    ask.desk()
        .remove_group_member(caller, ask.parameter(0).to_owned(), member(ask)?)?;
    no_content()
}

fn member(ask: &Ask<'_>) -> Result<Username, Error> {
    Username::parse(ask.parameter(1)).map_err(|_| Error::NotFound("user"))
}
