//! Metrics of the installation, without names of people.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::App;
use crate::model::address::AllowedAddresses;
use crate::model::error::Error;
use crate::model::time::Time;
use crate::store::{FileFacts, KindCount};

/// Counters of this process since its start.
#[derive(Default)]
pub struct Counters {
    pub valid: AtomicU64,
    pub invalid: AtomicU64,
    pub signed_in: AtomicU64,
    pub failed_sign_ins: AtomicU64,
    pub ssh_lookups: AtomicU64,
}

impl Counters {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The metrics of one moment.
pub struct Figures {
    pub valid: u64,
    pub invalid: u64,
    pub signed_in: u64,
    pub failed_sign_ins: u64,
    pub ssh_lookups: u64,
    pub credentials: Vec<KindCount>,
    pub ssh_keys: i64,
    pub users: i64,
    /// The last contact of each host, by name.
    pub hosts: Vec<(String, Option<Time>)>,
    pub file: FileFacts,
}

impl App {
    /// Records the proxies that a starting server trusts, for `keycroft check`.
    pub fn note_start(&self, trusted_proxies: Option<&AllowedAddresses>) {
        self.store().note_start(trusted_proxies);
    }

    /// Records a peer that sends forwarding headers without being a trusted proxy, for `keycroft check`.
    pub fn note_untrusted_forwarder(&self, peer: IpAddr) {
        self.store().note_untrusted_forwarder(peer);
    }

    /// The present metrics. The endpoint checks who may see them.
    pub fn figures(&self, now: Time) -> Result<Figures, Error> {
        let counters = &self.shared.counters;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let file = self.read.file_facts(self.store().path())?;
        Ok(Figures {
            valid: of(&counters.valid),
            invalid: of(&counters.invalid),
            signed_in: of(&counters.signed_in),
            failed_sign_ins: of(&counters.failed_sign_ins),
            ssh_lookups: of(&counters.ssh_lookups),
            credentials: self.read.count_credentials(now)?,
            ssh_keys: self.read.count_ssh_keys(now)?,
            users: file.users,
            hosts: self.read.last_contacts()?,
            file,
        })
    }
}
