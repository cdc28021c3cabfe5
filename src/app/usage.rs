//! Credentials with their uses: what the file knows, and what is noted in memory and will be there in some seconds.

use std::collections::HashMap;

use super::App;
use crate::model::credential::{LastUse, Record, UsageDay};
use crate::model::error::Error;
use crate::model::secret::Id;
use crate::model::time::{Day, Time};
use crate::store::{CredentialFilter, Page, PendingUse};

/// Days that are shown, today included.
const DAYS: i64 = 30;

/// The later of two uses.
fn later(one: Option<LastUse>, other: Option<LastUse>) -> Option<LastUse> {
    match (one, other) {
        (Some(one), Some(other)) if one.at > other.at => Some(one),
        (one, None) => one,
        (_, other) => other,
    }
}

/// A record with what memory holds of it, and the end at which it was seen.
fn with_noted(record: Record, noted: PendingUse, seen: Option<Time>) -> Record {
    // What the writer took before a rotation was a use of what is the previous secret by now.
    let is_of_previous =
        |last: &LastUse| record.rotated_at.is_some_and(|rotated| last.at < rotated);
    let (current, moved) = match noted.current {
        Some(last) if is_of_previous(&last) => (None, Some(last)),
        current => (current, None),
    };
    let previous = later(moved, noted.previous).map(|last| last.at);
    Record {
        last_use: later(record.last_use, current),
        previous_last_used_at: record.previous_last_used_at.max(previous),
        seen_expired: record.seen_expired || (seen.is_some() && seen == record.expires_at),
        ..record
    }
}

impl App {
    /// A record with what is noted of it: its last uses, and that it was seen expired.
    pub(super) fn with_pending(&self, record: Record) -> Record {
        let uses = &self.store().uses;
        let (noted, seen) = (uses.noted(record.id), uses.seen_expired(record.id).own);
        with_noted(record, noted, seen)
    }

    /// A record as it is now. Memory is read first: a use that is written meanwhile is in the database by then.
    pub(super) fn record(&self, id: Id) -> Result<Option<Record>, Error> {
        let uses = &self.store().uses;
        let (noted, seen) = (uses.noted(id), uses.seen_expired(id).own);
        let record = self.read.record(id)?;
        Ok(record.map(|record| with_noted(record, noted, seen)))
    }

    /// Records as they are now; as [`crate::store::Select::records`].
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

    /// Uses of many credentials in the 30 days up to today, oldest first, days without any included.
    pub(super) fn usages_until(
        &self,
        ids: &[Id],
        now: Time,
    ) -> Result<HashMap<Id, Vec<UsageDay>>, Error> {
        let first = Day::from_number(now.day().number() - DAYS + 1);
        let mut known = self.read.usages(ids, first)?;
        let whole = |id: &Id| (*id, self.all_days(*id, known.remove(id), first));
        Ok(ids.iter().map(whole).collect())
    }

    /// Every day from `first` on, with what is `known` in the file and what is noted beside it.
    fn all_days(&self, id: Id, known: Option<Vec<UsageDay>>, first: Day) -> Vec<UsageDay> {
        let mut days: Vec<UsageDay> = (0..DAYS)
            .map(|number| UsageDay {
                day: Day::from_number(first.number() + number),
                uses: 0,
                refused: 0,
            })
            .collect();
        let noted = self.store().uses.noted(id).days;
        for one in known.into_iter().flatten().chain(noted) {
            let place = usize::try_from(one.day.number() - first.number());
            if let Some(day) = place.ok().and_then(|place| days.get_mut(place)) {
                day.uses += one.uses;
                day.refused += one.refused;
            }
        }
        days
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::address::AllowedAddresses;
    use crate::model::credential::{Kind, OwnerId};
    use crate::model::permission::Permissions;
    use crate::model::user::{Disabled, UserId};

    #[test]
    fn of_two_uses_the_later_one_is_shown_and_of_two_at_once_the_noted_one() {
        let used = |at: i64, program: &str| {
            Some(LastUse {
                at: Time::from_unix(at),
                address: None,
                program: Some(program.to_owned()),
            })
        };
        let shown = |one, other| later(one, other).and_then(|last| last.program);
        assert_eq!(shown(used(2, "file"), used(1, "noted")).unwrap(), "file");
        assert_eq!(shown(used(1, "file"), used(2, "noted")).unwrap(), "noted");
        assert_eq!(shown(used(1, "file"), used(1, "noted")).unwrap(), "noted");
        assert_eq!(shown(used(1, "file"), None).unwrap(), "file");
        assert_eq!(shown(None, used(1, "noted")).unwrap(), "noted");
        assert!(later(None, None).is_none());
    }

    fn record() -> Record {
        Record {
            id: Id::random(),
            kind: Kind::ApiKey,
            owner: OwnerId::User(UserId(1)),
            name: "ci".into(),
            note: None,
            permissions: Permissions::none(),
            allowed_addresses: AllowedAddresses::default(),
            created_at: Time::from_unix(1),
            created_by: None,
            expires_at: Some(Time::from_unix(50)),
            disabled: Disabled::No,
            seen_expired: false,
            ended: None,
            rotated_at: Some(Time::from_unix(10)),
            previous_ends_at: None,
            last_use: None,
            previous_last_used_at: None,
            user_agent: None,
            address: None,
        }
    }

    fn used(at: i64) -> Option<LastUse> {
        Some(LastUse {
            at: Time::from_unix(at),
            address: None,
            program: None,
        })
    }

    /// The writer may have taken a use before the rotation and not have written it yet.
    #[test]
    fn a_use_before_the_rotation_was_one_of_the_secret_before() {
        let shown = |current, previous| {
            let mut noted = PendingUse::default();
            (noted.current, noted.previous) = (current, previous);
            let shown = with_noted(record(), noted, None);
            let unix = |time: Option<Time>| time.map(Time::unix);
            let last = shown.last_use.map(|last| last.at);
            (unix(last), unix(shown.previous_last_used_at))
        };
        assert_eq!(shown(used(9), None), (None, Some(9)));
        assert_eq!(shown(used(9), used(8)), (None, Some(9)));
        assert_eq!(shown(used(9), used(11)), (None, Some(11)));
        assert_eq!(shown(used(10), used(8)), (Some(10), Some(8)));
        assert_eq!(shown(None, None), (None, None));
    }

    #[test]
    fn an_end_that_was_seen_is_shown_while_it_is_the_end() {
        let seen = |at: Option<i64>| {
            let at = at.map(Time::from_unix);
            with_noted(record(), PendingUse::default(), at).seen_expired
        };
        assert!(seen(Some(50)) && !seen(Some(49)) && !seen(None));
    }
}
