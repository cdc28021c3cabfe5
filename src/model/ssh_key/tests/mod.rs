//! Accepted keys, their stored form, and helpers shared with the other tests.

mod import;
mod line;
mod properties;
mod rejections;

use super::test_keys::*;
use super::*;
use crate::model::address::AllowedAddresses;

fn parse(text: &str) -> Result<PublicKey, KeyRejection> {
    PublicKey::parse(text, &KeyRules::default())
}

fn permissive() -> KeyRules {
    KeyRules::new(KeyType::ALL, RSA_BITS_FLOOR).unwrap()
}

/// The keys that the most permissive policy accepts.
fn acceptable() -> impl Iterator<Item = &'static str> {
    READABLE
        .map(|(line, ..)| line)
        .into_iter()
        .filter(|&line| line != RSA_1024)
}

fn base64_of(line: &str) -> &str {
    line.split_once(' ').unwrap().1
}

fn blob_of(line: &str) -> Vec<u8> {
    BASE64.decode(base64_of(line).as_bytes()).unwrap()
}

/// A blob of these fields after the type's name.
fn blob(name: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut blob = Vec::new();
    for field in std::iter::once(name.as_bytes()).chain(fields.iter().copied()) {
        blob.extend(u32::try_from(field.len()).unwrap().to_be_bytes());
        blob.extend(field);
    }
    blob
}

fn line(name: &str, fields: &[&[u8]]) -> String {
    format!("{name} {}", BASE64.encode(&blob(name, fields)))
}

#[test]
fn every_key_type_matches_ssh_keygen() {
    for (text, bits, fingerprint) in READABLE {
        if text == RSA_1024 {
            continue;
        }
        let key = PublicKey::parse(text, &permissive()).unwrap();
        assert_eq!(key.bits(), bits);
        assert_eq!(key.fingerprint(), fingerprint);
        assert_eq!(key.kind().name(), text.split_once(' ').unwrap().0);
        assert_eq!(key.to_openssh(), text);
        assert_eq!(key.base64(), base64_of(text));
        assert_eq!(key.comment(), "");
        assert_eq!(PublicKey::from_stored(&key.base64(), "").unwrap(), key);
    }
    let kinds: BTreeSet<KeyType> = acceptable()
        .map(|text| PublicKey::parse(text, &permissive()).unwrap().kind())
        .collect();
    assert_eq!(kinds, KeyType::ALL.into());
}

#[test]
fn white_space_around_a_key_is_ignored() {
    let plain = parse(&format!("{ED25519} alice@example.org")).unwrap();
    assert_eq!(plain.comment(), "alice@example.org");
    let forms = [
        format!("  {ED25519} alice@example.org"),
        format!("{ED25519} alice@example.org\n"),
        format!("{ED25519} alice@example.org\r\n"),
        format!("\r\n\r\n{ED25519}\t alice@example.org  \r\n\n"),
        format!("\u{feff}{ED25519} alice@example.org\n"),
        format!("{} alice@example.org", ED25519.replace(' ', "   ")),
        format!("{} alice@example.org", ED25519.replace(' ', "\u{a0}")),
    ];
    for form in forms {
        assert_eq!(parse(&form), Ok(plain.clone()), "{form:?}");
    }
    let other = parse(&format!("{ED25519} bob")).unwrap();
    assert!(plain.is_same_key(&other));
    assert_ne!(plain, other);
}

#[test]
fn policy_decides_kinds_and_rsa() {
    assert_eq!(KeyRules::default().rsa_bits_min(), 3072);
    assert!(KeyRules::new([], 2047).is_none());
    assert!(KeyRules::new([], 4097).is_none());
    assert!(KeyRules::new([], 4096).is_some());
    for text in acceptable() {
        let key = PublicKey::parse(text, &permissive()).unwrap();
        let others = KeyType::ALL.into_iter().filter(|&kind| kind != key.kind());
        let outcome = PublicKey::parse(text, &KeyRules::new(others, 2048).unwrap());
        assert_eq!(
            outcome,
            Err(KeyRejection::KindNotAllowed { kind: key.kind() })
        );
        assert!(PublicKey::parse(text, &KeyRules::new([key.kind()], 2048).unwrap()).is_ok());
        assert_eq!(KeyType::from_name(key.kind().name()), Some(key.kind()));
    }
    let strict = KeyRules::new(KeyType::ALL, 4096).unwrap();
    let short = KeyRejection::RsaTooShort {
        bits: 3072,
        bits_min: 4096,
    };
    assert_eq!(PublicKey::parse(RSA_3072, &strict), Err(short));
    assert_eq!(
        short.to_string(),
        "this RSA key has 3072 bits and at least 4096 are required: create a new key with ssh-keygen -t ed25519"
    );
    assert_eq!(KeyType::from_name("ssh-dss"), None);
}

