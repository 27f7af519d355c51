//! What the kernel and user space must agree on: the map layout, the header walk and the verdict.
//!
//! The binary half of this package is the XDP program (`program.rs`), built for the BPF target
//! only.
//! This library half is safe and `no_std`; the program, the capture replay and the tests run the
//! very same functions, so that what the kernel keeps can be proved on a desk.
//!
//! - [`abi`]: keys and values of the BPF maps, and the mark ahead of each kept frame.
//! - [`headers`]: the one header walk, from the link layer to the transport ports.
//! - [`verdict`]: which packet is kept, and why; pure.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod abi;
pub mod headers;
pub mod verdict;
