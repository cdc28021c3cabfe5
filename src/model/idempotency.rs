//! `Idempotency-Key`: the promise that a repeated request creates nothing twice.

use super::secret::Digest;

/// One request with an `Idempotency-Key`: its caller, route, key and body. Keyed digests alone, so that the database
/// holds neither key nor body.
#[derive(Clone, Copy)]
pub struct IdempotencyKey {
    /// Of caller, route and key.
    pub request: Digest,
    /// Of the body.
    pub body: Digest,
}
