//! Secrets among the arguments: everybody on the machine could read them there, and the shell keeps them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::exit::{Failure, USAGE};

/// From how many characters after the id on something is taken for a secret, whole or cut.
const SECRET_CHARACTERS_LEAST: usize = 8;

/// Refuses arguments that hold a secret or a code. Asked before anything else is done with them; never repeats them.
pub fn refuse_secrets(arguments: &[OsString]) -> Result<(), Failure> {
    let Some(hint) = arguments
        .iter()
        .skip(1)
        .find_map(|argument| secret_in(argument.as_bytes()))
    else {
        return Ok(());
    };
    let words: Vec<&str> = arguments
        .iter()
        .skip(1)
        .filter_map(|argument| argument.to_str())
        .collect();
    let right = if hint.starts_with("kce_") {
        "open the link in a browser, or for a host: keycroft host enroll URL --code-file FILE"
    } else {
        match words.first().copied() {
            Some("verify") => "keycroft verify < FILE",
            Some("revoke" | "burn") => "keycroft revoke < FILE",
            Some("login") => "keycroft login --with-token < FILE",
            Some("scan") => "keycroft scan FILE",
            _ => "KEYCROFT_TOKEN_FILE=FILE keycroft …, or keycroft login --with-token < FILE",
        }
    };
    let message = format!(
        "an argument holds a secret, {hint}: other programs on this machine could read it, and your shell keeps it; nothing was done with it. Treat it as known to others: rotate or delete it"
    );
    Err(Failure::new(USAGE, message).hint(right))
}

/// The public part of the first thing in `text` that is or looks like a secret.
fn secret_in(text: &[u8]) -> Option<String> {
    const PREFIX: usize = 4;
    const ID: usize = 12;
    text.windows(PREFIX + ID + 1 + SECRET_CHARACTERS_LEAST)
        .find_map(|window| {
            let (prefix, rest) = window.split_at(PREFIX);
            let (id, rest) = rest.split_at(ID);
            let fits = prefix.starts_with(b"kc")
                && b"atshe".contains(&prefix[2])
                && prefix[3] == b'_'
                && id
                    .iter()
                    .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
                && rest[0] == b'_'
                && rest[1..].iter().all(u8::is_ascii_alphanumeric);
            fits.then(|| {
                format!(
                    "{}{}_…",
                    String::from_utf8_lossy(prefix),
                    String::from_utf8_lossy(id)
                )
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::credential::Kind;
    use crate::model::secret::{Secret, SecretForm};

    #[test]
    fn secrets_are_found_wherever_they_stand_and_never_repeated() {
        for form in [
            SecretForm::Code,
            SecretForm::Credential(Kind::ApiKey),
            SecretForm::Credential(Kind::Token),
            SecretForm::Credential(Kind::Session),
            SecretForm::Credential(Kind::Host),
        ] {
            let secret = Secret::generate(form).reveal();
            let cut = &secret[..30];
            for argument in [
                secret.to_string(),
                format!("--token={}", *secret),
                format!("https://a/setup?code={}", *secret),
                cut.to_owned(),
            ] {
                let arguments = ["keycroft", "whoami", &argument].map(OsString::from);
                let failure = refuse_secrets(&arguments).unwrap_err();
                assert!(
                    !failure.message.contains(&secret[20..28]),
                    "{}",
                    failure.message
                );
                assert!(failure.message.contains(&secret[..16]));
            }
        }
    }

    #[test]
    fn what_is_shown_of_secrets_may_be_said() {
        for argument in [
            "kca_4k2m9x0q7w1z_…",
            "4k2m9x0q7w1z",
            "kca_4k2m9x0q7w1z",
            "kca_ci",
            "ci",
        ] {
            assert!(
                refuse_secrets(&["keycroft", "api-key", "show", argument].map(OsString::from))
                    .is_ok(),
                "{argument}"
            );
        }
    }
}
