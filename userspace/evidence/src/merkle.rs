//! Merkle tree over a volume, hashed as in RFC 6962 §2.1, so that one piece can be proven alone.
//!
//! The leaves are the pieces of [`PIECE`] bytes that the volume consists of, the last one shorter:
//!
//! ```text
//! leaf = SHA-256(0x00 || piece)        node = SHA-256(0x01 || left || right)
//! ```
//!
//! Of more than one leaf, the left branch has the largest power of two that is less than all.

use sha2::{Digest as _, Sha256};

use crate::digest;
use crate::tlog::tree::{Hash, node};

/// Bytes of a piece.
pub(crate) const PIECE: usize = 65_536;

/// A tree that grows at its right.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// The piece that is not whole, and how many bytes it has.
    piece: Sha256,
    filled: usize,
    /// Roots of the perfect trees so far, the largest first, each with the logarithm of its leaves.
    roots: Vec<(u32, Hash)>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { piece: leaf(), filled: 0, roots: Vec::new() }
    }
}

impl Tree {
    /// Appends bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (taken, rest) = bytes.split_at(bytes.len().min(PIECE - self.filled));
            self.piece.update(taken);
            self.filled += taken.len();
            bytes = rest;
            if self.filled == PIECE {
                self.end_piece();
            }
        }
    }

    fn end_piece(&mut self) {
        let mut hash = std::mem::replace(&mut self.piece, leaf()).finalize().into();
        self.filled = 0;
        let mut height = 0;
        while let Some((_, left)) = self.roots.pop_if(|(of, _)| *of == height) {
            hash = node(&left, &hash);
            height += 1;
        }
        self.roots.push((height, hash));
    }

    /// The root; of nothing, the SHA-256 of nothing.
    pub(crate) fn root(mut self) -> String {
        if self.filled > 0 {
            self.end_piece();
        }
        let right_to_left = self.roots.into_iter().rev().map(|(_, hash)| hash);
        let root = right_to_left.reduce(|right, left| node(&left, &right));
        root.map_or_else(|| digest::hex(b""), |root| digest::lower(&root))
    }
}

fn leaf() -> Sha256 {
    Sha256::new_with_prefix([0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::tree;

    #[test]
    fn the_root_is_that_of_the_definition_however_the_bytes_come() {
        let bytes: Vec<u8> = (0..=250_u8).cycle().take(PIECE * 11 + 5).collect();
        for length in [
            0,
            1,
            PIECE - 1,
            PIECE,
            PIECE + 1,
            2 * PIECE,
            3 * PIECE,
            7 * PIECE,
            8 * PIECE,
            bytes.len(),
        ] {
            let whole = &bytes[..length];
            let leaves: Vec<Hash> = whole
                .chunks(PIECE)
                .map(|piece| leaf().chain_update(piece).finalize().into())
                .collect();
            let expected = digest::lower(&tree::root(&leaves));
            for step in [7001, PIECE, usize::MAX] {
                let mut tree = Tree::default();
                whole.chunks(step).for_each(|part| tree.update(part));
                assert_eq!(tree.root(), expected, "{length} bytes, {step} at once");
            }
        }
    }
}
