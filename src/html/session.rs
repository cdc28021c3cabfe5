//! Sessions: browsers that are signed in to the console.

use maud::{Markup, html};

use super::form::button;
use super::layout::{Frame, Section, heading, page};
use super::list::{self, ListPlace, plain, sorted};
use super::status_badge::badge;
use super::when::{minute, relative};
use crate::model::credential::Record;
use crate::model::list::Column;
use crate::model::secret::Id;
use crate::model::user_agent;

/// The sessions of the signed-in user.
#[derive(Debug, Clone)]
pub struct SessionList {
    pub at: ListPlace,
    pub rows: Vec<Record>,
    /// The session of the request.
    pub current: Id,
}

/// `/sessions`. A row's button sends `id` to `/sessions/delete`; the picked rows go there as `pick`; "Sign out everywhere
/// else" goes to `/sessions/delete-others`.
pub fn session_list(frame: &Frame, view: &SessionList) -> Markup {
    let at = &view.at;
    let columns = [
        list::PICK,
        sorted(Column::Name, "Device", "name"),
        sorted(Column::LastUsed, "Last active", ""),
        sorted(Column::Created, "Signed in", "low"),
        sorted(Column::Expires, "Expires", ""),
        plain("", ""),
    ];
    let others = at.total > 1 || view.rows.iter().any(|record| record.id != view.current);
    let acts = html! {
        a.button href=(at.csv()) { "CSV" }
        @if others { (button(frame, "/sessions/delete-others", Some("danger"), "Sign out everywhere else")) }
    };
    let content = html! {
        (heading("Sessions", &acts))
        p.lead { "Browsers signed in as you. Sign out those that you do not recognize." }
        (list::search(at, false))
        @if view.rows.is_empty() {
            (list::no_match(at))
        } @else {
            (list::picked_form(frame, at, &columns, &html! {
                @for record in &view.rows { (row(frame, record, record.id == view.current)) }
            }))
        }
    };
    page(frame, Section::Sessions, "Sessions", &content)
}

/// When it was last active, and from where.
pub(super) fn active(record: &Record, frame: &Frame) -> Markup {
    let last = record.last_use.as_ref();
    let at = last.map_or(record.created_at, |last| last.at);
    let address = last.and_then(|last| last.address).or(record.address);
    html! {
        td.when.from data-label="Active" {
            time datetime=(at) { (relative(at, frame.now)) }
            " " small.at { @match address { Some(address) => (address), None => "unknown address" } }
        }
    }
}

fn row(frame: &Frame, record: &Record, is_current: bool) -> Markup {
    let now = frame.now;
    let device = user_agent::device(record.user_agent.as_deref());
    html! {
        tr {
            @if is_current { td.pick {} } @else { (list::pick(record.id.as_str(), &device)) }
            th.name scope="row" {
                b { bdi { (device) } } @if is_current { " " (badge("ok", "This device")) }
                small { (record.id) @if let Some(with) = record.signed_in_with { " · by " (with.label()) } }
            }
            (active(record, frame))
            td.low {
                time datetime=(record.created_at) { (relative(record.created_at, now)) }
                small { (minute(record.created_at)) @if let Some(address) = record.address { " · " (address) } }
            }
            (list::expires(record.ends_at(), now))
            td.actions.keep { button.danger name="id" value=(record.id) aria-label={ "Sign out " (device) @if is_current { ", this device" } } { "Sign out" } }
        }
    }
}
