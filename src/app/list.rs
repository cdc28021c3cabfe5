//! Pages of the console's lists.

use std::collections::{HashMap, HashSet};

use super::{App, CredentialScope};
use crate::model::caller::Caller;
use crate::model::credential::{OwnerId, Record};
use crate::model::error::Error;
use crate::model::group::Group;
use crate::model::host::HostRecord;
use crate::model::inventory::{Item, Weakness};
use crate::model::list::{List, ListQuery, Listed, Status, Used};
use crate::model::permission::BuiltinPermission;
use crate::model::secret::Id;
use crate::model::service::Service;
use crate::model::ssh_key::SshKey;
use crate::model::user::User;
use crate::store::{ListExtent, Membership};

/// The owners of the credentials in a list.
#[derive(Clone, Copy)]
pub enum Holders<'a> {
    /// One owner's.
    Of(&'a CredentialScope),
    /// Everybody's, for admins.
    Everybody,
}

/// A credential or an SSH key, and its owner's name.
#[derive(Debug, Clone)]
pub struct OwnedItem {
    pub item: Item,
    /// Empty when the owner is gone.
    pub owner: String,
}

impl Holders<'_> {
    fn require_read(self, caller: &Caller) -> Result<(), Error> {
        let needed = match self {
            Self::Of(scope) => scope.read,
            Self::Everybody => BuiltinPermission::UsersRead,
        };
        caller.require(needed)
    }

    fn include(self, item: &Item) -> bool {
        match self {
            Self::Of(scope) => item.owner() == scope.owner,
            Self::Everybody => true,
        }
    }
}

impl App {
    /// A list of API keys, tokens, sessions or SSH keys.
    pub fn list_items(
        &self,
        caller: &Caller,
        holders: Holders<'_>,
        query: &ListQuery,
        extent: ListExtent,
    ) -> Result<Listed<OwnedItem>, Error> {
        holders.require_read(caller)?;
        let Some(kind) = query.list.kind() else {
            return self.list_ssh_keys(caller, holders, query, extent);
        };
        let Some(owner) = self.wanted_owner(holders, query)? else {
            return Ok(empty_list());
        };
        let rows = self
            .read
            .list_credentials(owner, kind, query, caller.now, extent)?;
        let mut records = self.read.records_numbered(&rows.rows)?;
        let items = rows.rows.iter().filter_map(|row| records.remove(row));
        let items = items.map(|record| self.current(record)).collect();
        self.listed(holders, items, query.used, (rows.total, rows.page))
    }

    fn list_ssh_keys(
        &self,
        caller: &Caller,
        holders: Holders<'_>,
        query: &ListQuery,
        extent: ListExtent,
    ) -> Result<Listed<OwnedItem>, Error> {
        // Which keys others have, only admins see.
        if query.status == Some(Status::Shared) {
            caller.require(BuiltinPermission::UsersRead)?;
        }
        let Some(owner) = self.wanted_owner(holders, query)? else {
            return Ok(empty_list());
        };
        let user = match owner {
            None => None,
            Some(OwnerId::User(user)) => Some(user),
            Some(OwnerId::Service(_) | OwnerId::Host(_)) => return Ok(empty_list()),
        };
        let policy = self.read.policy()?;
        let rows = self
            .read
            .list_ssh_keys(user, query, &policy, caller.now, extent)?;
        let mut keys = self.read.ssh_keys_numbered(&rows.rows)?;
        let keys = rows
            .rows
            .iter()
            .filter_map(|row| keys.remove(row))
            .collect();
        let items = self.with_weakness(caller, keys)?;
        self.listed(holders, items, query.used, (rows.total, rows.page))
    }

    /// The owner that a list is limited to, `Some(None)` without a limit; `None` for an unknown name.
    fn wanted_owner(
        &self,
        holders: Holders<'_>,
        query: &ListQuery,
    ) -> Result<Option<Option<OwnerId>>, Error> {
        match holders {
            Holders::Of(scope) => Ok(Some(Some(scope.owner))),
            Holders::Everybody if query.owner.is_empty() => Ok(Some(None)),
            Holders::Everybody => Ok(self.read.owner_named(&query.owner)?.map(Some)),
        }
    }

    /// The things of a list that `ids` name, in their order; those that are gone, of another kind or of other holders are
    /// left out.
    pub fn picked(
        &self,
        caller: &Caller,
        holders: Holders<'_>,
        list: List,
        ids: &[Id],
    ) -> Result<Vec<OwnedItem>, Error> {
        holders.require_read(caller)?;
        let mut items: Vec<Item> = if list == List::SshKeys {
            let mut keys = self.read.ssh_keys_by_id(ids)?;
            let keys = ids.iter().filter_map(|id| keys.remove(id)).collect();
            self.with_weakness(caller, keys)?
        } else {
            let mut records = self.read.records_of(ids)?;
            let records = ids.iter().filter_map(|id| records.remove(id));
            let live =
                records.filter(|one| one.deletion.is_none() && list.kind() == Some(one.kind));
            live.map(|record| self.current(record)).collect()
        };
        items.retain(|item| holders.include(item));
        Ok(self.listed(holders, items, None, (0, 1))?.rows)
    }

