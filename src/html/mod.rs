//! The pages: the only maud of the program. Values in, markup out; no decision about permissions is made here.
//!
//! Each file has the pages of one noun and the structs they are made of. Doors fill the structs and send what the
//! functions give. Forms come back with their [`form::Input`].

pub mod account;
pub mod api_key;
pub mod api_key_page;
mod assets;
mod chart;
pub mod event;
pub mod form;
#[cfg(test)]
mod gallery;
pub mod layout;
mod lifetime;
pub mod permission;
pub mod session;
mod shown_once;
pub mod sign_in;
pub mod standing;
pub mod table;
pub mod token;
pub mod when;

pub use assets::{Asset, assets};
pub use layout::{AdminPages, Flash, Frame, Outside, Theme, Visitor};
