//! `keycroft notice`: changes by others to the account, shown with every command until they are acknowledged. For admins
//! also deliveries.

use clap::{Args, Subcommand};

use super::completion::CompletedNames;
use super::target::TargetArguments;
use super::{notice_channel, notice_preference};
use crate::terminal::exit::{Failure, NOT_FOUND, USAGE};
use crate::terminal::output::{self, Cell, write_stderr};
use crate::wire::{ListOut, NothingIn, NoticeOut};

#[derive(Args)]
#[command(after_help = super::target::HELP)]
pub struct NoticeArguments {
    #[command(flatten)]
    place: TargetArguments,
    #[command(subcommand)]
    command: NoticeCommand,
}

#[derive(Subcommand)]
enum NoticeCommand {
    /// List unacknowledged notices
    #[command(alias = "ls")]
    List,
    /// Show a notice
    Show {
        /// Id of the notice
        id: String,
    },
    /// Acknowledge notices and stop showing them
    Acknowledge {
        /// Ids of notices
        #[arg(value_name = "ID", required_unless_present = "all")]
        ids: Vec<String>,
        /// Acknowledge all notices
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Show or change your e-mail address and the notices that you receive
    Preferences(notice_preference::Preferences),
    /// Send a test notice through a channel and report the result
    Test {
        /// Name or id of the channel
        #[arg(value_name = "CHANNEL", add = CompletedNames::NoticeChannels.completer())]
        name: String,
    },
    /// List the latest delivery attempts, newest first
    Deliveries,
}

/// `keycroft notice`.
pub fn run_notice(arguments: NoticeArguments) -> Result<(), Failure> {
    match &arguments.command {
        NoticeCommand::Test { name } => {
            return notice_channel::test_channel(&arguments.place.client()?, name);
        }
        NoticeCommand::Deliveries => {
            return notice_channel::list_deliveries(&arguments.place.client()?);
        }
        NoticeCommand::List
        | NoticeCommand::Show { .. }
        | NoticeCommand::Acknowledge { .. }
        | NoticeCommand::Preferences(_) => {}
    }
    if arguments.place.db.is_some() {
        let failure = Failure::new(
            USAGE,
            "--db: these notices belong to an account, and the operator has none",
        );
        return Err(failure.hint("keycroft notice deliveries"));
    }
    let client = arguments.place.remote.client()?;
    client.without_notices();
    match arguments.command {
        NoticeCommand::Test { .. } | NoticeCommand::Deliveries => Ok(()),
        NoticeCommand::Preferences(wanted) => {
            notice_preference::run_notice_preferences(&client, &wanted)
        }
        NoticeCommand::List => {
            let notices = client.account_notices()?;
            if client.format().is_json() {
                let list = ListOut {
                    items: notices,
                    next: None,
                };
                return client.format().print_value(&list);
            }
            let row = |notice: &NoticeOut| -> Vec<Cell> {
                vec![
                    notice.id.as_str().into(),
                    Cell::time(Some(&notice.at), "-", client.now()),
                    notice.text.as_str().into(),
                ]
            };
            let rows: Vec<Vec<Cell>> = notices.iter().map(row).collect();
            output::list_table(
                client.format(),
                &["id", "at", "notice"],
                &rows,
                "no notices",
            )
        }
        NoticeCommand::Show { id } => {
            let found = client
                .account_notices()?
                .into_iter()
                .find(|one| one.id == id);
            let notice = found.ok_or_else(|| {
                Failure::new(NOT_FOUND, format!("notice {id:?} not found"))
                    .hint("keycroft notice list")
            })?;
            if client.format().is_json() {
                return client.format().print_value(&notice);
            }
            output::record(
                client.format(),
                &[
                    ("id", notice.id.as_str().into()),
                    ("at", Cell::time(Some(&notice.at), "-", client.now())),
                    ("action", notice.action.as_str().into()),
                    ("by", notice.actor.as_str().into()),
                    ("notice", notice.text.as_str().into()),
                ],
            )
        }
        NoticeCommand::Acknowledge { ids, all } => {
            let ids = if all {
                client
                    .account_notices()?
                    .into_iter()
                    .map(|one| one.id)
                    .collect()
            } else {
                ids
            };
            for id in ids {
                if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    let failure = Failure::new(USAGE, format!("{id:?} is not a notice id"));
                    return Err(failure.hint("keycroft notice list"));
                }
                client.post(
                    &format!("/api/v1/me/notices/{id}/acknowledge"),
                    &NothingIn {},
                )?;
                write_stderr(&format!("acknowledged {id}"));
            }
            Ok(())
        }
    }
}
