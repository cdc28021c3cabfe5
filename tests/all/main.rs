//! Black-box tests, one binary for all, files by feature.

mod device;
mod tidy;
mod transport;
