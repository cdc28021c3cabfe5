//! A reader of CBOR (RFC 8949) in the canonical form of CTAP2: definite lengths, shortest heads, no tags.

/// Levels of arrays and maps inside each other; attestation statements have three.
const DEPTH_MAX: u8 = 8;

/// Reads items one after the other.
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// The type and the argument of an item.
struct CborHead {
    major: u8,
    argument: u64,
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that were not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// RFC 8949, 3; the shortest form that holds the argument (4.2.1).
    fn head(&mut self) -> Option<CborHead> {
        let first = *self.take(1)?.first()?;
        let (major, short) = (first >> 5, first & 0x1f);
        let argument = match short {
            0..=23 => u64::from(short),
            24..=27 => {
                let length = 1_usize << (short - 24);
                let bytes = self.take(length)?;
                let value = bytes
                    .iter()
                    .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
                let least = match short {
                    24 => 24,
                    25 => 0x100,
                    26 => 0x1_0000,
                    _ => 0x1_0000_0000,
                };
                // Floating-point numbers (major type 7) use these forms for their bits.
                if value < least && major != 7 {
                    return None;
                }
                value
            }
            // Reserved, and indefinite lengths.
            _ => return None,
        };
        Some(CborHead { major, argument })
    }

    fn head_of(&mut self, major: u8) -> Option<u64> {
        let head = self.head()?;
        (head.major == major).then_some(head.argument)
    }

    /// Reads an integer.
    pub fn integer(&mut self) -> Option<i64> {
        let head = self.head()?;
        let value = i64::try_from(head.argument).ok()?;
        match head.major {
            0 => Some(value),
            1 => Some(-1 - value),
            _ => None,
        }
    }

    /// Reads a byte string.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.head_of(2)?;
        self.take(usize::try_from(length).ok()?)
    }

    /// Reads a text string.
    pub fn text(&mut self) -> Option<&'a str> {
        let length = self.head_of(3)?;
        std::str::from_utf8(self.take(usize::try_from(length).ok()?)?).ok()
    }

    /// Reads the head of a map: how many pairs follow.
    pub fn map(&mut self) -> Option<u64> {
        self.head_of(5)
    }

    /// Passes over one item with everything in it.
    pub fn skip(&mut self) -> Option<()> {
        self.skip_at(DEPTH_MAX)
    }

    fn skip_at(&mut self, depth: u8) -> Option<()> {
        let CborHead { major, argument } = self.head()?;
        match major {
            2 => self.take(usize::try_from(argument).ok()?).map(|_| ()),
            3 => {
                let bytes = self.take(usize::try_from(argument).ok()?)?;
                std::str::from_utf8(bytes).ok().map(|_| ())
            }
            4 | 5 => {
                let depth = depth.checked_sub(1)?;
                let items = if major == 5 {
                    argument.checked_mul(2)?
                } else {
                    argument
                };
                // Each item takes a byte at least, so that a large count ends with the bytes.
                (0..items).try_for_each(|_| self.skip_at(depth))
            }
            // Integers, false, true, null, and floating-point numbers: their bytes are in the head.
            0 | 1 | 7 => Some(()),
            // Tags.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn skipped(bytes: &[u8]) -> Option<usize> {
        let mut reader = Reader::new(bytes);
        reader.skip()?;
        Some(bytes.len() - reader.rest().len())
    }

    /// RFC 8949, appendix A.
    #[test]
    fn integers_equal_those_of_the_standard() {
        for (bytes, value) in [
            (&[0x00][..], 0),
            (&[0x17], 23),
            (&[0x18, 0x18], 24),
            (&[0x19, 0x03, 0xe8], 1_000),
            (&[0x1a, 0x00, 0x0f, 0x42, 0x40], 1_000_000),
            (&[0x20], -1),
            (&[0x38, 0x63], -100),
            (&[0x39, 0x01, 0x00], -257),
        ] {
            assert_eq!(Reader::new(bytes).integer(), Some(value));
        }
        // 2^64 - 1 has no place.
        let most = [0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Reader::new(&most).integer(), None);
    }

    #[test]
    fn longer_heads_than_needed_are_rejected() {
        for bytes in [
            &[0x18, 0x17][..],
            &[0x19, 0x00, 0xff],
            &[0x1a, 0, 0, 0xff, 0xff],
            &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            &[0x58, 0x01, 0x00],
        ] {
            assert_eq!(skipped(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn indefinite_lengths_tags_and_reserved_heads_are_rejected() {
        for bytes in [
            &[0x5f, 0xff][..],
            &[0x9f, 0xff],
            &[0xbf, 0xff],
            &[0xc0, 0x00],
            &[0x1c],
            &[0xff],
        ] {
            assert_eq!(skipped(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn lengths_beyond_the_end_are_rejected() {
        for bytes in [
            &[][..],
            &[0x18],
            &[0x42, 0x00],
            &[0x62, b'a'],
            &[0x82, 0x00],
            &[0xa1, 0x00],
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(skipped(bytes), None, "{bytes:?}");
        }
        assert_eq!(skipped(&[0x61, 0xff]), None, "no UTF-8");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| [vec![0x81; levels], vec![0x00]].concat();
        assert_eq!(skipped(&nested(8)), Some(9));
        assert_eq!(skipped(&nested(9)), None);
        assert_eq!(skipped(&nested(100_000)), None);
    }

    proptest! {
        #[test]
        fn skipping_never_panics_and_never_reads_beyond(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(length) = skipped(&bytes) {
                prop_assert!(0 < length && length <= bytes.len());
                prop_assert_eq!(skipped(&bytes[..length]), Some(length));
            }
        }
    }

    #[test]
    fn item_of_each_kind_is_passed_over() {
        for bytes in [
            &[0x00][..],
            &[0x39, 0x01, 0x00],
            &[0x42, 0xff, 0xff],
            &[0x62, b'a', b'b'],
            &[0x82, 0x41, 0x00, 0x61, b'a'],
            &[0xa1, 0x61, b'a', 0x42, 0x00, 0x00],
            &[0xf5],
        ] {
            let followed = [bytes, &[0x00]].concat();
            assert_eq!(skipped(&followed), Some(bytes.len()), "{bytes:?}");
        }
    }
}
