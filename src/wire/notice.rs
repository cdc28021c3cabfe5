//! Channels of notices, deliveries, and the body of a webhook.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{given, text};
use crate::model::error::{Error, Faults};
use crate::model::notice_channel::{
    ChannelKind, ChannelUrl, NewNoticeChannel, NoticeChannel, NoticeChannelChange,
};
use crate::model::notice_delivery::{Delivery, DueNotice};
use crate::model::text::parse_name;

/// A channel of notices.
#[derive(Debug, Serialize, Deserialize)]
pub struct NoticeChannelOut {
    pub id: String,
    pub name: String,
    /// `webhook`, `ntfy`, `chat` or `email`.
    pub kind: String,
    /// Scheme, host and port; the rest may be a secret of the receiver.
    pub url: Option<String>,
    pub members: bool,
    pub admins: bool,
    pub created_at: String,
    /// The number of notices that wait for delivery.
    pub waiting: u32,
    /// The signing key of a webhook, in the answer that creates the channel alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Option<String>>,
}

impl NoticeChannelOut {
    pub fn new(channel: &NoticeChannel) -> Self {
        Self {
            id: channel.id.to_string(),
            name: channel.name.clone(),
            kind: channel.kind.as_str().to_owned(),
            url: channel.url.as_ref().map(ChannelUrl::shown),
            members: channel.for_members,
            admins: channel.for_admins,
            created_at: channel.created_at.to_string(),
            waiting: channel.waiting,
            secret: None,
        }
    }
}

const fn yes() -> bool {
    true
}

/// A new channel.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeChannelIn {
    pub name: String,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default = "yes")]
    pub members: bool,
    #[serde(default = "yes")]
    pub admins: bool,
}

impl NoticeChannelIn {
    pub fn parse(self) -> Result<NewNoticeChannel, Error> {
        let mut faults = Faults::default();
        let name = faults.take("name", parse_name(&self.name));
        let kind = faults.take("kind", ChannelKind::parse(&self.kind));
        if kind == Some(ChannelKind::Email) {
            faults.add("kind", "expected webhook, ntfy or chat");
        }
        let url = match (kind, self.url) {
            (Some(ChannelKind::Email), Some(_)) => {
                faults.add("url", "an e-mail channel has no URL");
                None
            }
            (Some(ChannelKind::Email), None) => None,
            (_, None) => {
                faults.add("url", "enter the URL of the receiver");
                None
            }
            (_, Some(url)) => faults.take("url", ChannelUrl::parse(&url)),
        };
        faults.check()?;
        let kind = kind.ok_or_else(|| Error::field("kind", "enter a kind"))?;
        Ok(NewNoticeChannel {
            name: name.unwrap_or_default(),
            kind,
            url,
            for_members: self.members,
            for_admins: self.admins,
        })
    }
}

/// A change to a channel.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoticeChannelPatch {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub members: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub admins: Option<bool>,
}

impl NoticeChannelPatch {
    pub fn parse(self) -> Result<NoticeChannelChange, Error> {
        let mut faults = Faults::default();
        let name = self.name.map(|name| faults.take("name", parse_name(&name)));
        let url = self
            .url
            .map(|url| faults.take("url", ChannelUrl::parse(&url)));
        faults.check()?;
        Ok(NoticeChannelChange {
            name: name.flatten(),
            url: url.flatten(),
            for_members: self.members,
            for_admins: self.admins,
        })
    }
}

/// A test notice that was accepted for delivery.
#[derive(Debug, Serialize, Deserialize)]
pub struct NoticeTestOut {
    /// The id of the notice, as in the list of deliveries.
    pub id: String,
}

/// A try to deliver a notice.
#[derive(Debug, Serialize, Deserialize)]
pub struct NoticeDeliveryOut {
    /// The id of the notice.
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of the channel.
    pub channel: String,
    /// The recipient; `null`: admins.
    pub username: Option<String>,
    pub at: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// `delivered`, `failed` or `given-up`.
    pub outcome: String,
    /// The status of the answer, or the reply code of SMTP.
    pub status: Option<u16>,
    pub detail: String,
    pub next_try_at: Option<String>,
}

impl NoticeDeliveryOut {
    pub fn new(delivery: &Delivery) -> Self {
        Self {
            id: delivery.notice.to_string(),
            kind: delivery.kind.clone(),
            channel: delivery.channel.clone(),
            username: delivery.recipient.clone(),
            at: delivery.at.to_string(),
            attempt: delivery.attempt,
            outcome: delivery.outcome.as_str().to_owned(),
            status: delivery.status,
            detail: delivery.detail.clone(),
            next_try_at: text(delivery.next_try_at),
        }
    }
}

/// The body of a webhook.
#[derive(Debug, Serialize)]
pub struct WebhookOut<'a> {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub at: String,
    pub subject: &'a str,
    pub text: &'a str,
    pub url: &'a str,
    pub data: BTreeMap<&'a str, &'a str>,
}

impl<'a> WebhookOut<'a> {
    /// `url`: the complete link.
    pub fn new(notice: &'a DueNotice, url: &'a str) -> Self {
        let data = notice.data.iter();
        Self {
            id: notice.id.to_string(),
            kind: notice.kind.as_str(),
            at: notice.at.to_string(),
            subject: &notice.subject,
            text: &notice.body,
            url,
            data: data
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
        }
    }
}
