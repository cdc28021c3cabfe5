//! The binary key inside the base64 (RFC 4253 section 6.6): read in full, checked, rebuilt.

use data_encoding::BASE64_NOPAD;
use ring::agreement::{self, ECDH_P256, ECDH_P384, EphemeralPrivateKey, UnparsedPublicKey};
use ring::rand::SystemRandom;

use super::{KeyRejection, KeyType, RSA_BITS_MAX};
use crate::model::secret::Digest;

/// The largest RSA exponent that OpenSSL verifies with for moduli of more than 3072 bits, in bits.
const RSA_EXPONENT_BITS_MAX: u32 = 64;

/// A key's blob that passed every check except those of the policy.
pub(super) struct KeyMaterial {
    pub(super) kind: KeyType,
    pub(super) bits: u32,
    pub(super) blob: Vec<u8>,
    pub(super) fingerprint: String,
}

/// Reads a blob, whose type must be `expected` if given.
///
/// Accepts the blob only if it equals the serialized form of the parsed key, byte for byte: no bytes after the end, no
/// numbers with superfluous zeros.
pub(super) fn read(blob: Vec<u8>, expected: Option<KeyType>) -> Result<KeyMaterial, KeyRejection> {
    let (kind, fields) = split(&blob, expected)?;
    let readable = with_plain_application(kind, &fields);
    let parsed = ssh_key::PublicKey::from_bytes(&readable).map_err(|_| KeyRejection::Malformed)?;
    let rebuilt = parsed.to_bytes().map_err(|_| KeyRejection::Malformed)?;
    if rebuilt != readable || parsed.algorithm().as_str() != kind.name() {
        return Err(KeyRejection::Malformed);
    }
    let bits = check(kind, &fields)?;
    let fingerprint = format!(
        "SHA256:{}",
        BASE64_NOPAD.encode(Digest::new(&blob).as_bytes())
    );
    Ok(KeyMaterial {
        kind,
        bits,
        blob,
        fingerprint,
    })
}

/// The kind, and the fields after it. Every accepted blob is a row of fields, each preceded by its length in four
/// bytes.
fn split(blob: &[u8], expected: Option<KeyType>) -> Result<(KeyType, Vec<&[u8]>), KeyRejection> {
    let (name, mut rest) = field(blob)?;
    let kind = str::from_utf8(name).ok().and_then(KeyType::from_name);
    let kind = match (kind, expected) {
        (Some(kind), None) => kind,
        (Some(kind), Some(expected)) if kind == expected => kind,
        (_, Some(_)) => return Err(KeyRejection::TypesDiffer),
        (None, None) => return Err(KeyRejection::UnknownType),
    };
    let count = match kind {
        KeyType::Ed25519 => 1,
        KeyType::EcdsaP256
        | KeyType::EcdsaP384
        | KeyType::EcdsaP521
        | KeyType::Rsa
        | KeyType::SkEd25519 => 2,
        KeyType::SkEcdsaP256 => 3,
    };
    let mut fields = Vec::with_capacity(count);
    for _ in 0..count {
        let (value, after) = field(rest)?;
        fields.push(value);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(KeyRejection::Malformed);
    }
    Ok((kind, fields))
}

/// The blob for the parser, which reads the application of a hardware-backed key as UTF-8. OpenSSH accepts any bytes
/// ([`check_application`]), so a plain one stands in for it.
fn with_plain_application(kind: KeyType, fields: &[&[u8]]) -> Vec<u8> {
    let mut fields = fields.to_vec();
    if let (KeyType::SkEd25519 | KeyType::SkEcdsaP256, Some(application)) =
        (kind, fields.last_mut())
    {
        *application = b"ssh:";
    }
    let mut blob = Vec::new();
    for field in [kind.name().as_bytes()].into_iter().chain(fields) {
        // The fields come from `split`, whose lengths fit four bytes.
        blob.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        blob.extend(field);
    }
    blob
}

/// The first field, and the bytes after it.
fn field(bytes: &[u8]) -> Result<(&[u8], &[u8]), KeyRejection> {
    let (length, rest) = bytes.split_first_chunk().ok_or(KeyRejection::Truncated)?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > super::PASTE_BYTES_MAX {
        return Err(KeyRejection::Malformed);
    }
    rest.split_at_checked(length).ok_or(KeyRejection::Truncated)
}

/// Checks the fields of this kind. Returns the key's size in bits.
fn check(kind: KeyType, fields: &[&[u8]]) -> Result<u32, KeyRejection> {
    match (kind, fields) {
        (KeyType::Ed25519, [point]) => check_ed25519(point).map(|()| 256),
        (KeyType::SkEd25519, [point, application]) => {
            check_ed25519(point)?;
            check_application(application).map(|()| 256)
        }
        (KeyType::EcdsaP256, [curve, point]) => check_ecdsa(b"nistp256", 256, curve, point),
        (KeyType::EcdsaP384, [curve, point]) => check_ecdsa(b"nistp384", 384, curve, point),
        (KeyType::EcdsaP521, [curve, point]) => check_ecdsa(b"nistp521", 521, curve, point),
        (KeyType::SkEcdsaP256, [curve, point, application]) => {
            check_application(application)?;
            check_ecdsa(b"nistp256", 256, curve, point)
        }
        (KeyType::Rsa, [exponent, modulus]) => check_rsa(exponent, modulus),
        _ => Err(KeyRejection::Malformed),
    }
}

