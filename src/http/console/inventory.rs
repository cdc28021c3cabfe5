//! `/admin/inventory`: the credentials and SSH keys of all users.

use std::collections::HashMap;

use super::ssh_key::row as ssh_key_row;
use super::{Answer, bulk, frame, list, page_response, query};
use crate::app::{Holders, ListExtent, OwnedItem};
use crate::html::api_key::ApiKeyRow;
use crate::html::form::Input;
use crate::html::inventory::{
    self as pages, Inventory, InventoryItem, InventoryRow, Tab, kind_word,
};
use crate::html::list::{ListPlace, limited_count};
use crate::http::context::RequestContext;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, OwnerId, UsageDay};
use crate::model::error::Error;
use crate::model::inventory::{Item, TAB_COUNT_MAX};
use crate::model::list::List;
use crate::model::secret::Id;
use crate::model::time::Time;
use crate::model::user::Role;

const TABS: [List; 4] = [List::ApiKeys, List::SshKeys, List::Tokens, List::Sessions];

/// The tab of a word in `?kind=`, and whether the word is known.
fn tab(word: Option<&str>) -> (List, bool) {
    let found = TABS.into_iter().find(|list| Some(kind_word(*list)) == word);
    (
        found.unwrap_or(List::ApiKeys),
        found.is_some() || word.is_none_or(str::is_empty),
    )
}

fn row(
    owned: OwnedItem,
    now: Time,
    usage: &mut HashMap<Id, Vec<UsageDay>>,
) -> Option<InventoryRow> {
    let owner = owned.item.owner();
    let owner_path = match owner {
        _ if owned.owner.is_empty() => None,
        OwnerId::User(_) => Some(format!("/admin/users/{}", owned.owner)),
        OwnerId::Service(_) => Some(format!("/admin/services/{}", owned.owner)),
        OwnerId::Host(_) => None,
    };
    let id = owned.item.id();
    let path = owner_path.as_ref().map(|owner| match &owned.item {
        Item::Credential(record) if record.kind == Kind::ApiKey => format!("{owner}/api-keys/{id}"),
        Item::SshKey(..) => format!("{owner}/ssh-keys/{id}"),
        Item::Credential(_) => format!("/admin/events?target={id}"),
    });
    let item = match &owned.item {
        Item::Credential(record) => InventoryItem::Credential(Box::new(ApiKeyRow {
            usage: usage.remove(&id).unwrap_or_default(),
            record: (**record).clone(),
        })),
        Item::SshKey(..) => InventoryItem::SshKey(Box::new(ssh_key_row(&owned, now)?)),
    };
    let is_deleted = owned
        .record()
        .is_some_and(|record| record.deletion.is_some());
    Some(InventoryRow {
        item,
        path: path.filter(|_| !is_deleted),
        is_deletable: !is_deleted,
        owner: owned.owner,
        owner_path,
    })
}

pub fn list_inventory(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let word = query(context, "kind");
    let (tab, is_known) = tab(word.as_deref());
    let (mut query, extent) = (list::query(context, tab), list::extent(context));
    if !is_known {
        query
            .ignored
            .push("Unknown kind of credential. The list shows API keys.".to_owned());
    }
    let app = context.app();
    let listed = app.list_items(caller, Holders::Everybody, &query, extent)?;
    if extent == ListExtent::All {
        let name = format!("{}s", kind_word(tab));
        return Ok(list::csv_of_items(&name, &listed.rows, context.now));
    }
    // With a filter, the number of the other lists would say nothing.
    let (is_everything, total) = (query.is_everything(), listed.total);
    let count = |list| -> Result<Option<String>, Error> {
        let count = if list == tab {
            total
        } else if is_everything {
            app.count_items(caller, list, TAB_COUNT_MAX)?
        } else {
            return Ok(None);
        };
        Ok(Some(limited_count(count, TAB_COUNT_MAX)))
    };
    let mut tabs = Vec::new();
    for list in TABS {
        let count = count(list)?;
        tabs.push(Tab { list, count });
    }
    let mut usages = app.usages_of(caller, &listed.rows)?;
    let at = ListPlace {
        fixed: vec![("kind", kind_word(tab).to_owned())],
        ..ListPlace::new("/admin/inventory", query, &listed)
    };
    let rows = listed.rows.into_iter();
    let view = Inventory {
        at,
        tabs,
        rows: rows
            .filter_map(|owned| row(owned, context.now, &mut usages))
            .collect(),
        offered: Role::Member.permissions(),
    };
    page_response(pages::inventory_list(&frame(context, caller), &view))
}

/// Deletes those that were picked in the list.
pub fn delete_inventory_items(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Answer {
    let (tab, _) = tab(input.value("kind"));
    let word = kind_word(tab).to_owned();
    let picked = bulk::Picked {
        list: tab,
        holders: Holders::Everybody,
        path: "/admin/inventory",
        fixed: vec![("kind", word)],
    };
    bulk::delete_picked_items(context, caller, input, &picked)
}
