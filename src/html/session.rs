//! Sessions: browsers that are signed in to the console.

use maud::{Markup, html};

use super::form::{button, hidden};
use super::layout::{Frame, Section, heading, page};
use super::standing::badge;
use super::when::{self, time};
use crate::model::credential::Record;
use crate::model::secret::Id;
use crate::model::user_agent;

/// The sessions of the signed-in user.
#[derive(Debug, Clone)]
pub struct SessionList {
    /// Last active first.
    pub rows: Vec<Record>,
    /// The session of this browser.
    pub current: Id,
}

/// `/sessions`. Each button sends `id` to `/sessions/delete`; "sign out everywhere else" goes to `/sessions/delete-others`.
pub fn list(frame: &Frame, view: &SessionList) -> Markup {
    let others = view.rows.iter().any(|record| record.id != view.current);
    let acts = html! { @if others { (button(frame, "/sessions/delete-others", Some("no"), "Sign out everywhere else")) } };
    let content = html! {
        (heading("Sessions", &acts))
        p.lead { "Browsers in which you are signed in. Sign out browsers that you do not recognize: they are signed out immediately." }
        form method="post" action="/sessions/delete" {
            (hidden("form_token", &frame.form_token))
            table.list {
                thead { tr { th { "Device" } th { "Address" } th { "Signed in" } th { "Last active" } th { "Expires" } th { "Actions" } } }
                tbody { @for record in &view.rows { (row(frame, record, record.id == view.current)) } }
            }
        }
    };
    page(frame, Section::Sessions, "Sessions", &content)
}

fn row(frame: &Frame, record: &Record, is_current: bool) -> Markup {
    let now = frame.now;
    let device = user_agent::device(record.user_agent.as_deref());
    let used_from = record
        .last_use
        .as_ref()
        .and_then(|last| last.address)
        .filter(|address| Some(*address) != record.address);
    let active = record
        .last_use
        .as_ref()
        .map_or(record.created_at, |last| last.at);
    html! {
        tr {
            th.name scope="row" { b { bdi { (device) } } @if is_current { " " (badge("ok", "This device")) } small { (record.id) } }
            td data-label="Address" {
                @match record.address { Some(address) => (address), None => { "unknown" } }
                @if let Some(address) = used_from { small { "last from " (address) } }
            }
            td data-label="Signed in" { (time(record.created_at, now)) }
            td.when.from data-label="Active" { (time(active, now)) }
            td.when data-label="Expires" { (when::end(record.expires_at, now)) }
            td { button.danger name="id" value=(record.id) aria-label={ "Sign out " (device) @if is_current { ", this device" } } { "Sign out" } }
        }
    }
}
