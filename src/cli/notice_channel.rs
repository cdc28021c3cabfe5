//! `keycroft notice-channel`, `keycroft notice test` and `keycroft notice deliveries`: for admins.

use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};

use super::client::Client;
use super::completion::CompletedNames;
use super::deletion::{Consent, Deletion, delete_all};
use super::listing::print_list;
use super::new_secret::post_for_secret;
use super::target::TargetArguments;
use crate::model::notice_channel::ChannelKind;
use crate::model::time::Time;
use crate::terminal::exit::{FAILED, Failure, NOT_FOUND, UNREACHABLE, USAGE};
use crate::terminal::output::{self, Cell, Out, write_stderr};
use crate::wire::{
    NothingIn, NoticeChannelIn, NoticeChannelOut, NoticeChannelPatch, NoticeDeliveryOut,
    NoticeTestOut,
};

const PATH: &str = "/api/v1/notices/channels";
/// How long a test waits for its delivery: the time limit of one, and some for those before it.
const TEST_TIME: Duration = Duration::from_secs(20);

#[derive(Args)]
#[command(after_help = super::target::HELP)]
pub struct NoticeChannelArguments {
    #[command(flatten)]
    place: TargetArguments,
    #[command(subcommand)]
    command: NoticeChannelCommand,
}

#[derive(Subcommand)]
enum NoticeChannelCommand {
    /// List channels
    #[command(alias = "ls")]
    List,
    /// Show a channel
    Show {
        /// Name or id of the channel
        #[arg(value_name = "CHANNEL", add = CompletedNames::NoticeChannels.completer())]
        name: String,
    },
    /// Create a channel, and print the signing key of a webhook
    Create {
        /// Name of the channel
        name: String,
        /// Kind of receiver: webhook, ntfy, chat or email
        #[arg(long, value_name = "KIND")]
        kind: String,
        /// URL of the receiver; omit it for email
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Send no notices to users about their own keys and account
        #[arg(long)]
        no_members: bool,
        /// Send no notices to admins about services, hosts and the server
        #[arg(long)]
        no_admins: bool,
        #[command(flatten)]
        out: Out,
    },
    /// Edit a channel
    Edit {
        /// Name or id of the channel
        #[arg(value_name = "CHANNEL", add = CompletedNames::NoticeChannels.completer())]
        name: String,
        /// New name
        #[arg(long = "name", value_name = "NAME")]
        new_name: Option<String>,
        /// New URL of the receiver
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Send notices to users about their own keys and account
        #[arg(long, value_name = "true|false")]
        members: Option<bool>,
        /// Send notices to admins about services, hosts and the server
        #[arg(long, value_name = "true|false")]
        admins: Option<bool>,
    },
    /// Delete channels and their waiting notices
    #[command(alias = "rm")]
    Delete {
        /// Names or ids of channels
        #[arg(required = true, value_name = "CHANNEL", add = CompletedNames::NoticeChannels.completer())]
        names: Vec<String>,
        /// Delete without confirmation
        #[arg(short, long)]
        yes: bool,
    },
}

/// `keycroft notice-channel`.
pub fn run_notice_channel(arguments: NoticeChannelArguments) -> Result<(), Failure> {
    let client = arguments.place.client()?;
    match arguments.command {
        NoticeChannelCommand::List => list_channels(&client),
        NoticeChannelCommand::Show { name } => {
            let channel = find_channel(&client, &name)?;
            if client.format().is_json() {
                return client.format().print_value(&channel);
            }
            let cells = row(&channel, client.now());
            let rows: Vec<(&str, Cell)> = HEADINGS.into_iter().zip(cells).collect();
            output::record(client.format(), &rows)
        }
        NoticeChannelCommand::Create {
            name,
            kind,
            url,
            no_members,
            no_admins,
            out,
        } => {
            let wanted = NoticeChannelIn {
                name,
                kind,
                url,
                members: !no_members,
                admins: !no_admins,
            };
            create_channel(&client, &wanted, &out)
        }
        NoticeChannelCommand::Edit {
            name,
            new_name,
            url,
            members,
            admins,
        } => {
            if new_name.is_none() && url.is_none() && members.is_none() && admins.is_none() {
                let hint = format!("keycroft notice-channel edit {name} --admins false");
                return Err(
                    Failure::new(USAGE, "nothing to change: pass at least one option").hint(hint),
                );
            }
            let channel = find_channel(&client, &name)?;
            let patch = NoticeChannelPatch {
                name: new_name,
                url,
                members,
                admins,
            };
            let answer = client.patch(&channel_path(&channel), &patch)?;
            if client.format().is_json() {
                return client.format().print_json(&answer.text);
            }
            write_stderr(&format!("changed the channel {name}"));
            Ok(())
        }
        NoticeChannelCommand::Delete { names, yes } => {
            let mut deletions = Vec::new();
            for name in &names {
                let channel = find_channel(&client, name)?;
                deletions.push(Deletion {
                    label: channel.name.clone(),
                    effect: format!("{} waiting notices will not be sent", channel.waiting),
                    path: channel_path(&channel),
                    done: format!("deleted the channel {}", channel.name),
                    was_found: true,
                });
            }
            delete_all(&client, "channel", deletions, &Consent::Yes, yes)
        }
    }
}

