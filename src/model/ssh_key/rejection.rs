//! The reasons for rejecting a public key: one sentence each, and never a part of the text.

use std::fmt;

use super::{KeyType, PASTE_BYTES_MAX, RSA_BITS_FLOOR, RSA_BITS_MAX};

/// The reason for rejecting a text as a public key.
///
/// It contains only numbers and names from the program, so that neither `Display` nor `Debug` can repeat what may have
/// been a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRejection {
    /// Nothing but white space.
    Empty,
    /// More than [`PASTE_BYTES_MAX`] bytes.
    TooLong,
    /// A private key in any form, or a part of one.
    PrivateKey,
    /// A control character other than tab and line ends.
    ControlCharacter,
    /// RFC 4716, as `PuTTY` saves public keys.
    Rfc4716,
    /// `BEGIN PUBLIC KEY`, `BEGIN RSA PUBLIC KEY` and other PEM.
    Pem,
    /// An X.509 certificate.
    X509Certificate,
    /// An OpenSSH certificate.
    Certificate,
    /// DSA.
    Dsa,
    /// An RSA modulus of fewer bits than allowed.
    RsaTooShort {
        /// Its size.
        bits: u32,
        /// The minimum.
        bits_min: u32,
    },
    /// An RSA modulus of more than [`RSA_BITS_MAX`] bits.
    RsaTooLong {
        /// Its size.
        bits: u32,
    },
    /// An unusable RSA modulus or exponent.
    RsaInvalid,
    /// A point that is not on its curve, or one for which anybody could sign.
    InvalidPoint,
    /// More than one key.
    SeveralKeys,
    /// A key and other text on another line.
    MoreThanOneLine,
    /// A key with line breaks or spaces inside.
    Wrapped,
    /// `authorized_keys` options in front of the key.
    Options,
    /// A line of `known_hosts`: a host in front of the key.
    KnownHosts,
    /// A fingerprint instead of the key.
    Fingerprint,
    /// The base64 alone, without the type in front.
    TypeMissing,
    /// Invalid base64.
    NotBase64,
    /// The type inside the base64 differs from the one in front.
    TypesDiffer,
    /// The key ends too early.
    Truncated,
    /// Extra bytes, or not in the canonical form.
    Malformed,
    /// A kind that the policy does not allow.
    KindNotAllowed {
        /// The kind.
        kind: KeyType,
    },
    /// An unknown key type.
    UnknownType,
    /// Not a key at all.
    NotAKey,
}

impl KeyRejection {
    /// Returns whether another policy would accept the key.
    pub fn is_by_policy(self) -> bool {
        match self {
            Self::KindNotAllowed { .. } => true,
            Self::RsaTooShort { bits, .. } => bits >= RSA_BITS_FLOOR,
            _ => false,
        }
    }
}

impl fmt::Display for KeyRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Self::Empty => "the key is missing: paste the one line of a .pub file",
            Self::TooLong => {
                return write!(
                    f,
                    "this is longer than {} KiB: paste the one line of a .pub file",
                    PASTE_BYTES_MAX / 1024
                );
            }
            Self::PrivateKey => {
                "this is a private key: it was not stored; treat it as exposed, create a new one and paste the .pub file instead"
            }
            Self::ControlCharacter => {
                "this key contains control characters: copy it again from the .pub file as plain text"
            }
            Self::Rfc4716 => {
                "this public key has PuTTY's format (RFC 4716): copy the line that PuTTYgen shows for OpenSSH, or convert it with ssh-keygen -i -f FILE"
            }
            Self::Pem => {
                "this is a public key in PEM format: convert it with ssh-keygen -i -m PKCS8 -f FILE and paste the result"
            }
            Self::X509Certificate => {
                "this is an X.509 certificate, not an SSH key: paste the one line of a .pub file"
            }
            Self::Certificate => {
                "this is an SSH certificate: paste the public key itself, from the .pub file without -cert in its name"
            }
            Self::Dsa => {
                "DSA keys are too weak and sshd rejects them: create a new key with ssh-keygen -t ed25519"
            }
            Self::RsaTooShort { bits, bits_min } => {
                return write!(
                    f,
                    "this RSA key has {bits} bits and at least {bits_min} are required: create a new key with ssh-keygen -t ed25519"
                );
            }
            Self::RsaTooLong { bits } => {
                return write!(
                    f,
                    "this RSA key has {bits} bits and sshd accepts at most {RSA_BITS_MAX}: create a new key with ssh-keygen -t ed25519"
                );
            }
            Self::RsaInvalid => {
                "the numbers in this RSA key are invalid: create a new key with ssh-keygen -t ed25519"
            }
            Self::InvalidPoint => {
                "the point in this key is invalid: copy it again or create a new key with ssh-keygen -t ed25519"
            }
            Self::SeveralKeys => "this text contains several keys: add them one at a time",
            Self::MoreThanOneLine => {
                "this text has more than one line: paste only the line with the key"
            }
            Self::Wrapped => {
                "this key contains line breaks or spaces, such as from an e-mail program: copy it again from the .pub file as one line"
            }
            Self::Options => {
                "sshd can't read the options in front of this key: put commas between them, and no spaces outside quotes"
            }
            Self::KnownHosts => {
                "this looks like a line of known_hosts: paste your own key, from a .pub file, without a host in front"
            }
            Self::Fingerprint => {
                "this is a fingerprint, not the key: paste the one line of the .pub file"
            }
            Self::TypeMissing => {
                "the type in front of the key is missing: paste the complete line of the .pub file, which begins with ssh- or ecdsa- or sk-"
            }
            Self::NotBase64 => {
                "this key does not decode as base64: copy it again from the .pub file"
            }
            Self::TypesDiffer => {
                "the type in front of this key differs from the one inside: copy it again from the .pub file"
            }
            Self::Truncated => {
                "the end of this key is missing: copy the complete line of the .pub file"
            }
            Self::Malformed => {
                "this key is malformed for its type: copy it again from the .pub file"
            }
            Self::KindNotAllowed { kind } => {
                return write!(
                    f,
                    "keys of type {kind} are not allowed here: use another type or ask an admin"
                );
            }
            Self::UnknownType => {
                "this type of key is unknown: create a new key with ssh-keygen -t ed25519"
            }
            Self::NotAKey => {
                "this is not an OpenSSH public key: paste the one line of a .pub file, which begins with ssh- or ecdsa- or sk-"
            }
        };
        f.write_str(sentence)
    }
}

impl std::error::Error for KeyRejection {}
