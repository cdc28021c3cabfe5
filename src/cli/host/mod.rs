//! `keycroft host`: what admins do with hosts, and what a host does itself.

mod admin;
mod asking;
mod authorized_keys;
mod check;
pub(super) mod copy;
mod enroll;
mod folder;
pub(super) mod logins;
pub(super) mod machine;
mod rotate;
mod timers;

use clap::{Args, Subcommand};

use super::exit::Failure;
use super::place::Place;

#[derive(Args)]
pub struct HostArguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: HostCommand,
}

#[derive(Subcommand)]
enum HostCommand {
    /// Make an enrollment code, which the machine spends to become a host (admin)
    #[command(alias = "enrol-code")]
    EnrollCode(admin::EnrollCode),
    /// List hosts (admin)
    List,
    /// Show one host (admin)
    Show {
        /// Name or id
        host: String,
    },
    /// Change a host: its name, who may log in there, how old its copy may be (admin)
    Edit(admin::Edit),
    /// Pause a host: it admits nobody and stays enrolled (admin)
    Pause {
        /// Name or id
        host: String,
    },
    /// Let a paused host admit users again (admin)
    Resume {
        /// Name or id
        host: String,
    },
    /// Delete a host: its credential is refused from the very next request on (admin)
    Delete {
        /// Name or id
        host: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// On the machine, as root: spend an enrollment code and set sshd up
    Enroll(enroll::Enroll),
    /// On the machine, by sshd: print the lines of the key that is offered for a login
    AuthorizedKeys(authorized_keys::AuthorizedKeys),
    /// On the machine: refresh the copy from which it answers when the server is out of reach
    Sync {
        #[command(flatten)]
        place: folder::Place,
    },
    /// On the machine: replace the credential of this host
    RotateCredential {
        #[command(flatten)]
        place: folder::Place,
    },
    /// On the machine, as root: look whether all is in order, and print what sshd would get
    Check(check::Check),
    /// On the machine: tell the server of logins that sshd accepted
    ReportLogins(logins::ReportLogins),
}

/// `keycroft host`.
pub fn run(arguments: HostArguments) -> Result<(), Failure> {
    let place = arguments.place;
    match arguments.command {
        HostCommand::EnrollCode(wanted) => admin::enroll_code(&place.client()?, wanted),
        HostCommand::List => admin::list(&place.client()?),
        HostCommand::Show { host } => admin::show(&place.client()?, &host),
        HostCommand::Edit(wanted) => admin::edit(&place.client()?, wanted),
        HostCommand::Pause { host } => admin::set_paused(&place.client()?, &host, true),
        HostCommand::Resume { host } => admin::set_paused(&place.client()?, &host, false),
        HostCommand::Delete { host, yes } => admin::delete(&place.client()?, &host, yes),
        HostCommand::Enroll(wanted) => enroll::run(&wanted, &place.remote),
        HostCommand::AuthorizedKeys(wanted) => authorized_keys::run(&wanted),
        HostCommand::Sync { place } => asking::sync(&place),
        HostCommand::RotateCredential { place } => rotate::run(&place),
        HostCommand::Check(wanted) => check::run(&wanted),
        HostCommand::ReportLogins(wanted) => logins::run(&wanted),
    }
}
