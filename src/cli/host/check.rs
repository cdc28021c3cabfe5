//! `keycroft host check`: all that decides whether a login works here, looked at in turn, in words.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::super::exit::{FAILED, Failure};
use super::super::output::line;
use super::asking::{Refusal, Server};
use super::authorized_keys::{find, from_copy, lines};
use super::copy::Copy;
use super::enroll::{DROP_IN, effective};
use super::folder::{COPY, Folder, Place, Settings, USER, own_user};
use super::machine::{self, MachineUser, unsafe_part};
use crate::clock::Clock;
use crate::model::host::CLOCK_SECONDS_MAX;
use crate::model::time::Time;
use crate::model::user::Username;
use crate::wire::AuthorizedKeysOut;

/// How long the server may take.
const SERVER_TIME: Duration = Duration::from_secs(5);
/// From which id on users are people.
const PEOPLE_FROM: u32 = 1_000;

#[derive(Args)]
pub struct Check {
    /// A login, to print what sshd would get for it
    login: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Where sshd's configuration is
    #[arg(long, default_value = "/etc/ssh", value_name = "FOLDER")]
    sshd_folder: PathBuf,
}

fn say(mark: &str, text: &str) -> Result<(), Failure> {
    line(&format!("{mark:<5}{text}"))
}

/// What was found, said at once.
#[derive(Default)]
struct Findings {
    bad: usize,
}

impl Findings {
    fn ok(&mut self, text: &str) -> Result<(), Failure> {
        say("ok", text)
    }

    fn warn(&mut self, text: &str) -> Result<(), Failure> {
        say("warn", text)
    }

    fn bad(&mut self, text: &str) -> Result<(), Failure> {
        self.bad += 1;
        say("BAD", text)
    }

    fn judge<T>(
        &mut self,
        text: &str,
        found: Result<T, impl std::fmt::Display>,
    ) -> Result<Option<T>, Failure> {
        match found {
            Ok(value) => self.ok(text).map(|()| Some(value)),
            Err(why) => self.bad(&format!("{text}: {why}")).map(|()| None),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " (try: {hint})"),
            None => Ok(()),
        }
    }
}

/// `keycroft host check`.
///
/// # Errors
/// Exit code 1 when something is bad.
pub fn run(wanted: &Check) -> Result<(), Failure> {
    let mut findings = Findings::default();
    if own_user() != 0 {
        findings.warn("not root: sshd's own files and other people's can't all be looked at")?;
    }
    check_sshd(&mut findings, wanted)?;
    let opened = Folder::open(&wanted.place).and_then(|folder| {
        let settings = folder.settings()?;
        Ok((folder, settings))
    });
    let place = wanted.place.folder.display();
    if let Some((folder, settings)) =
        findings.judge(&format!("{place} is nobody else's"), opened)?
    {
        check_folder(&mut findings, &folder)?;
        check_server(&mut findings, &folder, &settings)?;
        check_copy(&mut findings, &folder)?;
        if let Some(login) = &wanted.login {
            show_keys(&mut findings, login, &folder, &settings)?;
        }
    }
    match &wanted.login {
        Some(login) => check_login(&mut findings, login)?,
        None => check_leftovers(&mut findings)?,
    }
    if findings.bad > 0 {
        return Err(Failure::new(
            FAILED,
            format!("{} of these are bad", findings.bad),
        ));
    }
    Ok(())
}

/// Which file wins, and whether sshd would run what it says.
fn check_sshd(findings: &mut Findings, wanted: &Check) -> Result<(), Failure> {
    let drop_ins = wanted.sshd_folder.join("sshd_config.d");
    let own = drop_ins.join(DROP_IN);
    let mut names: Vec<PathBuf> = fs::read_dir(&drop_ins)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    names.sort();
    for path in names.iter().filter(|path| **path < own) {
        let text = fs::read_to_string(path).unwrap_or_default();
        let says = |line: &str| {
            let word = line.split_ascii_whitespace().next().unwrap_or_default();
            word.eq_ignore_ascii_case("AuthorizedKeysCommand")
        };
        if text.lines().any(says) {
            findings.bad(&format!(
                "{} comes first and names another AuthorizedKeysCommand: the first one wins",
                path.display()
            ))?;
        }
    }
    match fs::symlink_metadata(&own) {
        Err(_) => findings.bad(&format!("{} is not there", own.display()))?,
        Ok(found) if found.uid() != 0 || found.mode() & 0o022 != 0 => {
            findings.bad(&format!("others than root may change {}", own.display()))?;
        }
        Ok(_) => findings.ok(&format!("{} is there", own.display()))?,
    }
    let Some(said) = findings.judge(
        "sshd takes its configuration",
        effective(&wanted.sshd_folder),
    )?
    else {
        return Ok(());
    };
    let value = |name: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or("none")
            .to_owned()
    };
    let command = value("authorizedkeyscommand");
    if command.contains(" host authorized-keys ") {
        findings.ok(&format!("sshd asks: {command}"))?;
        let program = command.split(' ').next().unwrap_or_default();
        match unsafe_part(Path::new(program)) {
            None => findings.ok(&format!("none but root may change {program}"))?,
            Some(part) => findings.bad(&format!("sshd would not run {program}: {part}"))?,
        }
    } else {
        findings.bad(&format!("sshd asks somebody else: {command}"))?;
    }
    let user = value("authorizedkeyscommanduser");
    if user == USER && machine::user(USER).is_some() {
        findings.ok(&format!("sshd asks as {user}"))?;
    } else {
        findings.bad(&format!(
            "sshd asks as {user}, and not as {USER}, or there is no such user"
        ))?;
    }
    if value("pubkeyauthentication") != "yes" {
        findings.bad("sshd takes no public keys at all (PubkeyAuthentication)")?;
    }
    Ok(())
}

