//! Reading the audit log.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::{App, CredentialScope};
use crate::model::caller::{Caller, Identity};
use crate::model::credential::{Kind, OwnerId};
use crate::model::error::{Error, SecretSent};
use crate::model::event::Event;
use crate::model::permission::BuiltinPermission;
use crate::model::secret::Id;
use crate::model::user::{User, UserId, Username};
use crate::store::{EventCondition, Page};

/// Downloads at once: a slow client occupies one of few threads, and a connection.
const DOWNLOADS_MAX: usize = 8;

/// Users who are downloading the log.
pub type Downloads = HashSet<UserId>;

/// A running download of the log, with its own connection. Ends on drop.
pub struct Download {
    caller: Caller,
    app: App,
    /// The requested events.
    scope: DownloadScope,
    filter: EventCondition,
    _turn: DownloadSlot,
}

/// The events of a download.
pub enum DownloadScope {
    /// The caller's own.
    Own,
    /// Those of all users, or of one.
    All(Option<Username>),
}

/// A slot for a download.
struct DownloadSlot {
    user: UserId,
    all: Arc<Mutex<Downloads>>,
}

impl Drop for DownloadSlot {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.user);
    }
}

impl Download {
    /// The next page, newest first. Checks the permission again for each, so that a revoked credential gets no more.
    pub fn next_page(&self, after: Option<i64>, limit: usize) -> Result<Page<Event>, Error> {
        let now = self.app.now();
        let Identity::Credential(presented, slot) = &self.caller.identity else {
            return self.list_events(&self.caller, after, limit);
        };
        let credential = self
            .app
            .read
            .credential(presented.id)?
            .filter(|one| one.check(now, self.caller.origin.address).is_ok())
            .ok_or(Error::Unauthenticated {
                sent: SecretSent::Yes,
            })?;
        let origin = self.caller.origin.clone();
        let caller = Caller::with_credential(credential, *slot, origin, now);
        self.list_events(&caller, after, limit)
    }

    fn list_events(
        &self,
        caller: &Caller,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Event>, Error> {
        let filter = self.filter.clone();
        match &self.scope {
            DownloadScope::Own => self.app.own_events(caller, filter, after, limit),
            DownloadScope::All(user) => {
                self.app
                    .all_events(caller, user.as_ref(), filter, after, limit)
            }
        }
    }
}

fn lock(downloads: &Mutex<Downloads>) -> std::sync::MutexGuard<'_, Downloads> {
    downloads.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    /// Starts a download of the log: one at a time per user, and a few in total.
    pub fn begin_download(
        &self,
        caller: &Caller,
        scope: DownloadScope,
        filter: EventCondition,
    ) -> Result<Download, Error> {
        let user = caller.user()?.id;
        let all = Arc::clone(&self.shared.downloads);
        let mut downloads = lock(&all);
        if downloads.len() >= DOWNLOADS_MAX || !downloads.insert(user) {
            return Err(Error::unavailable());
        }
        drop(downloads);
        let turn = DownloadSlot { user, all };
        Ok(Download {
            caller: caller.clone(),
            app: self.shared.app()?,
            scope,
            filter,
            _turn: turn,
        })
    }

    /// The caller's own events: acts by them, and on their account and credentials.
    pub fn own_events(
        &self,
        caller: &Caller,
        filter: EventCondition,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Event>, Error> {
        caller.require(BuiltinPermission::AccountRead)?;
        self.read.events(
            &EventCondition {
                user: Some(caller.user()?.id),
                ..filter
            },
            after,
            limit,
        )
    }

    /// The latest events about one credential in `whose`.
    pub fn events_on(
        &self,
        caller: &Caller,
        scope: &CredentialScope,
        kind: Kind,
        id: Id,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        self.credential(caller, scope, kind, id)?;
        Ok(self
            .read
            .events(
                &EventCondition {
                    target: Some(id.to_string()),
                    ..EventCondition::default()
                },
                None,
                limit,
            )?
            .items)
    }

    /// The events of all users, or of one.
    pub fn all_events(
        &self,
        caller: &Caller,
        user: Option<&Username>,
        filter: EventCondition,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Event>, Error> {
        caller.require(BuiltinPermission::AuditRead)?;
        let user = user.map(|name| self.find_user(name)).transpose()?;
        self.read.events(
            &EventCondition {
                user: user.map(|user| user.id),
                ..filter
            },
            after,
            limit,
        )
    }

    /// How many events a list contains; `None`: more than are counted.
    pub fn count_events(
        &self,
        caller: &Caller,
        user: Option<UserId>,
        filter: EventCondition,
    ) -> Result<Option<i64>, Error> {
        let own = caller.user()?.id;
        let needed = if user == Some(own) {
            BuiltinPermission::AccountRead
        } else {
            BuiltinPermission::AuditRead
        };
        caller.require(needed)?;
        self.read.count_events(&EventCondition { user, ..filter })
    }

    /// The names of the users whose things events are about.
    pub fn names_in(&self, events: &[Event]) -> Result<HashMap<UserId, String>, Error> {
        let owners: HashSet<UserId> = events.iter().filter_map(|one| one.target_owner).collect();
        let owners: Vec<OwnerId> = owners.into_iter().map(OwnerId::User).collect();
        let names = self.read.owner_names(&owners)?.into_iter();
        let user = |(owner, name)| match owner {
            OwnerId::User(user) => Some((user, name)),
            OwnerId::Service(_) | OwnerId::Host(_) => None,
        };
        Ok(names.filter_map(user).collect())
    }

    /// A user by name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn find_user(&self, name: &Username) -> Result<User, Error> {
        self.read.user(name)?.ok_or(Error::NotFound("user"))
    }
}
