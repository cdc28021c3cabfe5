//! Black-box tests, one binary for all, files by feature.

mod api;
mod attack;
mod cli;
mod console;
mod desk;
mod device;
mod fuzz;
mod host;
mod house;
mod race;
mod serve;
mod ssh_key;
mod store;
mod tidy;
mod transport;
