//! Rejected texts and their messages.

use std::collections::BTreeSet;

use super::super::test_keys::*;
use super::super::*;
use super::*;

/// A positive odd number of `bits` bits.
fn modulus(bits: usize) -> Vec<u8> {
    let mut number = vec![0; bits / 8 + 1];
    number[0] = if bits.is_multiple_of(8) {
        0
    } else {
        1 << (bits % 8 - 1)
    };
    number[1] |= if bits.is_multiple_of(8) { 0x80 } else { 0 };
    *number.last_mut().unwrap() |= 1;
    number
}

fn rsa(exponent: &[u8], modulus: &[u8]) -> String {
    line("ssh-rsa", &[exponent, modulus])
}

#[test]
fn private_key_of_every_form_is_reported_as_such() {
    // Assembled here, so that no scanner takes these lines for keys.
    let block = |label: &str, body: &str| {
        format!("-----BEGIN {label} KEY-----\n{body}\n-----END {label} KEY-----\n")
    };
    let forms = [
        block(
            "OPENSSH PRIVATE",
            "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ",
        ),
        block("RSA PRIVATE", "MIIEpAIBAAKCAQEA0w8WNKi4"),
        block(
            "RSA PRIVATE",
            "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,F5DE\n\nQUJD",
        ),
        block("PRIVATE", "MIIEvAIBADANBgkqhkiG9w0BAQEFAASC"),
        block("EC PRIVATE", "MHcCAQEEIOh/OUbLo1FOCCP8"),
        block("ENCRYPTED PRIVATE", "MIIFHDBOBgkqhkiG9w0BBQ0w"),
        block("DSA PRIVATE", "MIIBuwIBAAKBgQ"),
        block("PGP PRIVATE", "lQVYBF"),
        block("openssh private", "b3Bl"),
        "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nQUJD\n---- END SSH2".to_owned(),
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\n"
            .to_owned(),
        "Private-Lines: 1\nQUJD\nPrivate-MAC: 00".to_owned(),
        // One of the marks alone.
        "Private-Lines: 1\nQUJD".to_owned(),
        "QUJD\nPrivate-MAC: 00".to_owned(),
        "DEK-Info: AES-128-CBC,F5DE\n\nQUJD".to_owned(),
        format!("{}1QUJD", ["AGE", "SECRET", "KEY-"].join("-")),
        "BEGIN PRIVATE KEY".to_owned(),
        "SSH PRIVATE KEY FILE FORMAT 1.1\n\0\0".to_owned(),
        r#"{"kty":"OKP","crv":"Ed25519","d":"QUJD"}"#.to_owned(),
        // Without the first and last lines, as people cut them.
        "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\nQyNTUx".to_owned(),
        "MIIEpAIBAAKCAQEA0w8WNKi4\nIqjcMuCvWApmarjM".to_owned(),
        "\r\nMIIEvAIBADANBgkqhkiG9w0BAQEFAASC".to_owned(),
        "MHcCAQEEIOh/OUbLo1FOCCP8iyEi".to_owned(),
        "MC4CAQAwBQYDK2VwBCIEIHFiaS4a".to_owned(),
        // The total length in one byte, and in three.
        "MIGfAgEAAoGBQUJD".to_owned(),
        "MIMBAAACAQACQUJD".to_owned(),
        "QUJD\n-----END OPENSSH PRIVATE KEY-----".to_owned(),
        // Beside a public key, with control characters, too long.
        format!("{ED25519}\n{}", block("OPENSSH PRIVATE", "b3Bl")),
        format!("\0{}", block("PRIVATE", "\u{1}")),
        block("PRIVATE", &"QUJD".repeat(PASTE_BYTES_MAX)),
        "ssh-ed25519 b3BlbnNzaC1rZXktdjEAAAAABG5vbmU=".to_owned(),
    ];
    for form in forms {
        assert_eq!(parse(&form), Err(KeyRejection::PrivateKey), "{form:?}");
        let file = format!("# mine\n{ED25519}\n{form}");
        assert_eq!(
            parse_authorized_keys_file(&file, &permissive()),
            Err(KeyRejection::PrivateKey)
        );
    }
    assert!(
        KeyRejection::PrivateKey
            .to_string()
            .contains("it was not stored; treat it as exposed")
    );
    // Words in a comment are not a private key.
    assert!(
        parse(&format!(
            "{ED25519} beginning of my private key collection, send it"
        ))
        .is_ok()
    );
}

