//! Pasted text, classified so that each mistake gets a specific message.

use data_encoding::BASE64;

use super::{KeyRejection, KeyType, PASTE_BYTES_MAX};

/// The parts of the one line with a key.
pub(super) struct Paste<'a> {
    pub(super) kind: KeyType,
    pub(super) blob: Vec<u8>,
    pub(super) comment: &'a str,
}

/// Finds the one key in the text.
pub(super) fn read(text: &str) -> Result<Paste<'_>, KeyRejection> {
    if holds_private_key(text) {
        return Err(KeyRejection::PrivateKey);
    }
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if text.is_empty() {
        return Err(KeyRejection::Empty);
    }
    if text.len() > PASTE_BYTES_MAX {
        return Err(KeyRejection::TooLong);
    }
    if text.chars().any(is_forbidden_control) {
        return Err(KeyRejection::ControlCharacter);
    }
    reject_blocks(text)?;
    let mut lines = text
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let first = lines.next().ok_or(KeyRejection::Empty)?;
    let others: Vec<&str> = lines.collect();
    if others.is_empty() {
        return read_line(first);
    }
    Err(several_lines_rejection(first, &others))
}

/// Decodes base64 (RFC 4648 section 4) that is padded and written in the only possible way.
pub(super) fn decode_base64(encoded: &str) -> Result<Vec<u8>, KeyRejection> {
    if !is_base64_text(encoded) {
        return Err(KeyRejection::NotBase64);
    }
    if !encoded.len().is_multiple_of(4) {
        return Err(KeyRejection::Truncated);
    }
    let decoded = BASE64
        .decode(encoded.as_bytes())
        .map_err(|_| KeyRejection::NotBase64)?;
    // The decoder also takes several padded texts in a row.
    if BASE64.encode(&decoded) != encoded {
        return Err(KeyRejection::NotBase64);
    }
    Ok(decoded)
}

/// Returns whether the text is a private key, or contains a mark of one. Works without copying, so that no copy stays
/// in memory.
pub(super) fn holds_private_key(text: &str) -> bool {
    let is_block =
        holds(text, "PRIVATE KEY-") || (holds(text, "PRIVATE KEY") && holds(text, "BEGIN "));
    is_block
        // PuTTY's .ppk, whose public part is never saved alone.
        || holds(text, "PuTTY-User-Key-File-")
        || holds(text, "Private-Lines:")
        || holds(text, "Private-MAC:")
        || holds(text, "SSH PRIVATE KEY FILE FORMAT")
        // An encrypted PEM block without its first line.
        || holds(text, "DEK-Info:")
        || holds(text, "AGE-SECRET-KEY-1")
        // A JSON web key (RFC 7517) with its private member.
        || (holds(text, "\"kty\"") && holds(text, "\"d\""))
        // "openssh-key-v1" and a NUL in base64: OpenSSH's block without its first line.
        || text.contains("b3BlbnNzaC1rZXktdjEA")
        || text.split(['\n', '\r']).any(|line| begins_private_der(line.trim()))
}

fn holds(text: &str, wanted: &str) -> bool {
    text.as_bytes()
        .windows(wanted.len())
        .any(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// Returns whether this is the first line of a PEM block's base64 whose DER is a sequence that starts with a version:
/// PKCS #1 (0), PKCS #8 (0 or 1), SEC 1 (1), PKCS #12 (3). Public forms start differently.
fn begins_private_der(line: &str) -> bool {
    let Some(start) = line.as_bytes().get(..12) else {
        return false;
    };
    let mut der = [0; 9];
    if BASE64.decode_mut(start, &mut der) != Ok(der.len()) {
        return false;
    }
    let content = match &der {
        [0x30, 0..=0x7f, content @ ..] => content.get(..3),
        [0x30, 0x81, _, content @ ..] => content.get(..3),
        [0x30, 0x82, _, _, content @ ..] => content.get(..3),
        [0x30, 0x83, _, _, _, content @ ..] => content.get(..3),
        _ => None,
    };
    let is_private = matches!(content, Some([0x02, 0x01, 0 | 1 | 3]));
    der.fill(0);
    is_private
}

fn is_forbidden_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// Rejects public keys and certificates in blocks of many lines.
fn reject_blocks(text: &str) -> Result<(), KeyRejection> {
    if holds(text, "BEGIN SSH2 PUBLIC KEY") {
        return Err(KeyRejection::Rfc4716);
    }
    if !holds(text, "-----BEGIN ") {
        return Ok(());
    }
    if holds(text, "BEGIN CERTIFICATE") || holds(text, "BEGIN X509 CERTIFICATE") {
        return Err(KeyRejection::X509Certificate);
    }
    if holds(text, "PUBLIC KEY-----") {
        return Err(KeyRejection::Pem);
    }
    Err(KeyRejection::NotAKey)
}

fn read_line(line: &str) -> Result<Paste<'_>, KeyRejection> {
    let (name, rest) = next_word(line);
    let Some(kind) = KeyType::from_name(name) else {
        return Err(type_rejection(name, rest));
    };
    let (encoded, comment) = next_word(rest);
    if encoded.is_empty() {
        return Err(KeyRejection::Truncated);
    }
    let blob = match decode_base64(encoded) {
        Err(KeyRejection::Truncated) if is_continued(comment) => return Err(KeyRejection::Wrapped),
        decoded => decoded?,
    };
    if is_whole(&blob) {
        if finds_key(comment) {
            return Err(KeyRejection::SeveralKeys);
        }
    } else if is_continued(comment) {
        return Err(KeyRejection::Wrapped);
    }
    Ok(Paste {
        kind,
        blob,
        comment,
    })
}

/// The first word of a line and the text after it, without the space between.
fn next_word(line: &str) -> (&str, &str) {
    match line.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (line, ""),
    }
}

