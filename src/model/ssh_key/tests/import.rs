//! Imported files.

use super::super::test_keys::*;
use super::super::*;
use crate::model::time::Time;

fn import_one(text: &str) -> Result<ImportedKey, ImportRejection> {
    let mut lines = parse_authorized_keys_file(text, &KeyRules::default()).unwrap();
    assert_eq!(lines.len(), 1, "{text:?}");
    lines.remove(0).outcome
}

#[test]
fn authorized_keys_file_is_read_line_by_line() {
    let file = format!(
        "\u{feff}# my keys\r\n\r\n{ED25519} laptop # 1\r\n  \t# no key\n \tfrom=\"10.0.0.0/8,192.0.2.7\",expiry-time=\"20261231235959Z\" {ECDSA_P256} desk top\n\nno-pty {ED25519}\nhello\n{DSA}"
    );
    let lines = parse_authorized_keys_file(&file, &KeyRules::default()).unwrap();
    let numbers: Vec<usize> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [3, 5, 7, 8, 9]);
    let first = lines[0].outcome.as_ref().unwrap();
    assert_eq!(
        (
            first.key.comment(),
            first.expires_at,
            first.allowed_addresses.is_everywhere()
        ),
        ("laptop # 1", None, true)
    );
    let second = lines[1].outcome.as_ref().unwrap();
    assert_eq!(second.key.to_openssh(), ECDSA_P256);
    assert_eq!(second.key.comment(), "desk top");
    assert_eq!(second.expires_at.map(Time::unix), Some(1_798_761_600));
    assert_eq!(
        second.allowed_addresses.to_string(),
        "10.0.0.0/8 192.0.2.7/32"
    );
    assert_eq!(lines[2].outcome, Err(ImportRejection::Option("no-pty")));
    assert_eq!(
        lines[3].outcome,
        Err(ImportRejection::Key(KeyRejection::NotAKey))
    );
    assert_eq!(
        lines[4].outcome,
        Err(ImportRejection::Key(KeyRejection::Dsa))
    );
    assert_eq!(
        parse_authorized_keys_file("# nothing\n", &KeyRules::default()),
        Ok(vec![])
    );
    let large = "#".repeat(IMPORT_BYTES_MAX + 1);
    assert_eq!(
        parse_authorized_keys_file(&large, &KeyRules::default()),
        Err(KeyRejection::TooLong)
    );
}

