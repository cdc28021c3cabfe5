//! Black-box tests, one binary for all, files by feature.

mod api;
mod app;
mod attack;
mod cli;
mod console;
mod device;
mod fixture;
mod fuzz;
mod host;
mod imports;
mod monitoring;
mod notice;
mod process;
mod prose;
mod race;
mod second_factor;
mod serve;
mod ssh_key;
mod store;
mod tidy;
mod transport;
