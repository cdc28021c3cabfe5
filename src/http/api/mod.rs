//! The JSON API: one file per resource, a few lines per handler.

pub mod account;
pub mod api_key;
pub mod backup;
pub mod diagnostics;
pub mod event;
pub mod explain;
pub mod group;
pub mod host;
pub mod inventory;
pub mod notice;
pub mod policy;
pub mod service;
pub mod session;
pub mod ssh_key;
pub mod token;
pub mod user;

use std::collections::HashMap;

use rouille::Response;
use serde::Serialize;

use super::context::RequestContext;
use super::headers;
use super::problem::Problem;
use super::query::PageRequest;
use crate::app::{CredentialScope, Page};
use crate::model::caller::Caller;
use crate::model::credential::Record;
use crate::model::error::Error;
use crate::model::idempotency::IdempotencyKey;
use crate::model::secret::Id;
use crate::wire::{CreatorOut, ListOut};

pub use user::link;

/// The answer of a handler.
pub type ApiResult = Result<Response, Problem>;

/// 200.
fn ok<T: Serialize>(value: &T) -> ApiResult {
    Ok(headers::json("application/json", 200, value))
}

/// 201.
fn created<T: Serialize>(value: &T) -> ApiResult {
    Ok(headers::json("application/json", 201, value))
}

/// 204.
fn no_content() -> ApiResult {
    Ok(headers::empty_response(204))
}

/// A page of a list.
fn list_answer<T, U: Serialize>(page: &Page<T>, out: impl Fn(&T) -> U) -> ApiResult {
    ok(&ListOut {
        items: page.items.iter().map(out).collect(),
        next: page.next.clone(),
    })
}

/// A page of a complete list: `after` is the number of items before it.
fn list_page<T, U: Serialize>(all: &[T], part: PageRequest, out: impl Fn(&T) -> U) -> ApiResult {
    let first = part
        .after
        .map_or(0, |after| usize::try_from(after).unwrap_or(usize::MAX));
    let end = first.saturating_add(part.limit);
    ok(&ListOut {
        items: all.iter().skip(first).take(part.limit).map(out).collect(),
        next: (end < all.len()).then(|| end.to_string()),
    })
}

/// The creators of the credentials in a list.
struct Creators(HashMap<Id, Record>);

impl Creators {
    /// The creator of `record`; `None`: the operator, or a user by signing in.
    fn creator_of(&self, record: &Record) -> Option<CreatorOut> {
        let id = record.created_by?;
        Some(CreatorOut::new(id, self.0.get(&id)))
    }
}

fn creators(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: &CredentialScope,
    records: &[Record],
) -> Result<Creators, Problem> {
    let ids = records.iter().filter_map(|record| record.created_by);
    Ok(Creators(context.app().creators(caller, scope, ids)?))
}

fn creator(
    context: &RequestContext<'_>,
    caller: &Caller,
    scope: &CredentialScope,
    record: &Record,
) -> Result<Option<CreatorOut>, Problem> {
    Ok(creators(context, caller, scope, std::slice::from_ref(record))?.creator_of(record))
}

/// The `Idempotency-Key` of a creating request, as digests of it and of the body.
fn idempotency_key(
    context: &RequestContext<'_>,
    caller: &Caller,
    body: &[u8],
) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(key) = context.request.header("Idempotency-Key") else {
        return Ok(None);
    };
    if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            Error::field("Idempotency-Key", "use 1 to 255 visible ASCII characters").into(),
        );
    }
    let id = caller.credential_id();
    let parts: [&[u8]; 4] = [
        b"idempotency",
        id.as_ref().map_or("operator", Id::as_str).as_bytes(),
        context.path.as_bytes(),
        key.as_bytes(),
    ];
    Ok(Some(IdempotencyKey {
        request: context.app().keyed(&parts),
        body: context.app().keyed(&[b"body", body]),
    }))
}
