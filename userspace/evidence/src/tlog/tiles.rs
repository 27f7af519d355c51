//! The tree's hashes as files (C2SP tlog-tiles), from which anyone can compute any proof.
//!
//! Bundles of the entries themselves are left out: a line bears LIIDs and who acted, and who checks
//! that the log only grew need not know them.

use super::tree::{self, Hash};

/// Hashes in a full tile.
const WIDTH: usize = 256;

/// Each tile's path and bytes, the lowest level first.
pub(super) fn tiles(leaves: &[Hash]) -> Vec<(String, Vec<u8>)> {
    let mut tiles = Vec::new();
    let mut hashes = leaves.to_vec();
    let mut level = 0;
    while !hashes.is_empty() {
        let bundles = hashes.chunks(WIDTH);
        tiles.extend(
            bundles.enumerate().map(|(n, bundle)| (path(level, n, bundle.len()), bundle.concat())),
        );
        // A tile that is not full yet is in no tile above it.
        hashes = hashes.chunks_exact(WIDTH).map(tree::root).collect();
        level += 1;
    }
    tiles
}

/// `tile/LEVEL/NUMBER`, the number in elements of three digits, with `.p/WIDTH` where it is not full.
fn path(level: usize, number: usize, width: usize) -> String {
    let mut elements = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        elements = format!("x{:03}/{elements}", rest % 1000);
        rest /= 1000;
    }
    let partial = if width < WIDTH { format!(".p/{width}") } else { String::new() };
    format!("tile/{level}/{elements}{partial}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tiles_number_is_written_in_elements_of_three_digits() {
        assert_eq!(path(0, 1_234_067, WIDTH), "tile/0/x001/x234/067");
        assert_eq!(path(2, 0, 1), "tile/2/000.p/1");
    }

    #[test]
    fn seventy_thousand_leaves_make_the_tiles_of_the_specifications_example() {
        let leaves: Vec<_> = (0..70_000_u32).map(|n| tree::leaf(&n.to_be_bytes())).collect();
        let paths: Vec<_> = tiles(&leaves).into_iter().map(|(path, _)| path).collect();
        let of = |level: &str| paths.iter().filter(|path| path.starts_with(level)).count();
        assert_eq!((of("tile/0/"), of("tile/1/"), of("tile/2/")), (274, 2, 1));
        for partial in ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"] {
            assert!(paths.iter().any(|path| path == partial), "{partial}");
        }
    }
}
