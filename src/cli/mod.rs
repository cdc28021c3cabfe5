//! The command line: a client of the API, the server, and the commands of the database's owner.

mod account;
mod account_notice;
mod api_key;
mod api_key_request;
mod api_key_rotate;
mod argument;
mod audit;
mod audit_file;
mod authorized_keys;
mod backup;
mod check;
mod client;
mod completion;
mod control;
mod created;
mod deletion;
mod event;
mod expiration_notice;
mod explain;
mod generate;
mod group;
mod health;
mod help;
mod host;
mod listing;
mod local;
mod login;
mod lookup;
mod new_secret;
mod notice;
mod notice_channel;
mod notice_delivery;
mod notice_preference;
mod operator;
mod policy;
mod proxy;
mod request_failure;
mod scan;
mod serve;
mod serve_file;
mod service_unit;
mod settings;
mod ssh_key;
mod ssh_key_file;
mod ssh_key_generate;
mod ssh_key_import;
mod systemd;
mod target;
mod token;
mod topic;
mod user;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

/// Readers of files that others may have written, for the fuzz tests (`fuzz/`): a process for each input is a thousand times slower.
#[doc(hidden)]
pub mod readers {
    pub use super::scan::find_secrets;
    pub use super::serve_file::ServeFile;
    pub use crate::client::config::{Config, Credentials, parse as parse_saved};
    pub use crate::host::cache::{CacheError, KeyCache, TrustedKey};
    pub use crate::host::logins::in_line as login_in_line;
}

use crate::terminal::exit;
use crate::terminal::output::{self, OutputArguments};
use clap::{CommandFactory, Parser, Subcommand};

/// Manage the API keys, tokens, sessions and SSH keys of a lab.
#[derive(Parser)]
#[command(name = "keycroft", version, max_term_width = 100, arg_required_else_help = true, after_long_help = exit::HELP)]
struct Arguments {
    #[command(flatten)]
    format: OutputArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: console, JSON API and verification
    Serve(serve::ServeArguments),
    /// Log in to a server; you approve a code in its console
    Login(login::LoginArguments),
    /// Revoke the saved token and delete it from this machine
    Logout(login::LogoutArguments),
    /// Show your account and the permissions of the credential in use
    Whoami(account::RemoteArguments),
    /// Show the active server and credential, where they come from, and test them
    Status(account::RemoteArguments),
    /// Manage contexts, the saved logins of this machine
    Context(account::ContextArguments),
    /// Show settings and their source
    Config(settings::ConfigArguments),
    /// Print the secret in use, for other programs
    AuthToken(account::AuthTokenArguments),
    /// Manage API keys
    ApiKey(api_key::ApiKeyArguments),
    /// Manage tokens, which expire within 24 hours
    Token(token::TokenArguments),
    /// Manage console sessions
    Session(token::SessionArguments),
    /// Manage SSH keys
    SshKey(self::ssh_key::SshKeyArguments),
    /// Print the SSH keys of a login from the database, for sshd on the same machine
    AuthorizedKeys(authorized_keys::AuthorizedKeysArguments),
    /// Show and acknowledge notices about your account
    Notice(account_notice::NoticeArguments),
    /// Manage the channels that deliver notices
    NoticeChannel(notice_channel::NoticeChannelArguments),
    /// Manage users
    User(user::UserArguments),
    /// Manage groups of users
    Group(group::GroupArguments),
    /// Manage hosts; on a host: enroll it and provide SSH keys to sshd
    Host(host::HostArguments),
    /// Manage services and their permissions; print proxy configuration
    Service(group::ServiceArguments),
    /// Show and change the policy
    Policy(policy::PolicyArguments),
    /// Show and export the audit log
    Event(event::EventArguments),
    /// Verify and archive the audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Delete expired records and report counts
    Sweep(policy::SweepArguments),
    /// Verify the secret read from standard input; exit with 10 when it is invalid
    Verify(verify::VerifyArguments),
    /// Revoke the secret read from standard input
    #[command(alias = "burn")]
    Revoke(verify::RevokeArguments),
    /// Back up the database while the server runs, and verify the copy
    Backup(backup::BackupArguments),
    /// Restore a backup; sessions, tokens and codes are revoked
    Restore(backup::RestoreArguments),
    /// Check the database and report problems with their remedies
    Check(check::CheckArguments),
    /// Migrate the database to the schema of this version; each start of the server does the same
    Migrate(check::MigrateArguments),
    /// Check that a server is healthy; exit with 7 when it is not
    Health(health::HealthArguments),
    /// Find Keycroft secrets in files, offline; exit with 1 when there are any
    Scan(scan::ScanArguments),
    /// Open the console in a browser and print its address
    Open(account::OpenArguments),
    /// Send a request to the JSON API
    Api(verify::ApiArguments),
    /// Print the OpenAPI description of the JSON API
    Openapi,
    /// Print the completion script for a shell
    Completions(generate::CompletionsArguments),
    /// Print the manual page, or write the pages of all commands into a folder
    Man(generate::ManArguments),
    /// Print a systemd unit for the server, with the path of this program
    ServiceUnit(service_unit::ServiceUnitArguments),
    /// Print the version
    Version,
}

