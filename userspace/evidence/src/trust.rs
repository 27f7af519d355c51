//! The authorities that may order, and the nodes whose evidence is believed: a directory with one
//! `.pub` file each.
//!
//! A node's key is called `node.pub` or `NAME.node.pub`. It signs evidence and never a warrant: who
//! operates the node must not be able to order.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::keys::{KeyError, PublicKey, Signature};

/// A key that may sign warrants.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    /// The file's name without `.pub`: the authority's name.
    pub name: String,
    /// The key.
    pub key: PublicKey,
}

/// The trust store. An empty one trusts nobody, so that it refuses every warrant.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: Vec<TrustedKey>,
    nodes: Vec<TrustedKey>,
}

impl Trust {
    /// Reads every `*.pub` of `dir`, in order of name; other files are not looked at.
    ///
    /// # Errors
    /// [`TrustError`] if the directory or one of its keys cannot be read: a store that is half
    /// read could hide a revoked or replaced key.
    pub fn open(dir: &Path) -> Result<Self, TrustError> {
        let unreadable = |source| TrustError::Directory { path: dir.to_owned(), source };
        let mut trust = Self::default();
        for entry in fs::read_dir(dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_none_or(|extension| extension != "pub") {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let of = if is_node(&name) { &mut trust.nodes } else { &mut trust.keys };
            of.push(TrustedKey { name, key: PublicKey::load(&path)? });
        }
        trust.keys.sort_by(|a, b| a.name.cmp(&b.name));
        trust.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(trust)
    }

    /// The authorities' keys, in order of name.
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// The nodes' keys, in order of name.
    pub fn nodes(&self) -> &[TrustedKey] {
        &self.nodes
    }

    /// The key of the authority called `name`.
    pub fn named(&self, name: &str) -> Option<&TrustedKey> {
        self.keys.iter().find(|trusted| trusted.name == name)
    }

    /// The keys with the id that `signature` claims (an id is 8 bytes, so two may share it).
    pub fn claimed_by(&self, signature: &Signature) -> impl Iterator<Item = &TrustedKey> {
        let id = signature.key_id();
        self.keys.iter().filter(move |trusted| trusted.key.id() == id)
    }
}

/// Whether a key of this name is a node's, and so no authority's.
pub fn is_node(name: &str) -> bool {
    name == "node" || name.ends_with(".node")
}

/// Why a trust store cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The directory cannot be listed.
    #[error("trust store {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One of its keys cannot be read.
    #[error("trust store: {0}")]
    Key(#[from] KeyError),
}
