//! "Why was it refused?": `/explain/{id}` beside API keys and tokens: also of one that
//! was deleted, which at its own path is no more.

use super::{Answer, Problem, ok};
use crate::desk::{Circumstances, Desk, Explanation, Whose};
use crate::http::ask::Ask;
use crate::http::query::Query;
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::error::Error;
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
    let asked = Circumstances::parse(query.get("address"), query.get("permission"));
    if let Err(faults) = &asked {
        for fault in faults {
            query.fault(&fault.field, fault.message.clone());
        }
    }
    query.check()?;
    let whose = whose(ask, caller)?;
    let explanation = ask.desk().explain(
        caller,
        &whose,
        kind,
        ask.id(kind.name())?,
        &asked.unwrap_or_default(),
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