    /// A credential with what memory holds of its uses.
    fn current(&self, record: Record) -> Item {
        Item::Credential(Box::new(self.with_pending(record)))
    }

    /// SSH keys with what is wrong with each.
    fn with_weakness(&self, caller: &Caller, keys: Vec<SshKey>) -> Result<Vec<Item>, Error> {
        let rules = self.read.policy()?.ssh_key_rules();
        let mut shared = HashSet::new();
        // Only admins see which keys others have.
        if !keys.is_empty() && caller.require(BuiltinPermission::UsersRead).is_ok() {
            let ids: Vec<Id> = keys.iter().map(|key| key.id).collect();
            shared = self.read.shared_ssh_keys(&ids)?.into_iter().collect();
        }
        let item = |key: SshKey| {
            let key = self.seen(key, caller.now);
            let weakness = match (rules.allow(&key.key), shared.contains(&key.id)) {
                (false, _) => Weakness::AgainstPolicy,
                (true, true) => Weakness::Shared,
                (true, false) => Weakness::None,
            };
            Item::SshKey(Box::new(key), weakness)
        };
        Ok(keys.into_iter().map(item).collect())
    }

    /// Things with their owners' names.
    fn listed(
        &self,
        holders: Holders<'_>,
        mut items: Vec<Item>,
        used: Option<Used>,
        (total, page): (usize, usize),
    ) -> Result<Listed<OwnedItem>, Error> {
        // A use that is not in the database yet takes a row out of those without one.
        items.retain(|item| used != Some(Used::Never) || item.last_used_at().is_none());
        let names = match holders {
            Holders::Of(_) => HashMap::new(),
            Holders::Everybody => {
                let owners: Vec<OwnerId> = items.iter().map(Item::owner).collect();
                self.read.owner_names(&owners)?
            }
        };
        let owned = |item: Item| OwnedItem {
            owner: names.get(&item.owner()).cloned().unwrap_or_default(),
            item,
        };
        Ok(Listed {
            rows: items.into_iter().map(owned).collect(),
            total,
            page,
        })
    }

    /// How many things of everybody a list has, at most `limit`.
    pub fn count_items(&self, caller: &Caller, list: List, limit: usize) -> Result<usize, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        let (query, now, extent) = (ListQuery::new(list), caller.now, ListExtent::Count(limit));
        let listed = match list.kind() {
            Some(kind) => self
                .read
                .list_credentials(None, kind, &query, now, extent)?,
            None => {
                let policy = self.read.policy()?;
                self.read
                    .list_ssh_keys(None, &query, &policy, now, extent)?
            }
        };
        Ok(listed.total)
    }

    /// A list of users; with `membership`, only those in or outside of a group.
    pub fn list_users(
        &self,
        caller: &Caller,
        query: &ListQuery,
        membership: Option<Membership>,
        extent: ListExtent,
    ) -> Result<Listed<User>, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        self.read.list_users(query, membership, caller.now, extent)
    }

    /// A list of groups.
    pub fn list_groups(
        &self,
        caller: &Caller,
        query: &ListQuery,
        extent: ListExtent,
    ) -> Result<Listed<Group>, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        self.read.list_groups(query, extent)
    }

    /// A list of services.
    pub fn list_services(
        &self,
        caller: &Caller,
        query: &ListQuery,
        extent: ListExtent,
    ) -> Result<Listed<Service>, Error> {
        caller.require(BuiltinPermission::ServicesRead)?;
        self.read.list_services(query, caller.now, extent)
    }

    /// A list of hosts.
    pub fn list_hosts(
        &self,
        caller: &Caller,
        query: &ListQuery,
        extent: ListExtent,
    ) -> Result<Listed<HostRecord>, Error> {
        caller.require(BuiltinPermission::HostsRead)?;
        self.read.list_hosts(query, caller.now, extent)
    }
}

fn empty_list<T>() -> Listed<T> {
    Listed {
        rows: Vec::new(),
        total: 0,
        page: 1,
    }
}

impl OwnedItem {
    /// The credential, unless it is an SSH key.
    pub fn record(&self) -> Option<&Record> {
        match &self.item {
            Item::Credential(record) => Some(record),
            Item::SshKey(..) => None,
        }
    }

    /// The SSH key, unless it is a credential.
    pub fn ssh_key(&self) -> Option<&SshKey> {
        match &self.item {
            Item::Credential(_) => None,
            Item::SshKey(key, _) => Some(key),
        }
    }
}
