//! Properties of arbitrary text.

use proptest::prelude::*;

use super::super::test_keys::*;
use super::super::*;
use super::line::read_by_old_sshd;
use super::*;
use crate::model::address::AllowedAddresses;
use crate::model::time::Time;

/// Text that is close enough to keys to reach every branch.
fn near_key() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = READABLE.map(|(line, ..)| line).to_vec();
    let part = prop_oneof![
        4 => proptest::sample::select(lines),
        1 => proptest::sample::select(vec![
            " ", "\n", "\r", "\t", "=", ",", "\"", "\\", "#", "AAAA", "ssh-rsa", "ssh-ed25519 ", "from=\"", "\" ",
            "expiry-time=\"20300101Z\"", "10.0.0.1", "no-pty,", "restrict,", "restrict ", "command=\"", "permitopen=\"a:1\"", "\\\"", "\u{feff}", "\0", "\u{202e}", "ü", "|1|", "@revoked ",
        ]),
    ];
    let parts = proptest::collection::vec(
        (
            part,
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
        ),
        1..6,
    );
    (parts, 0..4).prop_map(|(parts, cut)| {
        let mut text = String::new();
        for (part, from, to) in parts {
            let (from, to) = (from.index(part.len() + 1), to.index(part.len() + 1));
            let complete = cut == 0 || from >= to || !part.is_ascii();
            text.push_str(if complete { part } else { &part[from..to] });
        }
        text
    })
}

/// Asserts that the line for sshd is one line with known options only.
fn assert_safe(given: &ImportedKey) -> Result<(), TestCaseError> {
    let ImportedKey {
        key,
        expires_at,
        allowed_addresses,
        options,
    } = given;
    let line = authorized_line(
        key,
        *expires_at,
        allowed_addresses,
        options,
        ExpiryFormat::Utc,
    )
    .unwrap();
    prop_assert!(!line.chars().any(is_invisible), "{}", line);
    prop_assert!(line.ends_with(&key.to_openssh()));
    // The program's own reader finds the same key again. A stored point may be on no curve: sshd checks that.
    let lines = parse_authorized_keys_file(&line, &permissive()).unwrap();
    prop_assert_eq!(lines.len(), 1);
    if lines[0].outcome != Err(ImportRejection::Key(KeyRejection::InvalidPoint)) {
        let read = lines[0].outcome.as_ref().unwrap();
        prop_assert!(read.key.is_same_key(key));
        prop_assert_eq!(&read.expires_at, expires_at);
        prop_assert_eq!(&read.allowed_addresses, allowed_addresses);
        prop_assert_eq!(&read.options, options);
    }
    // So does `ssh-key`, which accepts options only where a comment follows the key, and quotes differently. It reads
    // applications in UTF-8 alone.
    if options.command.is_some() || !options.permitopen.is_empty() {
        return Ok(());
    }
    let Ok(entries) = ssh_key::AuthorizedKeys::new(&format!("{line} x"))
        .collect::<Result<Vec<ssh_key::authorized_keys::Entry>, _>>()
    else {
        let kind = key.kind();
        prop_assert!(
            matches!(kind, KeyType::SkEd25519 | KeyType::SkEcdsaP256),
            "{}",
            line
        );
        return Ok(());
    };
    prop_assert_eq!(entries.len(), 1);
    prop_assert_eq!(
        BASE64.encode(&entries[0].public_key().to_bytes().unwrap()),
        key.base64()
    );
    let fingerprint = entries[0]
        .public_key()
        .fingerprint(ssh_key::HashAlg::Sha256);
    prop_assert_eq!(fingerprint.to_string(), key.fingerprint());
    let read: Vec<&str> = entries[0].config_opts().iter().collect();
    let names: Vec<&str> = read
        .iter()
        .map(|option| option.split('=').next().unwrap())
        .collect();
    let expected: Vec<&str> = [
        expires_at.map(|_| "expiry-time"),
        (!allowed_addresses.is_everywhere()).then_some("from"),
        options.restrict.then_some("restrict"),
        options.no_touch_required.then_some("no-touch-required"),
        options.verify_required.then_some("verify-required"),
    ]
    .into_iter()
    .flatten()
    .collect();
    prop_assert_eq!(names, expected);
    Ok(())
}

