//! A number for bytes, the same everywhere: FNV-1a, 64 bits.

/// The number of these parts, one after the other.
pub(crate) fn fnv<const N: usize>(parts: [&[u8]; N]) -> u64 {
    parts.into_iter().flatten().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