#[test]
fn option_is_kept_or_reported_by_name() {
    let kept = |options: &str| {
        import_one(&format!("{options} {ED25519} x")).map(|key| {
            (
                key.expires_at.map(Time::unix),
                key.allowed_addresses.to_string(),
            )
        })
    };
    let valid = [
        (r#"expiry-time="20300101Z""#, Some(1_893_456_001), ""),
        (
            r#"Expiry-Time="203001010000z",FROM="::1""#,
            Some(1_893_456_001),
            "::1/128",
        ),
        (
            r#"expiry-time="20300101000000UTC""#,
            Some(1_893_456_001),
            "",
        ),
        (
            r#"expiry-time="20310101Z",expiry-time="20300101Z",expiry-time="20320101Z""#,
            Some(1_893_456_001),
            "",
        ),
        (
            r#"from="10.0.0.0/8,2001:db8::/32""#,
            None,
            "10.0.0.0/8 2001:db8::/32",
        ),
    ];
    for (options, expires_at, addresses) in valid {
        assert_eq!(
            kept(options),
            Ok((expires_at, addresses.to_owned())),
            "{options}"
        );
    }
    let bad = [
        (
            r#"command="x",COMMAND="y""#,
            ImportRejection::RepeatedCommand,
        ),
        (
            r#"command="""#,
            ImportRejection::Value("command", OptionError::EmptyCommand),
        ),
        (
            "command=\"a\tb\"",
            ImportRejection::Value("command", OptionError::UnseenCharacter),
        ),
        (
            r#"permitopen="db:http""#,
            ImportRejection::Value("permitopen", OptionError::Destination),
        ),
        (r#"restrict="x""#, ImportRejection::BadOptions),
        ("restrict,", ImportRejection::UnknownOption),
        ("command", ImportRejection::BadOptions),
        ("restrict,pty", ImportRejection::Option("pty")),
        ("touch-required", ImportRejection::Option("touch-required")),
        (
            r#"environment="A=b""#,
            ImportRejection::Option("environment"),
        ),
        (
            r#"from="10.0.0.1",no-x11-FORWARDING"#,
            ImportRejection::Option("no-X11-forwarding"),
        ),
        ("no-pty", ImportRejection::Option("no-pty")),
        ("cert-authority", ImportRejection::Option("cert-authority")),
        (r#"surprise="x""#, ImportRejection::UnknownOption),
        (
            r#"from="10.0.0.1",surprise"#,
            ImportRejection::UnknownOption,
        ),
        (r#"from="10.0.0.1","#, ImportRejection::UnknownOption),
        (r#",from="10.0.0.1""#, ImportRejection::UnknownOption),
        (r#"from="10.0.0.1"x"#, ImportRejection::BadOptions),
        ("from", ImportRejection::BadOptions),
        ("from=10.0.0.1,no-pty", ImportRejection::BadOptions),
        (
            r#"from="10.0.0.1",from="10.0.0.2""#,
            ImportRejection::RepeatedFrom,
        ),
        (r#"from="""#, ImportRejection::FromPattern),
        (r#"from="*.example.org""#, ImportRejection::FromPattern),
        (r#"from="10.0.0.*""#, ImportRejection::FromPattern),
        (
            r#"from="10.0.0.0/8,!10.0.0.1""#,
            ImportRejection::FromPattern,
        ),
        (r#"from="10.0.0.1, 10.0.0.2""#, ImportRejection::FromPattern),
        (
            r#"from="10.0.0.1\",10.0.0.2""#,
            ImportRejection::FromPattern,
        ),
        (r#"expiry-time="20300101""#, ImportRejection::LocalExpiry),
        (r#"expiry-time="20301301Z""#, ImportRejection::BadExpiry),
        (r#"expiry-time="19700101Z""#, ImportRejection::BadExpiry),
        (r#"expiry-time="tomorrow""#, ImportRejection::BadExpiry),
        (r#"expiry-time="""#, ImportRejection::BadExpiry),
    ];
    for (options, rejection) in bad {
        assert_eq!(kept(options), Err(rejection), "{options}");
    }
    assert_eq!(
        import_one(&format!("from=\"10.0.0.1 {ED25519}")),
        Err(ImportRejection::BadOptions)
    );
    assert_eq!(
        import_one(&format!("no-pty,command=\"x {ED25519}")),
        Err(ImportRejection::BadOptions)
    );
    let list = vec!["10.0.0.1"; 33].join(",");
    let options = format!("from=\"{list}\"");
    assert_eq!(kept(&options), Err(ImportRejection::FromTooLong));
    let host = import_one(&format!("gpu1 {ED25519}"));
    assert_eq!(host, Err(ImportRejection::Key(KeyRejection::KnownHosts)));
    let twice = import_one(&format!("from=\"10.0.0.1\" no-pty {ED25519}"));
    assert_eq!(twice, Err(ImportRejection::Key(KeyRejection::Options)));
    for (name, says) in [
        ("no-pty", "the option no-pty is not supported: use restrict"),
        ("pty", "remove it, and restrict"),
        ("touch-required", "it is the default"),
        ("principals", "no SSH certificates"),
        ("tunnel", "remove it if the key works without it"),
    ] {
        let sentence = ImportRejection::Option(name).to_string();
        assert!(sentence.contains(says), "{sentence}");
    }
}

#[test]
fn supported_options_become_fields() {
    let read = |options: &str| {
        let line = format!("{options} {ED25519} x");
        let pasted = ImportedKey::parse(&format!(" {line}\r\n"), &KeyRules::default()).unwrap();
        assert_eq!(import_one(&line).as_ref(), Ok(&pasted));
        pasted.options.to_string()
    };
    for options in [
        "restrict",
        "no-touch-required",
        "verify-required",
        r#"command="sh -c \"a, b\" # \d""#,
        r#"permitopen="db:5432" permitopen="[::1]:*""#,
        r#"restrict no-touch-required verify-required command="x" permitopen="*:80""#,
    ] {
        assert_eq!(
            read(
                &options
                    .replace(" permitopen", ",permitopen")
                    .replace(" command=", ",command=")
                    .replace(" no-", ",no-")
                    .replace(" verify", ",verify")
            ),
            options
        );
    }
    assert_eq!(
        read("Restrict,RESTRICT,Verify-Required"),
        "restrict verify-required"
    );
    let many: Vec<String> = (1..=33)
        .map(|port| format!("permitopen=\"a:{port}\""))
        .collect();
    let line = format!("{} {ED25519}", many.join(","));
    let rejection = ImportRejection::Value("permitopen", OptionError::ManyDestinations);
    assert_eq!(import_one(&line), Err(rejection));
}

#[test]
fn pasted_key_with_options_is_accepted() {
    let parse = |text: &str| ImportedKey::parse(text, &KeyRules::default());
    let rejected = |text: &str, rejection| {
        assert_eq!(parse(text), Err(ImportRejection::Key(rejection)), "{text}");
    };
    rejected(
        &format!("restrict {ED25519}\nrestrict {ECDSA_P256}"),
        KeyRejection::SeveralKeys,
    );
    rejected(
        &format!("restrict {ED25519} {ECDSA_P256}"),
        KeyRejection::SeveralKeys,
    );
    rejected(
        &format!("restrict {ED25519} -----BEGIN OPENSSH PRIVATE KEY-----"),
        KeyRejection::PrivateKey,
    );
    rejected(
        &format!("command=\"a\0\" {ED25519}"),
        KeyRejection::ControlCharacter,
    );
    rejected(&format!("restrict {DSA}"), KeyRejection::Dsa);
    rejected(
        &format!("restrict restrict {ED25519}"),
        KeyRejection::Options,
    );
    rejected(
        &format!("command=\"{}\" {ED25519}", "x".repeat(64 * 1024)),
        KeyRejection::TooLong,
    );
    let limited = parse(&format!(
        "from=\"10.0.0.0/8\",expiry-time=\"20300101Z\" {ED25519} x"
    ))
    .unwrap();
    assert_eq!(limited.allowed_addresses.to_string(), "10.0.0.0/8");
    assert_eq!(limited.expires_at.map(Time::unix), Some(1_893_456_001));
    assert_eq!(limited.key.comment(), "x");
    // Text behind a closed quote is not an option: sshd rejects the line too.
    assert_eq!(
        parse(&format!("command=\"a\\\" {ED25519}\" {ED25519}")).map(|key| key.options.to_string()),
        Ok(format!("command=\"a\\\" {ED25519}\""))
    );
}

#[test]
fn file_above_a_mebibyte_is_rejected() {
    let file = |bytes: usize| {
        let text = format!("{ED25519}\n#");
        let rest = "x".repeat(bytes - text.len());
        parse_authorized_keys_file(&(text + &rest), &KeyRules::default()).map(|lines| lines.len())
    };
    assert_eq!(file(1_048_576), Ok(1));
    assert_eq!(file(1_048_577), Err(KeyRejection::TooLong));
}

/// sshd rejects such a line too: neither reading may be assumed.
#[test]
fn from_with_host_bits_is_rejected_with_both_meanings() {
    for (list, meanings) in [
        ("10.0.0.5/8", "10.0.0.0/8 or 10.0.0.5"),
        ("192.0.2.1,10.0.0.5/8", "10.0.0.0/8 or 10.0.0.5"),
        ("::ffff:10.0.0.0/8", "::/8 or 10.0.0.0/8"),
        ("2001:db8::5/32", "2001:db8::/32 or 2001:db8::5"),
    ] {
        let rejection = import_one(&format!("from=\"{list}\" {ED25519}")).unwrap_err();
        let sentence = rejection.to_string();
        assert!(
            sentence.ends_with(&format!(": use {meanings}")),
            "{list}: {sentence}"
        );
    }
}
