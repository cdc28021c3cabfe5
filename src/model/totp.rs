//! Time-based one-time passwords (RFC 6238): SHA-1, six digits, steps of 30 seconds.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use ring::hmac;
use zeroize::Zeroizing;

use super::secret::Digest;
use super::text::percent_encode;
use super::time::Time;

/// Length of a step (RFC 6238, 4.1: X).
const STEP_SECONDS: i64 = 30;
/// Steps that the clock of a phone may be off, either way (RFC 6238, 6).
const DRIFT_STEPS: i64 = 1;
/// Bytes of a seed: as many as HMAC-SHA-1 gives (RFC 4226, 4: R6).
pub const SEED_BYTES: usize = 20;

/// Six digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TotpCode([u8; 6]);

impl TotpCode {
    /// Parses six digits without anything around them.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: [u8; 6] = text.as_bytes().try_into().ok()?;
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then_some(Self(digits))
    }

    /// Returns whether both are the same, in constant time.
    fn matches(self, other: Self) -> bool {
        Digest::new(&self.0).matches(&Digest::new(&other.0))
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode(…)")
    }
}

/// The secret that the server and an authenticator app share. The server keeps it: it must compute codes.
#[derive(Clone)]
pub struct TotpSeed(Zeroizing<[u8; SEED_BYTES]>);

impl TotpSeed {
    /// Takes the first bytes of a keyed digest that nobody else can compute.
    pub fn from_digest(digest: &Digest) -> Self {
        let bytes = digest.as_bytes();
        Self(Zeroizing::new(std::array::from_fn(|place| bytes[place])))
    }

    pub fn from_stored(bytes: [u8; SEED_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn as_bytes(&self) -> &[u8; SEED_BYTES] {
        &self.0
    }

    /// The seed as apps take it (RFC 4648, 6, without padding).
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(self.0.as_slice()))
    }

    /// The address that a QR code holds (Google Authenticator's key URI format). `issuer` and `account` may hold any
    /// character.
    pub fn uri(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        let (issuer, account) = (percent_encode(issuer), percent_encode(account));
        let seed = self.base32();
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period=30",
            *seed
        ))
    }

    /// Returns the step whose code this is: the present one or one beside it, but none up to `last_step`, whose code was
    /// accepted before (RFC 6238, 5.2).
    pub fn matching_step(&self, code: &TotpCode, now: Time, last_step: i64) -> Option<i64> {
        let present = step(now);
        let candidates = present - DRIFT_STEPS..=present + DRIFT_STEPS;
        // All three are computed in any case.
        candidates.fold(None, |found, step| {
            let fits = self
                .code_of(step)
                .is_some_and(|expected| expected.matches(*code));
            // The latest, should two steps have the same code: so that none of them is accepted again.
            if fits && step > last_step {
                Some(step)
            } else {
                found
            }
        })
    }

    /// The code of a step (RFC 4226, 5.3); `None` before 1970.
    fn code_of(&self, step: i64) -> Option<TotpCode> {
        let counter = u64::try_from(step).ok()?.to_be_bytes();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.as_slice());
        let mac = hmac::sign(&key, &counter);
        let mac: &[u8; 20] = mac.as_ref().try_into().ok()?;
        let offset = usize::from(mac[19] & 0x0f);
        let word = [
            mac[offset] & 0x7f,
            mac[offset + 1],
            mac[offset + 2],
            mac[offset + 3],
        ];
        let digits = format!("{:06}", u32::from_be_bytes(word) % 1_000_000);
        TotpCode::parse(&digits)
    }
}

/// The step that a time lies in.
pub const fn step(time: Time) -> i64 {
    time.unix().div_euclid(STEP_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rfc_seed() -> TotpSeed {
        TotpSeed::from_stored(*b"12345678901234567890")
    }

    fn at(seconds: i64) -> Time {
        Time::from_unix(seconds)
    }

    /// RFC 6238, appendix B, the last six of its eight digits.
    #[test]
    fn codes_equal_those_of_rfc_6238() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let typed = TotpCode::parse(code).unwrap();
            let found = rfc_seed().matching_step(&typed, at(seconds), -1);
            assert_eq!(found, Some(seconds / 30), "{code}");
        }
    }

    #[test]
    fn one_step_of_drift_is_accepted_two_are_not() {
        let now = 1_234_567_890;
        let of = |seconds: i64| rfc_seed().code_of(step(at(seconds))).unwrap();
        // The clock of the phone is off by so many seconds; `now` begins a step.
        for (off, accepted) in [
            (0, true),
            (29, true),
            (31, true),
            (59, true),
            (61, false),
            (-29, true),
            (-30, true),
            (-31, false),
            (-61, false),
        ] {
            let found = rfc_seed().matching_step(&of(now + off), at(now), -1);
            assert_eq!(found.is_some(), accepted, "{off} s");
        }
    }

    #[test]
    fn accepted_step_and_earlier_ones_are_rejected() {
        let now = at(1_234_567_890);
        let code = rfc_seed().code_of(step(now)).unwrap();
        let accepted = rfc_seed().matching_step(&code, now, -1).unwrap();
        assert_eq!(rfc_seed().matching_step(&code, now, accepted), None);
        assert_eq!(rfc_seed().matching_step(&code, now, accepted + 1), None);
        let next = rfc_seed().code_of(accepted + 1).unwrap();
        let found = rfc_seed().matching_step(&next, now, accepted);
        assert_eq!(found, Some(accepted + 1));
    }

    /// Steps 910737 and 910738 of this seed have the same code.
    #[test]
    fn code_of_two_steps_counts_for_the_latest() {
        let (now, code) = (at(910_737 * 30), TotpCode::parse("911617").unwrap());
        let accepted = rfc_seed().matching_step(&code, now, -1).unwrap();
        assert_eq!(accepted, 910_738);
        let next = at(910_738 * 30);
        assert_eq!(rfc_seed().matching_step(&code, next, accepted), None);
    }

    #[test]
    fn times_before_1970_match_nothing() {
        let code = TotpCode::parse("000000").unwrap();
        assert_eq!(
            rfc_seed().matching_step(&code, at(-1_000), i64::MIN + 5),
            None
        );
    }

    #[test]
    fn uri_escapes_names() {
        let uri = rfc_seed().uri("keys.lab.example:8420", "zoë &co");
        assert_eq!(
            uri.as_str(),
            "otpauth://totp/keys.lab.example%3A8420:zo%C3%AB%20%26co?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=keys.lab.example%3A8420&algorithm=SHA1&digits=6&period=30"
        );
    }

    proptest! {
        #[test]
        fn only_six_ascii_digits_are_a_code(text in "\\PC{0,8}") {
            let is_code = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert_eq!(TotpCode::parse(&text).is_some(), is_code);
        }
    }
}