/// Checks the name of the curve, and a point in the one form that OpenSSH reads: `04 x y` (SEC 1 section 2.3.3).
fn check_ecdsa(name: &[u8], bits: u32, curve: &[u8], point: &[u8]) -> Result<u32, KeyRejection> {
    let coordinate_bytes = bits.div_ceil(8) as usize;
    let is_uncompressed = point.first() == Some(&4) && point.len() == 1 + 2 * coordinate_bytes;
    if curve != name || !is_uncompressed {
        return Err(KeyRejection::Malformed);
    }
    Ok(bits)
}

/// Checks that an ECDSA key's point is on its curve. sshd makes the same check on every read. Here it is made once,
/// when the key is added, so that the person learns about it. `ring` has no P-521: sshd alone checks those.
pub(super) fn check_point(key: &KeyMaterial) -> Result<(), KeyRejection> {
    let (algorithm, point) = match key.kind {
        KeyType::EcdsaP256 | KeyType::SkEcdsaP256 => (&ECDH_P256, 1),
        KeyType::EcdsaP384 => (&ECDH_P384, 1),
        KeyType::Ed25519 | KeyType::EcdsaP521 | KeyType::Rsa | KeyType::SkEd25519 => return Ok(()),
    };
    let (_, fields) = split(&key.blob, None)?;
    let point =
        UnparsedPublicKey::new(algorithm, fields.get(point).ok_or(KeyRejection::Malformed)?);
    // The key agreement rejects a point that is not on the curve before it computes (SP 800-56A section 5.6.2.3).
    EphemeralPrivateKey::generate(algorithm, &SystemRandom::new())
        .and_then(|private| agreement::agree_ephemeral(private, &point, |_| ()))
        .map_err(|_| KeyRejection::InvalidPoint)
}

/// Rejects the points of small order, for which anybody can make a valid signature (RFC 8032 section 5.1.7 does not
/// require it; sshd doesn't check). Other values are not checked: a value that is not a point never verifies.
fn check_ed25519(point: &[u8]) -> Result<(), KeyRejection> {
    const HIGH: [u8; 30] = [0xff; 30];
    /// The two y of order 8, little-endian.
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let Ok(mut y) = <[u8; 32]>::try_from(point) else {
        return Err(KeyRejection::Malformed);
    };
    // The highest bit is the sign of x.
    y[31] &= 0x7f;
    let small = match y {
        // y = 0 (order 4) and y = 1 (the neutral element).
        [0 | 1, middle @ .., 0] => middle == [0; 30],
        // y = -1 (order 2), and 0 and 1 written with p added.
        [0xec..=0xee, middle @ .., 0x7f] => middle == HIGH,
        _ => ORDER_8.contains(&y),
    };
    if small {
        return Err(KeyRejection::InvalidPoint);
    }
    Ok(())
}

/// The application of a hardware-backed key (usually `ssh:`): any bytes but NUL, as in OpenSSH. It is never shown.
fn check_application(application: &[u8]) -> Result<(), KeyRejection> {
    if application.contains(&0) {
        return Err(KeyRejection::Malformed);
    }
    Ok(())
}

/// Checks that both numbers are positive and odd, and the exponent at least 3. Returns the size of the modulus.
fn check_rsa(exponent: &[u8], modulus: &[u8]) -> Result<u32, KeyRejection> {
    let exponent_bits = bit_length(exponent).ok_or(KeyRejection::RsaInvalid)?;
    let bits = bit_length(modulus).ok_or(KeyRejection::RsaInvalid)?;
    if bits > RSA_BITS_MAX {
        return Err(KeyRejection::RsaTooLong { bits });
    }
    // Odd and of at least two bits is at least 3.
    if !(2..=RSA_EXPONENT_BITS_MAX).contains(&exponent_bits) || exponent_bits >= bits {
        return Err(KeyRejection::RsaInvalid);
    }
    Ok(bits)
}

/// The size in bits of a number (RFC 4251 section 5, `mpint`) that is positive and odd.
fn bit_length(number: &[u8]) -> Option<u32> {
    let (&first, &last) = (number.first()?, number.last()?);
    if first >= 0x80 || last & 1 == 0 {
        return None;
    }
    let digits = if first == 0 { &number[1..] } else { number };
    let bytes = u32::try_from(digits.len()).ok()?;
    Some(bytes * 8 - digits.first()?.leading_zeros())
}
