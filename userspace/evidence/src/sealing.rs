//! A volume sealed to its recipient while it is written, so that no byte of it is ever on a disk, or
//! in the system's memory for it, that the node could read again.
//!
//! Chunks of 64 KiB leave as they fill. What has not filled one when the volume is flushed is sealed
//! as a small file of its own, which the checkpoint holds until the next flush: so a crash loses
//! nothing that was flushed, no nonce is used twice, and whoever mends it needs no key.

use std::io;

use crate::age::{self, Recipient, Sealer};
use crate::base64;
use crate::checkpoint::SealedSoFar;
use crate::digest::Digest;
use crate::volume::Counts;

/// The sealing of one volume.
#[derive(Debug)]
pub(crate) struct Sealing {
    recipient: Recipient,
    sealer: Sealer,
    plain: Digest,
    /// What leaves, to be written at once.
    out: Vec<u8>,
    vouched: SealedSoFar,
}

impl Sealing {
    /// Begins; gives what the file begins with.
    pub(crate) fn begin(recipient: Recipient) -> io::Result<(Self, Vec<u8>)> {
        let mut header = Vec::new();
        let sealer = Sealer::begin(&recipient, &mut header)?;
        let plain = Digest::default();
        let vouched = SealedSoFar {
            recipient: recipient.to_string(),
            tail: base64::encode(&age::seal(&recipient, b"")?),
            plain: plain.clone().finish(),
            ..SealedSoFar::default()
        };
        Ok((Self { recipient, sealer, plain, out: Vec::new(), vouched }, header))
    }

    /// Bytes of pcapng so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.plain.bytes()
    }

    /// Takes blocks; gives what of the sealed file follows from them.
    pub(crate) fn push(&mut self, blocks: &[u8]) -> io::Result<&[u8]> {
        self.out.clear();
        self.plain.update(blocks);
        self.sealer.push(blocks, &mut self.out)?;
        Ok(&self.out)
    }

    /// Vouches for all that was taken, of which there are these packets; gives whether there was
    /// anything new.
    pub(crate) fn vouch(&mut self, counts: Counts, span: Option<(u64, u64)>) -> io::Result<bool> {
        if self.plain.bytes() == self.vouched.plain.bytes {
            return Ok(false);
        }
        self.vouched.tail = base64::encode(&age::seal(&self.recipient, self.sealer.pending())?);
        self.vouched.plain = self.plain.clone().finish();
        (self.vouched.counts, self.vouched.span) = (counts, span);
        Ok(true)
    }

    /// What is vouched for.
    pub(crate) fn vouched(&self) -> SealedSoFar {
        self.vouched.clone()
    }

    /// Ends the file; gives its last chunk.
    pub(crate) fn finish(&mut self) -> io::Result<&[u8]> {
        self.out.clear();
        self.sealer.finish(&mut self.out)?;
        self.vouched.plain = self.plain.clone().finish();
        Ok(&self.out)
    }
}
