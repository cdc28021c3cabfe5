//! Deliveries of notices: retries, the log, and the signature of webhooks.

use std::time::Duration;

use super::notice_channel::{ChannelKind, ChannelNumber, ChannelUrl};
use super::notice_kind::NoticeKind;
use super::secret::{Digest, Id, random_bytes};
use super::time::Time;
use super::user::UserId;

/// How long a notice is retried.
pub const RETRIED_FOR: Duration = Duration::from_secs(3 * 86_400);
/// Kept tries in the log.
pub const DELIVERIES_KEPT: usize = 100;
/// The delays between tries, in seconds; the last one repeats.
const DELAYS: [u64; 8] = [60, 300, 900, 3_600, 7_200, 14_400, 28_800, 43_200];
/// The longest delay with what is added to it, in seconds.
pub const DELAY_MAX_SECONDS: i64 = 43_200 / 5 * 6;

/// A notice to deliver.
#[derive(Debug, Clone)]
pub struct DueNotice {
    pub number: i64,
    pub id: Id,
    pub channel: ChannelNumber,
    pub channel_kind: ChannelKind,
    pub channel_name: String,
    pub url: Option<ChannelUrl>,
    pub signing_key: Option<SigningKey>,
    /// The username of the recipient; `None`: admins.
    pub recipient: Option<String>,
    /// The user; `None`: admins.
    pub user: Option<UserId>,
    /// The e-mail address.
    pub address: Option<String>,
    pub kind: NoticeKind,
    pub at: Time,
    pub subject: String,
    pub body: String,
    /// Of the page behind the link.
    pub path: String,
    pub data: Vec<(String, String)>,
    /// Earlier tries.
    pub tries: u32,
}

/// The signing key of a webhook. Not printed.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The value of `Keycroft-Signature` for a body that is sent at `now`.
    pub fn signature(&self, now: Time, body: &str) -> String {
        let time = now.unix();
        let message = format!("{time}.{body}");
        let signature = Digest::hmac(&self.0, message.as_bytes()).hex();
        format!("t={time},v1={signature}")
    }
}

/// The result of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TryResult {
    Delivered {
        status: Option<u16>,
    },
    /// Worth another try.
    Failed {
        status: Option<u16>,
        detail: String,
        /// The channel itself does not work: other notices would fail too.
        is_of_channel: bool,
    },
    /// The receiver rejects the notice permanently.
    Rejected {
        status: Option<u16>,
        detail: String,
    },
}

/// The outcome of a try in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryOutcome {
    Delivered,
    /// Tried again later.
    Failed,
    GivenUp,
}

impl TryOutcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given-up",
        }
    }

    /// Parses the result of [`TryOutcome::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Delivered, Self::Failed, Self::GivenUp];
        all.into_iter().find(|one| one.as_str() == text)
    }
}

/// A try in the log.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub notice: Id,
    pub channel: String,
    pub kind: String,
    pub recipient: Option<String>,
    pub at: Time,
    /// 1 for the first try.
    pub attempt: u32,
    pub outcome: TryOutcome,
    /// The status of the answer, or the reply code of SMTP.
    pub status: Option<u16>,
    pub detail: String,
    pub next_try_at: Option<Time>,
}

/// The time of the next try after `tries` failed ones; `None` after three days. Up to a fifth is added or taken away,
/// so that notices that failed together are not retried together.
pub fn next_try(created_at: Time, tries: u32, now: Time) -> Option<Time> {
    let [first, second] = random_bytes::<2>();
    next_try_with(created_at, tries, now, u16::from_be_bytes([first, second]))
}

fn next_try_with(created_at: Time, tries: u32, now: Time, random: u16) -> Option<Time> {
    let place = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    let delay = DELAYS[place.min(DELAYS.len() - 1)];
    let fifth = delay / 5;
    let jitter = 2 * fifth * u64::from(random) / u64::from(u16::MAX);
    let next = now.after(Duration::from_secs(delay - fifth + jitter));
    (next <= created_at.after(RETRIED_FOR)).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: Time = Time::from_unix(1_000_000);

    #[test]
    fn signature_is_the_documented_hmac() {
        // printf '1000000.{}' | openssl dgst -sha256 -hmac key
        let key = SigningKey::new(b"key".to_vec());
        let expected =
            "t=1000000,v1=822ab0c20fe01f30b8a30ac00556115974afcbc35ba8273e878f4be1ea0a877b";
        assert_eq!(key.signature(CREATED, "{}"), expected);
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }

    #[test]
    fn retries_slow_down_and_end_after_three_days() {
        for random in [0, 30_000, u16::MAX] {
            let (mut now, mut tries) = (CREATED, 1);
            let mut last = Duration::ZERO;
            while let Some(next) = next_try_with(CREATED, tries, now, random) {
                let delay = next.since(now);
                assert!(delay >= last, "try {tries}");
                assert!(delay >= Duration::from_secs(48), "try {tries}");
                (now, tries, last) = (next, tries + 1, delay);
            }
            assert!((10..=16).contains(&tries), "{tries} tries");
            assert!(now.since(CREATED) + Duration::from_secs(15 * 3_600) > RETRIED_FOR);
        }
    }

    #[test]
    fn jitter_is_at_most_a_fifth() {
        let at = |random| {
            next_try_with(CREATED, 4, CREATED, random)
                .unwrap()
                .since(CREATED)
        };
        assert_eq!(at(0).as_secs(), 2_880);
        assert_eq!(at(u16::MAX).as_secs(), 4_320);
    }

    #[test]
    fn outcome_parses_as_written() {
        for outcome in [
            TryOutcome::Delivered,
            TryOutcome::Failed,
            TryOutcome::GivenUp,
        ] {
            assert_eq!(TryOutcome::parse(outcome.as_str()), Some(outcome));
        }
    }
}
