//! Second factors: bars 2F1 to 2F3.

mod account;
mod api;
mod authenticator;
mod ceremony;
mod cookie;
mod limits;
mod meanwhile;
mod pages;
mod passkey;
mod phone;
mod policy;
mod recovery;
mod reset;
mod rules;
mod totp;
