//! SSH keys.
