//! `keycroft authorized-keys`: the SSH keys of a login from the database, for sshd on the same machine.
//!
//! Standard output gets complete key lines or nothing. An internal error has its own exit code, so that sshd logs that
//! the command failed.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;

use clap::Args;

use super::operator::Database;
use crate::app::{LoginKeys, login_keys_from_database};
use crate::clock::Clock;
use crate::host::machine::{self, is_system_account};
use crate::host::sshd::inspect::{
    ExpectedCommand, check_account, check_command, check_own_keys, check_time_zone,
};
use crate::host::sshd::running::{Configuration, SshdConnection};
use crate::host::sshd::{Expiries, ExpiryTime, understood};
use crate::model::ssh_key::{SshKey, authorized_line};
use crate::model::user::Username;
use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::findings::Findings;
use crate::terminal::output::{line, write_stderr};

#[derive(Args)]
pub struct AuthorizedKeysArguments {
    /// Login name (%u of `sshd_config`)
    #[arg(value_name = "LOGIN", allow_hyphen_values = true)]
    login: OsString,
    /// Type of the offered key (%t)
    #[arg(
        value_name = "TYPE",
        allow_hyphen_values = true,
        requires = "fingerprint"
    )]
    key_type: Option<OsString>,
    /// Fingerprint of the offered key (%f); print only the line of this key
    #[arg(value_name = "FINGERPRINT", allow_hyphen_values = true)]
    fingerprint: Option<OsString>,
    /// Form of expiry-time: utc for OpenSSH 9.1 or later, local for earlier versions
    #[arg(long, value_enum, default_value_t = ExpiryTime::Auto, value_name = "FORM")]
    expiry_time: ExpiryTime,
    /// Also print keys of root and of system accounts (user ID below `UID_MIN`)
    #[arg(long)]
    allow_root: bool,
    /// As root: check that sshd runs this command for LOGIN, and print the keys
    #[arg(long, conflicts_with_all = ["key_type", "fingerprint"])]
    check: bool,
    #[command(flatten)]
    database: Database,
}

/// `keycroft authorized-keys`.
pub fn run_authorized_keys(arguments: &AuthorizedKeysArguments) -> Result<(), Failure> {
    if arguments.check {
        return check_login(&arguments.login.to_string_lossy());
    }
    let path = arguments.database.path();
    let login = arguments
        .login
        .to_str()
        .and_then(|name| Username::parse(name).ok())
        .filter(|name| arguments.allow_root || !is_system_account(name.as_str()));
    let found = match &login {
        Some(login) => login_keys_from_database(&path, &Clock::System, login).map_err(|error| {
            Failure::new(FAILED, error.to_string())
                .hint("AuthorizedKeysCommandUser has to be root or the owner of the database")
        })?,
        None => LoginKeys::default(),
    };
    if found.damaged > 0 {
        write_stderr(&format!(
            "keycroft: {} damaged keys of this user are left out",
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

/// The words of our command in sshd's configuration.
const COMMAND: &str = " authorized-keys ";

/// Checks that sshd runs this command for a login, and what the command prints there.
fn check_login(login: &str) -> Result<(), Failure> {
    let mut findings = Findings::default();
    let sshd_folder = Path::new("/etc/ssh");
    let connection = SshdConnection {
        login,
        address: Ipv4Addr::LOCALHOST.into(),
    };
    let expected = ExpectedCommand {
        command: COMMAND,
        user: None,
    };
    if rustix::process::geteuid().as_raw() != 0 {
        findings.warn("not root: sshd's configuration can't be read")?;
    }
    let configuration = check_command(&mut findings, sshd_folder, &connection, &expected)?;
    if let Some(configuration) = &configuration {
        check_keys(&mut findings, login, configuration)?;
        if matches!(ExpiryTime::Auto.expiries(), Ok(Expiries::Local)) {
            check_time_zone(&mut findings, sshd_folder, None)?;
        }
    }
    if let Some(user) = check_account(&mut findings, login, configuration.as_ref())? {
        check_own_keys(&mut findings, &user)?;
    }
    findings.finish()
}

/// Runs the command as sshd does, without an offered key.
fn check_keys(
    findings: &mut Findings,
    login: &str,
    configuration: &Configuration,
) -> Result<(), Failure> {
    let command = configuration.value("authorizedkeyscommand");
    let user = configuration.value("authorizedkeyscommanduser");
    if !command.contains(COMMAND) {
        return Ok(());
    }
    let words: Vec<&str> = command
        .split_ascii_whitespace()
        .filter(|word| !matches!(*word, "%t" | "%f" | "%k"))
        .map(|word| if word == "%u" { login } else { word })
        .collect();
    let printed = machine::run_as(user, &words);
    let Some(printed) = findings.step(&format!("the command works as {user}"), printed)? else {
        return Ok(());
    };
    let keys = printed.lines().count();
    if keys == 0 {
        return findings.bad(&format!(
            "sshd gets no key for {login} (try: keycroft ssh-key add, or --allow-root for a system account)"
        ));
    }
    findings.ok(&format!("sshd gets {keys} keys for {login}:"))?;
    for key in printed.lines() {
        line(&format!("     {key}"))?;
    }
    Ok(())
}

/// Returns true for the offered key; for all keys when none is offered, or its fingerprint has another digest.
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
    let (keys, left_out) = understood(keys.to_vec(), |key: &SshKey| &key.options);
    for (key, why) in left_out {
        write_stderr(&format!("keycroft: {}: {why}", key.id));
    }
    let mut lines = Vec::with_capacity(keys.len());
    for key in keys {
        match authorized_line(
            &key.key,
            key.expires_at,
            &key.allowed_addresses,
            &key.options,
            expiries.format(),
        ) {
            Ok(line) => lines.push(line),
            Err(rejection) => write_stderr(&format!("keycroft: {}: {rejection}", key.id)),
        }
    }
    Ok(lines)
}
