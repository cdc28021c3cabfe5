//! "Why was it rejected?": `/explain/{id}` for API keys and tokens, deleted ones included.

use super::{ApiResult, Problem, ok};
use crate::app::{App, Circumstances, CredentialScope, Explanation};
use crate::http::context::RequestContext;
use crate::http::query::Query;
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::error::Error;
use crate::model::user::Username;
use crate::wire::{CheckOut, ExplanationOut};

pub fn own_api_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    explain(context, caller, Kind::ApiKey, |_, caller| {
        Ok(App::own(caller, Kind::ApiKey)?)
    })
}

pub fn own_token(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    explain(context, caller, Kind::Token, |_, caller| {
        Ok(App::own(caller, Kind::Token)?)
    })
}

pub fn users_api_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    explain(context, caller, Kind::ApiKey, of_user)
}

pub fn users_token(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    explain(context, caller, Kind::Token, of_user)
}

pub fn services_api_key(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    explain(context, caller, Kind::ApiKey, |context, caller| {
        let service = context.app().service(caller, context.parameter(0))?;
        Ok(App::of_service(service.id))
    })
}

fn of_user(context: &RequestContext<'_>, caller: &Caller) -> Result<CredentialScope, Problem> {
    let username = Username::parse(context.parameter(0)).map_err(|_| Error::NotFound("user"))?;
    Ok(App::of_user(context.app().user(caller, &username)?.id))
}

fn explain(
    context: &RequestContext<'_>,
    caller: &Caller,
    kind: Kind,
    scope: fn(&RequestContext<'_>, &Caller) -> Result<CredentialScope, Problem>,
) -> ApiResult {
    let mut query = Query::read(context, &["address", "permission"]);
    let asked = Circumstances::parse(query.get("address"), query.get("permission"));
    if let Err(faults) = &asked {
        for fault in faults {
            query.fault(&fault.field, fault.message.clone());
        }
    }
    query.check()?;
    let scope = scope(context, caller)?;
    let explanation = context.app().explain(
        caller,
        &scope,
        kind,
        context.id(kind.name())?,
        &asked.unwrap_or_default(),
    )?;
    ok(&explanation_out(&explanation))
}

fn explanation_out(explanation: &Explanation) -> ExplanationOut {
    let record = &explanation.record;
    let failed = explanation.failed();
    let unasked = explanation.checks.iter().any(|check| check.holds.is_none());
    let summary = match failed {
        Some(check) => format!("It is rejected. {}", check.sentence),
        None if unasked => "It is valid, as far as it was checked.".to_owned(),
        None => "It is valid.".to_owned(),
    };
    ExplanationOut {
        id: record.id.to_string(),
        kind: record.kind.as_str().to_owned(),
        name: record.name.clone(),
        valid: failed.is_none(),
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
