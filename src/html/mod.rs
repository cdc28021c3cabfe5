//! The pages, and the only use of maud. Values in, markup out; permissions are decided elsewhere.
//!
//! Each file has the pages of one resource and their input structs. The console fills the structs and sends the result.
//! Rejected forms come back with their [`form::Input`].

pub mod account;
mod account_notice;
pub mod api_key;
mod api_key_list;
mod api_key_page;
mod assets;
pub mod bulk;
mod chart;
pub mod device;
pub mod diagnostics;
pub mod error;
pub mod event;
mod event_sentence;
pub mod explain;
pub mod form;
mod frame;
pub mod group;
pub mod help;
mod holder;
pub mod host;
pub mod host_list;
pub mod inventory;
pub mod layout;
mod lifetime;
pub mod list;
pub mod notice_channel;
pub mod notice_preference;
pub mod overview;
pub mod passkey;
pub mod permission;
mod permission_form;
pub mod policy;
pub mod reference;
mod saved_form;
pub mod second_factor;
pub mod service;
pub mod service_list;
pub mod session;
mod shown_once;
pub mod sign_in;
pub mod ssh_key;
pub mod ssh_key_list;
pub mod status_badge;
pub mod table;
pub mod token;
mod token_list;
pub mod user;
pub mod user_list;
pub mod when;

pub use assets::{Asset, assets};
pub use layout::{AdminPages, Flash, Frame, Outside, Theme, Visitor};
pub use maud::Markup;