#[test]
fn every_paste_mistake_has_its_reason() {
    let tables = [
        whole_texts(),
        lines_and_fronts(),
        types_and_sizes(),
        broken_base64(),
    ];
    let mut seen = BTreeSet::new();
    for (text, rejection) in tables.concat() {
        let shown: String = text.chars().take(300).collect();
        let outcome = parse(&text).err();
        assert_eq!(outcome, Some(rejection), "{shown:?}");
        let message = format!("{rejection} {rejection:?}");
        let is_repeated = text
            .split_whitespace()
            .any(|word| word.len() > 20 && message.contains(word));
        assert!(!is_repeated, "{message}");
        seen.insert(rejection.to_string());
    }
    // All reasons but the four with separate tests, each with its own sentence; two sizes of RSA make two more.
    assert_eq!(seen.len(), 23 + 2);
    assert!(
        seen.iter()
            .all(|sentence| sentence.len() > 30 && !sentence.contains('\n'))
    );
}

/// Texts that are not a single line of a key.
fn whole_texts() -> Vec<(String, KeyRejection)> {
    let x509 = "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE\n-----END CERTIFICATE-----";
    let rfc4716 = "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"x\"\nAAAAC3NzaC1lZDI1NTE5\n---- END SSH2 PUBLIC KEY ----\n";
    vec![
        (String::new(), KeyRejection::Empty),
        (" \r\n\t \u{feff}".to_owned(), KeyRejection::Empty),
        ("\u{feff} \n".to_owned(), KeyRejection::Empty),
        (
            format!("{ED25519} {}", "x".repeat(PASTE_BYTES_MAX)),
            KeyRejection::TooLong,
        ),
        (format!("{ED25519} a\0b"), KeyRejection::ControlCharacter),
        (
            format!("{ED25519} \u{1b}[31mred"),
            KeyRejection::ControlCharacter,
        ),
        (
            format!("{ED25519} a\u{85}b"),
            KeyRejection::ControlCharacter,
        ),
        (
            ED25519.replace(' ', "\u{b}"),
            KeyRejection::ControlCharacter,
        ),
        (rfc4716.to_owned(), KeyRejection::Rfc4716),
        (
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYI\n-----END PUBLIC KEY-----".to_owned(),
            KeyRejection::Pem,
        ),
        (
            "-----BEGIN RSA PUBLIC KEY-----\nMIGJAoGBAKsCxAvHG8h7\n-----END RSA PUBLIC KEY-----"
                .to_owned(),
            KeyRejection::Pem,
        ),
        (x509.to_owned(), KeyRejection::X509Certificate),
        (
            "-----BEGIN PGP MESSAGE-----\nxyz\n-----END PGP MESSAGE-----".to_owned(),
            KeyRejection::NotAKey,
        ),
        ("hello".to_owned(), KeyRejection::NotAKey),
        // A JSON web key, but the public one.
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"QUJD"}"#.to_owned(),
            KeyRejection::NotAKey,
        ),
        ("-----BEGIN".to_owned(), KeyRejection::NotAKey),
        (
            "dear admin,\nplease add me".to_owned(),
            KeyRejection::NotAKey,
        ),
        (ED25519.to_uppercase(), KeyRejection::NotAKey),
    ]
}

