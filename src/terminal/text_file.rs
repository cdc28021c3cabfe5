//! Text that editors and terminals changed on the way: byte order marks, UTF-16, wrapped lines.

use zeroize::Zeroizing;

/// The text of a file: UTF-8, or UTF-16 if it has a byte order mark or every second byte is 0. `None` if it is neither.
pub fn decode(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Zeroizing<Vec<u16>> = Zeroizing::new(
            bytes
                .chunks_exact(2)
                .map(|pair| unit([pair[0], pair[1]]))
                .collect(),
        );
        let is_even = bytes.len().is_multiple_of(2);
        String::from_utf16(&units).ok().filter(|_| is_even)
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => std::str::from_utf8(rest).ok().map(str::to_owned),
        // No text has a NUL character, so this is UTF-16 without a mark, as some editors write it.
        [_, 0, ..] if bytes.iter().skip(1).step_by(2).all(|byte| *byte == 0) => {
            utf16(bytes, u16::from_le_bytes)
        }
        [0, _, ..] if bytes.iter().step_by(2).all(|byte| *byte == 0) => {
            utf16(bytes, u16::from_be_bytes)
        }
        bytes => std::str::from_utf8(bytes).ok().map(str::to_owned),
    };
    text.map(Zeroizing::new)
}

/// A secret without what pasting put into it: no secret has white space, a byte order mark or quotes around it.
pub fn unwrapped(secret: &str) -> Zeroizing<String> {
    let plain = secret
        .trim_start_matches('\u{feff}')
        .trim()
        .trim_matches(['"', '\'']);
    Zeroizing::new(plain.chars().filter(|one| !one.is_whitespace()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_a_byte_order_mark_is_decoded() {
        let text = "ssh-ed25519 AAAA \u{e4}\r\n";
        let utf16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            std::iter::once(0xfeff)
                .chain(text.encode_utf16())
                .flat_map(unit)
                .collect()
        };
        let (little, big) = (utf16(u16::to_le_bytes), utf16(u16::to_be_bytes));
        let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        for bytes in [text.as_bytes(), &little, &big, &marked] {
            assert_eq!(decode(bytes).unwrap().as_str(), text);
        }
        for (bytes, text) in [(b"k\0c\0", "kc"), (b"\0k\0c", "kc")] {
            assert_eq!(decode(bytes).unwrap().as_str(), text, "{bytes:?}");
        }
        for bytes in [
            b"k\0c".as_slice(),
            b"\xff\xfea",
            b"\xff\xfe\x00\xd8",
            b"\xe4",
        ] {
            assert!(decode(bytes).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn characters_added_by_pasting_are_removed() {
        for text in [
            "kct_ab",
            "\u{feff}kct_ab\n",
            " kct_\n  ab ",
            "\"kct_ab\"",
            "kct_\r\nab\r\n",
        ] {
            assert_eq!(unwrapped(text).as_str(), "kct_ab", "{text:?}");
        }
    }
}
