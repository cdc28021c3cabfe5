//! `keycroft host enroll`: makes a machine a host. Running it again finishes what an earlier run left, and changes nothing else.

use std::fs::{self};
use std::io::Read;
use std::path::{Path, PathBuf};

use std::time::Duration;

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::folder::{HostFolder, HostFolderArguments, Settings, USER, expiry_word, own_user};
use super::machine::{
    self, MachineUser, require_plain_path, run_program, unsafe_part, write_root_file,
};
use super::server::{HostServer, RequestError, parse_answer};
use super::sshd::inspect::{self, ExpectedCommand};
use super::sshd::running::{CommandLine, SshdConnection, TimeZone, command_lines};
use super::sshd::{self, ExpiryTime};
use super::sync::{Synced, refresh};
use super::timers;
use crate::client::connection::{CA_FILE, ClientCredential, Remote, ServerAddress, SettingSource};
use crate::model::host::parse_host_name;
use crate::model::secret::SecretForm;
use crate::terminal::environment::path_variable;
use crate::terminal::exit::{FAILED, FORBIDDEN, Failure, INVALID, USAGE};
use crate::terminal::output::write_stderr;
use crate::wire::EnrollOut;

/// How long the server may take to enroll.
const ENROLL_TIME: Duration = Duration::from_secs(30);
/// Longest code file and certificate file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The sshd drop-in: 10, since the first line that says something wins, and others' are higher.
pub const DROP_IN: &str = "10-keycroft.conf";
/// Scope key is looked up to see whether that works: a name that nobody gets.
const NOBODY: &str = "keycroft-check";
/// A fingerprint that no key has.
const NO_FINGERPRINT: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A connection that no `Match` block is meant for.
const ANYBODY: SshdConnection<'static> = SshdConnection {
    login: NOBODY,
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
};

#[derive(Args)]
pub struct EnrollArguments {
    /// Server, such as `https://keys.lab.example`
    #[arg(value_name = "URL")]
    url: String,
    /// File with the enrollment code; - for standard input
    #[arg(long, value_name = "FILE")]
    code_file: PathBuf,
    /// Name of the host [default: the hostname]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    place: HostFolderArguments,
    /// Folder of sshd's configuration
    #[arg(long, default_value = "/etc/ssh", value_name = "FOLDER")]
    sshd_folder: PathBuf,
    /// Program that sshd runs [default: this one]
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Do not reload sshd
    #[arg(long)]
    no_reload: bool,
    /// Do not install the timers that refresh the cache and report logins
    #[arg(long)]
    no_timers: bool,
    /// Replace another AuthorizedKeysCommand; it is kept in a comment
    #[arg(long)]
    replace: bool,
}

/// `keycroft host enroll`.
pub fn enroll_host(wanted: &EnrollArguments, remote: &Remote) -> Result<(), Failure> {
    require_plain_path(&wanted.place.folder)?;
    if own_user() != 0 {
        return Err(Failure::new(
            FORBIDDEN,
            "sshd trusts only files of root: run this as root",
        ));
    }
    let address = parse_address(&wanted.url, remote)?;
    let program = find_program(wanted)?;
    if sshd::program().is_none() {
        return Err(
            Failure::new(FAILED, "sshd is not installed on this machine")
                .hint("apt-get install openssh-server"),
        );
    }
    // Before the code is used up.
    let replaced = find_replaced(wanted, &program)?;
    if machine::user(USER).is_none() && wanted.code_file != Path::new("-") {
        // A first enrollment needs the code: without its file, nothing is changed. It can be a pipe, which is read once.
        fs::metadata(&wanted.code_file).map_err(|error| {
            Failure::new(USAGE, format!("{}: {error}", wanted.code_file.display()))
        })?;
    }
    let user = find_user()?;
    let folder = HostFolder::make(&wanted.place, user.id, user.group)?;
    let settings = obtain_credential(wanted, remote, &address, &folder)?;
    match refresh(&folder, &settings)? {
        Synced::Fetched { keys } => {
            write_stderr(&format!("fetched {keys} SSH keys into the cache"));
        }
        Synced::Unchanged { keys } => {
            write_stderr(&format!("the cache is up to date with {keys} SSH keys"));
        }
    }
    // Before sshd trusts the server.
    test_lookup(&program, &wanted.place)?;
    set_sshd_up(wanted, &program, &replaced)?;
    reload(wanted);
    let expected = ExpectedCommand {
        command: COMMAND,
        user: Some(USER),
    };
    let loopback = std::net::IpAddr::from(std::net::Ipv4Addr::LOCALHOST);
    for warning in inspect::match_blocks(&wanted.sshd_folder, loopback, &expected) {
        write_stderr(&format!("warning: {warning}"));
    }
    if !wanted.no_timers {
        timers::install(&program, &wanted.place)?;
    }
    write_stderr(&format!(
        "{} is now a host of {}",
        settings.name, settings.server
    ));
    write_stderr("  next: keycroft host check");
    Ok(())
}

