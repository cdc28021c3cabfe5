//! Black-box tests, one binary for all, files by feature.

mod api;
mod cli;
mod console;
mod device;
mod house;
mod serve;
mod ssh_key;
mod store;
mod tidy;
mod transport;
