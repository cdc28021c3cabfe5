//! The wire, by raw sockets: what is refused, what is bounded, what goes on.

mod support;

mod basics;
