//! Checks of the sshd on this machine, for enrolled hosts and for workstations.

use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use super::super::home::{KeyFile, open_key_files};
use super::super::machine::{self, MachineUser, unsafe_part};
use super::running::{
    CommandLine, Configuration, Sshd, SshdConnection, TimeZone, command_lines, listeners,
};
use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::findings::Findings;

/// Logins for which the configuration is requested one by one.
const LOGINS_MAX: usize = 32;

/// Bytes of a file that are searched for keys.
const KEYS_BYTES_MAX: u64 = 1 << 20;

/// The command that sshd should run, and its user.
pub struct ExpectedCommand<'a> {
    /// Words of Keycroft's command.
    pub command: &'a str,
    /// `None`: anybody for whom the command works.
    pub user: Option<&'a str>,
}

/// The sshd processes that run here by this configuration; otherwise the one that would be started.
pub fn all_sshds(sshd_folder: &Path) -> Result<Vec<Sshd>, Failure> {
    let mut running = listeners();
    running.retain(|sshd| sshd.reads(sshd_folder));
    if !running.is_empty() {
        return Ok(running);
    }
    let program = super::program().ok_or_else(|| {
        Failure::new(FAILED, "sshd is not installed on this machine")
            .hint("apt-get install openssh-server")
    })?;
    Ok(vec![Sshd::by_default(Path::new(program))])
}

/// A sshd that runs another command for a connection than Keycroft's.
pub fn other_command(
    sshd: &Sshd,
    sshd_folder: &Path,
    connection: &SshdConnection<'_>,
    expected: &ExpectedCommand<'_>,
) -> Result<Option<String>, Failure> {
    let configuration = sshd.configuration(sshd_folder, connection)?;
    let command = configuration.value("authorizedkeyscommand");
    if command.contains(expected.command) {
        return Ok(None);
    }
    Ok(Some(format!("{} runs \"{command}\"", name(sshd))))
}

/// A sshd in a message.
pub fn name(sshd: &Sshd) -> String {
    let arguments = sshd.arguments();
    match (sshd.pid, arguments.as_str()) {
        (None, _) => "sshd".to_owned(),
        (Some(pid), "") => format!("sshd (process {pid})"),
        (Some(pid), arguments) => format!("sshd (process {pid}, started with {arguments})"),
    }
}

/// Checks that each sshd runs Keycroft's command for a connection. Returns the configuration of the last one.
pub fn check_command(
    findings: &mut Findings,
    sshd_folder: &Path,
    connection: &SshdConnection<'_>,
    expected: &ExpectedCommand<'_>,
) -> Result<Option<Configuration>, Failure> {
    let sshds = match all_sshds(sshd_folder) {
        Ok(sshds) => sshds,
        Err(failure) => return findings.failure(&failure).map(|()| None),
    };
    for other in listeners().iter().filter(|sshd| !sshd.reads(sshd_folder)) {
        findings.warn(&format!(
            "{} has its own configuration, which is not checked",
            name(other)
        ))?;
    }
    if sshds.iter().all(|sshd| sshd.pid.is_none()) {
        findings.warn("no sshd runs here: only its configuration was checked")?;
    }
    let mut last = None;
    for sshd in &sshds {
        let name = name(sshd);
        let configuration = sshd.configuration(sshd_folder, connection);
        let text = format!("{name} accepts its configuration");
        let Some(configuration) = findings.step(&text, configuration)? else {
            continue;
        };
        check_configuration(findings, &name, &configuration, connection, expected)?;
        last = Some(configuration);
    }
    Ok(last)
}

fn check_configuration(
    findings: &mut Findings,
    name: &str,
    configuration: &Configuration,
    connection: &SshdConnection<'_>,
    expected: &ExpectedCommand<'_>,
) -> Result<(), Failure> {
    let command = configuration.value("authorizedkeyscommand");
    let login = connection.login;
    if command.contains(expected.command) {
        findings.ok(&format!("{name} runs for {login}: {command}"))?;
        let program = command.split(' ').next().unwrap_or_default();
        match unsafe_part(Path::new(program)) {
            None => findings.ok(&format!("only root can change {program}"))?,
            Some(part) => findings.bad(&format!("sshd refuses to run {program}: {part}"))?,
        }
        let user = configuration.value("authorizedkeyscommanduser");
        let found = match expected.user {
            Some(other) if other != user => {
                findings.bad(&format!("{name} runs it as {user}, not as {other}"))
            }
            _ if machine::user(user).is_none() => findings.bad(&format!(
                "{name} runs it as {user}, which is not a user of this machine"
            )),
            _ => findings.ok(&format!("{name} runs it as {user}")),
        };
        found?;
    } else {
        findings.bad(&if command == "none" {
            format!("{name} runs no AuthorizedKeysCommand for {login}")
        } else {
            format!("{name} runs another command for {login}: {command}")
        })?;
    }
    if configuration.value("pubkeyauthentication") != "yes" {
        findings.bad(&format!(
            "{name} accepts no public keys (PubkeyAuthentication no)"
        ))?;
    }
    let methods = configuration.value("authenticationmethods");
    if methods != "any" && methods != "none" && !methods.contains("publickey") {
        findings.bad(&format!(
            "{name} accepts no public keys (AuthenticationMethods {methods})"
        ))?;
    }
    Ok(())
}

