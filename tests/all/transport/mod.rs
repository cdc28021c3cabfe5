//! The wire, by raw sockets: what is refused, what is bounded, what goes on.

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
