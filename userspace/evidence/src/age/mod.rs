//! Evidence sealed to a recipient, so that whoever runs the node cannot read it: the age format,
//! version 1 (C2SP age.md), with X25519 recipients alone, as the program `age` reads and writes it.
//!
//! A file is a header, which wraps a file key for the recipient, and a payload: chunks of 64 KiB
//! under ChaCha20-Poly1305, each with its number and whether it is the last as its nonce, so that
//! none can be changed, moved or cut off unseen.

mod header;
mod keys;
mod stream;

pub use keys::{Identity, Recipient};
pub(crate) use stream::Sealer;

use std::io::{self, Read, Write};

/// Why a sealed file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It, or what is opened of it, cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is no age file, or has been changed.
    #[error("{0}")]
    Broken(&'static str),
    /// It is sealed to somebody else.
    #[error("it is sealed to another key than this identity's")]
    OtherRecipient,
}

/// How a sealed file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last chunk.
    Whole,
    /// Without its last chunk, and not in the middle of one: its writer died.
    Cut,
}

/// The whole of `plain`, sealed.
pub(crate) fn seal(recipient: &Recipient, plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut sealed = Vec::new();
    let mut sealer = Sealer::begin(recipient, &mut sealed)?;
    sealer.push(plain, &mut sealed)?;
    sealer.finish(&mut sealed)?;
    Ok(sealed)
}

/// Opens `sealed` and writes what it held into `plain`, each chunk once it is known to be as it was
/// sealed.
///
/// # Errors
/// [`OpenError`]; what was written by then is genuine.
pub fn open(
    identity: &Identity,
    mut sealed: impl Read,
    plain: impl Write,
) -> Result<End, OpenError> {
    let file_key = header::read(identity, &mut sealed)?;
    stream::open(&file_key, sealed, plain)
}

#[cfg(test)]
mod tests;
