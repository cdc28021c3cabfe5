//! Overviews for admins: counts per owner, credentials beyond a policy, the state of the installation.

use std::collections::HashMap;

use super::App;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, OwnerId, Record};
use crate::model::error::Error;
use crate::model::inventory::{Attention, BACKUP_DAYS, COUNT_MAX, Item, SOON, Weakness};
use crate::model::list::{Expiration, List, ListQuery, Status, Used};
use crate::model::permission::BuiltinPermission;
use crate::model::policy::{Policy, PolicyChange};
use crate::model::service::Service;
use crate::model::ssh_key::{KeyRules, SshKey};
use crate::model::time::{Lifetime, Time};
use crate::model::user::{User, UserId};
use crate::store::{CredentialFilter, FileFacts, ListExtent, OwnedCredential};

/// The numbers of a user's valid credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserCounts {
    pub api_keys: u32,
    pub tokens: u32,
    pub sessions: u32,
    pub ssh_keys: u32,
    pub last_active_at: Option<Time>,
}

/// The use of a service's API keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServiceUse {
    /// The number of valid ones.
    pub api_keys: u32,
    pub last_used_at: Option<Time>,
}

/// A credential or SSH key that the policy would not permit to create.
#[derive(Debug, Clone)]
pub struct ExceedingCredential {
    pub item: Item,
    pub owner: String,
    pub why: String,
}

/// The effect of a policy change.
#[derive(Debug, Clone)]
pub struct Preview {
    pub before: Policy,
    pub after: Policy,
    /// The newest credentials that exceed the new policy.
    pub exceeding: Vec<ExceedingCredential>,
    /// The number of all that exceed it.
    pub total: usize,
}

impl Preview {
    /// Each item that exceeds it, its owner's name, and the reason.
    pub fn named(&self) -> impl Iterator<Item = (&Item, &str, &str)> {
        self.exceeding
            .iter()
            .map(|one| (&one.item, one.owner.as_str(), one.why.as_str()))
    }
}

/// The state of the installation.
#[derive(Debug, Clone)]
pub struct Facts {
    pub file: FileFacts,
    pub path: String,
    pub writer_works: bool,
}

/// Credentials read in one page.
const PART_ROWS: usize = 1_000;

