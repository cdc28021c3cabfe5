//! Hosts: machines whose sshd asks for SSH keys.

use super::time::Time;

/// A host's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostId(pub i64);

/// A machine.
#[derive(Debug, Clone)]
pub struct Host {
    pub id: HostId,
    pub name: String,
    pub created_at: Time,
    pub last_contact_at: Option<Time>,
}
