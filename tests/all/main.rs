//! Black-box tests, one binary for all, files by feature.

mod device;
mod serve;
mod tidy;
mod transport;
