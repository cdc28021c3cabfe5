//! `Idempotency-Key`: the promise that a repeated request makes nothing twice.

use super::secret::Digest;

/// One request that names itself: who, where and which key, and what was in it. Digests alone, keyed, so that the
/// file holds neither key nor body.
#[derive(Clone, Copy)]
pub struct IdempotencyKey {
    /// Of caller, route and key.
    pub request: Digest,
    /// Of the body.
    pub body: Digest,
}
