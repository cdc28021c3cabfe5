//! What hosts asked for lately: noted in memory, written by the writer with the last uses, without an event.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use rusqlite::params;

use super::cache::Concern;
use super::read::Select;
use super::uses::lock;
use crate::model::credential::OwnerId;
use crate::model::error::Error;
use crate::model::host::HostId;
use crate::model::secret::Id;
use crate::model::time::Time;

/// Keys whose look-ups are kept in memory at most; those of more are not noted until these are written.
const LOOKED_UP_MAX: usize = 50_000;

/// That a host was in touch.
#[derive(Debug, Clone)]
pub struct HostContact {
    pub host: HostId,
    pub at: Time,
    pub address: Option<IpAddr>,
    /// The helper and its version, as it says.
    pub version: Option<String>,
    /// Whether it has everybody's keys as they are now.
    pub copied: bool,
    /// What its clock said.
    pub clock: Option<Time>,
}

/// What has gathered, by host and by key.
#[derive(Default)]
pub(super) struct PendingUse {
    contacts: HashMap<HostId, (HostContact, Option<Time>)>,
    looked_up: HashMap<Id, (Time, String)>,
}

impl PendingUse {
    pub(super) fn is_empty(&self) -> bool {
        self.contacts.is_empty() && self.looked_up.is_empty()
    }
}

/// The notes of all threads.
#[derive(Default)]
pub(super) struct HostNotes(Mutex<PendingUse>);

impl HostNotes {
    /// Notes a contact; whether it is the first of what gathers now.
    pub(super) fn note_contact(&self, contact: HostContact) -> bool {
        let mut noted = lock(&self.0);
        let first = noted.is_empty();
        let earlier = noted
            .contacts
            .get(&contact.host)
            .and_then(|(_, copied)| *copied);
        let copied = if contact.copied {
            Some(contact.at)
        } else {
            earlier
        };
        noted.contacts.insert(contact.host, (contact, copied));
        first
    }

    /// Notes that a host looked keys up; whether it is the first of what gathers now.
    pub(super) fn note_looked_up(&self, keys: &[Id], host: &str, at: Time) -> bool {
        let mut noted = lock(&self.0);
        let first = noted.is_empty() && !keys.is_empty();
        for key in keys {
            if noted.looked_up.len() < LOOKED_UP_MAX || noted.looked_up.contains_key(key) {
                noted.looked_up.insert(*key, (at, host.to_owned()));
            }
        }
        first
    }

    pub(super) fn have_gathered(&self) -> bool {
        !lock(&self.0).is_empty()
    }

    pub(super) fn take(&self) -> PendingUse {
        std::mem::take(&mut *lock(&self.0))
    }

    /// Puts back what could not be written, under what has gathered since.
    pub(super) fn give_back(&self, earlier: PendingUse) {
        let mut noted = lock(&self.0);
        for (host, (contact, copied)) in earlier.contacts {
            let known = noted.contacts.entry(host).or_insert((contact, None));
            known.1 = known.1.or(copied);
        }
        for (key, looked_up) in earlier.looked_up {
            noted.looked_up.entry(key).or_insert(looked_up);
        }
    }
}

impl Select {
    /// Writes what has gathered; passes over hosts and keys that are gone.
    pub(super) fn write_host_notes(&self, noted: &PendingUse) -> Result<(), Error> {
        let sql = "UPDATE hosts SET last_contact_at = ?2, last_contact_from = ?3, version = coalesce(?4, version), \
                   copied_at = coalesce(?5, copied_at), clock_ahead_seconds = ?6 WHERE id = ?1";
        for (contact, copied) in noted.contacts.values() {
            self.execute_for(
                Concern::Owner(OwnerId::Host(contact.host)),
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
        for (key, (at, host)) in &noted.looked_up {
            self.execute(sql, params![key.as_str(), at.unix(), host])?;
        }
        Ok(())
    }
}