fn options() -> impl Strategy<Value = KeyOptions> {
    let command = proptest::option::of("[\"\\\\ ,=#a-cé]{1,20}");
    let destinations = proptest::sample::subsequence(vec!["db:1", "[::1]:*", "*:80"], 0..3);
    (any::<[bool; 3]>(), command, destinations).prop_map(|(flags, command, destinations)| {
        KeyOptions {
            restrict: flags[0],
            no_touch_required: flags[1],
            verify_required: flags[2],
            command: command.and_then(|text| ForcedCommand::parse(&text).ok()),
            permitopen: ForwardTarget::parse_list(&destinations).unwrap(),
        }
    })
}

fn network() -> impl Strategy<Value = String> {
    prop_oneof![
        (any::<std::net::Ipv4Addr>(), 0..=32_u8).prop_map(|(address, bits)| {
            ipnet::Ipv4Net::new(address, bits)
                .unwrap()
                .trunc()
                .to_string()
        }),
        (any::<std::net::Ipv6Addr>(), 0..=128_u8).prop_map(|(address, bits)| {
            ipnet::Ipv6Net::new(address, bits)
                .unwrap()
                .trunc()
                .to_string()
        }),
    ]
}

proptest! {
    #[test]
    fn parsing_any_bytes_returns_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = parse(&text);
        let _ = PublicKey::from_stored(&text, &text);
        let _ = parse_authorized_keys_file(&text, &permissive());
        let blob = BASE64.encode(&bytes);
        let _ = PublicKey::from_stored(&blob, &text);
    }

    #[test]
    fn parsing_any_text_returns_a_result(text in any::<String>()) {
        let _ = parse(&text);
        let _ = parse_authorized_keys_file(&text, &permissive());
    }

    #[test]
    fn near_key_text_is_rejected_or_safe(text in near_key()) {
        if let Ok(key) = PublicKey::parse(&text, &permissive()) {
            assert_safe(&key.into())?;
        }
        for line in parse_authorized_keys_file(&text, &permissive()).unwrap_or_default() {
            if let Ok(imported) = line.outcome {
                assert_safe(&imported)?;
            }
        }
    }

    #[test]
    fn line_for_sshd_has_only_known_options(
        text in proptest::sample::select(acceptable().collect::<Vec<_>>()),
        comment in any::<String>(),
        expires_at in proptest::option::of(40_000_000..=Time::LAST.unix()),
        addresses in proptest::collection::vec(network(), 0..4),
        options in options(),
    ) {
        let key = PublicKey::from_stored(base64_of(text), &comment).unwrap();
        prop_assert!(key.comment().chars().count() <= COMMENT_CHARS_MAX);
        prop_assert!(!key.comment().chars().any(|c| c.is_control() || is_invisible(c)));
        prop_assert_eq!(&clean_comment(key.comment()), key.comment());
        assert_safe(&ImportedKey {
            key,
            expires_at: expires_at.map(Time::from_unix),
            allowed_addresses: AllowedAddresses::parse(&addresses).unwrap(),
            options,
        })?;
    }

    #[test]
    fn changed_row_is_rejected_or_another_complete_key(
        text in proptest::sample::select(acceptable().collect::<Vec<_>>()),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        insert in any::<bool>(),
    ) {
        let mut blob = blob_of(text);
        let at = at.index(blob.len());
        if insert { blob.insert(at, byte) } else { blob[at] = byte }
        let stored = BASE64.encode(&blob);
        if let Ok(key) = PublicKey::from_stored(&stored, "") {
            prop_assert_eq!(key.base64(), stored);
            assert_safe(&key.into())?;
        }
        let mut row = base64_of(text).to_owned();
        let at = at.min(row.len());
        row.insert(at, char::from(byte));
        if let Ok(key) = PublicKey::from_stored(&row, "") {
            prop_assert_eq!(key.base64(), row);
        }
    }

    #[test]
    fn local_expiration_is_never_later(expires_at in 40_000_000..200_000_000_000_i64, hours in -12..=14_i64, phase in 0..365_i64) {
        let (standard, year) = (hours * 3600, 365 * 86_400);
        let zone = |moment: i64| standard + if (moment + phase * 86_400).rem_euclid(year) < year / 2 { 3600 } else { 0 };
        let key = parse(ED25519).unwrap();
        let line = authorized_line(&key, Some(Time::from_unix(expires_at)), &AllowedAddresses::default(), &KeyOptions::default(), ExpiryFormat::Local { utc_offset_seconds: &zone }).unwrap();
        prop_assert_eq!(read_by_old_sshd(&line, standard), expires_at - 1);
    }
}