const HEADINGS: [&str; 7] = [
    "name", "kind", "url", "members", "admins", "waiting", "created",
];

fn row(channel: &NoticeChannelOut, now: Time) -> Vec<Cell> {
    let yes = |value: bool| Cell::from(if value { "yes" } else { "no" });
    vec![
        channel.name.as_str().into(),
        channel.kind.as_str().into(),
        channel.url.as_deref().unwrap_or("-").into(),
        yes(channel.members),
        yes(channel.admins),
        channel.waiting.to_string().into(),
        Cell::time(Some(&channel.created_at), "-", now),
    ]
}

fn list_channels(client: &Client) -> Result<(), Failure> {
    let empty =
        "no channels; create one: keycroft notice-channel create NAME --kind ntfy --url URL";
    print_list(client, PATH, &HEADINGS, row, empty)
}

fn create_channel(client: &Client, wanted: &NoticeChannelIn, out: &Out) -> Result<(), Failure> {
    let channel: NoticeChannelOut = if wanted.kind == ChannelKind::Webhook.as_str() {
        let take = |channel: &mut NoticeChannelOut| channel.secret.take().flatten();
        let lost = |_: &NoticeChannelOut| "delete the channel and create it again".to_owned();
        let Some(channel) = post_for_secret(client, out, PATH, wanted, take, lost)? else {
            return Ok(());
        };
        write_stderr("the receiver verifies signatures with this key; it is shown once");
        channel
    } else {
        let answer = client.post(PATH, wanted)?;
        if client.format().is_json() {
            return client.format().print_json(&answer.text);
        }
        answer.parse()?
    };
    write_stderr(&format!("created the channel {}", channel.name));
    Ok(())
}

fn channel_path(channel: &NoticeChannelOut) -> String {
    format!("{PATH}/{}", channel.id)
}

/// The channel with this name or id.
fn find_channel(client: &Client, name: &str) -> Result<NoticeChannelOut, Failure> {
    let channels: Vec<NoticeChannelOut> = client.list_items(PATH)?.parse()?;
    let found = channels
        .into_iter()
        .find(|channel| channel.name == name || channel.id == name);
    found.ok_or_else(|| {
        Failure::new(NOT_FOUND, format!("channel {name:?} not found"))
            .hint("keycroft notice-channel list")
    })
}

/// `keycroft notice test`: sends a test notice and waits for its first try.
pub fn test_channel(client: &Client, name: &str) -> Result<(), Failure> {
    let channel = find_channel(client, name)?;
    let answer = client.post(&format!("{}/test", channel_path(&channel)), &NothingIn {})?;
    let sent: NoticeTestOut = answer.parse()?;
    let begun = Instant::now();
    loop {
        let deliveries: Vec<NoticeDeliveryOut> =
            client.list_items("/api/v1/notices/deliveries")?.parse()?;
        if let Some(delivery) = deliveries.into_iter().find(|one| one.id == sent.id) {
            if client.format().is_json() {
                client.format().print_value(&delivery)?;
            }
            return report(&delivery);
        }
        if begun.elapsed() > TEST_TIME {
            let message = "the notice is not delivered yet: earlier notices are first, or the server is not running";
            return Err(Failure::new(UNREACHABLE, message).hint("keycroft notice deliveries"));
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn report(delivery: &NoticeDeliveryOut) -> Result<(), Failure> {
    let status = delivery
        .status
        .map_or_else(String::new, |status| format!(" (status {status})"));
    if delivery.outcome == "delivered" {
        write_stderr(&format!("delivered to {}{status}", delivery.channel));
        return Ok(());
    }
    let detail = &delivery.detail;
    let message = format!("not delivered to {}{status}: {detail}", delivery.channel);
    Err(Failure::new(FAILED, message).hint("keycroft notice deliveries"))
}

/// `keycroft notice deliveries`.
pub fn list_deliveries(client: &Client) -> Result<(), Failure> {
    let row = |delivery: &NoticeDeliveryOut, now| -> Vec<Cell> {
        let status = delivery.status.map(|status| status.to_string());
        vec![
            Cell::time(Some(&delivery.at), "-", now),
            delivery.kind.as_str().into(),
            delivery.channel.as_str().into(),
            delivery.username.as_deref().unwrap_or("admins").into(),
            delivery.outcome.as_str().into(),
            delivery.attempt.to_string().into(),
            status.as_deref().unwrap_or("-").into(),
            Cell::time(delivery.next_try_at.as_deref(), "-", now),
            delivery.detail.as_str().into(),
        ]
    };
    let headings = [
        "when", "notice", "channel", "to", "state", "try", "status", "next try", "detail",
    ];
    let path = "/api/v1/notices/deliveries";
    print_list(client, path, &headings, row, "no deliveries yet")
}
