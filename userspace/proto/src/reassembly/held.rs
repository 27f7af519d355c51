//! A frame copied while it waits for the others of its message.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::event::Kept;
use crate::packet::LinkType;
use crate::time::Timestamp;

/// A frame, owned.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    at: Timestamp,
    interface: u32,
    link: LinkType,
    original_len: u32,
    bytes: Box<[u8]>,
    /// Warrants that this frame was given to: each gets it once.
    given: Vec<u32>,
}

impl Held {
    pub(crate) fn copy(frame: &Kept<'_>) -> Self {
        let Kept { at, interface, link, original_len, bytes } = *frame;
        Self { at, interface, link, original_len, bytes: bytes.into(), given: Vec::new() }
    }

    pub(crate) fn kept(&self) -> Kept<'_> {
        let Self { at, interface, link, original_len, .. } = *self;
        Kept { at, interface, link, original_len, bytes: &self.bytes }
    }

    /// What it costs to hold it.
    pub(crate) fn cost(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }

    /// A warrant that it was given to.
    pub(crate) fn given(&self) -> Option<u32> {
        self.given.first().copied()
    }

    /// Says whether `warrant` gets this frame for the first time, which is then past.
    pub(crate) fn give(&mut self, warrant: u32) -> bool {
        let first = !self.given.contains(&warrant);
        if first {
            self.given.push(warrant);
        }
        first
    }
}
