//! Recent requests of hosts: kept in memory, and stored by the writer together with last uses, without an event.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::params;

use super::cache::VerificationSubject;
use super::read::Select;
use crate::model::credential::OwnerId;
use crate::model::error::Error;
use crate::model::host::HostId;
use crate::model::secret::Id;
use crate::model::time::Time;

/// Limit of keys whose lookups are kept in memory. Further ones are not recorded until these are stored.
const LOOKED_UP_MAX: usize = 50_000;

/// A request of a host.
#[derive(Debug, Clone)]
pub struct HostContact {
    pub host: HostId,
    pub at: Time,
    pub address: Option<IpAddr>,
    /// The reported version of the agent.
    pub version: Option<String>,
    /// True if its cache has the present keys of all users.
    pub copied: bool,
    /// The reported time of its clock.
    pub clock: Option<Time>,
}

/// Pending records, by host and by key.
#[derive(Default)]
pub(super) struct PendingContacts {
    contacts: HashMap<HostId, (HostContact, Option<Time>)>,
    looked_up: HashMap<Id, (Time, String)>,
}

impl PendingContacts {
    pub(super) fn is_empty(&self) -> bool {
        self.contacts.is_empty() && self.looked_up.is_empty()
    }
}

/// The pending records of all threads.
#[derive(Default)]
pub(super) struct HostNotes(Mutex<PendingContacts>);

impl HostNotes {
    /// Records a contact. Returns whether it is the first pending record.
    pub(super) fn note_contact(&self, contact: HostContact) -> bool {
        let mut pending = lock(&self.0);
        let first = pending.is_empty();
        let earlier = pending
            .contacts
            .get(&contact.host)
            .and_then(|(_, copied)| *copied);
        let copied = if contact.copied {
            Some(contact.at)
        } else {
            earlier
        };
        pending.contacts.insert(contact.host, (contact, copied));
        first
    }

    /// Records a lookup of keys. Returns whether it is the first pending record.
    pub(super) fn note_lookup(&self, keys: &[Id], host: &str, at: Time) -> bool {
        let mut pending = lock(&self.0);
        let first = pending.is_empty() && !keys.is_empty();
        for key in keys {
            if pending.looked_up.len() < LOOKED_UP_MAX || pending.looked_up.contains_key(key) {
                pending.looked_up.insert(*key, (at, host.to_owned()));
            }
        }
        first
    }

    pub(super) fn has_pending(&self) -> bool {
        !lock(&self.0).is_empty()
    }

    pub(super) fn take(&self) -> PendingContacts {
        std::mem::take(&mut *lock(&self.0))
    }

    /// Puts back records that could not be stored, without replacing later ones.
    pub(super) fn restore_unwritten(&self, earlier: PendingContacts) {
        let mut pending = lock(&self.0);
        for (host, (contact, copied)) in earlier.contacts {
            let known = pending.contacts.entry(host).or_insert((contact, None));
            known.1 = known.1.or(copied);
        }
        for (key, looked_up) in earlier.looked_up {
            pending.looked_up.entry(key).or_insert(looked_up);
        }
    }
}

/// The guard of records in memory.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change leaves the map complete, so a panic elsewhere does no harm.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Select {
    /// Stores pending records; skips deleted hosts and keys.
    pub(super) fn write_host_notes(&self, pending: &PendingContacts) -> Result<(), Error> {
        let sql = "UPDATE hosts SET last_contact_at = ?2, last_contact_from = ?3, version = coalesce(?4, version), \
                   cached_at = coalesce(?5, cached_at), clock_ahead_seconds = ?6 WHERE id = ?1";
        for (contact, copied) in pending.contacts.values() {
            self.execute_for(
                VerificationSubject::Owner(OwnerId::Host(contact.host)),
                sql,
                params![
                    contact.host.0,
                    contact.at.unix(),
                    contact.address.map(|address| address.to_string()),
                    contact.version,
                    copied.map(Time::unix),
                    contact
                        .clock
                        .map(|clock| clock.unix().saturating_sub(contact.at.unix())),
                ],
            )?;
        }
        let sql = "INSERT INTO ssh_key_uses (ssh_key_id, looked_up_at, looked_up_host) SELECT id, ?2, ?3 FROM ssh_keys WHERE id = ?1 \
                   ON CONFLICT DO UPDATE SET looked_up_at = excluded.looked_up_at, looked_up_host = excluded.looked_up_host";
        for (key, (at, host)) in &pending.looked_up {
            self.execute(sql, params![key.as_str(), at.unix(), host])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Time = Time::from_unix(1_800_000_000);

    fn contact(seconds: u64, copied: bool) -> HostContact {
        HostContact {
            host: HostId(1),
            at: NOW.after(Duration::from_secs(seconds)),
            address: None,
            version: None,
            copied,
            clock: None,
        }
    }

    #[test]
    fn unstored_contact_is_merged_with_the_later_one() {
        let (notes, key) = (HostNotes::default(), Id::random());
        assert!(notes.note_contact(contact(0, true)));
        assert!(!notes.note_contact(contact(1, false)));
        notes.note_lookup(&[key], "gpu1", NOW);
        let taken = notes.take();
        notes.note_contact(contact(2, false));
        notes.restore_unwritten(taken);
        let merged = notes.take();
        let (last, copied) = &merged.contacts[&HostId(1)];
        assert_eq!((last.at, *copied), (contact(2, false).at, Some(NOW)));
        assert_eq!(merged.looked_up[&key], (NOW, "gpu1".to_owned()));
    }

    #[test]
    fn lookups_in_memory_are_bounded() {
        let notes = HostNotes::default();
        let keys: Vec<Id> = (0..=LOOKED_UP_MAX).map(|_| Id::random()).collect();
        notes.note_lookup(&keys, "gpu1", NOW);
        assert_eq!(notes.take().looked_up.len(), LOOKED_UP_MAX);
    }
}
