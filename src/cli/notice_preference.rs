//! `keycroft notice preferences`: one's own address, and the kinds of notices on each channel.

use std::collections::BTreeMap;

use clap::Args;

use super::client::Client;
use crate::terminal::exit::{Failure, INVALID, NOT_FOUND, USAGE};
use crate::terminal::output::{self, Cell, write_stderr};
use crate::wire::{NoticePreferencesOut, NoticePreferencesPatch, PreferenceKindOut};

const PATH: &str = "/api/v1/me/notices";

#[derive(Args)]
pub struct Preferences {
    /// New e-mail address for notices; Keycroft sends a link to confirm it
    #[arg(long, value_name = "ADDRESS", conflicts_with = "remove_email")]
    email: Option<String>,
    /// Remove the e-mail address
    #[arg(long)]
    remove_email: bool,
    /// Send notices of this kind through this channel, such as api-key.expires=chat; repeatable
    #[arg(long, value_name = "KIND=CHANNEL")]
    on: Vec<String>,
    /// Send no notices of this kind through this channel; repeatable
    #[arg(long, value_name = "KIND=CHANNEL")]
    off: Vec<String>,
}

/// `keycroft notice preferences`.
pub fn run_notice_preferences(client: &Client, wanted: &Preferences) -> Result<(), Failure> {
    let mut preferences: NoticePreferencesOut = client.get(PATH)?.parse()?;
    let is_change = wanted.email.is_some() || wanted.remove_email;
    if is_change || !wanted.on.is_empty() || !wanted.off.is_empty() {
        let patch = NoticePreferencesPatch {
            email: match (&wanted.email, wanted.remove_email) {
                (Some(address), _) => Some(Some(address.clone())),
                (None, true) => Some(None),
                (None, false) => None,
            },
            kinds: kinds(&preferences, wanted)?,
        };
        let answer = client.patch(PATH, &patch)?;
        if wanted.email.is_some() {
            write_stderr("Keycroft sends a link to this address; open it and confirm the address");
        }
        if client.format().is_json() {
            return client.format().print_json(&answer.text);
        }
        preferences = answer.parse()?;
    } else if client.format().is_json() {
        return client.format().print_json(&client.get(PATH)?.text);
    }
    show_preferences(client, &preferences)
}

fn kinds(
    preferences: &NoticePreferencesOut,
    wanted: &Preferences,
) -> Result<Option<BTreeMap<String, Vec<String>>>, Failure> {
    let mut kinds = BTreeMap::<String, Vec<String>>::new();
    let changes = wanted.on.iter().map(|one| (one, true));
    for (text, is_on) in changes.chain(wanted.off.iter().map(|one| (one, false))) {
        let (kind, channel) = text
            .split_once('=')
            .ok_or_else(|| Failure::new(USAGE, format!("{text:?} is not KIND=CHANNEL")))?;
        let kind = find_kind(preferences, kind)?;
        let channel = find_channel(preferences, channel)?;
        if !kind.offered.contains(&channel) {
            let message = format!("{} cannot be sent through that channel", kind.kind);
            return Err(Failure::new(INVALID, message));
        }
        let ids = kinds
            .entry(kind.kind.clone())
            .or_insert_with(|| kind.channels.clone());
        ids.retain(|id| *id != channel);
        if is_on {
            ids.push(channel);
        }
    }
    Ok((!kinds.is_empty()).then_some(kinds))
}

fn find_kind<'a>(
    preferences: &'a NoticePreferencesOut,
    name: &str,
) -> Result<&'a PreferenceKindOut, Failure> {
    let found = preferences.kinds.iter().find(|kind| kind.kind == name);
    found.ok_or_else(|| {
        Failure::new(NOT_FOUND, format!("notice kind {name:?} not found"))
            .hint("keycroft notice preferences")
    })
}

/// The id of the channel with this name or id.
fn find_channel(preferences: &NoticePreferencesOut, name: &str) -> Result<String, Failure> {
    let mut channels = preferences.channels.iter();
    let found = channels.find(|channel| channel.name == name || channel.id == name);
    found.map(|channel| channel.id.clone()).ok_or_else(|| {
        Failure::new(NOT_FOUND, format!("channel {name:?} not found"))
            .hint("keycroft notice preferences")
    })
}

fn show_preferences(client: &Client, preferences: &NoticePreferencesOut) -> Result<(), Failure> {
    match (&preferences.email, &preferences.email_pending) {
        (Some(address), None) => write_stderr(&format!("notices by e-mail go to {address}")),
        (Some(address), Some(pending)) => write_stderr(&format!(
            "notices by e-mail go to {address}; {pending} is not confirmed yet"
        )),
        (None, Some(pending)) => write_stderr(&format!("{pending} is not confirmed yet")),
        (None, None) => {}
    }
    let name = |id: &String| {
        let mut channels = preferences.channels.iter();
        let found = channels.find(|channel| channel.id == *id);
        found.map_or_else(|| id.clone(), |channel| channel.name.clone())
    };
    let row = |kind: &PreferenceKindOut| -> Vec<Cell> {
        let on: Vec<String> = kind.channels.iter().map(name).collect();
        let off = kind.offered.iter().filter(|id| !kind.channels.contains(id));
        let off: Vec<String> = off.map(name).collect();
        vec![
            kind.kind.as_str().into(),
            Cell::words(&on),
            Cell::words(&off),
            kind.label.as_str().into(),
        ]
    };
    let kinds = preferences
        .kinds
        .iter()
        .filter(|kind| !kind.offered.is_empty());
    let rows: Vec<Vec<Cell>> = kinds.map(row).collect();
    output::table(
        client.format(),
        &["notice", "on", "off", "meaning"],
        &rows,
        "this server sends no notices yet; ask an admin to create a channel",
    )
}
