//! SRTP whose keys stand in the signalling, opened so that it can be heard.
//!
//! It is here and nowhere else: what captures has no way to decrypt, and evidence is kept as it came.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod opener;
mod sdes;
mod session;

pub(super) use opener::Opener;
pub(super) use sdes::Keys;