/// Keys with text around or between.
fn lines_and_fronts() -> Vec<(String, KeyRejection)> {
    let (half, rest) = RSA_3072.split_at(200);
    vec![
        (
            format!("{ED25519} a\n{ECDSA_P256} b"),
            KeyRejection::SeveralKeys,
        ),
        (format!("{ED25519}\n\n{DSA}\n"), KeyRejection::SeveralKeys),
        (format!("{ED25519}\r{ED25519}"), KeyRejection::SeveralKeys),
        (format!("{ED25519} {ECDSA_P256}"), KeyRejection::SeveralKeys),
        (
            format!("from=\"10.0.0.1\" {ED25519}\nfrom=\"10.0.0.1\" {ECDSA_P256}"),
            KeyRejection::SeveralKeys,
        ),
        (
            format!("# my key\n{ED25519}"),
            KeyRejection::MoreThanOneLine,
        ),
        (
            format!("{ED25519} alice\nbest regards, alice"),
            KeyRejection::MoreThanOneLine,
        ),
        (format!("{ED25519}\nregards"), KeyRejection::MoreThanOneLine),
        (
            format!("{half}\n{rest} alice@example.org"),
            KeyRejection::Wrapped,
        ),
        (format!("{half}\r\n{rest}"), KeyRejection::Wrapped),
        (format!("{half} {rest}"), KeyRejection::Wrapped),
        (
            format!("{} {}", &RSA_3072[..208], &RSA_3072[208..]),
            KeyRejection::Wrapped,
        ),
        (
            format!("{} {}", &RSA_3072[..206], &RSA_3072[206..]),
            KeyRejection::Wrapped,
        ),
        (RSA_3072.replace(' ', "\n"), KeyRejection::Wrapped),
        (
            format!("command=\"rm -rf /\" {ED25519}"),
            KeyRejection::Options,
        ),
        (
            format!("no-pty,from=\"10.0.0.0/8\" {ED25519} alice"),
            KeyRejection::Options,
        ),
        (format!("RESTRICT {ED25519}"), KeyRejection::Options),
        (format!("from=\"a\\\" b\" {DSA}"), KeyRejection::Options),
        (format!("cert-authority {ED25519}"), KeyRejection::Options),
        (
            format!("gpu1.example.org {ED25519}"),
            KeyRejection::KnownHosts,
        ),
        (
            format!("[gpu1]:2222,10.0.0.1 {ED25519}"),
            KeyRejection::KnownHosts,
        ),
        (
            format!("|1|JfKTdBh7rNbXkVAQCRp4OQoPfmI=|USECr3SWf1JUPsms5AqfD5QfxkM= {ED25519}"),
            KeyRejection::KnownHosts,
        ),
        (
            format!("@cert-authority *.example.org {ED25519}"),
            KeyRejection::KnownHosts,
        ),
        (
            "SHA256:2PCbHJmLR42T0SxXM+lo5Wng3l0I8qiokDz8hAbTKSI".to_owned(),
            KeyRejection::Fingerprint,
        ),
        (
            "256 SHA256:2PCbHJmLR42T0SxXM+lo5Wng3l0I8qiokDz8hAbTKSI a (ED25519)".to_owned(),
            KeyRejection::Fingerprint,
        ),
        (base64_of(ED25519).to_owned(), KeyRejection::TypeMissing),
        (
            format!("{} alice", base64_of(RSA_3072)),
            KeyRejection::TypeMissing,
        ),
    ]
}

/// Complete keys of kinds that are not accepted.
fn types_and_sizes() -> Vec<(String, KeyRejection)> {
    vec![
        (CERTIFICATE.to_owned(), KeyRejection::Certificate),
        (DSA.to_owned(), KeyRejection::Dsa),
        (
            RSA_1024.to_owned(),
            KeyRejection::RsaTooShort {
                bits: 1024,
                bits_min: 3072,
            },
        ),
        (
            RSA_2048.to_owned(),
            KeyRejection::RsaTooShort {
                bits: 2048,
                bits_min: 3072,
            },
        ),
        (
            rsa(&[1, 0, 1], &modulus(3071)),
            KeyRejection::RsaTooShort {
                bits: 3071,
                bits_min: 3072,
            },
        ),
        (
            rsa(&[1, 0, 1], &modulus(16_385)),
            KeyRejection::RsaTooLong { bits: 16_385 },
        ),
        (
            format!("ssh-ed25519 {}", base64_of(ECDSA_P256)),
            KeyRejection::TypesDiffer,
        ),
        (
            format!("ssh-rsa {}", base64_of(DSA)),
            KeyRejection::TypesDiffer,
        ),
        (
            format!("ecdsa-sha2-nistp256 {}", base64_of(CERTIFICATE)),
            KeyRejection::TypesDiffer,
        ),
        (
            format!("ecdsa-sha2-nistp384 {}", base64_of(ECDSA_P521)),
            KeyRejection::TypesDiffer,
        ),
        (
            "ssh-ed448 AAAACXNzaC1lZDQ0OA==".to_owned(),
            KeyRejection::UnknownType,
        ),
        (
            "ssh-xmss@openssh.com AAAAFHNz".to_owned(),
            KeyRejection::UnknownType,
        ),
        (
            format!("rsa-sha2-512 {}", base64_of(RSA_3072)),
            KeyRejection::UnknownType,
        ),
    ]
}

