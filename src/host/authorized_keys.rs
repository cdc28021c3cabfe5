//! `keycroft host authorized-keys`: the keys of a login, for sshd.
//!
//! Standard output gets complete key lines or nothing. The server answers within a short deadline, or else the cache. An
//! error has its own exit code and a line in the log of the machine. sshd never waits for more than seconds.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::cache::{KeyCache, TrustedKey};
use super::folder::{CACHE, HostFolder, HostFolderArguments, Settings};
use super::machine;
use super::server::{HostServer, RequestError};
use super::sshd::{Expiries, understood};
use crate::clock::Clock;
use crate::model::host::is_fingerprint;
use crate::model::ssh_key::authorized_line;
use crate::model::time::Time;
use crate::model::user::Username;
use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::output::line;

/// How long the server may take, all in all.
const SERVER_TIME: Duration = Duration::from_millis(300);
/// However it goes wrong (a disk that does not answer), sshd waits no longer than this.
const WHOLE_TIME: Duration = Duration::from_secs(3);
/// A cache older than this is refreshed behind sshd's back.
const REFRESH_AFTER: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct AuthorizedKeys {
    #[command(flatten)]
    place: HostFolderArguments,
    /// Login name (%u of `sshd_config`)
    #[arg(allow_hyphen_values = true)]
    login: OsString,
    /// Type of the offered key (%t)
    #[arg(value_name = "TYPE", allow_hyphen_values = true)]
    key_type: Option<OsString>,
    /// Fingerprint of the offered key (%f); print only the line of this key
    #[arg(allow_hyphen_values = true)]
    fingerprint: Option<OsString>,
}

/// `keycroft host authorized-keys`.
pub fn print_authorized_keys(wanted: &AuthorizedKeys) -> Result<(), Failure> {
    watch();
    let answered = look_up(wanted);
    if let Err(failure) = &answered {
        machine::log(&failure.message);
    }
    answered
}

/// Ends the process when nothing else does.
fn watch() {
    thread::spawn(|| {
        thread::sleep(WHOLE_TIME);
        machine::log("no answer in time: stopped");
        std::process::exit(i32::from(FAILED));
    });
}

fn look_up(wanted: &AuthorizedKeys) -> Result<(), Failure> {
    let Some(login) = wanted
        .login
        .to_str()
        .and_then(|name| Username::parse(name).ok())
    else {
        // Keycroft has no such login.
        return Ok(());
    };
    let folder = HostFolder::open(&wanted.place)?;
    let settings = folder.settings()?;
    enter_time_zone(&settings)?;
    let offered = wanted
        .fingerprint
        .as_ref()
        .map(|text| text.to_string_lossy());
    // sshd may say the fingerprint in another digest than ours; then it gets every key of the login, and compares.
    let fingerprint = offered.as_deref().filter(|text| is_fingerprint(text));
    let now = Clock::System.now();
    let keys = find_keys(&folder, &settings, &login, fingerprint, now)?;
    let lines = key_lines(&keys, &login, fingerprint, now, &settings)?;
    if lines.is_empty() {
        return Ok(());
    }
    line(&lines.join("\n"))
}

/// Starts this program again in sshd's own time zone, where sshd reads expirations in it.
fn enter_time_zone(settings: &Settings) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;

    let Some(zone) = settings.sshd_time_zone.as_deref() else {
        return Ok(());
    };
    if settings.expiry_time != "local" || std::env::var_os("TZ").is_some_and(|now| now == zone) {
        return Ok(());
    }
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(FAILED, format!("this program: {error}")))?;
    let error = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env("TZ", zone)
        .exec();
    Err(Failure::new(
        FAILED,
        format!("in the time zone {zone}: {error}"),
    ))
}

/// Leaves out keys that would open root or a system account as somebody's own login: those have to be shared on purpose.
fn without_system_accounts(login: &Username, mut keys: Vec<TrustedKey>) -> Vec<TrustedKey> {
    if keys.iter().any(|key| !key.is_shared) && machine::is_system_account(login.as_str()) {
        machine::log(&format!(
            "{login} is a system account: only a shared login opens it"
        ));
        keys.retain(|key| key.is_shared);
    }
    keys
}

