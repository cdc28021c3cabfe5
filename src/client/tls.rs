//! The certificates that a client trusts.

use std::path::Path;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::terminal::exit::{Failure, USAGE};

/// TLS that trusts the certificates in a file, or the system's.
pub fn trusting(authority: Option<&Path>) -> Result<TlsConfig, Failure> {
    let Some(path) = authority else {
        return Ok(TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build());
    };
    let fail = |words: &str| Failure::new(USAGE, format!("{}: {words}", path.display()));
    let text = std::fs::read(path).map_err(|error| fail(&error.to_string()))?;
    let certificates: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(fail("the file contains no PEM certificate"));
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::from(certificates))
        .build())
}
