//! The door for shells: a client of the API, except for `serve` and what the file's owner does on the file itself.

mod account;
mod account_notice;
mod api_key;
mod argument;
mod audit;
mod audit_file;
mod authorized_keys;
mod backup;
mod check;
mod client;
mod config;
mod connection;
mod control;
mod created;
mod environment;
mod event;
mod exit;
mod explain;
mod field;
mod findings;
mod generate;
mod group;
mod health;
mod host;
mod local;
mod login;
mod lookup;
mod notice;
mod operator;
mod output;
mod place;
mod policy;
mod prompt;
mod proxy;
mod proxy_bypass;
mod refusal;
mod scan;
mod serve;
mod serve_file;
mod service_unit;
mod settings;
mod ssh_key;
mod ssh_key_import;
mod sshd;
mod systemd;
mod text_file;
mod token;
mod topic;
mod user;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

/// What reads files that others may have written. For nobody but the tests that try every sort of bytes on it (`fuzz/`):
/// through a process for each try they would come to a thousandth of them.
#[doc(hidden)]
pub mod readers {
    pub use super::config::{Config, Credentials, parse as parse_saved};
    pub use super::host::copy::{Copy, TrustedKey, Unusable};
    pub use super::host::logins::in_line as login_in_line;
    pub use super::scan::find as find_secrets;
    pub use super::serve_file::ServeFile;
}

use clap::{CommandFactory, Parser, Subcommand};

/// Keeps API keys, tokens, sessions and SSH keys of a lab in one program and one file.
#[derive(Parser)]
#[command(name = "keycroft", version, max_term_width = 100, arg_required_else_help = true, after_long_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: the console, the JSON API and verification
    Serve(serve::ServeArguments),
    /// Sign in at a server, by a code that you approve at its console
    Login(login::LoginArguments),
    /// End the saved token at the server and forget it
    Logout(login::LogoutArguments),
    /// Say who you are at the server, and what the credential in use may do
    Whoami(account::RemoteArguments),
    /// Say which server would be asked, with which credential, who said so, and whether it works
    Status(account::RemoteArguments),
    /// The servers you signed in at: list, use, remove
    Context(account::ContextArguments),
    /// What is set, and who said so: show
    Config(settings::ConfigArguments),
    /// Print the secret in use, for other programs
    AuthToken(account::AuthTokenArguments),
    /// API keys: list, create, show, edit, rotate, disable, enable, delete, explain
    ApiKey(api_key::ApiKeyArguments),
    /// Tokens: list, create, delete, explain
    Token(token::TokenArguments),
    /// Where you are signed in at the console: list, delete, delete-others
    Session(token::SessionArguments),
    /// SSH keys: list, add, show, edit, delete, import
    SshKey(self::ssh_key::SshKeyArguments),
    /// Print the SSH keys that open a login, from the file: for this machine's own sshd
    AuthorizedKeys(authorized_keys::AuthorizedKeysArguments),
    /// Acts of others on your account: list, acknowledge
    Notice(account_notice::NoticeArguments),
    /// Users: add, list, show, edit, disable, enable, role, reset-password, delete, offboard, token
    User(user::UserArguments),
    /// Groups of users: list, add, delete, add-member, remove-member
    Group(group::GroupArguments),
    /// Hosts: enroll-code, list, show, edit, delete; on a host: enroll, authorized-keys, sync, check, report-logins
    Host(host::HostArguments),
    /// Services and the permissions they define: list, add, edit, delete; print the block for a proxy
    Service(group::ServiceArguments),
    /// The organisation's rules: show, set
    Policy(policy::PolicyArguments),
    /// The audit log: list, export
    Event(event::EventArguments),
    /// The audit log's hash chain: verify, archive
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Remove what is over, and say what was removed
    Sweep(policy::SweepArguments),
    /// Ask whether the secret on standard input is good; exit code 10 when it is not
    Verify(verify::VerifyArguments),
    /// Revoke the secret read from standard input
    #[command(alias = "burn")]
    Revoke(verify::RevokeArguments),
    /// Copy the file while the server runs, and look whether the copy is whole
    Backup(backup::BackupArguments),
    /// Put a backup in place: every session and token ends, and the API keys to look at are listed
    Restore(backup::RestoreArguments),
    /// Examine the file: what is wrong with it, and what to do about it
    Check(check::CheckArguments),
    /// Bring the file to the present schema, as the next start would
    Migrate(check::MigrateArguments),
    /// Check that a server is healthy; exit code 7 when it is not
    Health(health::HealthArguments),
    /// Find Keycroft secrets in files, offline, by their form and checksum
    Scan(scan::ScanArguments),
    /// Print the console's address and open it in a browser
    Open(account::OpenArguments),
    /// Ask the API anything: keycroft api GET /api/v1/me
    Api(verify::ApiArguments),
    /// Print the OpenAPI description of the JSON API
    Openapi,
    /// Print completions for a shell
    Completions(generate::CompletionsArguments),
    /// Print the manual, or write a page for every command into a folder
    Man(generate::ManArguments),
    /// Print a systemd unit of the server, for this program's path
    ServiceUnit(service_unit::ServiceUnitArguments),
    /// Print the version
    Version,
}

