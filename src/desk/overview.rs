//! What admins look over: who holds how much, what exceeds a policy, how the installation is.

use super::Desk;
use crate::model::caller::Caller;
use crate::model::credential::{Kind, OwnerId, Record};
use crate::model::error::Error;
use crate::model::permission::Own;
use crate::model::policy::Policy;
use crate::model::time::Time;
use crate::model::user::{User, UserId};
use crate::store::{CredentialFilter, FileFacts};

/// How much a user holds that is good now.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserCounts {
    pub api_keys: u32,
    pub tokens: u32,
    pub sessions: u32,
    pub ssh_keys: u32,
    pub last_active_at: Option<Time>,
}

/// A credential that a policy would not permit to be made.
#[derive(Debug, Clone)]
pub struct Exceeding {
    pub record: Record,
    pub owner: String,
    pub why: String,
}

/// How the installation is.
#[derive(Debug, Clone)]
pub struct Facts {
    pub file: FileFacts,
    pub path: String,
    pub writer_works: bool,
}

/// Credentials looked at in one part.
const PART_ROWS: usize = 1_000;

impl Desk {
    /// How much each of `users` holds.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn counts_of(&self, caller: &Caller, users: &[User]) -> Result<Vec<UserCounts>, Error> {
        caller.demand(Own::UsersRead)?;
        users
            .iter()
            .map(|user| self.counts(user.id, caller.now))
            .collect()
    }

    fn counts(&self, user: UserId, now: Time) -> Result<UserCounts, Error> {
        let of = |kind| self.read.count_live(OwnerId::User(user), kind, now);
        Ok(UserCounts {
            api_keys: of(Kind::ApiKey)?,
            tokens: of(Kind::Token)?,
            sessions: of(Kind::Session)?,
            ssh_keys: self.read.count_live_ssh_keys(user, now)?,
            last_active_at: self.read.last_active(OwnerId::User(user))?,
        })
    }

    /// Whether somebody else is an admin, so that `user` may be demoted, disabled or deleted.
    ///
    /// # Errors
    /// Faults of ours.
    pub fn may_lose(&self, user: &User) -> Result<bool, Error> {
        let is_admin = user.role == crate::model::user::Role::Admin && user.is_enabled();
        Ok(!is_admin || self.read.admins_besides(Some(user.id))? > 0)
    }

    /// What one may grant beyond a role: `introspect`, `metrics` and what services define.
    ///
    /// # Errors
    /// Faults of ours.
    pub fn grantable(&self) -> Result<crate::model::permission::Permissions, Error> {
        let mut grantable = crate::model::permission::Permissions::own_where(Own::is_grantable);
        grantable.extend(&self.read.defined_permissions()?);
        Ok(grantable)
    }

    /// The name of an owner, for lists.
    ///
    /// # Errors
    /// Faults of ours.
    pub fn owner_name(&self, owner: OwnerId) -> Result<String, Error> {
        self.read.owner_name(owner)
    }

    /// How many API keys a service has that are good, and when one was last used.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn service_use(
        &self,
        caller: &Caller,
        service: &crate::model::service::Service,
    ) -> Result<(u32, Option<Time>), Error> {
        caller.demand(Own::ServicesRead)?;
        let owner = OwnerId::Service(service.id);
        Ok((
            self.read.count_live(owner, Kind::ApiKey, caller.now)?,
            self.read.last_active(owner)?,
        ))
    }

    /// How many credentials of users carry a permission of a service.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn carriers(
        &self,
        caller: &Caller,
        service: &crate::model::service::Service,
    ) -> Result<u32, Error> {
        caller.demand(Own::ServicesRead)?;
        self.read.count_carriers(&service.name)
    }

    /// The hosts that are limited to a group or open shared logins to it.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn hosts_of_group(
        &self,
        caller: &Caller,
        group: &crate::model::group::Group,
    ) -> Result<Vec<String>, Error> {
        caller.demand(Own::UsersRead)?;
        self.read.hosts_of_group(group.id)
    }

    /// The API keys and sessions that a stricter policy would not permit to be made now, at most `limit`, and how many there are.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn exceeding(
        &self,
        caller: &Caller,
        policy: &Policy,
        limit: usize,
    ) -> Result<(Vec<Exceeding>, usize), Error> {
        caller.demand(Own::PolicyRead)?;
        let mut found = Vec::new();
        let mut total = 0;
        let mut after = None;
        loop {
            let page = self.read.records(
                &CredentialFilter {
                    owner: None,
                    kind: None,
                    ended: false,
                },
                after,
                PART_ROWS,
            )?;
            for record in page.items {
                let Some(why) = exceeds(&record, policy, caller.now) else {
                    continue;
                };
                total += 1;
                if found.len() < limit {
                    found.push(Exceeding {
                        owner: self.read.owner_name(record.owner)?,
                        record,
                        why,
                    });
                }
            }
            after = page.next.and_then(|next| next.parse().ok());
            if after.is_none() {
                return Ok((found, total));
            }
        }
    }

    /// How the installation is.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn facts(&self, caller: &Caller) -> Result<Facts, Error> {
        caller.demand(Own::PolicyRead)?;
        Ok(Facts {
            file: self.read.file_facts(self.store().path())?,
            path: self.store().path().display().to_string(),
            writer_works: self.store().is_writing(),
        })
    }
}

fn exceeds(record: &Record, policy: &Policy, now: Time) -> Option<String> {
    let over = |limit: crate::model::time::Lifetime| match (record.expires_at, limit.end(now)) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(end), Some(last)) => end > last,
    };
    let (what, limit) = match record.kind {
        Kind::ApiKey => ("API keys live", policy.api_key.max),
        Kind::Token => ("Tokens live", policy.token.max),
        Kind::Session => ("Sessions live", policy.session_lifetime),
        Kind::Host => return None,
    };
    over(limit).then(|| format!("{what} {limit} at the longest."))
}
