//! The channels of notices and their deliveries, for admins.

use maud::{Markup, html};

use super::form::{Field, Input, Tick, acts, button, danger, group, hidden, post, radios, summary};
use super::layout::{Frame, Section, heading, page};
use super::shown_once;
use super::when::{time, time_or_never};
use crate::model::notice_channel::{ChannelKind, ChannelUrl, NoticeChannel};
use crate::model::notice_delivery::{Delivery, TryOutcome};
use crate::model::notice_kind::NoticeKind;
use crate::model::text::NAME_CHARACTERS_MAX;
use crate::model::time::Time;

/// The channels and the log.
#[derive(Debug, Clone)]
pub struct ChannelList {
    /// Oldest first.
    pub channels: Vec<NoticeChannel>,
    /// Newest first.
    pub deliveries: Vec<Delivery>,
}

/// The form of a channel.
#[derive(Debug, Clone)]
pub struct ChannelForm {
    /// `None` for a new one.
    pub channel: Option<NoticeChannel>,
    pub nonce: String,
    pub input: Input,
}

/// Tries on the page; the API lists more.
const SHOWN_MAX: usize = 25;

/// `/admin/notices`.
pub fn notice_channel_list(frame: &Frame, view: &ChannelList) -> Markup {
    let new = html! { a.button.primary href="/admin/notices/new" { "Add channel" } };
    let content = html! {
        (heading("Notices", &new))
        p.lead { "Channels deliver notices about expirations and security events." }
        @if view.channels.is_empty() {
            div.notice {
                p { "No channels yet. Nobody receives notices. Add a channel." }
                p { "Or run " code { "keycroft notice-channel create phone --kind ntfy --url URL" } }
            }
        } @else {
            div.rows.form {
                table.list {
                    thead { tr {
                        th.name scope="col" { "Name" }
                        th.from scope="col" { "Receiver" }
                        th.from.low scope="col" { "Notices to" }
                        th.num scope="col" { "Waiting" }
                        th scope="col" { span.sr { "Actions" } }
                    } }
                    tbody { @for channel in &view.channels { (channel_row(frame, channel)) } }
                }
            }
            h2 { "Deliveries" }
            @if view.deliveries.is_empty() {
                p { "No deliveries yet." }
            } @else {
                div.rows.form {
                    table.list {
                        thead { tr {
                            th.name scope="col" { "Notice" }
                            th.from.low scope="col" { "Channel" }
                            th.from.low scope="col" { "To" }
                            th.from scope="col" { "Result" }
                            th.when scope="col" { "When" }
                            th.when.low scope="col" { "Next try" }
                        } }
                        tbody { @for delivery in view.deliveries.iter().take(SHOWN_MAX) { (delivery_row(delivery, frame.now)) } }
                    }
                }
            }
        }
        h2 { "Outgoing connections" }
        p { "The systemd unit of the package blocks outgoing connections. Allow the addresses of your receivers in a drop-in:" }
        pre data-copy="the drop-in" { "# systemctl edit keycroft\n[Service]\nIPAddressAllow=192.0.2.10" }
    };
    page(frame, Section::Notices, "Notices", &content)
}

fn channel_row(frame: &Frame, channel: &NoticeChannel) -> Markup {
    let path = format!("/admin/notices/{}", channel.id);
    let audience = match (channel.for_members, channel.for_admins) {
        (true, true) => "users and admins",
        (true, false) => "users",
        (false, true) => "admins",
        (false, false) => "nobody",
    };
    html! {
        tr {
            th.name scope="row" { a href=(path) { bdi { (channel.name) } } }
            td.when.from data-label="Receiver" { (kind_name(channel.kind)) " " (channel.url.as_ref().map(ChannelUrl::shown).unwrap_or_default()) }
            td.when.from.low data-label="Notices to" { (audience) }
            td.num data-label="Waiting" { (channel.waiting) }
            td.actions.keep { (button(frame, &format!("{path}/test"), None, "Send a test")) }
        }
    }
}

const fn kind_name(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Webhook => "Webhook",
        ChannelKind::Ntfy => "ntfy",
        ChannelKind::Chat => "Chat",
        ChannelKind::Email => "E-mail",
    }
}

fn delivery_row(delivery: &Delivery, now: Time) -> Markup {
    let label = NoticeKind::parse(&delivery.kind).map_or("Notice", NoticeKind::label);
    let result = match delivery.outcome {
        TryOutcome::Delivered => "Delivered",
        TryOutcome::Failed => "Failed",
        TryOutcome::GivenUp => "Given up",
    };
    html! {
        tr {
            th.name scope="row" { (label) }
            td.when.from.low data-label="Channel" { bdi { (delivery.channel) } }
            td.when.from.low data-label="To" { (delivery.recipient.as_deref().unwrap_or("admins")) }
            td.when.from data-label="Result" {
                (result)
                @if let Some(status) = delivery.status { " (" (status) ")" }
                @if delivery.attempt > 1 { ", try " (delivery.attempt) }
                @if !delivery.detail.is_empty() { small { bdi { (delivery.detail) } } }
            }
            td.when data-label="When" { (time(delivery.at, now)) }
            td.when.low data-label="Next try" { @match delivery.next_try_at { Some(at) => (time_or_never(Some(at), now)), None => "–" } }
        }
    }
}

