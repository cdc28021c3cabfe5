//! The console as browsers see it: requests with cookies and forms, answers as pages.

mod account_notices;
mod admin;
pub mod browser;
mod code;
mod created_by;
mod cross_site;
mod explain;
mod form;
mod header;
mod host;
mod hostile;
mod key_of_user;
mod lane;
mod lock;
mod look;
pub mod markup;
mod names;
mod saved_form;
mod session;
mod shown_once;
mod sign_in;
pub mod site;
mod size;
mod ssh_key;
mod statements;
mod step_up;
mod use_at_once;
