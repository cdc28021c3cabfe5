//! Credentials with their uses: stored ones, and those in memory that will be stored within seconds.

use std::collections::HashMap;

use super::App;
use crate::model::credential::{LastUse, Record, UsageDay};
use crate::model::error::Error;
use crate::model::secret::Id;
use crate::model::time::{Day, Time};
use crate::store::{CredentialFilter, Page, PendingUse, SeenExpirations};

/// Days shown, including today.
const DAYS: i64 = 30;

/// Adds pending uses and seen expirations to a record.
fn add_pending_use(mut record: Record, pending: PendingUse, seen: SeenExpirations) -> Record {
    for (secret_number, last) in pending.uses {
        let secret = match record.rotations - secret_number {
            ..=0 => Some(&mut record.current_use),
            1 => Some(&mut record.previous_use),
            2.. => None,
        };
        if let Some(known) = secret {
            *known = LastUse::latest(known.take(), Some(last.clone()));
        }
        record.last_use = LastUse::latest(record.last_use.take(), Some(last));
    }
    Record {
        seen_expired: record.seen_expired || (seen.own.is_some() && seen.own == record.expires_at),
        grace: record
            .grace
            .filter(|_| seen.previous != Some(record.rotations)),
        ..record
    }
}

impl App {
    /// A record with its pending uses and seen expirations.
    pub(super) fn with_pending(&self, record: Record) -> Record {
        let uses = &self.store().uses;
        let (pending, seen) = (uses.pending_of(record.id), uses.seen_expired(record.id));
        add_pending_use(record, pending, seen)
    }

    /// The present state of a record. Memory is read first: a use that is stored meanwhile is in the database by then.
    pub(super) fn record(&self, id: Id) -> Result<Option<Record>, Error> {
        let uses = &self.store().uses;
        let (pending, seen) = (uses.pending_of(id), uses.seen_expired(id));
        let record = self.read.record(id)?;
        Ok(record.map(|record| add_pending_use(record, pending, seen)))
    }

    /// The present state of records; as [`crate::store::Select::records`].
    pub(super) fn records(
        &self,
        filter: &CredentialFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Record>, Error> {
        let page = self.read.records(filter, after, limit)?;
        let items = page.items.into_iter();
        Ok(Page {
            items: items.map(|record| self.with_pending(record)).collect(),
            next: page.next,
        })
    }

    /// Uses of many credentials in the last 30 days, oldest first, days without uses included.
    pub(super) fn usages_until(
        &self,
        ids: &[Id],
        now: Time,
    ) -> Result<HashMap<Id, Vec<UsageDay>>, Error> {
        let first = Day::from_number(now.day().number() - DAYS + 1);
        let mut known = self.read.usages(ids, first)?;
        let complete = |id: &Id| (*id, self.all_days(*id, known.remove(id), first));
        Ok(ids.iter().map(complete).collect())
    }

    /// Every day from `first` on, with `known` stored uses and pending ones.
    fn all_days(&self, id: Id, known: Option<Vec<UsageDay>>, first: Day) -> Vec<UsageDay> {
        let mut days: Vec<UsageDay> = (0..DAYS)
            .map(|number| UsageDay {
                day: Day::from_number(first.number() + number),
                uses: 0,
                rejected: 0,
            })
            .collect();
        let pending = self.store().uses.pending_of(id).days;
        for one in known.into_iter().flatten().chain(pending) {
            let place = usize::try_from(one.day.number() - first.number());
            if let Some(day) = place.ok().and_then(|place| days.get_mut(place)) {
                day.uses += one.uses;
                day.rejected += one.rejected;
            }
        }
        days
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::credential::Grace;
    use crate::model::credential::tests::record;

    fn rotated() -> Record {
        Record {
            expires_at: Some(Time::from_unix(50)),
            rotated_at: Some(Time::from_unix(10)),
            rotations: 2,
            ..record()
        }
    }

    fn used(at: i64) -> LastUse {
        LastUse {
            at: Time::from_unix(at),
            address: None,
            program: None,
        }
    }

    /// Uses of the current, the previous and an earlier secret; then the latest of them.
    #[test]
    fn pending_use_counts_for_the_secret_that_was_used() {
        let shown = |uses: &[(i64, i64)]| {
            let pending = PendingUse {
                uses: uses.iter().map(|(n, at)| (*n, used(*at))).collect(),
                ..PendingUse::default()
            };
            let shown = add_pending_use(rotated(), pending, SeenExpirations::default());
            [shown.current_use, shown.previous_use, shown.last_use]
                .map(|last| last.map_or(-1, |last| last.at.unix()))
        };
        assert_eq!(shown(&[]), [-1, -1, -1]);
        assert_eq!(shown(&[(2, 9)]), [9, -1, 9]);
        assert_eq!(shown(&[(1, 9)]), [-1, 9, 9]);
        assert_eq!(shown(&[(0, 9)]), [-1, -1, 9]);
        assert_eq!(shown(&[(2, 7), (1, 9), (0, 8)]), [7, 9, 9]);
        assert_eq!(shown(&[(1, 8), (0, 9), (2, 7)]), [7, 8, 9]);
        // Rotated after the row was read.
        assert_eq!(shown(&[(3, 9)]), [9, -1, 9]);
    }

    #[test]
    fn later_of_two_uses_counts_as_last() {
        let latest = |one: Option<i64>, other: Option<i64>| {
            let last = LastUse::latest(one.map(used), other.map(used));
            last.map(|last| last.at.unix())
        };
        assert_eq!(latest(Some(2), Some(1)), Some(2));
        assert_eq!(latest(Some(1), Some(2)), Some(2));
        assert_eq!(latest(Some(1), None), Some(1));
        assert_eq!(latest(None, Some(1)), Some(1));
        assert_eq!(latest(None, None), None);
    }

    #[test]
    fn seen_expiration_counts_until_it_is_changed() {
        let seen = |at: Option<i64>| {
            let seen = SeenExpirations {
                own: at.map(Time::from_unix),
                previous: None,
            };
            add_pending_use(rotated(), PendingUse::default(), seen).seen_expired
        };
        assert!(seen(Some(50)) && !seen(Some(49)) && !seen(None));
    }

    #[test]
    fn seen_end_of_a_grace_period_counts_until_another_rotation() {
        let grace = Some(Grace {
            ends_at: Time::from_unix(40),
            until_unused: None,
        });
        let shown = |previous: Option<i64>| {
            let seen = SeenExpirations {
                own: None,
                previous,
            };
            let record = Record { grace, ..rotated() };
            add_pending_use(record, PendingUse::default(), seen).grace
        };
        assert_eq!(shown(Some(2)), None);
        assert_eq!([shown(Some(1)), shown(None)], [grace; 2]);
    }
}