/// `/admin/notices/new` and `/admin/notices/ID`. Sends `name`, `url`, `members` and `admins`; a new one also `kind` and
/// `nonce`.
pub fn form(frame: &Frame, view: &ChannelForm) -> Markup {
    let input = &view.input;
    let channel = view.channel.as_ref();
    let (title, path) = match channel {
        None => ("Add channel".to_owned(), "/admin/notices/new".to_owned()),
        Some(channel) => (
            format!("Edit {}", channel.name),
            format!("/admin/notices/{}", channel.id),
        ),
    };
    let is_email = channel.is_some_and(|channel| channel.kind == ChannelKind::Email);
    let url_help = match channel.and_then(|channel| channel.url.as_ref()) {
        None => "The URL of the receiver. Leave it empty for e-mail.".to_owned(),
        Some(url) => format!("Leave it empty to keep {}.", url.shown()),
    };
    let kinds = [
        ("webhook", "Webhook: signed JSON for a program"),
        ("ntfy", "ntfy: a topic for phones and desktops"),
        (
            "chat",
            "Chat: an incoming webhook of Slack, Mattermost or similar",
        ),
        ("email", "E-mail, through the mail server in the settings"),
    ];
    let on = |name: &str, present: Option<bool>| {
        if input.is_fresh() {
            present.unwrap_or(true)
        } else {
            input.has(name, "yes")
        }
    };
    let tick = |name: &str, words: &str, present: Option<bool>| {
        Tick {
            kind: "checkbox",
            name,
            value: "yes",
            words,
            on: on(name, present),
        }
        .show()
    };
    let fields = html! {
        (Field::text("name").default(channel.map_or("", |channel| channel.name.as_str())).required().characters_max(NAME_CHARACTERS_MAX).show(input))
        @if channel.is_none() {
            (hidden("nonce", &view.nonce))
            (group("kind", "Kind", input, &radios(input, "kind", "webhook", &kinds)))
        }
        @if !is_email {
            (Field::text("url").kind("url").verbatim().help(&url_help).show(input))
        }
        (group("audience", "Notices", input, &html! {
            (tick("members", "To users, about their own keys and account", channel.map(|channel| channel.for_members)))
            (tick("admins", "To admins, about services, hosts and the server", channel.map(|channel| channel.for_admins)))
        }))
        (acts(if channel.is_some() { "Save" } else { "Add channel" }, "/admin/notices"))
    };
    let content = html! {
        h1 { (title) }
        (summary(input))
        (post(frame, &path, &fields))
        @if channel.is_some() {
            div.actions { a.button.danger href={ (path) "/delete" } { "Delete channel" } }
        }
    };
    page(frame, Section::Notices, &input.title(&title), &content)
}

/// The answer to a new webhook: its signing key, shown once.
pub fn created(frame: &Frame, channel: &NoticeChannel, key: &str) -> Markup {
    let title = "Channel added";
    let content = html! {
        h1 { (title) }
        section.notice.warn data-once aria-label="Signing key" {
            p { b { "Copy the signing key now. It is shown once." } " The receiver verifies each notice with it." }
            (shown_once::field("Signing key", "signing key", key))
        }
        p { "The header " code { "Keycroft-Signature" } " contains " code { "t=TIME,v1=CODE" } ". The code is the HMAC-SHA256 of TIME, a dot and the body." }
        div.actions { a.button href="/admin/notices" { "Done" } }
        (button(frame, &format!("/admin/notices/{}/test", channel.id), None, "Send a test"))
    };
    page(frame, Section::Notices, title, &content)
}

/// The answer to a repeated form.
pub fn already(frame: &Frame) -> Markup {
    let content = shown_once::already("channel", "/admin/notices", None);
    page(frame, Section::Notices, "Already created", &content)
}

/// `/admin/notices/ID/delete`.
pub fn delete(frame: &Frame, channel: &NoticeChannel) -> Markup {
    let title = format!("Delete {}", channel.name);
    let path = format!("/admin/notices/{}", channel.id);
    let content = html! {
        h1 { (title) "?" }
        div.notice.warn { p { "Waiting notices that will not be sent: " (channel.waiting) "." } }
        (post(frame, &format!("{path}/delete"), &danger("Delete channel", &path)))
    };
    page(frame, Section::Notices, &title, &content)
}
