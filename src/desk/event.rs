//! Reading the audit log.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Desk, Whose};
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::error::Error;
use crate::model::event::Event;
use crate::model::permission::Own;
use crate::model::secret::Id;
use crate::model::user::{User, UserId, Username};
use crate::store::{EventFilter, Page, Verdict};

/// Downloads under way at once: each holds its lines in memory, and one of few threads for as long as its reader is slow.
const DOWNLOADS_MAX: usize = 8;

/// Who is downloading the log just now.
pub type Downloads = HashSet<UserId>;

/// One person's turn to download the log; over when it is dropped.
pub struct Download {
    user: UserId,
    all: Arc<Mutex<Downloads>>,
}

impl Drop for Download {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.user);
    }
}

fn lock(downloads: &Mutex<Downloads>) -> std::sync::MutexGuard<'_, Downloads> {
    downloads.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// The caller's turn to download the log: one at a time for each person, and a few for all.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the caller's last download, or too many others', is under way.
    pub fn begin_download(&self, caller: &Caller) -> Result<Download, Error> {
        let user = caller.user()?.id;
        let all = Arc::clone(&self.office.downloads);
        let mut downloads = lock(&all);
        if downloads.len() >= DOWNLOADS_MAX || !downloads.insert(user) {
            return Err(Error::unavailable());
        }
        drop(downloads);
        Ok(Download { user, all })
    }

    /// The caller's own events: by them, and on what is theirs.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; faults of ours.
    pub fn own_events(
        &self,
        caller: &Caller,
        filter: EventFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Event>, Error> {
        caller.demand(Own::AccountRead)?;
        self.read.events(
            &EventFilter {
                user: Some(caller.user()?.id),
                ..filter
            },
            after,
            limit,
        )
    }

    /// The last events about one credential of whom `whose` says.
    ///
    /// # Errors
    /// As [`Desk::credential`].
    pub fn events_on(
        &self,
        caller: &Caller,
        whose: &Whose,
        kind: Kind,
        id: Id,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        self.credential(caller, whose, kind, id)?;
        Ok(self
            .read
            .events(
                &EventFilter {
                    target: Some(id),
                    ..EventFilter::default()
                },
                None,
                limit,
            )?
            .items)
    }

    /// Everybody's events, or one user's.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] when there is no such user.
    pub fn all_events(
        &self,
        caller: &Caller,
        user: Option<&Username>,
        filter: EventFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Event>, Error> {
        caller.demand(Own::AuditRead)?;
        let user = user.map(|name| self.find_user(name)).transpose()?;
        self.read.events(
            &EventFilter {
                user: user.map(|user| user.id),
                ..filter
            },
            after,
            limit,
        )
    }

    /// Events for the file's owner.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such user.
    pub fn events_as_operator(
        &self,
        user: Option<&Username>,
        filter: EventFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Event>, Error> {
        let user = user.map(|name| self.find_user(name)).transpose()?;
        self.read.events(
            &EventFilter {
                user: user.map(|user| user.id),
                ..filter
            },
            after,
            limit,
        )
    }

    /// Goes through the whole chain of events.
    ///
    /// # Errors
    /// Faults of ours.
    pub fn verify_events(&self) -> Result<Verdict, Error> {
        self.read.verify_events()
    }

    /// A user by name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(super) fn find_user(&self, name: &Username) -> Result<User, Error> {
        self.read.user(name)?.ok_or(Error::NotFound("user"))
    }
}
