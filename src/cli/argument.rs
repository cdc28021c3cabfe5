//! Secrets among the arguments: other users of the machine can read them, and the shell keeps them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::terminal::exit::{Failure, USAGE};

/// Characters after the id that make a text a secret, complete or cut.
const SECRET_CHARACTERS_LEAST: usize = 8;

/// Rejects arguments that contain a secret or a code, before any other use of them; never repeats them.
pub fn reject_secrets(arguments: &[OsString]) -> Result<(), Failure> {
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
        "nothing was done: an argument contains the secret {hint}. It is visible to other users of this machine and in your shell history; rotate or delete it"
    );
    Err(Failure::new(USAGE, message).hint(right))
}

/// The public part of the first secret in `text`, complete or cut.
fn secret_in(text: &[u8]) -> Option<String> {
    const PREFIX: usize = 4;
    const ID: usize = 12;
    text.windows(PREFIX + ID + 1 + SECRET_CHARACTERS_LEAST)
        .find_map(|window| {
            let (prefix, rest) = window.split_at(PREFIX);
            let (id, rest) = rest.split_at(ID);
            let fits = prefix.starts_with(b"kc")
                && b"atshef".contains(&prefix[2])
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
    fn secret_in_an_argument_is_rejected_and_not_repeated() {
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
                let failure = reject_secrets(&arguments).unwrap_err();
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
    fn public_part_of_a_secret_is_accepted() {
        for argument in [
            "kca_4k2m9x0q7w1z_…",
            "4k2m9x0q7w1z",
            "kca_4k2m9x0q7w1z",
            "kca_ci",
            "ci",
        ] {
            assert!(
                reject_secrets(&["keycroft", "api-key", "show", argument].map(OsString::from))
                    .is_ok(),
                "{argument}"
            );
        }
    }
}
