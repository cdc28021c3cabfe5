//! Archive files of the audit log: a line of JSON that describes the file, then one line per event, oldest first.

use serde::{Deserialize, Serialize};

use crate::model::audit_chain::ChainHead;
use crate::model::event::Event;
use crate::model::secret::Digest;
use crate::model::time::Time;
use crate::model::user::UserId;

/// The format version of archives.
pub const FORMAT: &str = "keycroft-audit-archive-1";

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveHeader {
    pub format: String,
    /// The number of the first event in the file.
    pub first: i64,
    /// The number of the last event in the file.
    pub last: i64,
    /// The hash of the event before the first.
    pub start: String,
    /// The hash of the last event.
    pub head: String,
}

impl ArchiveHeader {
    pub fn new(start: &ChainHead, head: &ChainHead) -> Self {
        Self {
            format: FORMAT.to_owned(),
            first: start.number + 1,
            last: head.number,
            start: start.hash.hex(),
            head: head.hash.hex(),
        }
    }

    /// The places before the first event and at the last one; `None` if this is not a header of this format.
    pub fn places(&self) -> Option<(ChainHead, ChainHead)> {
        let start = ChainHead {
            number: self.first - 1,
            hash: Digest::from_hex(&self.start)?,
        };
        let head = ChainHead {
            number: self.last,
            hash: Digest::from_hex(&self.head)?,
        };
        let in_order = self.first > 0 && self.first <= self.last;
        (self.format == FORMAT && in_order).then_some((start, head))
    }
}

/// An event with everything that its hash covers, in this order, and the hash. `before` and `after` hold a line
/// `name=value` per value. A line break in it becomes `\n`, a backslash `\\`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedEvent {
    pub number: i64,
    pub at: String,
    pub action: String,
    pub outcome: String,
    pub channel: String,
    pub actor: String,
    pub actor_user_id: Option<i64>,
    pub credential: Option<String>,
    pub target_kind: String,
    pub target_id: String,
    pub target_name: String,
    pub target_owner_id: Option<i64>,
    pub address: Option<String>,
    pub program: Option<String>,
    pub request_id: Option<String>,
    pub before: String,
    pub after: String,
    pub hash: String,
}

impl ArchivedEvent {
    pub fn new(event: Event, hash: &Digest) -> Self {
        Self {
            number: event.number,
            at: event.at.to_string(),
            action: event.action,
            outcome: event.outcome,
            channel: event.channel,
            actor: event.actor,
            actor_user_id: event.actor_user.map(|user| user.0),
            credential: event.credential,
            target_kind: event.target_kind,
            target_id: event.target_id,
            target_name: event.target_name,
            target_owner_id: event.target_owner.map(|user| user.0),
            address: event.address,
            program: event.program,
            request_id: event.request_id,
            before: event.before,
            after: event.after,
            hash: hash.hex(),
        }
    }

    /// The event and its hash; `None` when the time or the hash is malformed.
    pub fn into_event(self) -> Option<(Event, Digest)> {
        let hash = Digest::from_hex(&self.hash)?;
        let event = Event {
            number: self.number,
            at: Time::parse(&self.at).ok()?,
            action: self.action,
            outcome: self.outcome,
            channel: self.channel,
            actor: self.actor,
            actor_user: self.actor_user_id.map(UserId),
            credential: self.credential,
            target_kind: self.target_kind,
            target_id: self.target_id,
            target_name: self.target_name,
            target_owner: self.target_owner_id.map(UserId),
            address: self.address,
            program: self.program,
            request_id: self.request_id,
            before: self.before,
            after: self.after,
        };
        Some((event, hash))
    }
}