/// Keys that lost a part.
fn broken_base64() -> Vec<(String, KeyRejection)> {
    vec![
        ("ssh-ed25519 !!!!".to_owned(), KeyRejection::NotBase64),
        (ED25519.replace('+', "-"), KeyRejection::NotBase64),
        (ED25519.replace("AAAA", "AA==AAAA"), KeyRejection::NotBase64),
        (
            format!("{}f=", &ED25519[..ED25519.len() - 2]),
            KeyRejection::NotBase64,
        ),
        (
            ECDSA_P256.trim_end_matches('=').to_owned(),
            KeyRejection::Truncated,
        ),
        ("ssh-ed25519".to_owned(), KeyRejection::Truncated),
        ("ssh-ed25519 AAAA".to_owned(), KeyRejection::Truncated),
        (
            ED25519[..ED25519.len() - 1].to_owned(),
            KeyRejection::Truncated,
        ),
        (
            ED25519[..ED25519.len() - 4].to_owned(),
            KeyRejection::Truncated,
        ),
        (
            format!("{} alice", &RSA_3072[..208]),
            KeyRejection::Truncated,
        ),
        (format!("{ED25519}AAAA"), KeyRejection::Malformed),
    ]
}

#[test]
fn noncanonical_key_is_rejected() {
    let valid = modulus(3072);
    let mut even = valid.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let point = &blob_of(ECDSA_P256)[39..];
    let mut off_curve = point.to_vec();
    off_curve[64] ^= 1;
    let mut compressed = point[..33].to_vec();
    compressed[0] = 2 + (point[64] & 1);
    let mut hybrid = point.to_vec();
    hybrid[0] = 6 + (point[64] & 1);
    let p256 = |point: &[u8]| line("ecdsa-sha2-nistp256", &[b"nistp256", point]);
    let sk_p256 = |point: &[u8]| {
        line(
            "sk-ecdsa-sha2-nistp256@openssh.com",
            &[b"nistp256", point, b"ssh:"],
        )
    };
    let sk = |application: &[u8]| line("sk-ssh-ed25519@openssh.com", &[&[7; 32], application]);
    assert_eq!(p256(point), ECDSA_P256);
    assert_eq!(rsa(&[1, 0, 1], &valid).len(), RSA_3072.len());
    assert!(parse(&rsa(&[1, 0, 1], &valid)).is_ok());
    assert!(parse(&rsa(&[3], &valid)).is_ok());
    assert!(parse(&rsa(&[1, 0, 1], &modulus(16_384))).is_ok());
    assert!(parse(&sk(b"ssh:laptop")).is_ok());
    let table = [
        (rsa(&[1], &valid), KeyRejection::RsaInvalid),
        (rsa(&[2], &valid), KeyRejection::RsaInvalid),
        (rsa(&[1, 0, 0], &valid), KeyRejection::RsaInvalid),
        (rsa(&[], &valid), KeyRejection::RsaInvalid),
        (rsa(&[0xff], &valid), KeyRejection::RsaInvalid),
        (rsa(&[1; 9], &valid), KeyRejection::RsaInvalid),
        (rsa(&[1, 0, 1], &even), KeyRejection::RsaInvalid),
        (rsa(&[1, 0, 1], &[]), KeyRejection::RsaInvalid),
        (rsa(&[1, 0, 1], &[3]), KeyRejection::RsaInvalid),
        (rsa(&[1, 0, 1], &valid[1..]), KeyRejection::RsaInvalid),
        (rsa(&[0, 1, 0, 1], &valid), KeyRejection::Malformed),
        (rsa(&[0], &valid), KeyRejection::Malformed),
        (
            rsa(&[1, 0, 1], &[&[0], &valid[..]].concat()),
            KeyRejection::Malformed,
        ),
        (
            line("ssh-rsa", &[&[1, 0, 1], &valid, &[]]),
            KeyRejection::Malformed,
        ),
        (line("ssh-rsa", &[&[1, 0, 1]]), KeyRejection::Truncated),
        (p256(&off_curve), KeyRejection::InvalidPoint),
        (sk_p256(&off_curve), KeyRejection::InvalidPoint),
        (p256(&compressed), KeyRejection::Malformed),
        (sk_p256(&compressed), KeyRejection::Malformed),
        (sk_p256(&[0]), KeyRejection::Malformed),
        (p256(&[0]), KeyRejection::Malformed),
        (p256(&hybrid), KeyRejection::Malformed),
        (p256(&point[..64]), KeyRejection::Malformed),
        (
            line("ecdsa-sha2-nistp256", &[b"nistp384", point]),
            KeyRejection::Malformed,
        ),
        (
            line(
                "ecdsa-sha2-nistp256",
                &[b"nistp256", &blob_of(ECDSA_P384)[39..]],
            ),
            KeyRejection::Malformed,
        ),
        (line("ssh-ed25519", &[&[7; 31]]), KeyRejection::Malformed),
        (line("ssh-ed25519", &[&[7; 33]]), KeyRejection::Malformed),
        (
            line("ssh-ed25519", &[&[7; 32], b""]),
            KeyRejection::Malformed,
        ),
        (sk(b"ssh:\0"), KeyRejection::Malformed),
        (sk(b"a\0b"), KeyRejection::Malformed),
        (sk(b"\0"), KeyRejection::Malformed),
    ];
    for (text, rejection) in table {
        assert_eq!(parse(&text), Err(rejection), "{text}");
        // A point is checked when a key is added; sshd checks stored ones.
        let stored = PublicKey::from_stored(base64_of(&text), "");
        let is_left_to_sshd = rejection == KeyRejection::InvalidPoint;
        assert_eq!(stored.is_err(), !is_left_to_sshd, "{text}");
    }
}

