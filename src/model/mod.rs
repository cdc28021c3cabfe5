//! The nouns: pure values and their rules; no SQL, no JSON, no HTML, no clock.

pub mod account_notice;
pub mod address;
pub mod audit_chain;
pub mod caller;
pub mod code;
pub mod credential;
pub mod device_login;
pub mod error;
pub mod event;
pub mod group;
pub mod host;
pub mod idempotency;
pub mod inventory;
pub mod notice;
pub mod password;
pub mod permission;
pub mod policy;
pub mod reserved_login;
pub mod secret;
pub mod service;
pub mod ssh_key;
pub mod text;
pub mod time;
pub mod user;
pub mod user_agent;
