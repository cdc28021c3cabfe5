//! Signing in on a device (RFC 8628), asked at `respond`, answered at the desk as the console's page does.

mod flow;
mod limits;
mod support;
