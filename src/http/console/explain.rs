//! "Why was it rejected?" on the page of a credential.

use super::query;
use crate::app::{Circumstances, CredentialScope};
use crate::html::explain::{Chain, Link};
use crate::html::form::Input;
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::secret::Id;

/// Explains why a credential is rejected; the query has the circumstances.
pub fn chain(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: &CredentialScope,
    kind: Kind,
    id: Id,
) -> Result<Chain, Problem> {
    let mut input = Input::default();
    for name in ["address", "permission"] {
        let given = query(context, name).unwrap_or_default();
        input
            .values
            .push((name.to_owned(), given.trim().to_owned()));
    }
    let typed = |name| input.value(name).filter(|text| !text.is_empty());
    let asked = Circumstances::parse(typed("address"), typed("permission"));
    let (circumstances, errors) = match asked {
        Ok(circumstances) => (circumstances, Vec::new()),
        Err(errors) => (Circumstances::default(), errors),
    };
    input.errors = errors;
    let app = context.app();
    let explained = app.explain(caller, scope, kind, id, &circumstances)?;
    let links = explained.checks.into_iter().map(|check| Link {
        name: check.name,
        holds: check.holds,
        sentence: check.sentence,
    });
    Ok(Chain {
        links: links.collect(),
        input,
    })
}
