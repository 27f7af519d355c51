//! SHA-256 as it is written in ledgers: 64 lowercase hexadecimal digits.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::merkle::Tree;

/// The digest of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    lower(&Sha256::digest(bytes))
}

/// Bytes in lowercase hexadecimal.
pub(crate) fn lower(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is hashed of a volume while it grows: all of it, and each piece of its Merkle tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digest {
    whole: Whole,
    tree: Tree,
}

/// The hash of all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whole {
    sha256: Sha256,
    bytes: u64,
}

impl Whole {
    /// Appends bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
    }
}

/// The length and the hashes of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digested {
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256 of them.
    pub sha256: String,
    /// Root of the Merkle tree over its pieces of 65,536 bytes (RFC 6962 §2.1).
    pub merkle: String,
}

impl Digest {
    /// Of the same bytes, hashed apart.
    pub(crate) fn of(whole: Whole, tree: Tree) -> Self {
        Self { whole, tree }
    }

    /// Appends bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.whole.update(bytes);
        self.tree.update(bytes);
    }

    /// How many bytes there were.
    pub(crate) fn bytes(&self) -> u64 {
        self.whole.bytes
    }

    /// The digest of all bytes so far.
    pub(crate) fn finish(self) -> Digested {
        let Self { whole: Whole { sha256, bytes }, tree } = self;
        Digested { bytes, sha256: lower(&sha256.finalize()), merkle: tree.root() }
    }
}

/// The digest of what `input` gives.
pub(crate) fn read(mut input: impl Read) -> io::Result<Digested> {
    let mut digest = Digest::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(digest.finish()),
            Ok(length) => digest.update(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
