//! Answers of authenticators: CBOR, `COSE_Key`, and the two ceremonies, which no random bytes pass.

use keycroft::model::passkey::cbor::Reader;
use keycroft::model::passkey::{
    Assertion, ClientData, Expected, PasskeyKey, Registered, Registration, RelyingParty,
    UserVerification, check_assertion, check_registration,
};
use keycroft::wire;

/// The length of an item, computed in another way than in the program: by recursion over slices.
fn item(bytes: &[u8], depth: u8) -> Option<usize> {
    let first = *bytes.first()?;
    let short = usize::from(first & 31);
    let width = match short {
        0..=23 => 0,
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let argument = match width {
        0 => short as u128,
        _ => bytes
            .get(1..=width)?
            .iter()
            .fold(0_u128, |sum, byte| sum * 256 + u128::from(*byte)),
    };
    let least: u128 = match width {
        0 => 0,
        1 => 24,
        other => 1 << (4 * other),
    };
    let major = first >> 5;
    if major != 7 && argument < least {
        return None;
    }
    let head = 1 + width;
    let items = match major {
        0 | 1 | 7 => 0,
        2 | 3 => {
            let end = head.checked_add(usize::try_from(argument).ok()?)?;
            let content = bytes.get(head..end)?;
            let fits = major == 2 || std::str::from_utf8(content).is_ok();
            return fits.then_some(end);
        }
        4 => argument,
        5 => argument * 2,
        _ => return None,
    };
    let mut end = head;
    if matches!(major, 4 | 5) {
        let depth = depth.checked_sub(1)?;
        for _ in 0..items {
            end += item(&bytes[end..], depth)?;
        }
    }
    Some(end)
}

/// Items one after the other.
pub fn cbor(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    while !reader.rest().is_empty() {
        let before = reader.rest();
        let length = reader.skip().map(|()| before.len() - reader.rest().len());
        assert_eq!(length, item(before, 8));
        if length.is_none() {
            break;
        }
    }
    if let Some(key) = PasskeyKey::from_stored(bytes) {
        assert_eq!(item(bytes, 8), Some(bytes.len()), "{key:?}");
        assert!(!key.verifies(b"message", b"signature"));
    }
}

/// The JSON of a form's field; or client data, authenticator data and signature with a NUL between them.
pub fn passkey(bytes: &[u8]) {
    let expected = Expected {
        relying_party: RelyingParty::from_url("https://keys.lab.example").unwrap(),
        challenge: vec![7; 56],
        user_verification: UserVerification::NotNeeded,
    };
    let stored = Registered {
        credential_id: b"id".to_vec(),
        public_key: bytes.to_vec(),
        counter: 0,
        is_backup_eligible: false,
        is_backed_up: false,
    };
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Some(registration) = wire::parse_registration(text) {
            let _ = check_registration(&registration, &expected);
        }
        if let Some(assertion) = wire::parse_assertion(text) {
            assert!(check_assertion(&assertion, &stored, "abcdefghijkl", &expected).is_err());
        }
    }
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default().to_vec();
    let (key, authenticator_data, signature) = (part(), part(), part());
    // Any authenticator data, with correct client data.
    let client_data = |kind: &str| ClientData {
        kind: kind.to_owned(),
        challenge: expected.challenge.clone(),
        origin: "https://keys.lab.example".to_owned(),
        cross_origin: false,
        has_top_origin: false,
        bytes: b"{}".to_vec(),
    };
    let registration = Registration {
        client_data: client_data("webauthn.create"),
        attestation_object: bytes.to_vec(),
    };
    if let Ok(registered) = check_registration(&registration, &expected) {
        let length = registered.credential_id.len();
        assert!((1..=1_023).contains(&length));
        assert!(PasskeyKey::from_stored(&registered.public_key).is_some());
        assert!(registered.is_backup_eligible || !registered.is_backed_up);
    }
    let assertion = Assertion {
        credential_id: b"id".to_vec(),
        client_data: client_data("webauthn.get"),
        authenticator_data,
        signature,
        user_handle: None,
    };
    let stored = Registered {
        public_key: key,
        ..stored
    };
    assert!(check_assertion(&assertion, &stored, "abcdefghijkl", &expected).is_err());
}
