//! SSH keys: pasted, imported, and written for sshd.

use data_encoding::BASE64;
use keycroft::model::address::AllowedAddresses;
use keycroft::model::ssh_key::{
    COMMENT_CHARS_MAX, ExpiryFormat, ForcedCommand, ForwardTarget, ImportedKey, KeyOptions,
    KeyRules, KeyType, LineRejection, PublicKey, RSA_BITS_FLOOR, authorized_line,
    parse_authorized_keys_file,
};
use keycroft::model::text::is_invisible;
use keycroft::model::time::Time;

/// The fields of a blob (RFC 4253, 6.6): each with its length in four bytes before it, to the very end.
fn fields(mut blob: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    while let Some((length, rest)) = blob.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        assert!(length <= rest.len(), "a field is cut off");
        let (field, rest) = rest.split_at(length);
        fields.push(field);
        blob = rest;
    }
    assert!(blob.is_empty(), "something stands behind the last field");
    fields
}

/// The end of the options for sshd (`sshkey_advance_past_options`).
fn options_end(line: &[u8]) -> usize {
    let (mut at, mut is_quoted) = (0, false);
    while at < line.len() && (is_quoted || !matches!(line[at], b' ' | b'\t')) {
        if line[at..].starts_with(b"\\\"") {
            at += 1;
        } else if line[at] == b'"' {
            is_quoted = !is_quoted;
        }
        at += 1;
    }
    assert!(!is_quoted, "a quote stays open");
    at
}

/// The options as sshd parses them (`sshauthopt_parse` and `opt_dequote`): each name, and the value in its quotes.
fn options_of(text: &str) -> Vec<(String, Option<String>)> {
    let mut options = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let (name, mut after) = rest.split_at(end);
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
            "{name}"
        );
        let mut value = None;
        if let Some(quoted) = after.strip_prefix("=\"") {
            let (mut text, mut at) = (String::new(), 0);
            while !quoted[at..].starts_with('"') {
                if quoted[at..].starts_with("\\\"") {
                    at += 1;
                }
                let c = quoted[at..].chars().next().expect("the quote is closed");
                text.push(c);
                at += c.len_utf8();
            }
            value = Some(text);
            after = &quoted[at + 1..];
        }
        options.push((name.to_owned(), value));
        rest = match after.strip_prefix(',') {
            Some(next) => {
                assert!(!next.is_empty(), "a comma ends the options");
                next
            }
            None => {
                assert_eq!(after, "", "something stands behind an option");
                after
            }
        };
    }
    options
}

/// The line for a key, if it can be written.
pub fn line_of(given: &ImportedKey, format: ExpiryFormat<'_>) -> Result<String, LineRejection> {
    authorized_line(
        &given.key,
        given.expires_at,
        &given.allowed_addresses,
        &given.options,
        format,
    )
}

/// Bar K2: one line, known options, one complete key of an accepted type, and nothing else.
pub fn assert_one_line(line: &str, given: &ImportedKey) {
    let key = &given.key;
    assert!(!line.chars().any(is_invisible), "{line}");
    let plain = key.to_openssh();
    let options = if line == plain {
        ""
    } else {
        let (options, rest) = line.split_at(options_end(line.as_bytes()));
        assert_eq!(rest, format!(" {plain}"));
        options
    };
    let mut read = options_of(options).into_iter();
    if let Some(expires_at) = given.expires_at {
        let (name, value) = read.next().unwrap();
        assert_eq!(name, "expiry-time");
        let expiry = value.unwrap();
        let digits = expiry.strip_suffix('Z').unwrap_or(&expiry);
        assert!(digits.len() == 14 && digits.bytes().all(|b| b.is_ascii_digit()));
        if expiry.ends_with('Z') {
            let last = Time::from_unix(expires_at.unix() - 1).to_string();
            let message: String = last.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(digits, message);
        }
    }
    if !given.allowed_addresses.is_everywhere() {
        let (name, value) = read.next().unwrap();
        assert_eq!(name, "from");
        let from = value.unwrap();
        let entries: Vec<&str> = from.split(',').collect();
        assert_eq!(
            AllowedAddresses::parse(&entries).as_ref(),
            Ok(&given.allowed_addresses)
        );
        let may = |b: u8| b.is_ascii_hexdigit() || b"./:,".contains(&b);
        assert!(from.bytes().all(may), "{from}");
    }
    let options = &given.options;
    let flags = [
        ("restrict", options.restrict),
        ("no-touch-required", options.no_touch_required),
        ("verify-required", options.verify_required),
    ];
    let flags = flags.into_iter().filter(|(_, is_set)| *is_set);
    let command = options.command.as_ref();
    let expected: Vec<(String, Option<String>)> = flags
        .map(|(name, _)| (name.to_owned(), None))
        .chain(command.map(|text| ("command".to_owned(), Some(text.as_str().to_owned()))))
        .chain(
            options
                .permitopen
                .iter()
                .map(|one| ("permitopen".to_owned(), Some(one.to_string()))),
        )
        .collect();
    assert_eq!(read.collect::<Vec<_>>(), expected, "{line}");
    let (name, encoded) = plain.split_once(' ').unwrap();
    assert_eq!(
        KeyType::from_name(name),
        Some(key.kind()),
        "{name} is not accepted"
    );
    let blob = BASE64.decode(encoded.as_bytes()).unwrap();
    assert_eq!(BASE64.encode(&blob), encoded);
    assert_eq!(key.base64(), encoded);
    let fields = fields(&blob);
    assert_eq!(fields[0], name.as_bytes());
    if key.kind() == KeyType::Rsa {
        let modulus = fields[2].strip_prefix(&[0]).unwrap_or(fields[2]);
        assert!(modulus.len() * 8 >= RSA_BITS_FLOOR as usize, "RSA is short");
    }
}

