//! Settings of a server.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::model::address::AllowedAddresses;
use crate::model::time::Time;
use crate::transport::certificate_end;

/// Settings shared by all requests of a server.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The public URL of this server, without a slash at the end: `https://keys.lab.example`.
    pub public_url: String,
    /// True if `public_url` was configured. Otherwise, a loopback name in a request counts as this server too.
    pub public_url_given: bool,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub behind_proxy: Option<AllowedAddresses>,
    /// The first peer that sent forwarding headers without being trusted: a proxy missing in `behind_proxy`, or a
    /// client.
    pub untrusted_forwarder: OnceLock<IpAddr>,
    /// The certificate of this server, PEM.
    pub certificate: Option<PathBuf>,
}

impl HttpSettings {
    /// Returns whether browsers reach this server through TLS.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// When the certificate of this server expires; `None` without one, or if it cannot be read.
    pub fn certificate_expires_at(&self) -> Option<Time> {
        let end = certificate_end(self.certificate.as_deref()?).ok()?;
        i64::try_from(end).ok().map(Time::from_unix)
    }

    /// Returns whether `peer` is a configured proxy.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.behind_proxy.as_ref().is_some_and(|allowed_addresses| {
            !allowed_addresses.is_everywhere() && allowed_addresses.allow(peer)
        })
    }
}
