//! Settings of the last start, for `keycroft check`. Bookkeeping; not audited.

use std::net::IpAddr;

use super::read::Select;
use super::writer::{FinishedJob, Message, WriteJob};
use super::{Store, write};
use crate::model::address::AllowedAddresses;
use crate::model::error::Error;

/// Facts about the last start.
pub(super) struct ServerStart {
    pub(super) trusted_proxies: Option<AllowedAddresses>,
    pub(super) untrusted_forwarder: Option<String>,
}

impl Store {
    /// Records the proxies that a starting server trusts.
    pub fn note_start(&self, trusted_proxies: Option<&AllowedAddresses>) {
        let proxies = trusted_proxies.map(ToString::to_string);
        self.note_later(move |select| {
            let sql = "UPDATE installation SET trusted_proxies = ?1, untrusted_forwarder = NULL \
                       WHERE trusted_proxies IS NOT ?1 OR untrusted_forwarder IS NOT NULL";
            select.statement(sql)?.execute([proxies])?;
            Ok(())
        });
    }

    /// Records a peer that sends forwarding headers without being a trusted proxy.
    pub fn note_untrusted_forwarder(&self, peer: IpAddr) {
        self.note_later(move |select| {
            let sql = "UPDATE installation SET untrusted_forwarder = ?";
            select.statement(sql)?.execute([peer.to_string()])?;
            Ok(())
        });
    }

    /// Runs a fixed statement without waiting for it. It is lost if the database can't be written.
    fn note_later(&self, job: impl FnOnce(&Select) -> Result<(), Error> + Send + 'static) {
        let work = move |select: Result<&Select, Error>| {
            let pending = select.and_then(|select| write::run_in_savepoint(select, || job(select)));
            FinishedJob {
                answer: Box::new(|_| ()),
                failure: pending.err(),
            }
        };
        let job = WriteJob::new(Box::new(work));
        if let Err(error) = self.writer.send(Message::Job(job)) {
            log::debug!("a fact for `keycroft check` was not stored: {error}");
        }
    }
}

impl Select {
    pub(super) fn serving(&self) -> Result<ServerStart, Error> {
        let sql = "SELECT trusted_proxies, untrusted_forwarder FROM installation";
        let found = self.one(sql, [], |row| {
            Ok((
                row.get::<_, Option<String>>("trusted_proxies")?,
                row.get("untrusted_forwarder")?,
            ))
        })?;
        let (proxies, untrusted_forwarder) = found.unwrap_or_default();
        let trusted_proxies = proxies
            .map(|text| AllowedAddresses::from_stored(&text))
            .transpose()
            .map_err(Error::Fault)?;
        Ok(ServerStart {
            trusted_proxies,
            untrusted_forwarder,
        })
    }
}
