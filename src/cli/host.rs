//! `keycroft host`: administration of hosts, and the commands of a host.

mod admin;

use clap::{Args, Subcommand};

use super::completion::CompletedNames;
use super::target::TargetArguments;
use crate::host::{authorized_keys, check, enroll, folder, logins, rotate, sync};
use crate::terminal::exit::Failure;

#[derive(Args)]
#[command(after_help = super::target::HELP)]
pub struct HostArguments {
    #[command(flatten)]
    place: TargetArguments,
    #[command(subcommand)]
    command: HostCommand,
}

#[derive(Subcommand)]
enum HostCommand {
    /// Create a one-time code for enrolling a host (admin)
    #[command(alias = "enrol-code")]
    EnrollCode(admin::EnrollCodeArguments),
    /// List hosts (admin)
    #[command(alias = "ls")]
    List,
    /// Show a host (admin)
    Show {
        /// Name or id
        #[arg(add = CompletedNames::Hosts.completer())]
        host: String,
    },
    /// Edit a host: name, groups, shared logins, maximum cache age (admin)
    Edit(admin::EditHost),
    /// Pause a host: it admits nobody and stays enrolled (admin)
    Pause {
        /// Name or id
        #[arg(add = CompletedNames::Hosts.completer())]
        host: String,
    },
    /// Resume a paused host (admin)
    Resume {
        /// Name or id
        #[arg(add = CompletedNames::Hosts.completer())]
        host: String,
    },
    /// Delete hosts: their credentials are rejected immediately (admin)
    #[command(alias = "rm")]
    Delete {
        /// Names or ids
        #[arg(required = true, value_name = "HOST", add = CompletedNames::Hosts.completer())]
        hosts: Vec<String>,
        /// Delete without confirmation
        #[arg(short, long)]
        yes: bool,
    },
    /// On the host, as root: enroll with a code and configure sshd
    Enroll(enroll::EnrollArguments),
    /// On the host, for sshd: print the authorized_keys lines of an offered key
    AuthorizedKeys(authorized_keys::AuthorizedKeys),
    /// On the host: refresh the cache of SSH keys
    Sync {
        #[command(flatten)]
        place: folder::HostFolderArguments,
    },
    /// On the host: rotate the host credential
    RotateCredential {
        #[command(flatten)]
        place: folder::HostFolderArguments,
    },
    /// On the host, as root: check the configuration and show the keys that sshd would get
    Check(check::HostCheckArguments),
    /// On the host: report logins that sshd accepted
    ReportLogins(logins::ReportLogins),
}

/// `keycroft host`.
pub fn run_host(arguments: HostArguments) -> Result<(), Failure> {
    let place = arguments.place;
    match arguments.command {
        HostCommand::EnrollCode(wanted) => admin::enroll_code(&place.client()?, wanted),
        HostCommand::List => admin::list_hosts(&place.client()?),
        HostCommand::Show { host } => admin::show_host(&place.client()?, &host),
        HostCommand::Edit(wanted) => admin::edit_host(&place.client()?, wanted),
        HostCommand::Pause { host } => admin::set_paused(&place.client()?, &host, true),
        HostCommand::Resume { host } => admin::set_paused(&place.client()?, &host, false),
        HostCommand::Delete { hosts, yes } => admin::delete_host(&place.client()?, &hosts, yes),
        HostCommand::Enroll(wanted) => enroll::enroll_host(&wanted, &place.remote),
        HostCommand::AuthorizedKeys(_) | HostCommand::Check(_)
            if place.remote.format.field.is_some() =>
        {
            place.remote.format.reject_field()
        }
        HostCommand::AuthorizedKeys(wanted) => authorized_keys::print_authorized_keys(&wanted),
        HostCommand::Sync { place } => sync::sync(&place),
        HostCommand::RotateCredential { place } => rotate::run_rotate_credential(&place),
        HostCommand::Check(wanted) => check::check_host(&wanted),
        HostCommand::ReportLogins(wanted) => logins::report_logins(&wanted),
    }
}