/// Warns of logins and connections for which a `Match` block names another command.
pub fn check_match_blocks(
    findings: &mut Findings,
    sshd_folder: &Path,
    address: IpAddr,
    expected: &ExpectedCommand<'_>,
) -> Result<(), Failure> {
    for warning in match_blocks(sshd_folder, address, expected) {
        findings.warn(&warning)?;
    }
    Ok(())
}

/// The logins and connections for which a `Match` block names another command, a sentence each.
pub fn match_blocks(
    sshd_folder: &Path,
    address: IpAddr,
    expected: &ExpectedCommand<'_>,
) -> Vec<String> {
    let is_other =
        |line: &CommandLine| line.condition.is_some() && !line.text.contains(expected.command);
    let blocks: Vec<CommandLine> = command_lines(sshd_folder)
        .into_iter()
        .filter(is_other)
        .collect();
    if blocks.is_empty() {
        return Vec::new();
    }
    let mut warnings: Vec<String> = blocks
        .iter()
        .map(|block| format!("{block}: Keycroft's keys do not count there"))
        .collect();
    let people = machine::users()
        .into_iter()
        .filter(|user| user.id >= machine::uid_min())
        .take(LOGINS_MAX);
    for person in people {
        let connection = SshdConnection {
            login: &person.name,
            address,
        };
        for sshd in all_sshds(sshd_folder).unwrap_or_default() {
            if let Ok(Some(other)) = other_command(&sshd, sshd_folder, &connection, expected) {
                warnings.push(format!("for {} {other}", person.name));
            }
        }
    }
    warnings
}

/// Checks that sshd does not refuse a login before it requests keys.
pub fn check_account(
    findings: &mut Findings,
    login: &str,
    configuration: Option<&Configuration>,
) -> Result<Option<MachineUser>, Failure> {
    let Some(user) = machine::user(login) else {
        findings.bad(&format!(
            "this machine has no user {login}: sshd refuses the login"
        ))?;
        return Ok(None);
    };
    let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
    let has_locked_password = shadow
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(name, rest)| name == login && rest.starts_with('!'));
    let has_pam = configuration.is_some_and(|one| one.value("usepam") == "yes");
    if has_locked_password && !has_pam {
        findings.bad(&format!(
            "the password of {login} is locked and sshd runs with UsePAM no: it refuses the login before it requests keys (try: UsePAM yes in sshd_config, or usermod -p '*' {login})"
        ))?;
    }
    Ok(Some(user))
}

/// Warns of keys in a home: they open the login even when they are deleted in Keycroft. Returns how many files have some,
/// or can't be read.
pub fn check_own_keys(findings: &mut Findings, user: &MachineUser) -> Result<usize, Failure> {
    let mut found = 0;
    for (path, file) in open_key_files(&user.home) {
        let path = path.display();
        let mut bytes = Vec::new();
        let read = file.and_then(|KeyFile { file, doubt }| {
            let read = file.take(KEYS_BYTES_MAX).read_to_end(&mut bytes);
            read.map(|_| doubt).map_err(|error| error.to_string())
        });
        let doubt = match read {
            Ok(doubt) => doubt.map_or_else(String::new, |doubt| format!(" ({doubt})")),
            Err(problem) => {
                found += 1;
                findings.warn(&format!("{path} is not checked: {problem}"))?;
                continue;
            }
        };
        let keys = String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
            .count();
        if keys > 0 {
            found += 1;
            findings.warn(&format!(
                "{path} holds {keys} keys, which sshd accepts for {} without Keycroft{doubt}",
                user.name
            ))?;
        }
    }
    Ok(found)
}

/// Checks that an older sshd, which reads `expiry-time` in its local time, has the zone that keys are rendered in.
pub fn check_time_zone(
    findings: &mut Findings,
    sshd_folder: &Path,
    rendered_in: Option<&str>,
) -> Result<(), Failure> {
    for sshd in listeners().iter().filter(|sshd| sshd.reads(sshd_folder)) {
        let zone = match sshd.time_zone() {
            TimeZone::Unknown => {
                findings.warn(&format!(
                    "the time zone of {} can't be read: if it was started with TZ, keys expire at the wrong time",
                    name(sshd)
                ))?;
                continue;
            }
            TimeZone::Unset => None,
            TimeZone::Set(zone) => Some(zone),
        };
        let shown = |zone: Option<&str>| {
            zone.map_or("the machine's time zone".to_owned(), |zone| {
                format!("TZ={zone}")
            })
        };
        if zone.as_deref() == rendered_in {
            findings.ok(&format!(
                "{} runs with {}",
                name(sshd),
                shown(zone.as_deref())
            ))?;
        } else {
            findings.bad(&format!(
                "{} runs with {}, but expirations are written for {}: keys expire at the wrong time",
                name(sshd),
                shown(zone.as_deref()),
                shown(rendered_in)
            ))?;
        }
    }
    Ok(())
}