impl App {
    /// The numbers of credentials of each of `users`.
    pub fn counts_of(&self, caller: &Caller, users: &[User]) -> Result<Vec<UserCounts>, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
        let mut held = self.read.held_by_users(&ids, caller.now)?;
        self.add_pending_uses(&mut held);
        let ssh_keys = self.read.count_ssh_keys_of(&ids, caller.now)?;
        let mut counts = HashMap::<i64, UserCounts>::new();
        for one in held {
            let counts = counts.entry(one.owner).or_default();
            counts.last_active_at = counts.last_active_at.max(one.last_used_at);
            match one.kind {
                Kind::ApiKey => counts.api_keys += u32::from(one.is_live),
                Kind::Token => counts.tokens += u32::from(one.is_live),
                Kind::Session => counts.sessions += u32::from(one.is_live),
                Kind::Host => {}
            }
        }
        let of = |user: &User| UserCounts {
            ssh_keys: ssh_keys.get(&user.id).copied().unwrap_or_default(),
            ..counts.get(&user.id.0).copied().unwrap_or_default()
        };
        Ok(users.iter().map(of).collect())
    }

    /// Adds last uses that are not stored yet.
    fn add_pending_uses(&self, held: &mut [OwnedCredential]) {
        for one in held {
            let pending = self.store().uses.pending_of(one.id);
            for (_, last) in pending.uses {
                one.last_used_at = one.last_used_at.max(Some(last.at));
            }
        }
    }

    /// Returns whether another user is an admin, so that `user` may be demoted, disabled or deleted.
    pub fn may_lose(&self, user: &User) -> Result<bool, Error> {
        let is_admin = user.role == crate::model::user::Role::Admin && user.is_enabled();
        Ok(!is_admin || self.read.count_admins_besides(Some(user.id))? > 0)
    }

    /// The permissions that can be granted beyond a role: `introspect`, `metrics` and those of services.
    pub fn grantable(&self) -> Result<crate::model::permission::Permissions, Error> {
        let mut grantable =
            crate::model::permission::Permissions::own_where(BuiltinPermission::is_grantable);
        grantable.extend(&self.read.defined_permissions()?);
        Ok(grantable)
    }

    /// The number of valid API keys of each of `services`, and their last use.
    pub fn service_uses(
        &self,
        caller: &Caller,
        services: &[Service],
    ) -> Result<Vec<ServiceUse>, Error> {
        caller.require(BuiltinPermission::ServicesRead)?;
        let ids: Vec<i64> = services.iter().map(|service| service.id.0).collect();
        let mut held = self.read.held_by_services(&ids, caller.now)?;
        self.add_pending_uses(&mut held);
        let of = |id: &i64| {
            let own = || held.iter().filter(|one| one.owner == *id);
            ServiceUse {
                api_keys: u32::try_from(own().filter(|one| one.is_live).count())
                    .unwrap_or(u32::MAX),
                last_used_at: own().filter_map(|one| one.last_used_at).max(),
            }
        };
        Ok(ids.iter().map(of).collect())
    }

    /// The number of users' credentials with a permission of a service.
    pub fn carriers(&self, caller: &Caller, service: &Service) -> Result<u32, Error> {
        caller.require(BuiltinPermission::ServicesRead)?;
        self.read.count_carriers(&service.name)
    }

    /// The hosts that are limited to a group or share logins with it.
    pub fn hosts_of_group(
        &self,
        caller: &Caller,
        group: &crate::model::group::Group,
    ) -> Result<Vec<String>, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        self.read.hosts_of_group(group.id)
    }

    /// The effect of a policy change, without carrying it out: the new policy, and the credentials that exceed it, of
    /// which at most `limit` are named.
    pub fn preview_policy(
        &self,
        caller: &Caller,
        change: PolicyChange,
        limit: usize,
    ) -> Result<Preview, Error> {
        caller.require(BuiltinPermission::PolicyRead)?;
        self.preview(change, limit, caller.now)
    }

    fn preview(&self, change: PolicyChange, limit: usize, now: Time) -> Result<Preview, Error> {
        let before = self.read.policy()?;
        let after = change.apply(&before)?;
        let mut found = Vec::new();
        let mut total = 0;
        let mut take = |item: Item, why: Option<String>| {
            if let Some(why) = why {
                total += 1;
                if found.len() < limit {
                    found.push((item, why));
                }
            }
        };
        for record in self.all_records()? {
            let why = exceeds(&record, &after, now);
            take(Item::Credential(Box::new(record)), why);
        }
        let rules = after.ssh_key_rules();
        for key in self.read.all_ssh_keys(usize::MAX)? {
            let why = ssh_key_exceeds(&key, &rules, &after, now);
            take(Item::SshKey(Box::new(key), Weakness::None), why);
        }
        let owners: Vec<OwnerId> = found.iter().map(|(item, _)| item.owner()).collect();
        let names = self.read.owner_names(&owners)?;
        let exceeding = found.into_iter().map(|(item, why)| ExceedingCredential {
            owner: names.get(&item.owner()).cloned().unwrap_or_default(),
            item,
            why,
        });
        Ok(Preview {
            before,
            after,
            exceeding: exceeding.collect(),
            total,
        })
    }

    /// Every credential that is not deleted, newest first.
    fn all_records(&self) -> Result<Vec<Record>, Error> {
        let filter = CredentialFilter {
            owner: None,
            kind: None,
            is_deleted: false,
        };
        let mut records = Vec::new();
        let mut after = None;
        loop {
            let page = self.read.records(&filter, after, PART_ROWS)?;
            records.extend(page.items);
            after = page.next.and_then(|next| next.parse().ok());
            if after.is_none() {
                return Ok(records);
            }
        }
    }

    /// Counts the things that need the attention of an admin, each as the list with the same filter does.
    pub fn attention(
        &self,
        caller: &Caller,
        certificate_expires_at: Option<Time>,
    ) -> Result<Attention, Error> {
        for needed in [
            BuiltinPermission::UsersRead,
            BuiltinPermission::HostsRead,
            BuiltinPermission::PolicyRead,
        ] {
            caller.require(needed)?;
        }
        let (now, extent) = (caller.now, ListExtent::Count(COUNT_MAX));
        let policy = self.read.policy()?;
        let of = |list: List, change: fn(&mut ListQuery)| {
            let mut query = ListQuery::new(list);
            change(&mut query);
            query
        };
        let api_keys = |change: fn(&mut ListQuery)| {
            let query = of(List::ApiKeys, change);
            let listed = self
                .read
                .list_credentials(None, Kind::ApiKey, &query, now, extent)?;
            Ok::<usize, Error>(listed.total)
        };
        let ssh_keys = |change: fn(&mut ListQuery)| {
            let query = of(List::SshKeys, change);
            let listed = self
                .read
                .list_ssh_keys(None, &query, &policy, now, extent)?;
            Ok::<usize, Error>(listed.total)
        };
        let silent = of(List::Hosts, |query| query.status = Some(Status::Silent));
        let users = of(List::Users, |query| {
            query.status = Some(Status::NoSecondFactor);
        });
        let backup = self.read.last_backup()?;
        let days = backup.map(|at| now.day().number() - at.day().number());
        Ok(Attention {
            expiring_api_keys: api_keys(|query| query.expires = Some(Expiration::Soon))?,
            unused_api_keys: api_keys(|query| query.used = Some(Used::Unused))?,
            never_used_api_keys: api_keys(|query| query.used = Some(Used::Never))?,
            expiring_ssh_keys: ssh_keys(|query| query.expires = Some(Expiration::Soon))?,
            weak_ssh_keys: ssh_keys(|query| query.status = Some(Status::Weak))?,
            shared_ssh_keys: ssh_keys(|query| query.status = Some(Status::Shared))?,
            silent_hosts: self.read.list_hosts(&silent, now, extent)?.total,
            users_without_second_factor: self.read.list_users(&users, None, now, extent)?.total,
            days_of_certificate: certificate_expires_at
                .filter(|end| *end <= now.after(SOON))
                .map(|end| {
                    usize::try_from(end.since(now).as_secs() / 86_400)
                        .unwrap_or_default()
                        .max(1)
                }),
            days_without_backup: days.filter(|days| *days > BACKUP_DAYS),
        })
    }

    /// The state of the installation.
    pub fn facts(&self, caller: &Caller) -> Result<Facts, Error> {
        caller.require(BuiltinPermission::PolicyRead)?;
        Ok(Facts {
            file: self.read.file_facts(self.store().path())?,
            path: self.store().path().display().to_string(),
            writer_works: self.store().is_writing(),
        })
    }
}