/// Reads the arguments, does what they say, and answers with the exit code.
pub fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let done = argument::refuse_secrets(&arguments).and_then(|()| {
        if let Some(said) = topic::asked(&arguments) {
            return said;
        }
        if let Some(done) = field::asked(&arguments) {
            return done;
        }
        match Arguments::try_parse_from(arguments) {
            Ok(arguments) => answer(arguments.command),
            Err(error) => {
                // Nobody who listens is no failure.
                let _ = error.print();
                Err(exit::Failure::quiet(if error.use_stderr() {
                    exit::USAGE
                } else {
                    exit::DONE
                }))
            }
        }
    });
    match done {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code)
        }
    }
}

fn answer(command: Command) -> Result<(), exit::Failure> {
    match command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Login(arguments) => login::login(arguments),
        Command::Logout(arguments) => login::logout(&arguments),
        Command::Whoami(arguments) => account::whoami(&arguments),
        Command::Status(arguments) => account::status(&arguments),
        Command::Context(arguments) => account::context(arguments),
        Command::Config(arguments) => settings::run(&arguments),
        Command::AuthToken(arguments) => account::auth_token(&arguments),
        Command::ApiKey(arguments) => api_key::api_key(arguments),
        Command::Token(arguments) => token::token(arguments),
        Command::Session(arguments) => token::session(arguments),
        Command::SshKey(arguments) => self::ssh_key::run(arguments),
        Command::AuthorizedKeys(arguments) => authorized_keys::run(&arguments),
        Command::Notice(arguments) => account_notice::run(arguments),
        Command::User(arguments) => user::run(arguments),
        Command::Group(arguments) => group::group(arguments),
        Command::Host(arguments) => host::run(arguments),
        Command::Service(arguments) => group::service(arguments),
        Command::Policy(arguments) => policy::run(arguments),
        Command::Event(arguments) => event::run(arguments),
        Command::Audit(command) => audit::run(&command),
        Command::Sweep(arguments) => policy::sweep(&arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Revoke(arguments) => verify::revoke(&arguments),
        Command::Backup(arguments) => backup::backup(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Migrate(arguments) => check::migrate(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Scan(arguments) => scan::run(&arguments),
        Command::Open(arguments) => account::open(&arguments),
        Command::Api(arguments) => verify::api(&arguments),
        Command::Completions(arguments) => generate::completions(&arguments, Arguments::command()),
        Command::Openapi => generate::openapi(),
        Command::Man(arguments) => generate::man(&arguments, Arguments::command()),
        Command::ServiceUnit(arguments) => service_unit::run(&arguments),
        Command::Version => output::line(concat!("keycroft ", env!("CARGO_PKG_VERSION"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_holds_together() {
        Arguments::command().debug_assert();
    }
}
