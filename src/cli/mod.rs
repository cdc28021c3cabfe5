//! The door for shells: a client of the API, except for `serve` and what the file's owner does on the file itself.

mod account;
mod api_key;
mod authorized_keys;
mod client;
mod config;
mod connection;
mod exit;
mod host;
mod lookup;
mod operator;
mod output;
mod prompt;
mod scan;
mod serve;
mod serve_file;
mod ssh_key;
mod ssh_key_import;
mod sshd;
mod systemd;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keeps API keys, tokens, sessions and SSH keys of a lab in one program and one file.
#[derive(Parser)]
#[command(
    name = "keycroft",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: the console, the JSON API and verification
    Serve(serve::ServeArguments),
    /// Say who you are at the server, and what the credential in use may do
    Whoami(account::WhoamiArguments),
    /// API keys: list, create, show, edit, rotate, disable, enable, delete, explain
    ApiKey(api_key::ApiKeyArguments),
    /// Tokens: list, create, delete, explain
    Token(api_key::TokenArguments),
    /// SSH keys: list, add, show, edit, delete, import
    SshKey(ssh_key::SshKeyArguments),
    /// Print the SSH keys that open a login, from the file: for this machine's own sshd
    AuthorizedKeys(authorized_keys::AuthorizedKeysArguments),
    /// Hosts: enrol-code, list, show, edit, delete; on a host: enroll, authorized-keys, sync, check, report-logins
    Host(host::HostArguments),
    /// Users: add, list, show, disable, enable, role, reset-password, delete, token
    #[command(subcommand)]
    User(user::UserCommand),
    /// Remove what is over, and say what was removed
    Sweep(operator::SweepArguments),
    /// The audit log's chain
    #[command(subcommand)]
    Audit(operator::AuditCommand),
    /// Find Keycroft secrets in files, offline, by their form and checksum
    Scan(scan::ScanArguments),
}

/// Reads the arguments, does what they say, and answers with the exit code.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::DONE
            };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let done = match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Whoami(arguments) => account::whoami(&arguments),
        Command::ApiKey(arguments) => api_key::api_key(arguments),
        Command::Token(arguments) => api_key::token(arguments),
        Command::SshKey(arguments) => ssh_key::run(arguments),
        Command::AuthorizedKeys(arguments) => authorized_keys::run(&arguments),
        Command::Host(arguments) => host::run(arguments),
        Command::User(command) => user::run(command),
        Command::Sweep(arguments) => operator::sweep(&arguments),
        Command::Audit(command) => operator::audit(&command),
        Command::Scan(arguments) => scan::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code)
        }
    }
}
