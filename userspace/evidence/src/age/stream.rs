//! The payload of a sealed file: a nonce, and chunks of 64 KiB, each with a tag of 16 bytes.

use std::io::{self, ErrorKind, Read, Write};

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use zeroize::Zeroize as _;

use super::header::{self, FileKey, cipher, derive, random};
use super::{End, OpenError, Recipient};

/// Bytes of a chunk before it is sealed; the last one may have fewer.
const CHUNK: usize = 65_536;
const TAG: usize = 16;

/// A file that is sealed as it grows. A chunk leaves it when it is full and is not the last.
pub(crate) struct Sealer {
    cipher: ChaCha20Poly1305,
    number: u64,
    /// What is not sealed yet.
    pending: Vec<u8>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer(chunk {})", self.number)
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.pending.zeroize();
    }
}

impl Sealer {
    /// Begins a file: appends its header to `out`.
    pub(crate) fn begin(recipient: &Recipient, out: &mut Vec<u8>) -> io::Result<Self> {
        let file_key = header::write(recipient, out)?;
        let nonce = random::<16>()?;
        out.extend_from_slice(nonce.as_slice());
        let cipher = payload(&file_key, nonce.as_slice());
        Ok(Self { cipher, number: 0, pending: Vec::with_capacity(CHUNK) })
    }

    /// Takes bytes, and appends the chunks that they fill to `out`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.pending.len() == CHUNK {
                self.seal(false, out)?;
            }
            let (taken, rest) = bytes.split_at(bytes.len().min(CHUNK - self.pending.len()));
            self.pending.extend_from_slice(taken);
            bytes = rest;
        }
        Ok(())
    }

    /// What was taken and has not left.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Ends the file: appends its last chunk to `out`.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.seal(true, out)
    }

    fn seal(&mut self, is_last: bool, out: &mut Vec<u8>) -> io::Result<()> {
        let nonce = nonce(self.number, is_last);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &[], self.pending.as_mut_slice().into())
            .map_err(io::Error::other)?;
        self.number += 1;
        out.extend_from_slice(&self.pending);
        out.extend_from_slice(&tag);
        self.pending.clear();
        Ok(())
    }
}

/// Opens the payload that `sealed` gives.
pub(super) fn open(
    file_key: &FileKey,
    mut sealed: impl Read,
    mut plain: impl Write,
) -> Result<End, OpenError> {
    let mut salt = [0; 16];
    sealed.read_exact(&mut salt)?;
    let cipher = payload(file_key, &salt);
    let mut chunk = Vec::with_capacity(CHUNK + TAG);
    for number in 0.. {
        chunk.clear();
        sealed.by_ref().take((CHUNK + TAG) as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            return Ok(End::Cut);
        }
        let (text, tag) = chunk.split_last_chunk_mut::<TAG>().ok_or(CHANGED)?;
        let tag = Tag::from(*tag);
        // A chunk that is full may be the last one: its nonce says whether it is. Where the tag does
        // not fit, nothing is decrypted.
        let is_full = text.len() == CHUNK;
        let mut opens = |is_last| {
            let buffer = (&mut *text).into();
            cipher.decrypt_inout_detached(&nonce(number, is_last), &[], buffer, &tag).is_ok()
        };
        let is_last = !(is_full && opens(false));
        if is_last && !opens(true) {
            return Err(CHANGED);
        }
        plain.write_all(text)?;
        if is_last {
            return match sealed.read_exact(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(End::Whole),
                Ok(()) => Err(OpenError::Broken("something follows its last chunk")),
                Err(error) => Err(error.into()),
            };
        }
    }
    Err(CHANGED)
}

const CHANGED: OpenError = OpenError::Broken("a chunk of it was changed, or cut in its middle");

fn payload(file_key: &FileKey, salt: &[u8]) -> ChaCha20Poly1305 {
    cipher(&derive(file_key.as_slice(), salt, b"payload"))
}

/// Eleven bytes that count, and one that says whether it is the last.
fn nonce(number: u64, is_last: bool) -> Nonce {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    Nonce::from([0, 0, 0, a, b, c, d, e, f, g, h, u8::from(is_last)])
}
