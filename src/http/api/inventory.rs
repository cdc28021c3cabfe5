//! `/api/v1/credentials`: the inventory.

use super::{ApiResult, ok};
use crate::http::context::RequestContext;
use crate::http::query::Query;
use crate::model::caller::Caller;
use crate::model::inventory::{InventoryFilter, InventoryPlace};
use crate::wire::{CredentialOut, ListOut};

pub fn list_all(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let mut query = Query::read(context, &["limit", "after", "show"]);
    let limit = query.limit();
    let after = match query.get("after").map(InventoryPlace::parse) {
        None => None,
        Some(Some(place)) => Some(place),
        Some(None) => {
            query.fault("after", "expected the value of \"next\"");
            None
        }
    };
    let show = match query.get("show") {
        None => InventoryFilter::Everything,
        Some(word) => InventoryFilter::from_word(word)
            .filter(|show| *show != InventoryFilter::Everything)
            .unwrap_or_else(|| {
                query.fault(
                    "show",
                    "choose unused, never-used, no-expiry, expires-soon or weak-ssh-key",
                );
                InventoryFilter::Everything
            }),
    };
    query.check()?;
    let found = context.app().inventory_after(caller, show, after, limit)?;
    let out = found
        .items
        .iter()
        .map(|owned| CredentialOut::new(&owned.item, &owned.owner, context.now));
    ok(&ListOut {
        items: out.collect(),
        next: found.next.map(InventoryPlace::text),
    })
}
