//! Black-box tests, one binary for all, files by feature.

mod api;
mod device;
mod house;
mod serve;
mod tidy;
mod transport;
