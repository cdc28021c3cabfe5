//! Reading the audit log.

use super::{Desk, Whose};
use crate::model::caller::Caller;
use crate::model::credential::Kind;
use crate::model::error::Error;
use crate::model::event::Event;
use crate::model::permission::Own;
use crate::model::secret::Id;
use crate::model::user::{User, Username};
use crate::store::{EventFilter, Page, Verdict};

impl Desk {
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
