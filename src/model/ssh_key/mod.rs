//! A user's SSH public key: the accepted forms, and the line for sshd.
//!
//! Everything that goes to sshd is rebuilt from the decoded key, never copied from pasted text or from a row of the
//! database.

mod blob;
mod import;
mod line;
mod moment;
mod options;
mod paste;
mod record;
mod rejection;

use std::collections::BTreeSet;
use std::fmt;

use data_encoding::BASE64;

pub use import::{
    IMPORT_BYTES_MAX, ImportLine, ImportRejection, ImportedKey, parse_authorized_keys_file,
};
pub use line::{ExpiryFormat, LineRejection, authorized_line};
pub use options::{
    COMMAND_BYTES_MAX, ForcedCommand, ForwardTarget, KeyOptions, OptionError, OptionsChange,
    PERMITOPEN_MAX, SshdVersion,
};
pub use record::{KeyHostUse, NewSshKey, SshKey, SshKeyChange, free_name, name_from_comment};
pub use rejection::KeyRejection;

/// The longest text accepted as one public key, in bytes.
pub const PASTE_BYTES_MAX: usize = 16 * 1024;
/// The longest stored comment, in characters.
pub const COMMENT_CHARS_MAX: usize = 255;
/// The smallest RSA modulus that any policy may allow, in bits.
pub const RSA_BITS_FLOOR: u32 = 2048;
/// The largest minimum that a policy may set for RSA moduli, in bits.
pub const RSA_BITS_MIN_CEILING: u32 = 4096;
/// The default minimum for RSA moduli, in bits.
pub const RSA_BITS_MIN_DEFAULT: u32 = 3072;
/// The largest accepted RSA modulus, in bits: OpenSSH's own limit.
pub const RSA_BITS_MAX: u32 = 16_384;

/// A decoded and checked public key in its one canonical form.
///
/// Equality includes the comment. [`PublicKey::is_same_key`] compares like sshd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyType,
    bits: u32,
    blob: Vec<u8>,
    fingerprint: String,
    comment: String,
}

impl PublicKey {
    /// Parses one pasted public key: the line of a `.pub` file (RFC 4253 section 6.6 inside base64, as OpenSSH writes
    /// it).
    pub fn parse(text: &str, rules: &KeyRules) -> Result<Self, KeyRejection> {
        let paste = paste::read(text)?;
        let material = blob::read(paste.blob, Some(paste.kind))?;
        blob::check_point(&material)?;
        let key = Self::build(material, paste.comment);
        key.check(rules)?;
        Ok(key)
    }

    /// Checks whether the rules allow it.
    pub fn check(&self, rules: &KeyRules) -> Result<(), KeyRejection> {
        if !rules.allows(self.kind) {
            return Err(KeyRejection::KindNotAllowed { kind: self.kind });
        }
        self.check_rsa_bits(rules.rsa_bits_min)
    }

    /// Reads a stored key from the base64 of its blob.
    ///
    /// Makes all checks again except those of the policy. A changed row can at worst be another complete key: never an
    /// option, a second line or another type.
    pub fn from_stored(blob_base64: &str, comment: &str) -> Result<Self, KeyRejection> {
        if blob_base64.len() > PASTE_BYTES_MAX {
            return Err(KeyRejection::TooLong);
        }
        let blob = paste::decode_base64(blob_base64)?;
        let key = Self::build(blob::read(blob, None)?, comment);
        key.check_rsa_bits(RSA_BITS_FLOOR)?;
        Ok(key)
    }

    /// The kind of key.
    pub fn kind(&self) -> KeyType {
        self.kind
    }

    /// The key's size in bits, as in `ssh-keygen -l`.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The blob of RFC 4253 section 6.6 in padded base64, for the database and for sshd.
    pub fn base64(&self) -> String {
        BASE64.encode(&self.blob)
    }

    /// `SHA256:` and the unpadded base64 of the blob's digest, as in `ssh-keygen -l`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The comment, made safe to show; may be empty. It never goes to sshd.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The key as `TYPE BASE64`, without the comment.
    pub fn to_openssh(&self) -> String {
        format!("{} {}", self.kind, self.base64())
    }