/// Holds for a key from any source.
fn assert_key(key: &PublicKey) {
    assert!(key.comment().chars().count() <= COMMENT_CHARS_MAX);
    assert!(
        !key.comment().chars().any(is_invisible),
        "{}",
        key.comment()
    );
    let digest = key.fingerprint().strip_prefix("SHA256:").unwrap();
    assert_eq!(digest.len(), 43);
    let stored = PublicKey::from_stored(&key.base64(), key.comment()).unwrap();
    assert_eq!(&stored, key);
    let plain = ImportedKey::from(key.clone());
    let line = line_of(&plain, ExpiryFormat::Utc).unwrap();
    assert_one_line(&line, &plain);
    assert_eq!(line, key.to_openssh());
}

/// The rules of the most permissive policy.
fn widest() -> KeyRules {
    KeyRules::new(KeyType::ALL, RSA_BITS_FLOOR).unwrap()
}

const PRIVATE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

pub fn ssh_key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for rules in [widest(), KeyRules::default()] {
        match PublicKey::parse(&text, &rules) {
            Ok(key) => {
                assert!(rules.allow(&key) && key.check(&rules).is_ok());
                assert!(!text.contains(PRIVATE));
                assert_key(&key);
                assert!(text.contains(&key.base64()));
                let again = PublicKey::parse(&key.to_openssh(), &rules).unwrap();
                assert!(again.is_same_key(&key));
            }
            Err(rejection) => {
                let sentence = rejection.to_string();
                assert!(!sentence.contains('\n') && !sentence.is_empty());
                let mut words = text.split_whitespace();
                assert!(!words.any(|word| word.len() > 30 && sentence.contains(word)));
            }
        }
    }
    // With any content of a row.
    if let Ok(key) = PublicKey::from_stored(&text, &text) {
        assert_eq!(key.base64(), text);
        assert_key(&key);
    }
}

pub fn authorized_keys_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(lines) = parse_authorized_keys_file(&text, &widest()) else {
        return;
    };
    assert!(!text.contains(PRIVATE));
    assert!(lines.windows(2).all(|pair| pair[0].number < pair[1].number));
    for line in lines {
        let read = text.split('\n').nth(line.number - 1).unwrap();
        match line.outcome {
            Ok(imported) => {
                assert_key(&imported.key);
                assert!(read.contains(&imported.key.base64()));
                // Without the limits of its key, a line would allow more than its owner intended.
                let before = read.split(&imported.key.base64()).next().unwrap();
                let before = before.to_ascii_lowercase();
                let options = &imported.options;
                if imported == ImportedKey::from(imported.key.clone()) {
                    assert!(!before.contains("=\"") && !before.contains("restrict,"));
                    assert!(!before.contains("required ") && !before.contains("no-"));
                }
                assert!(imported.expires_at.is_none() || before.contains("expiry-time=\""));
                assert!(imported.allowed_addresses.is_everywhere() || before.contains("from=\""));
                assert!(options.command.is_none() || before.contains("command=\""));
                assert!(!options.restrict || before.contains("restrict"));
                if let Ok(written) = line_of(&imported, ExpiryFormat::Utc) {
                    assert_one_line(&written, &imported);
                    let again = parse_authorized_keys_file(&written, &widest()).unwrap();
                    let again = again[0].outcome.as_ref().unwrap();
                    assert!(again.key.is_same_key(&imported.key));
                    assert_eq!(again.expires_at, imported.expires_at);
                    assert_eq!(again.allowed_addresses, imported.allowed_addresses);
                    assert_eq!(again.options, imported.options);
                }
                // Pasted alone, it is the same.
                if let Ok(pasted) = ImportedKey::parse(read, &widest()) {
                    assert_eq!(pasted, imported);
                }
            }
            Err(rejection) => assert!(!rejection.to_string().contains('\n')),
        }
    }
}

