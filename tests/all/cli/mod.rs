//! The command line as people and scripts use it: the real program, a real server.

mod account_notices;
mod commands;
mod deletion;
mod device_login;
mod exit_codes;
mod form;
mod homes;
mod key_of_user;
mod login;
mod on_the_database;
mod operations;
mod output;
mod pasted;
mod revoke;
mod scan;
mod second_factor;
mod support;
mod table;
mod tls;
