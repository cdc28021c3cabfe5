//! Black-box tests, one binary for all, files by feature.

mod house;
mod ssh_key;
mod tidy;
mod transport;
