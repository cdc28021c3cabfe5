//! The nouns: pure types and the rules that belong to them.
pub mod ssh_key;
