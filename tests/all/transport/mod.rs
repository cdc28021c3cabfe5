//! The transport through raw sockets: rejections, limits, recovery.

mod support;

mod basics;
mod connections;
mod deadlines;
mod faults;
mod limits;
mod pools;
mod process;
mod smuggling;
mod stopping;
mod strictness;
mod tls;