/// The reason for rejecting a line that does not start with an accepted type.
fn type_rejection(name: &str, rest: &str) -> KeyRejection {
    if name == "ssh-dss" {
        return KeyRejection::Dsa;
    }
    if is_certificate_type(name) {
        return KeyRejection::Certificate;
    }
    if finds_key(rest) {
        let is_options = !name.starts_with(['|', '@']) && super::options::looks_like_options(name);
        return if is_options {
            KeyRejection::Options
        } else {
            KeyRejection::KnownHosts
        };
    }
    let is_fingerprint = |word: &str| word.starts_with("SHA256:") || word.starts_with("MD5:");
    if is_fingerprint(name) || is_fingerprint(next_word(rest).0) {
        return KeyRejection::Fingerprint;
    }
    if name.starts_with("AAAA") {
        return KeyRejection::TypeMissing;
    }
    if looks_like_type(name) {
        return KeyRejection::UnknownType;
    }
    KeyRejection::NotAKey
}

/// The reason for rejecting several lines: more keys, a broken one, or a key and other text.
fn several_lines_rejection(first: &str, others: &[&str]) -> KeyRejection {
    let keys = others.iter().filter(|line| finds_key(line)).count();
    if keys + usize::from(finds_key(first)) > 1 {
        return KeyRejection::SeveralKeys;
    }
    let (name, rest) = next_word(first);
    let encoded = next_word(rest).0;
    let is_broken = KeyType::from_name(name).is_some()
        && !decode_base64(encoded).is_ok_and(|blob| is_whole(&blob))
        && others
            .first()
            .is_some_and(|next| is_base64_text(next_word(next).0));
    if is_broken {
        return KeyRejection::Wrapped;
    }
    if keys == 1 || finds_key(first) {
        return KeyRejection::MoreThanOneLine;
    }
    KeyRejection::NotAKey
}

/// Returns whether the line contains a key: a type, followed by the base64 that starts every key (the length of the
/// type's name, less than 2^18).
pub(super) fn finds_key(line: &str) -> bool {
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let is_key =
            looks_like_type(word) && words.peek().is_some_and(|next| next.starts_with("AAAA"));
        if is_key {
            return true;
        }
    }
    false
}

/// Returns whether the word could be the name of a key type.
pub(super) fn looks_like_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-", "rsa-sha2-", "webauthn-sk-"]
        .iter()
        .any(|start| word.starts_with(start))
}

fn is_certificate_type(name: &str) -> bool {
    name.ends_with("-cert-v01@openssh.com") || name.ends_with("-cert-v00@openssh.com")
}

fn is_base64_text(text: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    !text.is_empty() && text.bytes().all(is_digit)
}

/// Returns whether a comment looks like the rest of the base64 before it.
fn is_continued(comment: &str) -> bool {
    let word = next_word(comment).0;
    word.len() >= 16 && is_base64_text(word)
}

/// Returns whether the blob's fields end where the blob ends.
fn is_whole(mut blob: &[u8]) -> bool {
    while let Some((length, rest)) = blob.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        match rest.split_at_checked(length) {
            Some((_, after)) => blob = after,
            None => return false,
        }
    }
    blob.is_empty()
}