/// The tree of commands with grouped help and examples.
fn command_tree() -> clap::Command {
    help::complete(Arguments::command())
}

/// Parses the arguments, runs the command and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    completion::answer_shell();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let done = argument::reject_secrets(&arguments).and_then(|()| {
        if let Some(done) = topic::print_if_requested(&arguments) {
            return done;
        }
        match Arguments::try_parse_from(&arguments) {
            Ok(arguments) => run_command(arguments.command, &arguments.format),
            Err(error) => {
                // Only help needs the complete tree: sshd waits for each run.
                let error = command_tree()
                    .try_get_matches_from(&arguments)
                    .err()
                    .unwrap_or(error);
                // A closed standard error is not a failure.
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

fn run_command(command: Command, format: &OutputArguments) -> Result<(), exit::Failure> {
    match command {
        Command::AuthorizedKeys(_)
        | Command::Backup(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::ServiceUnit(_)
            if format.field.is_some() =>
        {
            format.reject_field()
        }
        Command::Serve(arguments) => serve::run_server(arguments),
        Command::Login(arguments) => login::login(arguments),
        Command::Logout(arguments) => login::logout(&arguments),
        Command::Whoami(arguments) => account::whoami(&arguments),
        Command::Status(arguments) => account::status(&arguments),
        Command::Context(arguments) => account::context(arguments, format),
        Command::Config(arguments) => settings::run_config(&arguments),
        Command::AuthToken(arguments) => account::auth_token(&arguments),
        Command::ApiKey(arguments) => api_key::api_key(arguments),
        Command::Token(arguments) => token::token(arguments),
        Command::Session(arguments) => token::session(arguments),
        Command::SshKey(arguments) => self::ssh_key::run_ssh_key(arguments),
        Command::AuthorizedKeys(arguments) => authorized_keys::run_authorized_keys(&arguments),
        Command::Notice(arguments) => account_notice::run_notice(arguments),
        Command::NoticeChannel(arguments) => notice_channel::run_notice_channel(arguments),
        Command::User(arguments) => user::run_user(arguments),
        Command::Group(arguments) => group::run_group(arguments),
        Command::Host(arguments) => host::run_host(arguments),
        Command::Service(arguments) => group::run_service(arguments),
        Command::Policy(arguments) => policy::run_policy(arguments),
        Command::Event(arguments) => event::run_event(arguments),
        Command::Audit(command) => audit::run_audit(&command, format),
        Command::Sweep(arguments) => policy::sweep(&arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Revoke(arguments) => verify::revoke(&arguments),
        Command::Backup(arguments) => backup::backup(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments, format),
        Command::Check(arguments) => check::check(&arguments, format),
        Command::Migrate(arguments) => check::migrate(&arguments),
        Command::Health(arguments) => health::run_health(&arguments),
        Command::Scan(arguments) => scan::run_scan(&arguments, format),
        Command::Open(arguments) => account::open(&arguments),
        Command::Api(arguments) => verify::api(&arguments),
        Command::Completions(arguments) => generate::completions(&arguments),
        Command::Openapi => generate::openapi(format),
        Command::Man(arguments) => generate::man(&arguments, command_tree()),
        Command::ServiceUnit(arguments) => service_unit::run_service_unit(&arguments),
        Command::Version => version(format),
    }
}

fn version(format: &OutputArguments) -> Result<(), exit::Failure> {
    if format.is_json() {
        return format.print_value(&serde_json::json!({"version": env!("CARGO_PKG_VERSION")}));
    }
    output::line(concat!("keycroft ", env!("CARGO_PKG_VERSION")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_tree_is_consistent() {
        command_tree().debug_assert();
    }
}
