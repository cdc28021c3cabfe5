//! Login on a device (RFC 8628), called at `respond` and approved in the app layer, as the console does.

mod flow;
mod limits;
mod support;