#[test]
fn stored_key_is_checked_again() {
    let ed25519 = base64_of(ED25519);
    let table = [
        (String::new(), KeyRejection::NotBase64),
        (format!("{ed25519}\n"), KeyRejection::NotBase64),
        (format!("{ed25519}\n{ED25519}"), KeyRejection::NotBase64),
        (format!(" {ed25519}"), KeyRejection::NotBase64),
        (format!("{ed25519} x"), KeyRejection::NotBase64),
        (ED25519.to_owned(), KeyRejection::NotBase64),
        (format!("{ed25519}\0"), KeyRejection::NotBase64),
        (format!("{ed25519}AAAA"), KeyRejection::Malformed),
        (base64_of(DSA).to_owned(), KeyRejection::UnknownType),
        (base64_of(CERTIFICATE).to_owned(), KeyRejection::UnknownType),
        (
            base64_of(RSA_1024).to_owned(),
            KeyRejection::RsaTooShort {
                bits: 1024,
                bits_min: 2048,
            },
        ),
        ("AAAA".repeat(PASTE_BYTES_MAX), KeyRejection::TooLong),
    ];
    for (stored, rejection) in table {
        let shown: String = stored.chars().take(200).collect();
        assert_eq!(
            PublicKey::from_stored(&stored, "x"),
            Err(rejection),
            "{shown:?}"
        );
    }
    // A stored comment is made safe again and only ever appears on a page.
    let key = PublicKey::from_stored(ed25519, "a\nssh-ed25519 AAAA b\u{202e}c").unwrap();
    assert_eq!(key.comment(), "a ssh-ed25519 AAAA bc");
    assert_eq!(
        authorized_line(
            &key,
            None,
            &AllowedAddresses::default(),
            &KeyOptions::default(),
            ExpiryFormat::Utc
        )
        .unwrap(),
        ED25519
    );
}

#[test]
fn comment_is_made_safe_to_show() {
    let table = [
        ("alice@example.org", "alice@example.org"),
        ("  two \t words  ", "two words"),
        ("Jürgen Müller 東京 🔑", "Jürgen Müller 東京 🔑"),
        ("user\u{202e}gro.elpmaxe\u{202c}", "usergro.elpmaxe"),
        ("\u{2066}a\u{2069}\u{200f}\u{61c}b", "ab"),
        ("a\u{200b}\u{feff}\u{2060}\u{ad}b", "ab"),
        ("a\u{e0041}\u{e007f}b", "ab"),
        ("a\u{2028}b\u{2029}c", "a b c"),
        ("\u{202e}", ""),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ];
    for (comment, clean) in table {
        assert_eq!(
            parse(&format!("{ED25519} {comment}")).unwrap().comment(),
            clean
        );
    }
    let long = parse(&format!("{ED25519} {}", "ü".repeat(300))).unwrap();
    assert_eq!(long.comment(), "ü".repeat(255));
    let spaced = parse(&format!("{ED25519} {} b", "a".repeat(254))).unwrap();
    assert_eq!(spaced.comment(), "a".repeat(254));
    let stored = PublicKey::from_stored(base64_of(ED25519), "a\r\n\0\u{7}b\u{9b}c").unwrap();
    assert_eq!(stored.comment(), "a b c");
}

#[test]
fn keys_are_compared_only_by_blob() {
    let key = parse(&format!("{ED25519} one")).unwrap();
    assert!(key.is_same_key(&parse(&format!("{ED25519} two")).unwrap()));
    assert!(!key.is_same_key(&parse(ECDSA_P256).unwrap()));
}

#[test]
fn rules_apply_equally_to_stored_and_new_keys() {
    let rules =
        |kinds: &[KeyType], bits_min| KeyRules::new(kinds.iter().copied(), bits_min).unwrap();
    for (text, ..) in READABLE {
        let Ok(key) = PublicKey::parse(text, &permissive()) else {
            continue;
        };
        for kind in KeyType::ALL {
            for bits_min in [2_048, 3_072, 4_096] {
                let rules = rules(&[kind], bits_min);
                assert_eq!(rules.allow(&key), key.check(&rules).is_ok(), "{text}");
            }
        }
    }
    let (short, long) = (parse(RSA_3072).unwrap(), rules(&[KeyType::Rsa], 3_073));
    assert!(rules(&[KeyType::Rsa], 3_072).allow(&short) && !long.allow(&short));
    assert!(!rules(&[KeyType::Ed25519], 2_048).allow(&short));
    assert!(rules(&[KeyType::Ed25519], 4_096).allow(&parse(ED25519).unwrap()));
}

#[test]
fn stored_text_is_read_up_to_its_limit() {
    let stored = |bytes: usize| PublicKey::from_stored(&"A".repeat(bytes), "").err();
    assert_eq!(stored(PASTE_BYTES_MAX + 4), Some(KeyRejection::TooLong));
    assert!(stored(PASTE_BYTES_MAX).is_some_and(|rejection| rejection != KeyRejection::TooLong));
}

#[test]
fn oversized_blob_field_is_malformed() {
    let mut blob = blob_of(ED25519);
    blob[15..19].copy_from_slice(&u32::MAX.to_be_bytes());
    let text = |blob: &[u8]| format!("ssh-ed25519 {}", BASE64.encode(blob));
    assert_eq!(parse(&text(&blob)), Err(KeyRejection::Malformed));
    blob[15..19].copy_from_slice(&33_u32.to_be_bytes());
    assert_eq!(parse(&text(&blob)), Err(KeyRejection::Truncated));
}