fn parse_address(url: &str, remote: &Remote) -> Result<ServerAddress, Failure> {
    let address = ServerAddress::parse(url).map_err(|message| Failure::new(USAGE, message))?;
    if address.is_https() || address.is_loopback() || remote.insecure_http {
        return Ok(address);
    }
    let message = format!(
        "{url} is plain HTTP to another machine: an attacker on the network could log in here"
    );
    Err(Failure::new(USAGE, message).hint(format!("https://{}", address.host())))
}

/// The program that sshd runs: nobody but root may be able to change it.
fn find_program(wanted: &EnrollArguments) -> Result<PathBuf, Failure> {
    let path = match &wanted.program {
        Some(path) => path.clone(),
        None => std::env::current_exe()
            .map_err(|error| Failure::new(FAILED, format!("this program: {error}")))?,
    };
    if let Some(part) = unsafe_part(&path) {
        return Err(Failure::new(
            FAILED,
            format!("sshd would not run {}, since {part}", path.display()),
        )
        .hint("install -m 755 keycroft /usr/local/bin/keycroft, and run that one"));
    }
    require_plain_path(&path)?;
    Ok(path)
}

/// The system user of the host commands, created when it is missing.
fn find_user() -> Result<MachineUser, Failure> {
    if let Some(user) = machine::user(USER) {
        return Ok(user);
    }
    run_program(
        "useradd",
        &[
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
            USER,
        ],
    )?;
    write_stderr(&format!("created the system user {USER}"));
    machine::user(USER).ok_or_else(|| {
        Failure::new(
            FAILED,
            format!("the user {USER} was created but is missing"),
        )
    })
}

/// Ensures a host credential that the server accepts; uses up the code only without one.
fn obtain_credential(
    wanted: &EnrollArguments,
    remote: &Remote,
    address: &ServerAddress,
    folder: &HostFolder,
) -> Result<Settings, Failure> {
    let expiry_time = expiry_word(ExpiryTime::Auto.expiries()?).to_owned();
    let sshd_time_zone = find_time_zone(&wanted.sshd_folder)?;
    if let Some(settings) = find_enrollment(address, folder)? {
        write_stderr(&format!(
            "this machine is enrolled already, as {}",
            settings.name
        ));
        let settings = Settings {
            expiry_time,
            sshd_time_zone,
            ..settings
        };
        folder.write_settings(&settings)?;
        return Ok(settings);
    }
    let name = wanted.name.clone().unwrap_or_else(machine::name);
    let name = parse_host_name(&name).map_err(|message| {
        Failure::new(USAGE, format!("{name:?}: {message}")).hint("--name NAME")
    })?;
    let code = read_code(&wanted.code_file)?;
    let given = remote.ca_file.clone();
    let own_authority = match &given.or_else(|| path_variable(CA_FILE)) {
        None => false,
        Some(path) => {
            let pem = read_file(path)?;
            crate::client::tls::trusting(Some(path))?;
            folder.write_authority(&pem)?;
            true
        }
    };
    let authority = folder.authority();
    let authority = own_authority.then_some(authority.as_path());
    let server = HostServer::new(address.as_str(), authority, code, ENROLL_TIME)?;
    let answer = server
        .post("/api/v1/hosts/enroll", &json!({ "name": name }).to_string())
        .map_err(enrollment_failure)?;
    let enrolled: EnrollOut = parse_answer(&answer).map_err(Failure::from)?;
    // Before anything else: the code may be used up, and nobody can have this secret again.
    folder.write_credential(&Zeroizing::new(enrolled.secret))?;
    let settings = Settings {
        server: address.as_str().to_owned(),
        id: enrolled.id,
        name: enrolled.name,
        expiry_time,
        sshd_time_zone,
        own_authority,
    };
    folder.write_settings(&settings)?;
    write_stderr(&format!(
        "enrolled as {} ({}); its credential is in {}",
        settings.name,
        settings.id,
        folder.path("credential").display()
    ));
    Ok(settings)
}

