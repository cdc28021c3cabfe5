//! Secrets: form, random source, digests. Verification is elsewhere.

use std::borrow::Cow;
use std::fmt;

use ring::{digest, hmac};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::credential_kind::Kind;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ID_CHARACTERS: usize = 12;
const SECRET_CHARACTERS: usize = 32;
const CHECK_CHARACTERS: usize = 6;
/// `kc`, the letter, `_`, the id, `_`, the secret, the checksum.
const TEXT_BYTES: usize = 4 + ID_CHARACTERS + 1 + SECRET_CHARACTERS + CHECK_CHARACTERS;

/// The public id of a credential or a code: 12 characters of `0-9a-z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; ID_CHARACTERS]);

impl Id {
    /// A new id from the operating system's random source.
    pub fn random() -> Self {
        Self(random_characters(BASE36))
    }

    /// Parses an id; `None` if it has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; ID_CHARACTERS] = text.as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
            .then_some(Self(bytes))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is made of ASCII alone")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The form of a secret: a bearer credential of some kind, or a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    Credential(Kind),
    Code,
    /// The secret of a calendar feed.
    Calendar,
}

impl SecretForm {
    const fn letter(self) -> u8 {
        match self {
            Self::Credential(kind) => kind.letter(),
            Self::Code => b'e',
            Self::Calendar => b'f',
        }
    }

    fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'e' => Some(Self::Code),
            b'f' => Some(Self::Calendar),
            _ => Kind::ALL
                .into_iter()
                .find(|kind| kind.letter() == letter)
                .map(Self::Credential),
        }
    }
}

/// A new secret. `reveal` consumes it. It can't be copied, compared, printed or serialized.
pub struct Secret {
    text: Zeroizing<String>,
    id: Id,
}

impl Secret {
    /// A new secret under a new id.
    pub fn generate(form: SecretForm) -> Self {
        Self::generate_for(form, Id::random())
    }

    /// A new secret for the existing `id` (rotation).
    pub fn generate_for(form: SecretForm, id: Id) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
        text.push_str("kc");
        text.push(char::from(form.letter()));
        text.push('_');
        text.push_str(id.as_str());
        text.push('_');
        let secret: Zeroizing<[u8; SECRET_CHARACTERS]> = Zeroizing::new(random_characters(BASE62));
        for byte in secret.iter() {
            text.push(char::from(*byte));
        }
        for byte in check(text.as_bytes()) {
            text.push(char::from(byte));
        }
        Self { text, id }
    }

    pub const fn id(&self) -> Id {
        self.id
    }

    /// The stored digest.
    pub fn digest(&self) -> Digest {
        Digest::new(self.text.as_bytes())
    }

    /// The text, for showing it once.
    pub fn reveal(self) -> Zeroizing<String> {
        self.text
    }
}

/// A presented secret that is not verified yet: only its form, its id and its digest.
pub struct Presented {
    pub form: SecretForm,
    pub id: Id,
    pub digest: Digest,
}

impl Presented {
    /// Parses a secret by form and checksum alone. `None` if either is wrong, so that a typo costs no lookup.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != TEXT_BYTES
            || !bytes.starts_with(b"kc")
            || bytes[3] != b'_'
            || bytes[4 + ID_CHARACTERS] != b'_'
        {
            return None;
        }
        let form = SecretForm::from_letter(bytes[2])?;
        let id = Id::parse(text.get(4..4 + ID_CHARACTERS)?)?;
        let (body, given) = bytes.split_at(TEXT_BYTES - CHECK_CHARACTERS);
        if !body[5 + ID_CHARACTERS..]
            .iter()
            .all(u8::is_ascii_alphanumeric)
            || check(body) != given
        {
            return None;
        }
        Some(Self {
            form,
            id,
            digest: Digest::new(bytes),
        })
    }

    /// The public part of a secret, `kca_4k2m9x0q7w1z_…`, for every text except its single display.
    pub fn hint(&self) -> String {
        hint(self.form, self.id)
    }
}

/// `kca_4k2m9x0q7w1z_…`.
pub fn hint(form: SecretForm, id: Id) -> String {
    format!("kc{}_{id}_…", char::from(form.letter()))
}

/// Finds every complete secret in `text`, by form and checksum: the first byte, and the secret.
pub fn find_all(text: &[u8]) -> impl Iterator<Item = (usize, Presented)> + '_ {
    text.windows(TEXT_BYTES)
        .enumerate()
        .filter(|(_, window)| window.starts_with(b"kc"))
        .filter_map(|(place, window)| {
            let presented = Presented::parse(std::str::from_utf8(window).ok()?)?;
            Some((place, presented))
        })
}

