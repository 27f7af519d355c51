//! The audit as a transparency log: whoever keeps one small checkpoint of it can tell later that
//! no line behind it was changed or removed, even if the whole directory was put back.
//!
//! The log's entries are the lines of `audit.jsonl`, each with its newline, in the tree of RFC 6962;
//! its checkpoints are signed notes (C2SP tlog-checkpoint), which witnesses can cosign.
//! The node's key signs them under another key id than minisign's, and no text is in both formats:
//! what minisign signs are 64 bytes of hash, and begins with no name of a log.

mod note;
mod tiles;
pub(crate) mod tree;

use std::io;
use std::path::{Path, PathBuf};

pub use note::Checkpoint;
pub use tree::Hash;

use crate::keys::{KeyError, KeyPair, PublicKey};
use crate::ledger::{self, Fault};
use crate::{base64, layout};

/// The audit of an evidence directory, as far as it goes.
#[derive(Clone, Debug)]
pub struct Log {
    origin: String,
    node: PublicKey,
    leaves: Vec<Hash>,
}

/// Why an audit gives no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The audit cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The audit.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of it does not hold.
    #[error("{}: line {line}: {what}; look with `calltap verify`", path.display())]
    Line {
        /// The audit.
        path: PathBuf,
        /// Which line.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// It has no line.
    #[error("{}: it has no line yet", path.display())]
    Empty {
        /// The audit.
        path: PathBuf,
    },
    /// The node's key cannot be read, or is another's.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The key given is not that of the node whose audit it is.
    #[error("the key {given} is not that of the node whose audit this is, {found}")]
    OtherNode {
        /// The id of the key in `node.pub`.
        found: String,
        /// The id of the key given.
        given: String,
    },
}

impl Log {
    /// Reads the audit of the evidence directory `root` and checks each line.
    ///
    /// # Errors
    /// [`Error`], naming the line that does not hold.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let path = root.join(layout::AUDIT);
        let node = PublicKey::load(&root.join(layout::NODE))?;
        let (mut leaves, mut first) = (Vec::new(), String::new());
        let walked = ledger::walk(&path, "audit", &mut |head, line, _| {
            ledger::check_line(line, &node)?;
            if leaves.is_empty() {
                first.clone_from(&head.sha256);
            }
            leaves.push(tree::leaf(line.as_bytes()));
            Ok(())
        });
        match walked {
            Err(Fault::Io(source)) => Err(Error::File { path, source }),
            Err(Fault::Line(line, what)) => Err(Error::Line { path, line, what }),
            Ok(_) if leaves.is_empty() => Err(Error::Empty { path }),
            Ok(_) => {
                // One node may write several directories, each of which is a log of its own.
                let log = first.get(..16).unwrap_or_default();
                Ok(Self { origin: format!("calltap/{}/{log}", node.id()), node, leaves })
            }
        }
    }

    /// The checkpoint of the first `size` lines; none where there are not so many.
    pub fn checkpoint(&self, size: usize) -> Option<Checkpoint> {
        let root = tree::root(self.leaves.get(..size)?);
        Some(Checkpoint { origin: self.origin.clone(), size, root })
    }

    /// The checkpoint of the whole audit as a note, signed by the node.
    ///
    /// # Errors
    /// [`Error::OtherNode`] if `node` is another's key.
    pub fn signed(&self, node: &KeyPair) -> Result<String, Error> {
        if *node.public() != self.node {
            let (found, given) = (self.node.id(), node.public().id());
            return Err(Error::OtherNode { found, given });
        }
        let root = tree::root(&self.leaves);
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: self.leaves.len(), root };
        Ok(checkpoint.sign(node.ed25519()))
    }

    /// The checkpoint that `note` is, if this node signed it for this log; witnesses may have
    /// cosigned it.
    pub fn verified(&self, note: &str) -> Option<Checkpoint> {
        let checkpoint = Checkpoint::verified(note, &self.node.ed25519())?;
        (checkpoint.origin == self.origin).then_some(checkpoint)
    }

    /// The key as a witness must be told of it (C2SP signed-note, a verifier key).
    pub fn verifier_key(&self) -> String {
        note::verifier_key(&self.origin, &self.node.ed25519())
    }

    /// The proof that line `number`, counted from 1, is in the log: a C2SP tlog-proof, all but the
    /// checkpoint that ends it. None where there is no such line.
    pub fn inclusion(&self, number: usize) -> Option<String> {
        let index = number.checked_sub(1)?;
        let path = tree::inclusion(index, &self.leaves)?;
        Some(format!("c2sp.org/tlog-proof@v1\nindex {index}\n{}\n", lines(&path)))
    }

    /// The proof that the log has only grown since `first` lines: the request to a witness (C2SP
    /// tlog-witness, `add-checkpoint`), all but the checkpoint that ends it. None where there are
    /// not so many lines.
    pub fn consistency(&self, first: usize) -> Option<String> {
        let proof = match first {
            0 => Vec::new(),
            _ => tree::consistency(first, &self.leaves)?,
        };
        Some(format!("old {first}\n{}\n", lines(&proof)))
    }

    /// The files of the tree's hashes: path and bytes (C2SP tlog-tiles).
    pub fn tiles(&self) -> Vec<(String, Vec<u8>)> {
        tiles::tiles(&self.leaves)
    }
}

fn lines(hashes: &[Hash]) -> String {
    hashes.iter().map(|hash| base64::encode(hash) + "\n").collect()
}
