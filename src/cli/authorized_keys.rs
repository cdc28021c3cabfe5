//! `keycroft authorized-keys`: what a workstation's own sshd asks before each login, answered from the file alone.
//!
//! Whatever the name, standard output gets whole key lines or nothing; a fault of ours is no "nobody", so that sshd
//! says in its log that the command failed.

use std::ffi::OsString;

use clap::Args;

use super::exit::{FAILED, Failure};
use super::operator::Database;
use super::output::{line, say};
use super::sshd::{Expiries, ExpiryTime};
use crate::app::{LoginKeys, login_keys_of_file};
use crate::clock::Clock;
use crate::model::ssh_key::{SshKey, authorized_line};
use crate::model::user::Username;

#[derive(Args)]
pub struct AuthorizedKeysArguments {
    /// Who wants to log in (%u of `sshd_config`)
    #[arg(value_name = "USER", allow_hyphen_values = true)]
    login: OsString,
    /// The type of the key that is offered (%t)
    #[arg(
        value_name = "TYPE",
        allow_hyphen_values = true,
        requires = "fingerprint"
    )]
    key_type: Option<OsString>,
    /// The fingerprint of the key that is offered (%f): with it, only this key is looked for
    #[arg(value_name = "FINGERPRINT", allow_hyphen_values = true)]
    fingerprint: Option<OsString>,
    /// How this machine's sshd reads expiry-time: utc from OpenSSH 9.1 on, local before
    #[arg(long, value_enum, default_value_t = ExpiryTime::Auto, value_name = "FORM")]
    expiry_time: ExpiryTime,
    #[command(flatten)]
    database: Database,
}

/// `keycroft authorized-keys`.
///
/// # Errors
/// With what to say and the exit code, for faults of ours; a name that is nobody's is none.
pub fn run(arguments: &AuthorizedKeysArguments) -> Result<(), Failure> {
    let path = arguments.database.path();
    let login = arguments
        .login
        .to_str()
        .and_then(|name| Username::parse(name).ok());
    let found = match &login {
        Some(login) => login_keys_of_file(&path, &Clock::System, login).map_err(|refused| {
            Failure::new(FAILED, refused.to_string())
                .hint("AuthorizedKeysCommandUser has to be the file's owner or root")
        })?,
        None => LoginKeys::default(),
    };
    if found.damaged > 0 {
        say(&format!(
            "keycroft: {} of this user's rows hold no whole key; they are left out",
            found.damaged
        ));
    }
    let offered = arguments
        .fingerprint
        .as_ref()
        .map(|text| text.to_string_lossy());
    let keys: Vec<&SshKey> = found
        .keys
        .iter()
        .filter(|key| is_asked_for(key, offered.as_deref()))
        .collect();
    let lines = lines(&keys, arguments.expiry_time)?;
    if lines.is_empty() {
        return Ok(());
    }
    line(&lines.join("\n"))
}

/// Whether sshd would look for this key: the one that is offered, or all when it says none, or says it in a digest
/// that we do not keep.
fn is_asked_for(key: &SshKey, offered: Option<&str>) -> bool {
    offered
        .filter(|fingerprint| fingerprint.starts_with("SHA256:"))
        .is_none_or(|fingerprint| key.key.fingerprint() == fingerprint)
}

fn lines(keys: &[&SshKey], expiry_time: ExpiryTime) -> Result<Vec<String>, Failure> {
    // Most keys have no end; then nobody has to know which sshd this is.
    let expiries = if keys.iter().any(|key| key.expires_at.is_some()) {
        expiry_time.expiries()?
    } else {
        Expiries::Utc
    };
    let mut lines = Vec::with_capacity(keys.len());
    for key in keys {
        match authorized_line(
            &key.key,
            key.expires_at,
            &key.allowed_addresses,
            expiries.format(),
        ) {
            Ok(line) => lines.push(line),
            Err(refusal) => say(&format!("keycroft: {}: {refusal}", key.id)),
        }
    }
    Ok(lines)
}