/// `text` with every complete secret replaced by its hint. For all untrusted text that is shown, logged or stored.
pub fn hide_secrets(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = 0;
    for (place, presented) in find_all(text.as_bytes()) {
        shown.push_str(text.get(rest..place).unwrap_or_default());
        shown.push_str(&presented.hint());
        rest = place + TEXT_BYTES;
    }
    if rest == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(text.get(rest..).unwrap_or_default());
    Cow::Owned(shown)
}

/// A SHA-256 digest, compared only in constant time.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn new(bytes: &[u8]) -> Self {
        Self::from_slice(digest::digest(&digest::SHA256, bytes).as_ref())
    }

    /// The digest of several parts, each with its length before it, so that different lists never give the same bytes.
    pub fn from_parts(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Self::from_slice(context.finish().as_ref())
    }

    /// HMAC-SHA-256 (RFC 2104) of several parts under `key`. The digest reveals nothing without the key.
    pub fn keyed(key: &[u8], parts: &[&[u8]]) -> Self {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Self::from_slice(context.sign().as_ref())
    }

    /// HMAC-SHA-256 (RFC 2104) of `message`, as other programs compute it.
    pub fn hmac(key: &[u8], message: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Self::from_slice(hmac::sign(&key, message).as_ref())
    }

    /// The digest in `bytes`; `None` if they are not 32.
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares two digests in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Parses 64 hexadecimal digits, in either case.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        Self::from_stored(&bytes.ok()?)
    }

    /// Lower-case hexadecimal.
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    fn from_slice(bytes: &[u8]) -> Self {
        Self(bytes.try_into().expect("SHA-256 gives 32 bytes"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// A short value that changes with any of `parts`, to detect concurrent changes.
pub fn version(parts: &[&[u8]]) -> String {
    Digest::from_parts(parts).hex()[..16].to_owned()
}

/// Random bytes from the operating system.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}

/// `N` random characters, drawn evenly from `alphabet`.
pub fn random_characters<const N: usize>(alphabet: &[u8]) -> [u8; N] {
    let mut characters = [0; N];
    let mut filled = 0;
    while filled < N {
        let pool: Zeroizing<[u8; 64]> = Zeroizing::new(random_bytes());
        for character in pool
            .iter()
            .filter_map(|byte| drawn_character(*byte, alphabet))
        {
            if filled < N {
                characters[filled] = character;
                filled += 1;
            }
        }
    }
    characters
}

/// The character for a random byte; `None` for a byte to discard.
fn drawn_character(byte: u8, alphabet: &[u8]) -> Option<u8> {
    let byte = usize::from(byte);
    (byte < fair_bytes(alphabet.len())).then(|| alphabet[byte % alphabet.len()])
}

/// The number of byte values that spread evenly over this many characters. Higher bytes would favor the first
/// characters of the alphabet, so they are discarded.
const fn fair_bytes(characters: usize) -> usize {
    256 - 256 % characters
}

/// CRC-32 (IEEE 802.3) of `body` in base62, most significant first, padded with `0`.
fn check(body: &[u8]) -> [u8; CHECK_CHARACTERS] {
    let mut rest = crc32fast::hash(body);
    let mut characters = [b'0'; CHECK_CHARACTERS];
    for character in characters.iter_mut().rev() {
        *character = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    characters
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secret_has_the_documented_form() {
        let secret = Secret::generate(SecretForm::Credential(Kind::ApiKey));
        let id = secret.id();
        let digest = secret.digest();
        let text = secret.reveal();
        assert_eq!(text.len(), 55);
        assert!(text.starts_with(&format!("kca_{id}_")));
        let presented = Presented::parse(&text).unwrap();
        assert_eq!(presented.id, id);
        assert_eq!(presented.form, SecretForm::Credential(Kind::ApiKey));
        assert!(presented.digest.matches(&digest));
        assert_eq!(presented.hint(), format!("kca_{id}_…"));
    }

    #[test]
    fn checksum_is_the_crc_in_base62() {
        // CRC-32 of "123456789" is 0xCBF43926 = 3421780262 = 3*62^5 + 45*62^4 + 35*62^3 + 27*62^2 + 22*62 + 14.
        assert_eq!(&check(b"123456789"), b"3jZRME");
        assert_eq!(&check(b""), b"000000");
    }

    #[test]
    fn secret_with_a_changed_character_is_rejected() {
        let text = Secret::generate(SecretForm::Code).reveal();
        for place in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
            assert!(
                Presented::parse(std::str::from_utf8(&bytes).unwrap()).is_none(),
                "{place}"
            );
        }
    }

    #[test]
    fn secret_within_text_is_found() {
        let first = Secret::generate(SecretForm::Credential(Kind::Token));
        let second = Secret::generate(SecretForm::Credential(Kind::Host));
        let ids = [first.id(), second.id()];
        let text = format!(
            "x={}\u{e9};{}{}",
            *first.reveal(),
            "kca_notasecret",
            *second.reveal()
        );
        let found: Vec<Id> = find_all(text.as_bytes())
            .map(|(_, presented)| presented.id)
            .collect();
        assert_eq!(found, ids);
    }

    #[test]
    fn digest_of_shifted_parts_differs() {
        assert!(!Digest::from_parts(&[b"ab", b"c"]).matches(&Digest::from_parts(&[b"a", b"bc"])));
    }

    #[test]
    fn random_characters_are_evenly_distributed() {
        for (characters, fair) in [(62, 248), (36, 252), (20, 240), (64, 256)] {
            assert_eq!(fair_bytes(characters), fair);
            assert_eq!(fair % characters, 0);
        }
        for alphabet in [BASE62.as_slice(), &BASE62[..36], &BASE62[..20]] {
            let drawn_character: Vec<u8> = (0..=255)
                .filter_map(|byte| drawn_character(byte, alphabet))
                .collect();
            for character in alphabet {
                let times = drawn_character
                    .iter()
                    .filter(|one| *one == character)
                    .count();
                assert_eq!(times, 256 / alphabet.len(), "{character}");
            }
        }
    }

    #[test]
    fn random_characters_cover_the_alphabet() {
        let drawn: [u8; 4_096] = random_characters(BASE62);
        assert!(BASE62.iter().all(|character| drawn.contains(character)));
    }

    #[test]
    fn secret_within_text_is_replaced_by_its_hint() {
        assert!(matches!(hide_secrets("/api/v1/me"), Cow::Borrowed(_)));
        let secret = Secret::generate(SecretForm::Credential(Kind::ApiKey)).reveal();
        let text = format!("ä/{}/{}ö", *secret, *secret);
        let hint = format!("{}…", &secret[..17]);
        assert_eq!(hide_secrets(&text), format!("ä/{hint}/{hint}ö"));
    }

    proptest! {
        #[test]
        fn parsing_any_text_never_panics(text in "\\PC{0,80}") {
            let _ = Presented::parse(&text);
        }

        #[test]
        fn parsing_secret_like_bytes_never_panics(text in "kc[atshefx]_[0-9a-zA-Zé]{10,14}_[0-9A-Za-z]{36,40}") {
            prop_assert!(Presented::parse(&text).is_none_or(|presented| text.contains(presented.id.as_str())));
        }
    }

    #[test]
    fn incomplete_secret_is_not_found() {
        let text = Secret::generate(SecretForm::Credential(Kind::ApiKey)).reveal();
        for length in 0..text.len() {
            assert!(Presented::parse(&text[..length]).is_none(), "{length}");
        }
        assert!(Presented::parse(&format!("{}0", *text)).is_none());
        // With a checksum that matches the rest.
        let with = |place: usize, byte: u8| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[place] = byte;
            let body = TEXT_BYTES - CHECK_CHARACTERS;
            let right = check(&bytes[..body]);
            bytes[body..].copy_from_slice(&right);
            Presented::parse(std::str::from_utf8(&bytes).unwrap()).is_some()
        };
        assert!(with(6, b'7'));
        for (place, byte) in [
            (0, b'K'),
            (1, b'x'),
            (2, b'z'),
            (3, b'-'),
            (4, b'A'),
            (4 + ID_CHARACTERS, b'-'),
            (5 + ID_CHARACTERS, b'_'),
        ] {
            assert!(!with(place, byte), "{place}");
        }
    }

    #[test]
    fn version_differs_for_other_parts() {
        let one = version(&[b"ab", b"c"]);
        assert_eq!(one.len(), 16);
        assert_eq!(one, version(&[b"ab", b"c"]));
        assert_ne!(one, version(&[b"a", b"bc"]));
    }

    #[test]
    fn id_parses_as_written() {
        let id = Id::parse("0123456789ab").unwrap();
        assert_eq!(format!("{id} {id:?}"), "0123456789ab 0123456789ab");
    }
}