    /// Returns whether both are the same key, ignoring comments.
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.blob == other.blob
    }

    fn build(material: blob::KeyMaterial, comment: &str) -> Self {
        Self {
            kind: material.kind,
            bits: material.bits,
            blob: material.blob,
            fingerprint: material.fingerprint,
            comment: clean_comment(comment),
        }
    }

    fn check_rsa_bits(&self, bits_min: u32) -> Result<(), KeyRejection> {
        if self.kind == KeyType::Rsa && self.bits < bits_min {
            let bits = self.bits;
            return Err(KeyRejection::RsaTooShort { bits, bits_min });
        }
        Ok(())
    }
}

/// The kinds of key that can be accepted, weakest assumptions first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// Ed25519 (RFC 8709).
    Ed25519,
    /// ECDSA on NIST P-256 (RFC 5656).
    EcdsaP256,
    /// ECDSA on NIST P-384 (RFC 5656).
    EcdsaP384,
    /// ECDSA on NIST P-521 (RFC 5656).
    EcdsaP521,
    /// RSA (RFC 4253), which signs with SHA-2 (RFC 8332).
    Rsa,
    /// Ed25519 kept in a FIDO authenticator (OpenSSH PROTOCOL.u2f).
    SkEd25519,
    /// ECDSA on NIST P-256 kept in a FIDO authenticator (OpenSSH PROTOCOL.u2f).
    SkEcdsaP256,
}

impl KeyType {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Ed25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Rsa,
        Self::SkEd25519,
        Self::SkEcdsaP256,
    ];

    /// OpenSSH's name of the type, as in front of a key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::EcdsaP521 => "ecdsa-sha2-nistp521",
            Self::Rsa => "ssh-rsa",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::SkEcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    /// The kind with this OpenSSH name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The policy's rules for new keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRules {
    kinds: BTreeSet<KeyType>,
    rsa_bits_min: u32,
}

impl KeyRules {
    /// Rules that allow `kinds`, and RSA from `rsa_bits_min` bits on; `None` if that is not within 2048 to 4096.
    pub fn new(kinds: impl IntoIterator<Item = KeyType>, rsa_bits_min: u32) -> Option<Self> {
        if !(RSA_BITS_FLOOR..=RSA_BITS_MIN_CEILING).contains(&rsa_bits_min) {
            return None;
        }
        let kinds = kinds.into_iter().collect();
        Some(Self {
            kinds,
            rsa_bits_min,
        })
    }

    /// Returns whether new keys of this kind are accepted.
    pub fn allows(&self, kind: KeyType) -> bool {
        self.kinds.contains(&kind)
    }

    /// Returns whether such a key could be added today.
    pub fn allow(&self, key: &PublicKey) -> bool {
        let is_long_enough = key.kind() != KeyType::Rsa || key.bits() >= self.rsa_bits_min;
        self.allows(key.kind()) && is_long_enough
    }

    /// The smallest accepted RSA modulus, in bits.
    pub fn rsa_bits_min(&self) -> u32 {
        self.rsa_bits_min
    }
}

impl Default for KeyRules {
    fn default() -> Self {
        Self {
            kinds: KeyType::ALL.into(),
            rsa_bits_min: RSA_BITS_MIN_DEFAULT,
        }
    }
}

/// A comment that is safe to show: no control characters, nothing invisible, nothing that changes text direction, at
/// most [`COMMENT_CHARS_MAX`] characters.
fn clean_comment(comment: &str) -> String {
    let mut clean = String::new();
    let words = comment.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words {
        let word: String = word.chars().filter(|&c| !is_invisible(c)).collect();
        if word.is_empty() {
            continue;
        }
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(&word);
    }
    let kept: String = clean.chars().take(COMMENT_CHARS_MAX).collect();
    kept.trim_end().to_owned()
}

/// Invisible characters that change the visible text: marks and overrides of direction (UAX #9), zero-width ones, tags,
/// annotation marks, and blank fillers.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod tests;
