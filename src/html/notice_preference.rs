//! A user's e-mail address, wanted notices and calendar.

use maud::{Markup, html};

use super::form::{Field, Input, Tick, button, group, post, summary};
use super::layout::{Frame, Section, page};
use super::shown_once;
use super::when::time;
use crate::model::notice_channel::ChannelKind;
use crate::model::notice_kind::NoticeKind;
use crate::model::notice_preference::{NoticePreferences, PreferenceChannel};
use crate::model::time::Time;

/// The page; at most one of the two inputs has content.
#[derive(Debug, Clone)]
pub struct PreferencePage {
    pub preferences: NoticePreferences,
    /// When the calendar link was created; `None` without one.
    pub calendar_created_at: Option<Time>,
    pub email_input: Input,
    pub kinds_input: Input,
}

/// The value of a checkbox: a kind and a channel.
pub fn value(kind: NoticeKind, channel: &PreferenceChannel) -> String {
    format!("{}={}", kind.as_str(), channel.id)
}

/// `/account/notices`. Sends `want` for each ticked box; `/account/notices/email` gets `email`.
pub fn notice_preference_page(frame: &Frame, view: &PreferencePage) -> Markup {
    let preferences = &view.preferences;
    let title = view.email_input.title("Notices");
    let title = if view.kinds_input.errors.is_empty() {
        title
    } else {
        view.kinds_input.title("Notices")
    };
    let has_email = preferences.channels.iter().any(|channel| {
        channel.kind == ChannelKind::Email && (channel.for_members || preferences.is_admin)
    });
    let content = html! {
        h1 { "Notices" }
        (summary(&view.email_input))
        (summary(&view.kinds_input))
        @if preferences.channels.is_empty() {
            p.lead { "This server sends no notices yet. Ask an admin to add a channel." }
        } @else {
            p.lead { "Choose the channels for notices about expirations and changes to your account." }
            @if has_email { (email(frame, view)) }
            (kinds(frame, view))
        }
        (calendar(frame, view.calendar_created_at))
    };
    page(frame, Section::Account, &title, &content)
}

fn email(frame: &Frame, view: &PreferencePage) -> Markup {
    let email = &view.preferences.email;
    let confirmed = email.confirmed.as_ref().map(ToString::to_string);
    let help = "Keycroft sends a link to this address. Open it to confirm the address and receive notices.";
    html! {
        h2 { "E-mail" }
        dl.facts {
            dt { "Address" } dd { (confirmed.as_deref().unwrap_or("None")) }
            @if let Some(pending) = &email.pending { dt { "Not confirmed yet" } dd { (pending) } }
        }
        (post(frame, "/account/notices/email", &html! {
            (Field::text("email").kind("email").autocomplete("email").required().help(help).show(&view.email_input))
            div.actions { button { "Send the link" } }
        }))
        @if email.confirmed.is_some() || email.pending.is_some() {
            (button(frame, "/account/notices/email/remove", Some("danger"), "Remove the address"))
        }
    }
}

fn kinds(frame: &Frame, view: &PreferencePage) -> Markup {
    let preferences = &view.preferences;
    let input = &view.kinds_input;
    let tick = |kind: NoticeKind, channel: &PreferenceChannel| {
        let value = value(kind, channel);
        let on = if input.is_fresh() {
            preferences.wants(kind, channel)
        } else {
            input.has("want", &value)
        };
        let note = if preferences.is_usable(channel) {
            ""
        } else {
            " (needs a confirmed address)"
        };
        Tick {
            kind: "checkbox",
            name: "want",
            value: &value,
            words: &format!("{}{note}", channel.name),
            on,
        }
        .show()
    };
    let offered = |kind: NoticeKind| -> Vec<&PreferenceChannel> {
        let channels = preferences.channels.iter();
        channels
            .filter(|channel| preferences.is_offered(kind, channel))
            .collect()
    };
    html! {
        h2 #kinds tabindex="-1" { "Kinds" }
        p { "A security notice stays on at least one channel." }
        (post(frame, "/account/notices", &html! {
            @for kind in preferences.kinds() {
                @let channels = offered(kind);
                @if !channels.is_empty() {
                    (group(kind.as_str(), kind.label(), input, &html! { @for channel in channels { (tick(kind, channel)) } }))
                }
            }
            div.actions { button.primary { "Save" } }
        }))
    }
}

fn calendar(frame: &Frame, created_at: Option<Time>) -> Markup {
    html! {
        h2 { "Calendar" }
        p { "A link for your calendar program. It shows names and expirations of your keys, and gives no other access." }
        @match created_at {
            Some(at) => {
                p { "Created " (time(at, frame.now)) ". A new link revokes this one." }
                (button(frame, "/account/notices/calendar", None, "Create a new link"))
                (button(frame, "/account/notices/calendar/delete", Some("danger"), "Revoke the link"))
            }
            None => (button(frame, "/account/notices/calendar", None, "Create a link")),
        }
    }
}

/// The answer to a new calendar link, shown once.
pub fn calendar_link(frame: &Frame, url: &str) -> Markup {
    let title = "Calendar link";
    let content = html! {
        h1 { (title) }
        section.notice.warn data-once aria-label="Calendar link" {
            p { b { "Copy the link now. It is shown once." } " Add it to your calendar program as a subscription." }
            (shown_once::field("Link", "calendar link", url))
        }
        p { "The link is a secret: it shows the names of your keys to everyone who has it." }
        div.actions { a.button href="/account/notices" { "Done" } }
    };
    page(frame, Section::Account, title, &content)
}

/// `/account/notices/confirm`: the question before a new address is used. `None`: the link does not fit.
pub fn confirm(frame: &Frame, address: Option<&str>) -> Markup {
    let title = "Confirm your e-mail address";
    let content = html! {
        h1 { (title) }
        @match address {
            Some(address) => {
                p { "Send notices about your account to " b { (address) } "?" }
                (post(frame, "/account/notices/confirm", &html! {
                    div.actions { button.primary { "Confirm the address" } a.button href="/account/notices" { "Cancel" } }
                }))
            }
            None => {
                p { "This link is not valid for your account. It was used before, replaced, or sent for another account." }
                div.actions { a.button href="/account/notices" { "Show notices" } }
            }
        }
    };
    page(frame, Section::Account, title, &content)
}
