//! Sentences about credentials that expire soon.

use crate::client::connection::ClientCredential;
use crate::model::credential::Kind;
use crate::model::notice::Notice;
use crate::model::time::Time;
use crate::terminal::output::relative_time;

/// A token may live for an hour only: the one in use is named in its last minutes.
const TOKEN_SECONDS: u64 = 600;

/// The notice about the credential in use, which expires at `end`. A token is renewed by a person: its notice is for a
/// terminal alone.
pub fn of_credential(
    credential: &ClientCredential,
    end: Time,
    now: Time,
    is_terminal: bool,
) -> Option<String> {
    let notice = Notice::from_expiration(Some(end), now)?;
    let hint = credential.hint();
    if credential.is(Kind::ApiKey) {
        let next = format!("keycroft api-key edit {} --expires 30d", credential.id);
        return Some(words("API key", &hint, notice, end, now, &next));
    }
    let next = "keycroft login";
    (is_terminal && end.since(now).as_secs() <= TOKEN_SECONDS)
        .then(|| words("token", &hint, Notice::Day, end, now, next))
}

pub fn words(what: &str, name: &str, notice: Notice, end: Time, now: Time, next: &str) -> String {
    format!(
        "keycroft: the {what} {name} expires {}: {}\n  try: {next}",
        notice.words(),
        relative_time(end, now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connection::SettingSource;
    use crate::model::secret::{Secret, SecretForm};

    #[test]
    fn token_notice_is_shown_in_the_last_10_minutes_on_a_terminal() {
        const DAY: i64 = 86_400;
        let now = Time::from_unix(1_000_000);
        for (kind, seconds, message) in [
            (Kind::ApiKey, 14 * DAY + 1, None),
            (
                Kind::ApiKey,
                14 * DAY,
                Some("expires within 14 days: in 14d"),
            ),
            (Kind::ApiKey, 7 * DAY, Some("expires within 7 days: in 7d")),
            (Kind::ApiKey, DAY, Some("expires within a day: in 24h")),
            (Kind::ApiKey, 0, None),
            (Kind::Token, 601, None),
            (Kind::Token, 600, Some("expires within a day: in 10m")),
        ] {
            let secret = Secret::generate(SecretForm::Credential(kind)).reveal();
            let credential =
                ClientCredential::parse(&secret, SettingSource::StandardInput).unwrap();
            let end = Time::from_unix(now.unix() + seconds);
            let notice = of_credential(&credential, end, now, true);
            let in_a_job = of_credential(&credential, end, now, false);
            assert_eq!(in_a_job, notice.clone().filter(|_| kind == Kind::ApiKey));
            match message {
                None => assert_eq!(notice, None, "{kind} {seconds}"),
                Some(message) => assert!(notice.unwrap().contains(message), "{kind} {seconds}"),
            }
        }
    }
}
