//! Public keys of passkeys, as COSE writes them (RFC 9052, 7; RFC 9053, 2 and 7; RFC 8230, 4), and their signatures.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::cbor::Reader;

/// `alg` values that are offered to authenticators, the preferred one first: EdDSA, ES256, RS256.
pub const ALGORITHMS: [i64; 3] = [-8, -7, -257];

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasskeyKey<'a> {
    /// ES256: the point without its first byte.
    P256 { x: &'a [u8; 32], y: &'a [u8; 32] },
    /// `EdDSA` with Ed25519.
    Ed25519(&'a [u8; 32]),
    /// RS256.
    Rsa {
        modulus: &'a [u8],
        exponent: &'a [u8],
    },
}

/// The members of a `COSE_Key` that matter, by their labels.
#[derive(Default)]
struct CoseMembers<'a> {
    kty: Option<i64>,
    alg: Option<i64>,
    curve: Option<i64>,
    /// Labels -1, -2 and -3 when they hold bytes.
    bytes: [Option<&'a [u8]>; 3],
}

/// Sets a member that must not be there twice.
fn set_once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

impl<'a> PasskeyKey<'a> {
    /// Reads the key at the beginning of `reader`; `None` for other types, curves and algorithms.
    pub fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let mut members = CoseMembers::default();
        for _ in 0..reader.map()? {
            match reader.integer()? {
                1 => set_once(&mut members.kty, reader.integer()?)?,
                3 => set_once(&mut members.alg, reader.integer()?)?,
                // The curve, or the modulus of an RSA key, which comes behind its type (canonical order).
                -1 if members.kty == Some(3) => set_once(&mut members.bytes[0], reader.bytes()?)?,
                -1 => set_once(&mut members.curve, reader.integer()?)?,
                -2 => set_once(&mut members.bytes[1], reader.bytes()?)?,
                -3 => set_once(&mut members.bytes[2], reader.bytes()?)?,
                _ => reader.skip()?,
            }
        }
        let [n, second, third] = members.bytes;
        // `alg` goes with one type and one curve (Web Authentication, 5.8.5).
        match (members.kty?, members.alg?, members.curve) {
            (2, -7, Some(1)) => Some(Self::P256 {
                x: second?.try_into().ok()?,
                y: third?.try_into().ok()?,
            }),
            (1, -8, Some(6)) => Some(Self::Ed25519(second?.try_into().ok()?)),
            (3, -257, None) => Self::rsa(n?, second?),
            _ => None,
        }
    }

    /// Reads what was stored.
    pub fn from_stored(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let key = Self::read(&mut reader)?;
        reader.rest().is_empty().then_some(key)
    }

    fn rsa(modulus: &'a [u8], exponent: &'a [u8]) -> Option<Self> {
        let is_minimal = |number: &[u8]| number.first().is_some_and(|first| *first != 0);
        let fits = (256..=1_024).contains(&modulus.len())
            && exponent.len() <= 4
            && is_minimal(modulus)
            && is_minimal(exponent);
        fits.then_some(Self::Rsa { modulus, exponent })
    }

    /// Returns whether `signature` is this key's over `message`, in the form that Web Authentication 6.5.6 names:
    /// ASN.1 DER for ES256, the bare one for the others.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256 { x, y } => {
                let point = [&[4][..], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
                    .verify(message, signature)
                    .is_ok()
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key)
                .verify(message, signature)
                .is_ok(),
            Self::Rsa { modulus, exponent } => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An RSA key with a modulus of so many bytes, and this exponent.
    fn rsa(modulus: u16, exponent: &[u8]) -> Vec<u8> {
        let [high, low] = modulus.to_be_bytes();
        let head = [0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59, high, low];
        let length = u8::try_from(exponent.len()).unwrap();
        let modulus = vec![0x80; usize::from(modulus)];
        [&head[..], &modulus, &[0x21, 0x40 | length], exponent].concat()
    }

    #[test]
    fn rsa_key_is_read_within_its_limits() {
        for (modulus, exponent, is_read) in [
            (255, &[1, 0, 1][..], false),
            (256, &[1, 0, 1], true),
            (256, &[1, 0, 0, 1], true),
            (256, &[1, 0, 0, 0, 1], false),
            (256, &[0, 1], false),
            (1_024, &[3], true),
            (1_025, &[3], false),
        ] {
            let key = rsa(modulus, exponent);
            let read = PasskeyKey::from_stored(&key).is_some();
            assert_eq!(read, is_read, "{modulus} {exponent:?}");
            let longer = [&key[..], &[0]].concat();
            assert_eq!(PasskeyKey::from_stored(&longer), None);
        }
    }
}