/// Returns whether an expiration is later than the policy allows now.
fn exceeds_limit(end: Option<Time>, limit: Lifetime, now: Time) -> bool {
    match (end, limit.end(now)) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(end), Some(last)) => end > last,
    }
}

fn exceeds(record: &Record, policy: &Policy, now: Time) -> Option<String> {
    let (subject, limit) = match record.kind {
        Kind::ApiKey => ("API keys", policy.api_key.max),
        Kind::Token => ("tokens", policy.token.max),
        Kind::Session => ("sessions", policy.session_lifetime),
        Kind::Host => return None,
    };
    exceeds_limit(record.expires_at, limit, now)
        .then(|| format!("Policy limits {subject} to {limit}."))
}

fn ssh_key_exceeds(key: &SshKey, rules: &KeyRules, policy: &Policy, now: Time) -> Option<String> {
    if !rules.allows(key.key.kind()) {
        return Some(format!("{} is not allowed.", key.key.kind().name()));
    }
    if !rules.allow(&key.key) {
        let bits = policy.ssh_rsa_bits_min;
        return Some(format!("RSA keys need at least {bits} bits."));
    }
    let limit = policy.ssh_key_lifetime_max;
    exceeds_limit(key.expires_at, limit, now).then(|| format!("Policy limits SSH keys to {limit}."))
}
