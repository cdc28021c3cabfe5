//! SSH keys: pasted, brought along in a file, and as sshd is told of them.

use data_encoding::BASE64;
use keycroft::model::address::AllowedAddresses;
use keycroft::model::ssh_key::{
    COMMENT_CHARS_MAX, ExpiryFormat, KeyRules, Kind, PublicKey, RSA_BITS_FLOOR, authorized_line,
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

/// What an option's value in quotes says: `expiry-time="VALUE"`.
fn value<'a>(options: &mut &'a str, name: &str) -> Option<&'a str> {
    let rest = options.strip_prefix(name)?.strip_prefix("=\"")?;
    let (value, rest) = rest.split_once('"').expect("the quote is closed");
    *options = rest.strip_prefix(',').unwrap_or(rest);
    Some(value)
}

/// K2: one line, our own options, one whole key of an accepted type, and nothing else.
pub fn assert_one_line(
    line: &str,
    key: &PublicKey,
    expires_at: Option<Time>,
    allowed_addresses: &AllowedAddresses,
) {
    assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let words: Vec<&str> = line.split(' ').collect();
    let (options, name, encoded) = match words.as_slice() {
        [name, encoded] => ("", *name, *encoded),
        [options, name, encoded] => (*options, *name, *encoded),
        _ => panic!("{line}"),
    };
    let mut rest = options;
    let expiry = value(&mut rest, "expiry-time");
    assert_eq!(expiry.is_some(), expires_at.is_some(), "{line}");
    if let Some(expiry) = expiry {
        let digits = expiry.strip_suffix('Z').unwrap_or(expiry);
        assert!(digits.len() == 14 && digits.bytes().all(|b| b.is_ascii_digit()));
        if expiry.ends_with('Z') {
            let last = Time::from_unix(expires_at.unwrap().unix() - 1).to_string();
            let said: String = last.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(digits, said);
        }
    }
    let from = value(&mut rest, "from");
    assert_eq!(from.is_none(), allowed_addresses.is_everywhere(), "{line}");
    if let Some(from) = from {
        let entries: Vec<&str> = from.split(',').collect();
        assert_eq!(
            AllowedAddresses::parse(&entries).as_ref(),
            Ok(allowed_addresses)
        );
        let may = |b: u8| b.is_ascii_hexdigit() || b"./:,".contains(&b);
        assert!(from.bytes().all(may), "{from}");
    }
    assert_eq!(rest, "", "{line}");
    assert_eq!(
        Kind::from_name(name),
        Some(key.kind()),
        "{name} is not accepted"
    );
    let blob = BASE64.decode(encoded.as_bytes()).unwrap();
    assert_eq!(BASE64.encode(&blob), encoded);
    assert_eq!(key.base64(), encoded);
    let fields = fields(&blob);
    assert_eq!(fields[0], name.as_bytes());
    if key.kind() == Kind::Rsa {
        let modulus = fields[2].strip_prefix(&[0]).unwrap_or(fields[2]);
        assert!(modulus.len() * 8 >= RSA_BITS_FLOOR as usize, "RSA is short");
    }
}

/// What holds for a key however it came.
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
    let everywhere = AllowedAddresses::default();
    let line = authorized_line(key, None, &everywhere, ExpiryFormat::Utc).unwrap();
    assert_one_line(&line, key, None, &everywhere);
    assert_eq!(line, key.to_openssh());
}

/// The rules of a policy that allows all that any policy may.
fn widest() -> KeyRules {
    KeyRules::new(Kind::ALL, RSA_BITS_FLOOR).unwrap()
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
            Err(refusal) => {
                let sentence = refusal.to_string();
                assert!(!sentence.contains('\n') && !sentence.is_empty());
                let mut words = text.split_whitespace();
                assert!(!words.any(|word| word.len() > 30 && sentence.contains(word)));
            }
        }
    }
    // Whatever the row of a database holds.
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
                // Leaving out what limits a key would open what its owner had shut.
                let before = read.split(&imported.key.base64()).next().unwrap();
                let mark = |word: &str| before.to_ascii_lowercase().contains(word);
                assert_eq!(mark("expiry-time=\""), imported.expires_at.is_some());
                assert_eq!(mark("from=\""), !imported.allowed_addresses.is_everywhere());
                assert!(!mark("command=\"") && !mark("restrict") && !mark("no-"));
                let written = authorized_line(
                    &imported.key,
                    imported.expires_at,
                    &imported.allowed_addresses,
                    ExpiryFormat::Utc,
                );
                if let Ok(written) = written {
                    assert_one_line(
                        &written,
                        &imported.key,
                        imported.expires_at,
                        &imported.allowed_addresses,
                    );
                    let again = parse_authorized_keys_file(&written, &widest()).unwrap();
                    let again = again[0].outcome.as_ref().unwrap();
                    assert!(again.key.is_same_key(&imported.key));
                    assert_eq!(again.expires_at, imported.expires_at);
                    assert_eq!(again.allowed_addresses, imported.allowed_addresses);
                }
            }
            Err(refusal) => assert!(!refusal.to_string().contains('\n')),
        }
    }
}

/// A row as a database may hold it by now, its columns with NULs between them: the key (its base64, or with a `!` before
/// it the blob itself), the comment, the allowed_addresses, the end.
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
    let zone = |_| -3_600;
    let formats = [
        ExpiryFormat::Utc,
        ExpiryFormat::Local {
            utc_offset_seconds: &zone,
        },
    ];
    for format in formats {
        match authorized_line(&key, expires_at, &allowed_addresses, format) {
            Ok(line) => assert_one_line(&line, &key, expires_at, &allowed_addresses),
            // Only a time that sshd would take for none is not written.
            Err(_) => assert!(expires_at.is_some_and(|end| end.unix() < 366 * 86_400)),
        }
    }
}
