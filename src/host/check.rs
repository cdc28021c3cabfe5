//! `keycroft host check`: all that decides whether a login works here, looked at in turn, in words.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::authorized_keys::{find_keys, from_copy, key_lines};
use super::cache::KeyCache;
use super::enroll::{COMMAND, DROP_IN};
use super::folder::{CACHE, HostFolder, HostFolderArguments, Settings, USER, own_user};
use super::server::{HostServer, RequestError, parse_answer};
use super::sshd::inspect::{
    ExpectedCommand, check_account, check_command, check_match_blocks, check_own_keys,
    check_time_zone,
};
use super::sshd::running::{Configuration, SshdConnection, command_lines};
use super::{machine, timers};
use crate::clock::Clock;
use crate::model::host::CLOCK_SECONDS_MAX;
use crate::model::time::Time;
use crate::model::user::Username;
use crate::terminal::exit::Failure;
use crate::terminal::findings::Findings;
use crate::terminal::output::line;
use crate::wire::AuthorizedKeysOut;

/// How long the server may take.
const SERVER_TIME: Duration = Duration::from_secs(5);

#[derive(Args)]
pub struct HostCheckArguments {
    /// Login name, to show the keys that sshd would get for it
    login: Option<String>,
    #[command(flatten)]
    place: HostFolderArguments,
    /// Folder of sshd's configuration
    #[arg(long, default_value = "/etc/ssh", value_name = "FOLDER")]
    sshd_folder: PathBuf,
    /// Client address of the login, for `Match Address`
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    address: IpAddr,
}

/// The command that sshd has to run.
const EXPECTED: ExpectedCommand<'static> = ExpectedCommand {
    command: COMMAND,
    user: Some(USER),
};
/// The files of sshd that are checked, and the word for none.
const IN_HOMES: [&str; 3] = [".ssh/authorized_keys", ".ssh/authorized_keys2", "none"];
/// A cache older than this, in seconds, is not refreshed by a timer.
const CACHE_SECONDS_MAX: u64 = 900;

/// `keycroft host check`.
pub fn check_host(wanted: &HostCheckArguments) -> Result<(), Failure> {
    let mut findings = Findings::default();
    if own_user() != 0 {
        findings.warn("not root: some files of sshd and of users can't be checked")?;
    }
    let configuration = check_sshd(&mut findings, wanted)?;
    let opened = HostFolder::open(&wanted.place).and_then(|folder| {
        let settings = folder.settings()?;
        Ok((folder, settings))
    });
    let place = wanted.place.folder.display();
    if let Some((folder, settings)) = findings.step(
        &format!("{place} contains the settings of an enrolled host"),
        opened,
    )? {
        check_folder(&mut findings, &folder)?;
        check_server(&mut findings, &folder, &settings)?;
        check_cache(&mut findings, &folder)?;
        if settings.expiry_time == "local" {
            let zone = settings.sshd_time_zone.as_deref();
            check_time_zone(&mut findings, &wanted.sshd_folder, zone)?;
        }
        if let Some(login) = &wanted.login {
            show_keys(&mut findings, login, &folder, &settings)?;
        }
    }
    for timer in timers::missing() {
        findings.warn(&format!(
            "{timer} does not run: the cache is not refreshed, or logins are not reported (try: keycroft host enroll again, without --no-timers)"
        ))?;
    }
    match &wanted.login {
        Some(login) => check_login(&mut findings, login, configuration.as_ref())?,
        None => {
            check_match_blocks(
                &mut findings,
                &wanted.sshd_folder,
                wanted.address,
                &EXPECTED,
            )?;
            check_leftovers(&mut findings, configuration.as_ref())?;
        }
    }
    findings.finish()
}

/// Checks the drop-in and the sshd that runs.
fn check_sshd(
    findings: &mut Findings,
    wanted: &HostCheckArguments,
) -> Result<Option<Configuration>, Failure> {
    let own = wanted.sshd_folder.join("sshd_config.d").join(DROP_IN);
    for other in command_lines(&wanted.sshd_folder) {
        if other.condition.is_none() && other.file < own && other.file.parent() == own.parent() {
            findings.bad(&format!(
                "{} comes first and names another AuthorizedKeysCommand: the first one wins",
                other.file.display()
            ))?;
        }
    }
    match fs::symlink_metadata(&own) {
        Err(_) => findings.bad(&format!("{} does not exist", own.display()))?,
        Ok(found) if found.uid() != 0 || found.mode() & 0o022 != 0 => {
            findings.bad(&format!(
                "users other than root can change {}",
                own.display()
            ))?;
        }
        Ok(_) => findings.ok(&format!("{} exists", own.display()))?,
    }
    let connection = SshdConnection {
        login: wanted.login.as_deref().unwrap_or("root"),
        address: wanted.address,
    };
    check_command(findings, &wanted.sshd_folder, &connection, &EXPECTED)
}

fn check_folder(findings: &mut Findings, folder: &HostFolder) -> Result<(), Failure> {
    match folder.credential() {
        Ok(Some(_)) => findings.ok("the host credential exists and is private")?,
        Ok(None) => findings.bad("the host credential is missing")?,
        Err(failure) => findings.failure(&failure)?,
    }
    if machine::user(USER).is_some_and(|user| user.id != folder.owner().0) {
        findings.bad(&format!(
            "the folder is not owned by {USER}, the user of the command that sshd runs"
        ))?;
    }
    Ok(())
}

