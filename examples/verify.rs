//! Verifies the secret on standard input: `cargo run --example verify [PERMISSION]...`
//!
//! Prints the owner of a valid secret with all of these permissions. Exit code 0: valid; 1: invalid; 2: no answer.
//! `verify` is the function to copy; it needs only `ureq`.

use std::process::ExitCode;

/// The owner of the secret; `None` if it is invalid or lacks a permission.
///
/// # Errors
/// When there was no answer: then deny access, too.
fn verify(
    server: &str,
    secret: &str,
    permissions: &[String],
) -> Result<Option<String>, ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(std::time::Duration::from_secs(5)))
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent
        .get(format!("{server}/verify"))
        .header("Authorization", format!("Bearer {secret}"));
    for permission in permissions {
        request = request.query("permission", permission);
    }
    let answer = request.call()?;
    match answer.status().as_u16() {
        204 => {
            let user = answer.headers().get("Remote-User");
            let user = user.and_then(|value| value.to_str().ok());
            Ok(user.map(str::to_owned))
        }
        401 | 403 => Ok(None),
        other => Err(ureq::Error::StatusCode(other)),
    }
}

fn main() -> ExitCode {
    let server =
        std::env::var("KEYCROFT_SERVER").unwrap_or_else(|_| "http://127.0.0.1:8420".to_owned());
    let permissions: Vec<String> = std::env::args().skip(1).collect();
    let mut secret = String::new();
    if let Err(error) = std::io::stdin().read_line(&mut secret) {
        eprintln!("verify: {error}");
        return ExitCode::from(2);
    }
    match verify(&server, secret.trim(), &permissions) {
        Ok(Some(user)) => {
            println!("{user}");
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::from(1),
        Err(error) => {
            eprintln!("verify: {error}");
            ExitCode::from(2)
        }
    }
}