/// The keys of a login: as the server says, or when it can't be asked, as the cache does.
pub fn find_keys(
    folder: &HostFolder,
    settings: &Settings,
    login: &Username,
    fingerprint: Option<&str>,
    now: Time,
) -> Result<Vec<TrustedKey>, Failure> {
    let mut server = HostServer::from_settings(folder, settings, SERVER_TIME)?;
    let mut answer = server.keys_of(login.as_str(), fingerprint);
    if matches!(answer, Err(RequestError::Definite(_))) {
        // The credential may have been rotated since it was read.
        let again = HostServer::from_settings(folder, settings, SERVER_TIME)?;
        if !again.has_secret_of(&server) {
            server = again;
            answer = server.keys_of(login.as_str(), fingerprint);
        }
    }
    match answer {
        Ok(answer) => {
            refresh_behind(folder, now);
            let keys = answer
                .items
                .iter()
                .filter_map(TrustedKey::from_item)
                .collect();
            Ok(without_system_accounts(login, keys))
        }
        Err(RequestError::Definite(why)) => Err(Failure::new(
            FAILED,
            format!("{why}: sshd receives no keys"),
        )),
        Err(RequestError::Unreachable(why)) => {
            let keys = from_copy(folder, login, now).map_err(|failure| {
                Failure::new(
                    FAILED,
                    format!("{}: {why}; {}", settings.server, failure.message),
                )
            })?;
            machine::log(&format!(
                "{}: {why}; answered from the cache",
                settings.server
            ));
            Ok(keys)
        }
    }
}

/// The keys of a login as the cache has them.
pub fn from_copy(
    folder: &HostFolder,
    login: &Username,
    now: Time,
) -> Result<Vec<TrustedKey>, Failure> {
    let bytes = folder
        .read(CACHE)?
        .ok_or_else(|| Failure::new(FAILED, "the cache is empty: no sync succeeded yet"))?;
    let cache = KeyCache::decode(&bytes).map_err(|why| Failure::new(FAILED, why.to_string()))?;
    cache
        .check(now)
        .map_err(|why| Failure::new(FAILED, why.to_string()))?;
    Ok(without_system_accounts(login, cache.keys_of(login)))
}

/// The lines for this machine's sshd.
pub fn key_lines(
    keys: &[TrustedKey],
    login: &Username,
    fingerprint: Option<&str>,
    now: Time,
    settings: &Settings,
) -> Result<Vec<String>, Failure> {
    let requested = keys.iter().filter(|key| {
        key.login == *login
            && fingerprint.is_none_or(|wanted| key.key.fingerprint() == wanted)
            && key.expires_at.is_none_or(|end| end > now)
    });
    let requested: Vec<&TrustedKey> = requested.collect();
    // Most keys have no end; then nobody has to know which sshd this is.
    let expiries = if requested.iter().any(|key| key.expires_at.is_some()) {
        settings.expiries()?
    } else {
        Expiries::Utc
    };
    let (requested, left_out) = understood(requested, |key: &TrustedKey| &key.options);
    for (key, why) in left_out {
        machine::log(&format!("{} of {login}: {why}", key.key.fingerprint()));
    }
    let line = |key: &&TrustedKey| {
        authorized_line(
            &key.key,
            key.expires_at,
            &key.allowed_addresses,
            &key.options,
            expiries.format(),
        )
        .ok()
    };
    Ok(requested.iter().filter_map(line).collect())
}

/// Lets another process refresh the cache, which sshd does not wait for.
fn refresh_behind(folder: &HostFolder, now: Time) {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;

    let written = std::fs::symlink_metadata(folder.path(CACHE)).map_or(0, |found| found.mtime());
    if now.since(Time::from_unix(written)) < REFRESH_AFTER {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let started = Command::new(program)
        .args(["host", "sync", "--folder"])
        .arg(&folder.place().folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    if let Err(error) = started {
        machine::log(&format!("the cache is not refreshed: {error}"));
    }
}
