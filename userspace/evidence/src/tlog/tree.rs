//! The Merkle tree of RFC 6962 §2.1: its root, and proofs that a leaf is in it and that it only grew.

use sha2::{Digest, Sha256};

/// A hash of the tree: SHA-256.
pub type Hash = [u8; 32];

/// The hash of a leaf, apart from that of a node by its first byte.
pub(super) fn leaf(data: &[u8]) -> Hash {
    Sha256::new_with_prefix([0]).chain_update(data).finalize().into()
}

/// The hash of a node with these branches.
pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The Merkle Tree Hash over leaf hashes; that of no leaf is the hash of nothing.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = halves(leaves);
            node(&root(left), &root(right))
        }
    }
}

/// `PATH(index, D)` of §2.1.1, from the leaf's sibling up; none where there is no such leaf.
pub(super) fn inclusion(index: usize, leaves: &[Hash]) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = halves(leaves);
    let (mut path, sibling) = match index.checked_sub(left.len()) {
        None => (inclusion(index, left)?, root(right)),
        Some(index) => (inclusion(index, right)?, root(left)),
    };
    path.push(sibling);
    Some(path)
}

/// `PROOF(first, D)` of §2.1.2: that the tree's first leaves are those of an earlier one; none where
/// it had no leaf, or has not so many.
pub(super) fn consistency(first: usize, leaves: &[Hash]) -> Option<Vec<Hash>> {
    if first == 0 || first > leaves.len() {
        return None;
    }
    Some(subproof(first, leaves, true))
}

fn subproof(first: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
    if first >= leaves.len() {
        return if is_known { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = halves(leaves);
    match first.checked_sub(left.len()) {
        None | Some(0) => {
            let mut proof = subproof(first, left, is_known);
            proof.push(root(right));
            proof
        }
        Some(first) => {
            let mut proof = subproof(first, right, false);
            proof.push(root(left));
            proof
        }
    }
}

/// Two or more leaves, cut at the largest power of two that is less than their number.
fn halves(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
    let cut = leaves.len().next_power_of_two() / 2;
    leaves.split_at_checked(cut).unwrap_or((leaves, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    /// The leaves with which certificate transparency tests itself.
    fn leaves() -> Vec<Hash> {
        let data: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        data.iter().map(|data| leaf(data)).collect()
    }

    #[test]
    fn roots_are_those_that_certificate_transparency_publishes() {
        let leaves = leaves();
        let known = [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ];
        for (size, hash) in known {
            assert_eq!(digest::lower(&root(&leaves[..size])), hash, "{size}");
        }
    }

    /// What the verification of §2.1.1 computes from a path.
    fn rooted(mut index: usize, size: usize, leaf: Hash, path: &[Hash]) -> Hash {
        let (mut last, mut hash) = (size - 1, leaf);
        for sibling in path {
            if index % 2 == 1 || index == last {
                hash = node(sibling, &hash);
                while index.is_multiple_of(2) && index != 0 {
                    index /= 2;
                    last /= 2;
                }
            } else {
                hash = node(&hash, sibling);
            }
            index /= 2;
            last /= 2;
        }
        hash
    }

    #[test]
    fn a_path_leads_from_each_leaf_to_the_root() {
        let leaves = leaves();
        for size in 1..=leaves.len() {
            for index in 0..size {
                let path = inclusion(index, &leaves[..size]).unwrap();
                let found = rooted(index, size, leaves[index], &path);
                assert_eq!(found, root(&leaves[..size]), "{index} of {size}");
            }
            assert_eq!(inclusion(size, &leaves[..size]), None);
        }
    }

    #[test]
    fn consistency_is_proved_as_in_the_example_of_rfc_6962() {
        let leaves: Vec<_> = leaves().into_iter().take(7).collect();
        let of = |from: usize, to: usize| root(&leaves[from..to]);
        let four = Some(vec![of(4, 7)]);
        assert_eq!(consistency(3, &leaves), Some(vec![of(2, 3), of(3, 4), of(0, 2), of(4, 7)]));
        assert_eq!(consistency(4, &leaves), four);
        assert_eq!(consistency(6, &leaves), Some(vec![of(4, 6), of(6, 7), of(0, 4)]));
        assert_eq!(consistency(7, &leaves), Some(vec![]));
        assert_eq!(consistency(0, &leaves), None);
        assert_eq!(consistency(8, &leaves), None);
    }
}
