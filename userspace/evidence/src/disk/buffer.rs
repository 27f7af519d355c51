//! Memory on which a disk can write by itself: it begins where a block of the disk may.

use super::BLOCK;

/// What is written at once, at most.
const CAPACITY: usize = 1 << 20;

/// Bytes of a file from a whole block on; the first of them may have been written before.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// Never grows, so that it stays where it is.
    memory: Vec<u8>,
    start: usize,
    length: usize,
    /// Bytes at its beginning that were sent before.
    old: usize,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        let memory = vec![0; CAPACITY + BLOCK];
        // The answer may be that it cannot be told; then the disk refuses, and the cache is used.
        let start = memory.as_ptr().align_offset(BLOCK).min(BLOCK);
        Self { memory, start, length: 0, old: 0 }
    }

    /// Begins anew with bytes that were sent before, fewer than a block.
    pub(crate) fn begin(&mut self, old: &[u8]) {
        self.length = 0;
        self.fill(old);
        self.old = self.length;
    }

    /// Takes what there is room for, and gives the rest back.
    pub(crate) fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(CAPACITY - self.length));
        let from = self.start + self.length;
        if let Some(room) = self.memory.get_mut(from..from + taken.len()) {
            room.copy_from_slice(taken);
        }
        self.length += taken.len();
        rest
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_full(&self) -> bool {
        self.length == CAPACITY
    }

    pub(crate) fn filled(&self) -> &[u8] {
        self.memory.get(self.start..self.start + self.length).unwrap_or_default()
    }

    /// What was not sent before.
    pub(crate) fn new_bytes(&self) -> &[u8] {
        self.filled().get(self.old..).unwrap_or_default()
    }

    /// What is filled, and zeros up to a multiple of `block`.
    pub(crate) fn padded(&mut self, block: usize) -> &[u8] {
        let end = self.start + self.length.next_multiple_of(block);
        if let Some(rest) = self.memory.get_mut(self.start + self.length..end) {
            rest.fill(0);
        }
        self.memory.get(self.start..end).unwrap_or_default()
    }
}
