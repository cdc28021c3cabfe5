//! The agent on an enrolled host, and what sshd is configured to do there.

pub mod authorized_keys;
pub mod cache;
pub mod check;
pub mod enroll;
pub mod folder;
pub mod home;
pub mod logins;
pub mod machine;
pub mod rotate;
mod server;
pub mod sshd;
pub mod sync;
mod timers;
