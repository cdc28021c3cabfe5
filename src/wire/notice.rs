//! Channels of notices, deliveries, and the body of a webhook.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{non_null, nullable, text};
use crate::model::email_address::EmailAddress;
use crate::model::error::{Error, FieldErrors};
use crate::model::notice_channel::{
    ChannelKind, ChannelUrl, NewNoticeChannel, NoticeChannel, NoticeChannelChange,
};
use crate::model::notice_delivery::{Delivery, DueNotice};
use crate::model::notice_kind::NoticeKind;
use crate::model::notice_preference::{
    NoticePreferenceChange, NoticePreferences, PreferenceChannel,
};
use crate::model::secret::Id;
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
        let mut faults = FieldErrors::default();
        let name = faults.take("name", parse_name(&self.name));
        let kind = faults.take("kind", ChannelKind::parse(&self.kind));
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
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub members: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub admins: Option<bool>,
}

impl NoticeChannelPatch {
    pub fn parse(self) -> Result<NoticeChannelChange, Error> {
        let mut faults = FieldErrors::default();
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

/// A channel as its users see it.
#[derive(Debug, Serialize, Deserialize)]
pub struct PreferenceChannelOut {
    pub id: String,
    pub name: String,
    pub kind: String,
    /// False for e-mail without a confirmed address.
    pub usable: bool,
}

/// A kind of notices, and the channels on which the user wants it.
#[derive(Debug, Serialize, Deserialize)]
pub struct PreferenceKindOut {
    #[serde(rename = "type")]
    pub kind: String,
    pub label: String,
    /// At least one usable channel has to stay.
    pub security: bool,
    /// Ids of all channels that can be chosen.
    pub offered: Vec<String>,
    /// Ids of those on which the user wants it.
    pub channels: Vec<String>,
}

/// The address and the wanted notices of a user.
#[derive(Debug, Serialize, Deserialize)]
pub struct NoticePreferencesOut {
    /// The confirmed address.
    pub email: Option<String>,
    /// An address that waits for its confirmation.
    pub email_pending: Option<String>,
    pub channels: Vec<PreferenceChannelOut>,
    pub kinds: Vec<PreferenceKindOut>,
}

impl NoticePreferencesOut {
    pub fn new(preferences: &NoticePreferences) -> Self {
        let channels = &preferences.channels;
        let ids = |wanted: &dyn Fn(&PreferenceChannel) -> bool| {
            let found = channels.iter().filter(|channel| wanted(channel));
            found.map(|channel| channel.id.to_string()).collect()
        };
        let kind = |kind: NoticeKind| PreferenceKindOut {
            kind: kind.as_str().to_owned(),
            label: kind.label().to_owned(),
            security: kind.is_security(),
            offered: ids(&|channel| preferences.is_offered(kind, channel)),
            channels: ids(&|channel| preferences.wants(kind, channel)),
        };
        let is_seen = |channel: &&PreferenceChannel| {
            preferences
                .kinds()
                .iter()
                .any(|kind| preferences.is_offered(*kind, channel))
        };
        let channel = |channel: &PreferenceChannel| PreferenceChannelOut {
            id: channel.id.to_string(),
            name: channel.name.clone(),
            kind: channel.kind.as_str().to_owned(),
            usable: preferences.is_usable(channel),
        };
        Self {
            email: text(preferences.email.confirmed.as_ref()),
            email_pending: text(preferences.email.pending.as_ref()),
            channels: channels.iter().filter(is_seen).map(channel).collect(),
            kinds: preferences.kinds().into_iter().map(kind).collect(),
        }
    }
}

/// A change to the address or the wanted notices.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoticePreferencesPatch {
    /// A link is sent to it. `null` removes the address.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub email: Option<Option<String>>,
    /// Kinds, each with the ids of all channels on which it is wanted.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_null")]
    pub kinds: Option<BTreeMap<String, Vec<String>>>,
}

impl NoticePreferencesPatch {
    /// The change of the address (`None`: none, `Some(None)`: remove it), and that of the kinds.
    pub fn parse(
        self,
    ) -> Result<(Option<Option<EmailAddress>>, Option<NoticePreferenceChange>), Error> {
        let mut faults = FieldErrors::default();
        let email = match self.email {
            None => None,
            Some(None) => Some(None),
            Some(Some(text)) => faults.take("email", EmailAddress::parse(&text)).map(Some),
        };
        let kinds = self.kinds.map(|kinds| {
            let mut change = NoticePreferenceChange::default();
            for (name, channels) in kinds {
                let kind = NoticeKind::parse(&name).filter(|kind| NoticeKind::ALL.contains(kind));
                let ids: Option<Vec<Id>> = channels.iter().map(|id| Id::parse(id)).collect();
                match (kind, ids) {
                    (Some(kind), Some(ids)) => change.kinds.push((kind, ids)),
                    (None, _) => faults.add("kinds", "unknown kind of notices"),
                    (_, None) => faults.add("kinds", "expected ids of channels"),
                }
            }
            change
        });
        faults.check().map(|()| (email, kinds))
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