/// A row with any content, its columns separated by NULs: key, comment, allowed addresses, expiration. The key is
/// base64, or the blob itself after a `!`.
pub fn authorized_keys_line(bytes: &[u8]) {
    let mut columns = bytes.splitn(4, |byte| *byte == 0);
    let end = columns.next().unwrap_or_default();
    let allowed_addresses = String::from_utf8_lossy(columns.next().unwrap_or_default());
    let comment = String::from_utf8_lossy(columns.next().unwrap_or_default());
    let key = columns.next().unwrap_or_default();
    let key = match key.strip_prefix(b"!") {
        Some(blob) => BASE64.encode(blob),
        None => String::from_utf8_lossy(key).into_owned(),
    };
    let Ok(key) = PublicKey::from_stored(&key, &comment) else {
        return;
    };
    assert_key(&key);
    let expires_at = std::str::from_utf8(end)
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Time::from_unix);
    let allowed_addresses = AllowedAddresses::from_stored(&allowed_addresses).unwrap_or_default();
    let row = ImportedKey {
        expires_at,
        allowed_addresses,
        ..ImportedKey::from(key)
    };
    let zone = |_| -3_600;
    let formats = [
        ExpiryFormat::Utc,
        ExpiryFormat::Local {
            utc_offset_seconds: &zone,
        },
    ];
    for format in formats {
        match line_of(&row, format) {
            Ok(line) => assert_one_line(&line, &row),
            // Only a time that sshd would take for "never" is not written.
            Err(_) => assert!(expires_at.is_some_and(|end| end.unix() < 366 * 86_400)),
        }
    }
}

/// The options of a row with any content: a byte of flags, the command, a NUL, the destinations.
pub fn key_options(bytes: &[u8]) {
    let Some((flags, values)) = bytes.split_first() else {
        return;
    };
    let values = String::from_utf8_lossy(values);
    let (command, permitopen) = match values.rsplit_once('\0') {
        Some((command, permitopen)) => (Some(command), permitopen),
        None => (None, &*values),
    };
    let flag = |bits: u8| i64::from(flags >> bits & 3);
    let row = [flag(0), flag(2), flag(4)];
    let Ok(options) = KeyOptions::from_stored(row, command, permitopen) else {
        let is_flag = row.iter().all(|flag| *flag < 2);
        let is_command = command.is_none_or(|text| ForcedCommand::parse(text).is_ok());
        let entries: Vec<&str> = permitopen.split_ascii_whitespace().collect();
        assert!(!(is_flag && is_command && ForwardTarget::parse_list(&entries).is_ok()));
        return;
    };
    assert_eq!(options.command.as_ref().map(ForcedCommand::as_str), command);
    let stored = options.stored_permitopen();
    assert_eq!(
        KeyOptions::from_stored(row, command, &stored).as_ref(),
        Ok(&options)
    );
    assert!(
        !options.loosen(&options)
            && !options.loosen(&KeyOptions {
                no_touch_required: true,
                ..KeyOptions::default()
            })
    );
    let key = "AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf";
    let row = ImportedKey {
        options,
        ..ImportedKey::from(PublicKey::from_stored(key, "").unwrap())
    };
    let line = line_of(&row, ExpiryFormat::Utc).unwrap();
    assert_one_line(&line, &row);
    let read = ImportedKey::parse(&line, &widest());
    assert_eq!(read.as_ref(), Ok(&row));
}
