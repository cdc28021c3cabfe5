//! The pages, and the only use of maud. Values in, markup out; permissions are decided elsewhere.
//!
//! Each file has the pages of one noun and their input structs. The console fills the structs and sends the result.
//! Rejected forms come back with their [`form::Input`].

pub mod account;
mod account_notice;
pub mod api_key;
mod api_key_list;
mod api_key_page;
mod assets;
mod chart;
pub mod device;
pub mod diagnostics;
pub mod error;
pub mod event;
pub mod explain;
pub mod form;
#[cfg(test)]
mod gallery;
pub mod group;
pub mod help;
pub mod host;
pub mod inventory;
pub mod layout;
mod lifetime;
pub mod permission;
pub mod policy;
pub mod reference;
pub mod service;
pub mod session;
mod shown_once;
pub mod sign_in;
pub mod ssh_key;
pub mod standing;
pub mod table;
pub mod token;
pub mod user;
pub mod when;

pub use assets::{Asset, assets};
pub use layout::{AdminPages, Flash, Frame, Outside, Theme, Visitor};
pub use maud::Markup;
