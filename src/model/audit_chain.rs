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
}
