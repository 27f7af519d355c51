//! SHA-256 as it is written in ledgers: 64 lowercase hexadecimal digits.

use sha2::{Digest, Sha256};

/// The digest of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    hex_of(Sha256::new_with_prefix(bytes))
}

/// The digest of all that `hasher` has seen.
pub(crate) fn hex_of(hasher: Sha256) -> String {
    lower(&hasher.finalize())
}

/// Bytes in lowercase hexadecimal.
pub(crate) fn lower(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