/// `sshkey_from_blob` compares type and curve with its own names; the application is any C string.
#[test]
fn sk_application_of_any_bytes_is_accepted() {
    let long = [b'a'; 4_000];
    let applications: [&[u8]; 8] = [
        b"ssh:",
        b"",
        b"ssh:a lab",
        "ssh:büro".as_bytes(),
        b"ssh:b\xfcro",
        b"ssh:\n\t\x01\x7f\"\\",
        b"\xff\xfe",
        &long,
    ];
    let point = &blob_of(ECDSA_P256)[39..];
    for application in applications {
        let keys = [
            line("sk-ssh-ed25519@openssh.com", &[&[7; 32], application]),
            line(
                "sk-ecdsa-sha2-nistp256@openssh.com",
                &[b"nistp256", point, application],
            ),
        ];
        for text in keys {
            let key = parse(&text).unwrap();
            assert_eq!(key.to_openssh(), text);
            assert_eq!(PublicKey::from_stored(&key.base64(), ""), Ok(key));
        }
    }
}

#[test]
fn ed25519_point_of_small_order_is_rejected() {
    // As listed by libsodium; each also with the sign bit.
    let mut points = vec![[0; 32], [0; 32]];
    points[1][0] = 1;
    for low in 0xec..=0xee {
        let mut point = [0xff; 32];
        (point[0], point[31]) = (low, 0x7f);
        points.push(point);
    }
    for hex in [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ] {
        points.push(
            data_encoding::HEXLOWER
                .decode(hex.as_bytes())
                .unwrap()
                .try_into()
                .unwrap(),
        );
    }
    assert_eq!(points.len(), 7);
    for mut point in points {
        for sign in [0, 0x80] {
            point[31] |= sign;
            let plain = line("ssh-ed25519", &[&point]);
            assert_eq!(parse(&plain), Err(KeyRejection::InvalidPoint), "{plain}");
            let sk = line("sk-ssh-ed25519@openssh.com", &[&point, b"ssh:"]);
            assert_eq!(parse(&sk), Err(KeyRejection::InvalidPoint), "{sk}");
        }
        point[15] ^= 1;
        assert!(parse(&line("ssh-ed25519", &[&point])).is_ok());
    }
}

#[test]
fn rejection_contains_no_pasted_text() {
    fn holds_no_reference<T: Copy + 'static>() {}
    holds_no_reference::<KeyRejection>();
    holds_no_reference::<ImportRejection>();
    holds_no_reference::<LineRejection>();
}

#[test]
fn key_type_in_a_comment_is_not_a_second_key() {
    for comment in ["ssh-ed25519 of alice", "of AAAA", "my ssh-key"] {
        assert!(parse(&format!("{ED25519} {comment}")).is_ok(), "{comment}");
    }
}

#[test]
fn longest_paste_is_accepted() {
    let rest = PASTE_BYTES_MAX - ED25519.len() - 1;
    assert!(parse(&format!("{ED25519} {}", "x".repeat(rest))).is_ok());
    let longer = parse(&format!("{ED25519} {}", "x".repeat(rest + 1)));
    assert_eq!(longer, Err(KeyRejection::TooLong));
}

#[test]
fn policy_rejection_differs_from_invalid_key() {
    let kind = KeyType::Rsa;
    let short = |bits| KeyRejection::RsaTooShort {
        bits,
        bits_min: 4_096,
    };
    assert!(KeyRejection::KindNotAllowed { kind }.is_by_policy());
    assert!(short(RSA_BITS_FLOOR).is_by_policy());
    for never in [
        short(RSA_BITS_FLOOR - 1),
        KeyRejection::Dsa,
        KeyRejection::Empty,
    ] {
        assert!(!never.is_by_policy(), "{never}");
    }
}
