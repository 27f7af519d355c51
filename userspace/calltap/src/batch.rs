//! Raw frames on their way from a worker to the signalling thread, in a buffer used again.
//!
//! What is in here has no warrant yet: it is read, forgotten, and never written.

use calltap_proto::packet::LinkType;
use calltap_proto::{Kept, Timestamp};

use crate::content::Doubt;
use crate::pool::Reuse;

/// Bytes of frames that a batch holds.
const CAPACITY: usize = 256 << 10;

/// Frames that a batch holds.
const FRAMES: usize = 512;

/// Frames as they were captured, copied once.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    index: Vec<Entry>,
}

/// Where a frame ends, and what is to be done with it.
#[derive(Debug)]
struct Entry {
    at: Timestamp,
    interface: u32,
    doubt: Doubt,
    end: usize,
}

impl Default for Batch {
    /// An empty batch; it never grows.
    fn default() -> Self {
        Self { bytes: Vec::with_capacity(CAPACITY), index: Vec::with_capacity(FRAMES) }
    }
}

impl Batch {
    /// Copies a frame to the end; `false` if there is no room.
    ///
    /// `doubt` says why it is shown where it is media, and is none where it may be signalling.
    #[must_use]
    pub fn try_push(&mut self, at: Timestamp, interface: u32, doubt: Doubt, frame: &[u8]) -> bool {
        let room = self.bytes.len() + frame.len() <= CAPACITY && self.index.len() < FRAMES;
        if room {
            self.bytes.extend_from_slice(frame);
            self.index.push(Entry { at, interface, doubt, end: self.bytes.len() });
        }
        room
    }

    /// The frames, in the order in which they came.
    pub fn frames(&self) -> impl Iterator<Item = (Doubt, Kept<'_>)> {
        let mut start = 0;
        self.index.iter().map(move |&Entry { at, interface, doubt, end }| {
            let bytes = &self.bytes[start..end];
            start = end;
            (doubt, Kept::whole(at, interface, LinkType::Ethernet, bytes))
        })
    }

    /// How many frames it holds.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it holds no frame.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}

impl Reuse for Batch {
    /// Overwrites the frames as well: they may be a stranger's.
    fn reset(&mut self) {
        self.bytes.fill(0);
        self.bytes.clear();
        self.index.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut batch = Batch::default();
        for (at, frame) in [(1, b"one".as_slice()), (2, b""), (3, b"three")] {
            assert!(batch.try_push(Timestamp(at), 3, Doubt::None, frame));
        }
        let seen: Vec<_> =
            batch.frames().map(|(_, kept)| (kept.at.0, kept.bytes.to_vec())).collect();
        assert_eq!(seen, [(1, b"one".to_vec()), (2, b"".to_vec()), (3, b"three".to_vec())]);
    }

    #[test]
    fn a_full_batch_takes_nothing_more_and_does_not_grow() {
        let mut batch = Batch::default();
        let frame = [7; 1500];
        while batch.try_push(Timestamp(0), 0, Doubt::None, &frame) {}
        assert!(batch.len() * frame.len() <= CAPACITY);
        assert_eq!((batch.bytes.capacity(), batch.index.capacity()), (CAPACITY, FRAMES));
        batch.reset();
        assert!(batch.is_empty() && batch.try_push(Timestamp(0), 0, Doubt::None, &frame));
    }
}