fn check_folder(findings: &mut Findings, folder: &Folder) -> Result<(), Failure> {
    match folder.credential() {
        Ok(Some(_)) => findings.ok("the host credential is there, and nobody else's")?,
        Ok(None) => findings.bad("there is no host credential")?,
        Err(failure) => findings.bad(&failure.to_string())?,
    }
    if machine::user(USER).is_some_and(|user| user.id != folder.owner().0) {
        findings.bad(&format!(
            "the folder is not owned by {USER}, whom sshd asks as"
        ))?;
    }
    Ok(())
}

fn check_server(
    findings: &mut Findings,
    folder: &Folder,
    settings: &Settings,
) -> Result<(), Failure> {
    let name = &settings.server;
    let before = Clock::System.now();
    let asked = Server::of(folder, settings, SERVER_TIME).map(|server| {
        let answer = server.get(
            "/api/v1/hosts/self/authorized-keys?username=keycroft-check",
            None,
        )?;
        answer.parse::<AuthorizedKeysOut>().map(|_| answer)
    });
    match asked {
        Err(failure) => findings.bad(&failure.to_string())?,
        Ok(Err(Refusal::Definite(why))) => findings.bad(&format!("{name}: {why}"))?,
        Ok(Err(Refusal::Unreachable(why))) => {
            findings.bad(&format!("{name} can't be reached: {why}"))?;
        }
        Ok(Ok(answer)) => {
            findings.ok(&format!("{name} knows this machine as {}", settings.name))?;
            let theirs = answer.header("Date").and_then(parse_date);
            match theirs.map(|theirs| before.unix() - theirs.unix()) {
                None => findings.warn("the server does not say what time it is there")?,
                Some(ahead) if ahead.abs() > CLOCK_SECONDS_MAX => findings.bad(&format!(
                    "this machine's clock is {} s {} the server's: keys end at the wrong time",
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

fn check_copy(findings: &mut Findings, folder: &Folder) -> Result<(), Failure> {
    let now = Clock::System.now();
    let bytes = match folder.read(COPY) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return findings.bad("there is no copy of the keys (try: keycroft host sync)"),
        Err(failure) => return findings.bad(&failure.to_string()),
    };
    let copy = match Copy::decode(&bytes) {
        Ok(copy) => copy,
        Err(why) => return findings.bad(&why.to_string()),
    };
    match copy.check(now) {
        Err(why) => findings.bad(&why.to_string()),
        Ok(()) => findings.ok(&format!(
            "the copy has {} keys, is {} s old, and is good for {} s",
            copy.keys,
            now.since(copy.fetched_at).as_secs(),
            copy.cache_age_max.as_secs()
        )),
    }
}

/// What sshd would get for a login, from the server and from the copy.
fn show_keys(
    findings: &mut Findings,
    login: &str,
    folder: &Folder,
    settings: &Settings,
) -> Result<(), Failure> {
    let Ok(name) = Username::parse(login) else {
        return findings.bad(&format!("{login:?} is no login that Keycroft knows"));
    };
    let now = Clock::System.now();
    let asked = find(folder, settings, &name, None, now)
        .and_then(|keys| lines(&keys, &name, None, now, settings));
    match asked {
        Err(failure) => findings.bad(&failure.to_string())?,
        Ok(keys) => {
            findings.ok(&format!("sshd gets {} keys for {login}:", keys.len()))?;
            for key in keys {
                line(&format!("     {key}"))?;
            }
        }
    }
    match from_copy(folder, &name, now) {
        Err(failure) => findings.warn(&format!("without the server: {failure}")),
        Ok(keys) => findings.ok(&format!(
            "without the server it would get {} keys",
            keys.len()
        )),
    }
}

fn check_login(findings: &mut Findings, login: &str) -> Result<(), Failure> {
    let Some(user) = machine::user(login) else {
        return findings.bad(&format!(
            "this machine has no user {login}: sshd asks nobody"
        ));
    };
    let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
    let locked = shadow
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(name, rest)| name == login && rest.starts_with('!') && !rest.starts_with("!*"));
    if locked {
        findings.warn(&format!(
            "{login} is locked (! in /etc/shadow): with UsePAM no, sshd refuses before it asks (try: usermod -p '*' {login})"
        ))?;
    }
    if leftovers(findings, &user)? == 0 {
        findings.ok(&format!("{login} has no keys of its own beside Keycroft's"))?;
    }
    Ok(())
}

/// Keys in people's homes open their logins whatever Keycroft says.
fn check_leftovers(findings: &mut Findings) -> Result<(), Failure> {
    let users = machine::users();
    let people = users
        .iter()
        .filter(|user| user.id == 0 || user.id >= PEOPLE_FROM);
    let mut found = 0;
    for user in people {
        found += leftovers(findings, user)?;
    }
    if found == 0 {
        findings.ok("nobody has keys of their own beside Keycroft's")?;
    }
    Ok(())
}

fn leftovers(findings: &mut Findings, user: &MachineUser) -> Result<usize, Failure> {
    let mut found = 0;
    for name in ["authorized_keys", "authorized_keys2"] {
        let path = user.home.join(".ssh").join(name);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let keys = text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
            .count();
        if keys > 0 {
            found += 1;
            findings.warn(&format!(
                "{} holds {keys} keys: they open {} whatever Keycroft says",
                path.display(),
                user.name
            ))?;
        }
    }
    Ok(found)
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