/// The time zone in the environment of sshd, if set.
fn find_time_zone(sshd_folder: &Path) -> Result<Option<String>, Failure> {
    let zones = inspect::all_sshds(sshd_folder)?;
    Ok(zones.iter().find_map(|sshd| match sshd.time_zone() {
        TimeZone::Set(zone) => Some(zone),
        TimeZone::Unset | TimeZone::Unknown => None,
    }))
}

fn enrollment_failure(rejection: RequestError) -> Failure {
    match rejection {
        RequestError::Definite(reason) => {
            Failure::new(FORBIDDEN, format!("not enrolled: {reason}"))
                .hint("a new code: keycroft host enroll-code, or the page Hosts")
        }
        unreachable @ RequestError::Unreachable(_) => unreachable.into(),
    }
}

/// The settings of an earlier run whose credential the server still accepts.
fn find_enrollment(
    address: &ServerAddress,
    folder: &HostFolder,
) -> Result<Option<Settings>, Failure> {
    if folder.credential()?.is_none() {
        return Ok(None);
    }
    let Ok(settings) = folder.settings() else {
        return Ok(None);
    };
    if settings.server != address.as_str() {
        let message = format!("this machine is a host of {} already", settings.server);
        return Err(Failure::new(INVALID, message).hint(format!(
            "rm -r {}, to remove it from that server",
            folder.place().folder.display()
        )));
    }
    match HostServer::from_settings(folder, &settings, ENROLL_TIME)?.keys_of(NOBODY, None) {
        Ok(_) => Ok(Some(settings)),
        Err(RequestError::Definite(_)) => {
            write_stderr("the server no longer accepts the credential of an earlier enrollment");
            Ok(None)
        }
        Err(unreachable) => Err(unreachable.into()),
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let fail = |error: std::io::Error| Failure::new(USAGE, format!("{}: {error}", path.display()));
    let mut bytes = Zeroizing::new(Vec::new());
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(fs::File::open(path).map_err(fail)?)
    };
    source
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    Ok(bytes)
}

fn read_code(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if path.to_string_lossy().starts_with("kce_") {
        return Err(Failure::new(
            USAGE,
            "the code was passed as an argument, which every user of this machine can read; treat it as exposed",
        )
        .hint("put a new one into a file: --code-file FILE, or - for standard input"));
    }
    let bytes = read_file(path)?;
    let fail = || {
        Failure::new(
            INVALID,
            format!(
                "{} contains no complete enrollment code, which begins with kce_",
                path.display()
            ),
        )
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| fail())?;
    let code = ClientCredential::parse(text, SettingSource::StandardInput).map_err(|_| fail())?;
    if code.form == SecretForm::Code {
        Ok(code.secret)
    } else {
        Err(fail())
    }
}

/// The first line of a drop-in of Keycroft.
const MARK: &str = "# Written by `keycroft host enroll`.";
/// The start of a comment with what it replaced.
const REPLACED: &str = "# Replaced: ";
/// The words of our command in sshd's configuration.
pub const COMMAND: &str = " host authorized-keys ";

