//! The hash chain of the audit log: each event's hash covers its fields and the hash before it.

use std::fmt;

use super::event::{Event, chain_start};
use super::secret::Digest;

/// A place in the chain: the number and hash of an event.
#[derive(Clone, Copy)]
pub struct ChainHead {
    pub number: i64,
    pub hash: Digest,
}

impl ChainHead {
    /// The place before the first event.
    pub fn start() -> Self {
        Self {
            number: 0,
            hash: chain_start(),
        }
    }

    /// The place after `event`, if `event` with the hash `stored` follows this one.
    pub fn followed_by(&self, event: &Event, stored: &Digest) -> Option<Self> {
        let hash = event.chained(&self.hash);
        (event.number == self.number + 1 && stored.matches(&hash)).then_some(Self {
            number: event.number,
            hash,
        })
    }

    /// Returns whether both are the same place.
    pub fn is(&self, other: &Self) -> bool {
        self.number == other.number && self.hash.matches(&other.hash)
    }

    /// Parses `NUMBER:HASH`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = text
            .trim()
            .split_once([':', '\t'])
            .and_then(|(number, hash)| {
                let number = number.parse().ok().filter(|number| *number > 0)?;
                let hash = Digest::from_hex(hash)?;
                Some(Self { number, hash })
            });
        parsed.ok_or_else(|| {
            "expected NUMBER:HASH, as `keycroft audit verify` prints them".to_owned()
        })
    }
}

impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash.hex())
    }
}

impl fmt::Debug for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Time;

    #[test]
    fn chain_head_is_parsed_as_printed() {
        let head = ChainHead {
            number: 7,
            hash: chain_start(),
        };
        let printed = head.to_string();
        assert!(ChainHead::parse(&printed).unwrap().is(&head));
        assert!(
            ChainHead::parse(&printed.replace(':', "\t"))
                .unwrap()
                .is(&head)
        );
        assert!(ChainHead::parse(&printed.to_uppercase()).unwrap().is(&head));
        for wrong in [
            "",
            "7",
            ":",
            &printed[1..],
            &format!("0{}", &printed[1..]),
            &printed[..60],
            "-7:00",
            &format!("{printed}0"),
        ] {
            assert!(ChainHead::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn place_is_the_same_only_with_number_and_hash() {
        let place = |number, hash: &[u8]| ChainHead {
            number,
            hash: Digest::new(hash),
        };
        assert!(place(7, b"a").is(&place(7, b"a")));
        assert!(!place(7, b"a").is(&place(8, b"a")));
        assert!(!place(7, b"a").is(&place(7, b"b")));
    }

    #[test]
    fn event_follows_only_with_the_next_number_and_its_own_hash() {
        let event = |number| Event {
            number,
            at: Time::from_unix(1_000),
            action: "api-key.create".into(),
            outcome: "done".into(),
            channel: "api".into(),
            actor: "alice".into(),
            actor_user: None,
            credential: None,
            target_kind: "api-key".into(),
            target_id: "4k2m9x0q7w1z".into(),
            target_name: "ci".into(),
            target_owner: None,
            address: None,
            program: None,
            request_id: None,
            before: String::new(),
            after: String::new(),
        };
        let start = ChainHead::start();
        let hash_of = |number| event(number).chained(&start.hash);
        let next = start.followed_by(&event(1), &hash_of(1)).unwrap();
        assert_eq!(next.number, 1);
        assert!(next.hash.matches(&hash_of(1)));
        assert!(start.followed_by(&event(1), &hash_of(2)).is_none());
        assert!(start.followed_by(&event(2), &hash_of(2)).is_none());
        assert!(start.followed_by(&event(0), &hash_of(0)).is_none());
    }
}
