//! Warnings on standard error about credentials that expire soon.

use serde::Deserialize;

use super::client::{Client, Listed};
use super::connection::Credential;
use super::output::{relative, say};
use crate::model::credential::Kind;
use crate::model::notice::Notice;
use crate::model::time::Time;

/// A token may live for an hour only: the one in use is named in its last minutes.
const TOKEN_SECONDS: u64 = 600;

/// The notice about the credential in use, which expires at `end`. A token is renewed by a person: its notice is for a
/// terminal alone.
pub fn of_credential(
    credential: &Credential,
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

fn words(what: &str, name: &str, notice: Notice, end: Time, now: Time, next: &str) -> String {
    format!(
        "keycroft: the {what} {name} ends {}: {}\n  try: {next}",
        notice.words(),
        relative(end, now)
    )
}

/// Of a thing in a list, what a notice needs.
#[derive(Deserialize)]
struct Ending {
    id: String,
    name: String,
    state: String,
    expires_at: Option<String>,
}

/// Names those of a list that end soon. `noun` is the command's: `api-key`, `ssh-key`.
pub fn of_list(client: &Client, noun: &str, listed: &Listed) {
    // The one in use is named with each answer already.
    let in_use = client.connection.credential.as_ref();
    let in_use = in_use.map(|credential| credential.id.as_str());
    let now = client.now();
    for ending in listed.parse::<Ending>().unwrap_or_default() {
        let end = ending
            .expires_at
            .as_deref()
            .and_then(|text| Time::parse(text).ok());
        if ending.state == "active"
            && in_use != Some(ending.id.as_str())
            && let (Some(end), Some(notice)) = (end, Notice::from_expiration(end, now))
        {
            let what = if noun == "ssh-key" {
                "SSH key"
            } else {
                "API key"
            };
            let name = format!("{} ({})", ending.name, ending.id);
            let next = format!("keycroft {noun} edit {} --expires 30d", ending.id);
            say(&words(what, &name, notice, end, now, &next));
        }
    }
}

/// Names all API keys and SSH keys of one's own that end soon, as far as the credential may see them.
pub fn of_everything(client: &Client) {
    for noun in ["api-key", "ssh-key"] {
        if let Ok(listed) = client.list(&format!("/api/v1/{noun}s")) {
            of_list(client, noun, &listed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::connection::Source;
    use crate::model::secret::{Secret, SecretForm};

    #[test]
    fn token_notice_comes_in_the_last_10_minutes_on_a_terminal() {
        const DAY: i64 = 86_400;
        let now = Time::from_unix(1_000_000);
        for (kind, seconds, said) in [
            (Kind::ApiKey, 14 * DAY + 1, None),
            (Kind::ApiKey, 14 * DAY, Some("ends within 14 days: in 14d")),
            (Kind::ApiKey, 7 * DAY, Some("ends within 7 days: in 7d")),
            (Kind::ApiKey, DAY, Some("ends within a day: in 1d")),
            (Kind::ApiKey, 0, None),
            (Kind::Token, 601, None),
            (Kind::Token, 600, Some("ends within a day: in 10m")),
        ] {
            let secret = Secret::generate(SecretForm::Credential(kind)).reveal();
            let credential = Credential::parse(&secret, Source::StandardInput).unwrap();
            let end = Time::from_unix(now.unix() + seconds);
            let notice = of_credential(&credential, end, now, true);
            let in_a_job = of_credential(&credential, end, now, false);
            assert_eq!(in_a_job, notice.clone().filter(|_| kind == Kind::ApiKey));
            match said {
                None => assert_eq!(notice, None, "{kind} {seconds}"),
                Some(said) => assert!(notice.unwrap().contains(said), "{kind} {seconds}"),
            }
        }
    }
}
