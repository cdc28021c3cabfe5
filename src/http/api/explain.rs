//! "Why was it refused?": `/explain/{id}` beside API keys and tokens: also of one that
//! was deleted, which at its own path is no more.

use std::net::IpAddr;

use super::{Answer, Problem, ok};
use crate::desk::{Circumstances, Desk, Explanation, Whose};
use crate::http::ask::Ask;
use crate::http::query::Query;
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::error::Error;
use crate::model::permission::Permission;
use crate::model::user::Username;
use crate::wire::{CheckOut, ExplanationOut};

pub fn own_api_key(ask: &Ask<'_>, caller: &Caller) -> Answer {
    explain(ask, caller, Kind::ApiKey, |_, caller| {
        Ok(Desk::own(caller, Kind::ApiKey)?)
    })
}

pub fn own_token(ask: &Ask<'_>, caller: &Caller) -> Answer {
    explain(ask, caller, Kind::Token, |_, caller| {
        Ok(Desk::own(caller, Kind::Token)?)
    })
}

pub fn users_api_key(ask: &Ask<'_>, caller: &Caller) -> Answer {
    explain(ask, caller, Kind::ApiKey, of_user)
}

pub fn users_token(ask: &Ask<'_>, caller: &Caller) -> Answer {
    explain(ask, caller, Kind::Token, of_user)
}

pub fn services_api_key(ask: &Ask<'_>, caller: &Caller) -> Answer {
    explain(ask, caller, Kind::ApiKey, |ask, caller| {
        Ok(Desk::of_service(
            &ask.desk().service(caller, ask.parameter(0))?,
        ))
    })
}

fn of_user(ask: &Ask<'_>, caller: &Caller) -> Result<Whose, Problem> {
    let username = Username::parse(ask.parameter(0)).map_err(|_| Error::NotFound("user"))?;
    Ok(Desk::of_user(ask.desk().user(caller, &username)?.id))
}

fn explain(
    ask: &Ask<'_>,
    caller: &Caller,
    kind: Kind,
    whose: fn(&Ask<'_>, &Caller) -> Result<Whose, Problem>,
) -> Answer {
    let mut query = Query::read(ask, &["address", "permission"]);
    let address = match query.get("address").map(str::parse::<IpAddr>) {
        None => None,
        Some(Ok(address)) => Some(address.to_canonical()),
        Some(Err(_)) => {
            query.fault("address", "write an address like 10.0.0.7");
            None
        }
    };
    let permission = match query.get("permission").map(Permission::parse) {
        None => None,
        Some(Ok(permission)) => Some(permission),
        Some(Err(message)) => {
            query.fault("permission", message);
            None
        }
    };
    query.check()?;
    let whose = whose(ask, caller)?;
    let explanation = ask.desk().explain(
        caller,
        &whose,
        kind,
        ask.id(kind.name())?,
        &Circumstances {
            address,
            permission,
        },
    )?;
    ok(&out(&explanation))
}

fn out(explanation: &Explanation) -> ExplanationOut {
    let record = &explanation.record;
    let failed = explanation.failed();
    let unasked = explanation.checks.iter().any(|check| check.holds.is_none());
    let summary = match failed {
        Some(check) => format!("It is refused. {}", check.sentence),
        None if unasked => "It is good, as far as was asked.".to_owned(),
        None => "It is good.".to_owned(),
    };
    ExplanationOut {
        id: record.id.to_string(),
        kind: record.kind.word().to_owned(),
        name: record.name.clone(),
        good: failed.is_none(),
        failed: failed.map(|check| check.name.to_owned()),
        summary,
        checks: explanation
            .checks
            .iter()
            .map(|check| CheckOut {
                check: check.name.to_owned(),
                passed: check.holds,
                message: check.sentence.clone(),
            })
            .collect(),
    }
}
