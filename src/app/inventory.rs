//! The inventory of all owners, page by page.

use super::App;
use super::list::OwnedItem;
use crate::model::caller::Caller;
use crate::model::credential::OwnerId;
use crate::model::error::Error;
use crate::model::inventory::{InventoryFilter, InventoryPlace, Item, Weakness};
use crate::model::permission::BuiltinPermission;
use crate::model::policy::Policy;
use crate::model::secret::Id;
use crate::store::ListedItem;

/// A part of the inventory.
#[derive(Debug, Clone)]
pub struct InventoryPage {
    pub items: Vec<OwnedItem>,
    /// The start of the next page; `None` at the end.
    pub next: Option<InventoryPlace>,
}

impl App {
    /// The page of the inventory behind `after`, newest first.
    pub fn inventory_after(
        &self,
        caller: &Caller,
        show: InventoryFilter,
        after: Option<InventoryPlace>,
        limit: usize,
    ) -> Result<InventoryPage, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        let policy = self.read.policy()?;
        let mut listed = self
            .read
            .inventory(show, &policy, caller.now, after, limit)?;
        let more = listed.len() > limit;
        listed.truncate(limit);
        let next = listed.last().filter(|_| more).map(|last| last.place);
        let items = self.owned(caller, &policy, &listed, show)?;
        Ok(InventoryPage { items, next })
    }

    fn owned(
        &self,
        caller: &Caller,
        policy: &Policy,
        listed: &[ListedItem],
        show: InventoryFilter,
    ) -> Result<Vec<OwnedItem>, Error> {
        let ids: Vec<Id> = listed.iter().map(|one| one.id).collect();
        let mut records = self.read.records_of(&ids)?;
        let mut keys = self.read.ssh_keys_by_id(&ids)?;
        let rules = policy.ssh_key_rules();
        let item = |one: &ListedItem| {
            if let Some(record) = records.remove(&one.id) {
                let record = self.with_pending(record);
                return (record.deletion.is_none()).then(|| Item::Credential(Box::new(record)));
            }
            let key = self.seen(keys.remove(&one.id)?, caller.now);
            let weakness = match (rules.allow(&key.key), one.is_shared) {
                (false, _) => Weakness::AgainstPolicy,
                (true, true) => Weakness::Shared,
                (true, false) => Weakness::None,
            };
            Some(Item::SshKey(Box::new(key), weakness))
        };
        // A use that is not stored yet may exclude an item.
        let items: Vec<Item> = listed
            .iter()
            .filter_map(item)
            .filter(|item| item.fits(show, caller.now))
            .collect();
        let owners: Vec<OwnerId> = items.iter().map(Item::owner).collect();
        let names = self.read.owner_names(&owners)?;
        let owned = |item: Item| OwnedItem {
            owner: names.get(&item.owner()).cloned().unwrap_or_default(),
            item,
        };
        Ok(items.into_iter().map(owned).collect())
    }
}