/// The drop-in that makes sshd run the program; `replaced`: the settings that it replaces.
pub fn drop_in(program: &Path, place: &HostFolderArguments, replaced: &[String]) -> String {
    let folder = if place.folder == Path::new("/var/lib/keycroft-host") {
        String::new()
    } else {
        format!(" --folder {}", place.folder.display())
    };
    let mut text = format!(
        "{MARK} sshd requests the SSH keys of a login from Keycroft.\n\
         # Keys in ~/.ssh/authorized_keys count as well: `keycroft host check` lists them.\n\
         AuthorizedKeysCommand {}{folder} -- %u %t %f\n\
         AuthorizedKeysCommandUser {USER}\n",
        command(program)
    );
    for line in replaced {
        text.push_str(REPLACED);
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn command(program: &Path) -> String {
    format!("{} host authorized-keys", program.display())
}

/// The settings that the drop-in replaces, for a comment in it.
fn find_replaced(wanted: &EnrollArguments, program: &Path) -> Result<Vec<String>, Failure> {
    let path = wanted.sshd_folder.join("sshd_config.d").join(DROP_IN);
    let present = fs::read_to_string(&path).unwrap_or_default();
    let is_ours = present.starts_with(MARK);
    let mut replaced: Vec<String> = Vec::new();
    if is_ours {
        let kept = present
            .lines()
            .filter_map(|line| line.strip_prefix(REPLACED));
        replaced.extend(kept.map(str::to_owned));
    } else if !present.trim().is_empty() {
        if !wanted.replace {
            let message = format!(
                "{} exists and was not written by `keycroft host enroll`",
                path.display()
            );
            return Err(Failure::new(INVALID, message)
                .hint("pass --replace to replace it; its lines are kept in comments"));
        }
        let lines = present.lines().filter(|line| !line.trim().is_empty());
        replaced.extend(lines.map(|line| line.trim().to_owned()));
    }
    make_run_folder();
    for sshd in inspect::all_sshds(&wanted.sshd_folder)? {
        let configuration = sshd.configuration(&wanted.sshd_folder, &ANYBODY)?;
        let other = configuration.value("authorizedkeyscommand");
        if other == "none" || other.starts_with(&command(program)) || other.contains(COMMAND) {
            continue;
        }
        if sshd.names_command() {
            let message = format!(
                "{} runs \"{other}\" by its arguments, which override every file",
                inspect::name(&sshd)
            );
            return Err(Failure::new(INVALID, message).hint(
                "remove it from the unit of sshd (systemctl cat ssh; on EC2: apt-get purge ec2-instance-connect), then restart sshd",
            ));
        }
        let lines: Vec<CommandLine> = command_lines(&wanted.sshd_folder)
            .into_iter()
            .filter(|line| line.condition.is_none() && line.file != path)
            .collect();
        let Some(first) = lines.first() else {
            if path.exists() {
                // The drop-in itself, which is replaced.
                continue;
            }
            let message = format!(
                "{} runs \"{other}\" by a line below a Match, or in another file than sshd_config and sshd_config.d",
                inspect::name(&sshd)
            );
            return Err(Failure::new(INVALID, message).hint(format!(
                "remove that line: grep -rn AuthorizedKeysCommand {}",
                wanted.sshd_folder.display()
            )));
        };
        if !wanted.replace {
            let message = format!("sshd runs another AuthorizedKeysCommand already: {first}");
            return Err(Failure::new(INVALID, message)
                .hint("pass --replace to replace it; it is kept in a comment"));
        }
        if replaced.iter().any(|line| line.contains(&first.text)) {
            continue;
        }
        replaced.push(format!(
            "{} ({}:{})",
            first.text,
            first.file.display(),
            first.number
        ));
        let user = configuration.value("authorizedkeyscommanduser");
        replaced.push(format!("AuthorizedKeysCommandUser {user}"));
    }
    Ok(replaced)
}

/// sshd does not read its configuration without this folder; its unit makes it at each start.
fn make_run_folder() {
    if !Path::new("/run/sshd").exists() {
        let _ = fs::create_dir_all("/run/sshd");
    }
}

/// Writes the drop-in, and takes it back when sshd does not run the command.
fn set_sshd_up(
    wanted: &EnrollArguments,
    program: &Path,
    replaced: &[String],
) -> Result<(), Failure> {
    let folder = wanted.sshd_folder.join("sshd_config.d");
    let path = folder.join(DROP_IN);
    let text = drop_in(program, &wanted.place, replaced);
    let before = fs::read_to_string(&path).ok();
    if before.as_deref() == Some(&text) {
        write_stderr(&format!("{} exists already", path.display()));
    } else {
        fs::create_dir_all(&folder)
            .and_then(|()| write_root_file(&path, &text))
            .map_err(|error| Failure::new(FAILED, format!("{}: {error}", path.display())))?;
    }
    let proved = require_command(wanted, program);
    match (&proved, before) {
        (Ok(()), before) if before.as_deref() != Some(&text) => {
            write_stderr(&format!("wrote {}", path.display()));
        }
        (Err(_), Some(before)) => {
            let _ = write_root_file(&path, &before);
        }
        (Err(_), None) => {
            let _ = fs::remove_file(&path);
        }
        (Ok(()), _) => {}
    }
    proved
}

/// Requires that each sshd of this configuration runs the program.
fn require_command(wanted: &EnrollArguments, program: &Path) -> Result<(), Failure> {
    make_run_folder();
    for sshd in inspect::all_sshds(&wanted.sshd_folder)? {
        let configuration = sshd.configuration(&wanted.sshd_folder, &ANYBODY)?;
        let wins = configuration.value("authorizedkeyscommand");
        if wins.starts_with(&command(program)) {
            continue;
        }
        let message = format!(
            "{} would run \"{wins}\" instead of the drop-in's command: another line comes first, or sshd_config does not include sshd_config.d",
            inspect::name(&sshd)
        );
        return Err(Failure::new(FAILED, message).hint(format!(
            "grep -rn 'AuthorizedKeysCommand\\|Include' {}",
            wanted.sshd_folder.display()
        )));
    }
    Ok(())
}

/// Performs a lookup as sshd does it.
fn test_lookup(program: &Path, place: &HostFolderArguments) -> Result<(), Failure> {
    let (program, folder) = (program.to_string_lossy(), place.folder.to_string_lossy());
    let command = [
        &program,
        "host",
        "authorized-keys",
        "--folder",
        &folder,
        "--",
        NOBODY,
        "ssh-ed25519",
        NO_FINGERPRINT,
    ];
    let printed = machine::run_as(USER, &command).map_err(|failure| {
        let message = format!("a lookup as {USER} fails: {}", failure.message);
        Failure { message, ..failure }
    })?;
    if printed.is_empty() {
        write_stderr(&format!("a lookup as {USER} works"));
        return Ok(());
    }
    Err(Failure::new(
        FAILED,
        "the server returned a key for a login that does not exist: do not trust it",
    ))
}

/// Reloads sshd, where systemd runs it.
fn reload(wanted: &EnrollArguments) {
    if wanted.no_reload {
        return;
    }
    let result = timers::has_systemd()
        && ["ssh.service", "sshd.service"]
            .iter()
            .any(|unit| run_program("systemctl", &["reload", unit]).is_ok());
    if result {
        write_stderr("reloaded sshd");
    } else {
        write_stderr("sshd was not reloaded: reload it (kill -HUP, or restart it)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_in_names_the_program_and_its_user() {
        let place = |folder: &str| HostFolderArguments {
            folder: PathBuf::from(folder),
        };
        let text = drop_in(
            Path::new("/usr/bin/keycroft"),
            &place("/var/lib/keycroft-host"),
            &[],
        );
        assert!(text.ends_with(
            "AuthorizedKeysCommand /usr/bin/keycroft host authorized-keys -- %u %t %f\nAuthorizedKeysCommandUser keycroft-host\n"
        ));
        let text = drop_in(
            Path::new("/usr/bin/keycroft"),
            &place("/srv/host"),
            &["AuthorizedKeysCommand /bin/x %u".to_owned()],
        );
        assert!(text.contains("host authorized-keys --folder /srv/host -- %u %t %f\n"));
        assert!(text.ends_with("\n# Replaced: AuthorizedKeysCommand /bin/x %u\n"));
    }

    #[test]
    fn code_as_an_argument_is_rejected() {
        let failure = read_code(Path::new("kce_4k2m9x0q7w1z_x")).err().unwrap();
        assert_eq!(failure.code, USAGE);
        assert!(!failure.message.contains("kce_4k"), "{}", failure.message);
    }
}
