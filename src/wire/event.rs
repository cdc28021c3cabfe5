//! Entries of the audit log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::event::{Event, decode_words};

/// One event.
#[derive(Debug, Serialize, Deserialize)]
pub struct EventOut {
    pub number: i64,
    pub at: String,
    pub action: String,
    pub outcome: String,
    pub channel: String,
    pub actor: String,
    pub credential: Option<String>,
    pub target: TargetOut,
    pub address: Option<String>,
    pub program: Option<String>,
    pub request_id: Option<String>,
    pub before: BTreeMap<String, String>,
    pub after: BTreeMap<String, String>,
}

/// The target of an act.
#[derive(Debug, Serialize, Deserialize)]
pub struct TargetOut {
    pub kind: String,
    pub id: String,
    pub name: String,
}

impl EventOut {
    pub fn new(event: &Event) -> Self {
        Self {
            number: event.number,
            at: event.at.to_string(),
            action: event.action.clone(),
            outcome: event.outcome.clone(),
            channel: event.channel.clone(),
            actor: event.actor.clone(),
            credential: event.credential.clone(),
            target: TargetOut {
                kind: event.target_kind.clone(),
                id: event.target_id.clone(),
                name: event.target_name.clone(),
            },
            address: event.address.clone(),
            program: event.program.clone(),
            request_id: event.request_id.clone(),
            before: decode_words(&event.before).into_iter().collect(),
            after: decode_words(&event.after).into_iter().collect(),
        }
    }
}
