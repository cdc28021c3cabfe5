//! The inventory: credentials and SSH keys of all owners.

use serde::{Deserialize, Serialize};

use super::text;
use crate::model::credential::OwnerId;
use crate::model::inventory::{Item, Weakness};
use crate::model::time::Time;

/// One credential or SSH key.
#[derive(Debug, Serialize, Deserialize)]
pub struct CredentialOut {
    /// `api-key`, `token`, `session`, `host`, `ssh-key`.
    pub kind: String,
    pub id: String,
    pub name: String,
    /// `user`, `service`, `host`.
    pub owner_kind: String,
    pub owner: String,
    /// Of API keys and tokens; empty for other kinds.
    pub permissions: Vec<String>,
    /// Of SSH keys: `ssh-ed25519` and so on.
    #[serde(rename = "type")]
    pub key_type: Option<String>,
    pub bits: Option<u32>,
    pub state: String,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub last_used_at: Option<String>,
    /// Of SSH keys: `against-policy`, or `shared` with another user.
    pub weakness: Option<String>,
}

impl CredentialOut {
    /// `owner`: the owner's name.
    pub fn new(item: &Item, owner: &str, now: Time) -> Self {
        let permissions = match item {
            Item::Credential(record) => record.permissions.words().map(str::to_owned).collect(),
            Item::SshKey(..) => Vec::new(),
        };
        let (key_type, bits, weakness) = match item {
            Item::Credential(_) => (None, None, None),
            Item::SshKey(key, weakness) => (
                Some(key.key.kind().name().to_owned()),
                Some(key.key.bits()),
                match weakness {
                    Weakness::None => None,
                    Weakness::AgainstPolicy => Some("against-policy".to_owned()),
                    Weakness::Shared => Some("shared".to_owned()),
                },
            ),
        };
        let owner_kind = match item.owner() {
            OwnerId::User(_) => "user",
            OwnerId::Service(_) => "service",
            OwnerId::Host(_) => "host",
        };
        Self {
            kind: item.as_str().to_owned(),
            id: item.id().to_string(),
            name: item.name().to_owned(),
            owner_kind: owner_kind.to_owned(),
            owner: owner.to_owned(),
            permissions,
            key_type,
            bits,
            state: item.state(now).as_str().to_owned(),
            created_at: item.created_at().to_string(),
            expires_at: text(item.expires_at()),
            last_used_at: text(item.last_used_at()),
            weakness,
        }
    }
}