fn check_server(
    findings: &mut Findings,
    folder: &HostFolder,
    settings: &Settings,
) -> Result<(), Failure> {
    let name = &settings.server;
    let before = Clock::System.now();
    let asked = HostServer::from_settings(folder, settings, SERVER_TIME).map(|server| {
        let answer = server.get(
            "/api/v1/hosts/self/authorized-keys?username=keycroft-check",
            None,
        )?;
        parse_answer::<AuthorizedKeysOut>(&answer).map(|_| answer)
    });
    match asked {
        Err(failure) => findings.failure(&failure)?,
        Ok(Err(RequestError::Definite(why))) => findings.bad(&format!("{name}: {why}"))?,
        Ok(Err(RequestError::Unreachable(why))) => {
            findings.bad(&format!("{name} can't be reached: {why}"))?;
        }
        Ok(Ok(answer)) => {
            findings.ok(&format!(
                "{name} accepts the credential of this host, {}",
                settings.name
            ))?;
            let theirs = answer.header("Date").and_then(parse_date);
            match theirs.map(|theirs| before.unix() - theirs.unix()) {
                None => findings
                    .warn("the answer of the server has no time: the clocks are not compared")?,
                Some(ahead) if ahead.abs() > CLOCK_SECONDS_MAX => findings.bad(&format!(
                    "this machine's clock is {} s {} the server's: keys expire at the wrong time",
                    ahead.abs(),
                    if ahead > 0 { "ahead of" } else { "behind" }
                ))?,
                Some(_) => findings.ok("the clocks agree")?,
            }
        }
    }
    Ok(())
}

/// Reads the one form of HTTP's dates that is written today (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse_date(text: &str) -> Option<Time> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, clock, "GMT"] = words.as_slice() else {
        return None;
    };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    Time::parse(&format!("{year}-{month:02}-{day}T{clock}Z")).ok()
}

fn check_cache(findings: &mut Findings, folder: &HostFolder) -> Result<(), Failure> {
    let now = Clock::System.now();
    let bytes = match folder.read(CACHE) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return findings.bad("the cache is empty (try: keycroft host sync)"),
        Err(failure) => return findings.failure(&failure),
    };
    let cache = match KeyCache::decode(&bytes) {
        Ok(cache) => cache,
        Err(why) => return findings.bad(&why.to_string()),
    };
    match cache.check(now) {
        Err(why) => findings.bad(&why.to_string()),
        Ok(()) if now.since(cache.fetched_at).as_secs() > CACHE_SECONDS_MAX => {
            findings.warn(&format!(
                "the cache is {} s old: nothing refreshes it",
                now.since(cache.fetched_at).as_secs()
            ))
        }
        Ok(()) => findings.ok(&format!(
            "the cache has {} keys, is {} s old and valid for {} s",
            cache.keys,
            now.since(cache.fetched_at).as_secs(),
            cache.cache_age_max.as_secs()
        )),
    }
}

/// The keys that sshd would get for a login, from the server and from the cache.
fn show_keys(
    findings: &mut Findings,
    login: &str,
    folder: &HostFolder,
    settings: &Settings,
) -> Result<(), Failure> {
    let Ok(name) = Username::parse(login) else {
        return findings.bad(&format!("Keycroft has no login {login:?}"));
    };
    let now = Clock::System.now();
    let asked = find_keys(folder, settings, &name, None, now)
        .and_then(|keys| key_lines(&keys, &name, None, now, settings));
    match asked {
        Err(failure) => findings.failure(&failure)?,
        Ok(keys) => {
            findings.ok(&format!("sshd gets {} keys for {login}:", keys.len()))?;
            for key in keys {
                line(&format!("     {key}"))?;
            }
        }
    }
    match from_copy(folder, &name, now) {
        Err(failure) => findings.warn(&format!("without the server: {}", failure.message)),
        Ok(keys) => findings.ok(&format!(
            "without the server it would get {} keys",
            keys.len()
        )),
    }
}

fn check_login(
    findings: &mut Findings,
    login: &str,
    configuration: Option<&Configuration>,
) -> Result<(), Failure> {
    let Some(user) = check_account(findings, login, configuration)? else {
        return Ok(());
    };
    if user.id < machine::uid_min() {
        findings.warn(&format!(
            "{login} is a system account: only a shared login opens it (keycroft host edit HOST --shared-login {login}:GROUP)"
        ))?;
    }
    if check_own_keys(findings, &user)? == 0 {
        findings.ok(&format!("{login} has no other keys in authorized_keys"))?;
    }
    Ok(())
}

/// Keys in home directories open logins independently of Keycroft: those of people, and of accounts such as `git`.
fn check_leftovers(
    findings: &mut Findings,
    configuration: Option<&Configuration>,
) -> Result<(), Failure> {
    let files = configuration.map_or("none", |one| one.value("authorizedkeysfile"));
    let others: Vec<&str> = files
        .split_whitespace()
        .filter(|file| !IN_HOMES.contains(file))
        .collect();
    if !others.is_empty() {
        findings.warn(&format!(
            "sshd also reads keys from {}, which is not checked",
            others.join(" ")
        ))?;
    }
    let mut found = 0;
    for user in &machine::users() {
        found += check_own_keys(findings, user)?;
    }
    if found == 0 {
        findings.ok("no user has an authorized_keys file with other keys")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_answers_are_read() {
        assert_eq!(
            parse_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Time::from_unix(784_111_777))
        );
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "x, 06 Foo 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
