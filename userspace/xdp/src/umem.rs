//! The memory frames arrive in, cut into chunks, and the tokens that stand for its frames.
//!
//! A chunk is either the kernel's or ours, never both: a [`Frame`] is the only right to read a
//! chunk, cannot be copied, and is given up when the chunk goes back.
//! The kernel is held to the same rule: a descriptor of a chunk we hold, or one that does not lie
//! within its chunk, is counted and not followed.
//!
//! Behind the chunks are slots that the kernel knows nothing of, for frames put together of several
//! chunks (`socket/joining.rs`).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use calltap_ebpf::abi::Mark;
use rustix::net::xdp::XdpDesc;
use zerocopy::FromBytes;

use crate::mapping::Mapping;

mod held;

use held::Held;

/// A received frame: the right to read one chunk, or one slot, until it is released.
///
/// A frame that is dropped instead of released costs its queue one chunk until that is closed.
#[derive(Debug)]
#[must_use = "a frame goes back to its socket by `release`"]
pub struct Frame {
    owner: u32,
    offset: usize,
    length: usize,
}

impl Frame {
    /// Bytes in the frame.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }
}

/// What a frame lay in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// A chunk of this address, to be given back to the kernel.
    Chunk(u64),
    /// A slot that begins there, to be used again.
    Slot(usize),
}

/// Bytes of the mark ahead of a frame.
const MARK: usize = size_of::<Mark>();

/// The chunks of one queue's sockets.
#[derive(Debug)]
pub(crate) struct Umem {
    mapping: Mapping,
    chunk_bytes: usize,
    /// Bytes of a slot: a mark and the longest frame.
    slot_bytes: usize,
    held: Held,
    id: u32,
}

impl Umem {
    /// Maps `chunks` chunks of `chunk_bytes`, all the kernel's to fill, and `slots` slots for frames
    /// of up to `longest_frame` bytes.
    pub(crate) fn new(
        (chunks, chunk_bytes): (u32, u32),
        (slots, longest_frame): (u32, u32),
    ) -> rustix::io::Result<Self> {
        static NEXT_ID: AtomicU32 = AtomicU32::new(0);
        let (chunks, chunk_bytes) = (chunks as usize, chunk_bytes as usize);
        let slot_bytes = (MARK + longest_frame as usize).next_multiple_of(64);
        Ok(Self {
            mapping: Mapping::anonymous(chunks * chunk_bytes + slots as usize * slot_bytes)?,
            chunk_bytes,
            slot_bytes,
            held: Held::none_of(chunks),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// The address and length of the chunks' memory, for registration.
    pub(crate) fn range(&self) -> (u64, u64) {
        let start = self.mapping.at::<u8>(0, 0).map_or(0, |start| start.as_ptr() as u64);
        (start, self.chunks_bytes() as u64)
    }

    /// Bytes of all chunks, behind which the slots begin.
    const fn chunks_bytes(&self) -> usize {
        self.held.chunks() * self.chunk_bytes
    }

    /// Where each slot begins.
    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> + use<> {
        (self.chunks_bytes()..self.mapping.length()).step_by(self.slot_bytes)
    }

    /// The address of every chunk.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = u64> + use<> {
        let chunk_bytes = self.chunk_bytes as u64;
        (0..self.held.chunks() as u64).map(move |chunk| chunk * chunk_bytes)
    }

    /// Takes over the chunk of a descriptor; `None` if the kernel had no right to hand it over.
    pub(crate) fn take(&self, descriptor: &XdpDesc) -> Option<Frame> {
        let offset = usize::try_from(descriptor.addr).ok()?;
        let length = descriptor.len as usize;
        let within = offset % self.chunk_bytes;
        if within < MARK || within + length > self.chunk_bytes {
            return None;
        }
        self.held.take(offset / self.chunk_bytes)?;
        Some(Frame { owner: self.id, offset, length })
    }

    /// Gives a frame up; returns what it lay in.
    ///
    /// # Panics
    ///
    /// If the frame is another queue's.
    pub(crate) fn give_up(&self, frame: Frame) -> Left {
        self.assert_owner(&frame);
        let chunk = frame.offset / self.chunk_bytes;
        match self.held.give_up(chunk) {
            Some(()) => Left::Chunk((chunk * self.chunk_bytes) as u64),
            None => Left::Slot(frame.offset - MARK),
        }
    }

    /// Copies a part of a frame into its slot, behind the `length` bytes that are there, and its
    /// mark ahead of the first; returns how many are there then, or `None` if they do not fit.
    pub(crate) fn append(&self, slot: usize, length: usize, part: &Frame) -> Option<usize> {
        let ahead = if length == 0 { MARK } else { 0 };
        let (from, count) = (part.offset - ahead, part.length + ahead);
        let at = slot + MARK + length - ahead;
        if at + count > slot + self.slot_bytes {
            return None;
        }
        let (from, to) = (self.mapping.at::<u8>(from, count)?, self.mapping.at::<u8>(at, count)?);
        // SAFETY: both ranges lie within the mapping, the one in a chunk that is held and the other
        // in a slot, which the kernel does not know and of which no frame is there yet.
        unsafe { to.copy_from_nonoverlapping(from, count) };
        Some(length + part.length)
    }

    /// The frame in a slot into which `length` bytes of it were copied.
    pub(crate) const fn joined(&self, slot: usize, length: usize) -> Frame {
        Frame { owner: self.id, offset: slot + MARK, length }
    }

    /// The frame's bytes.
    ///
    /// # Panics
    ///
    /// If the frame is another queue's.
    pub(crate) fn bytes<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        self.assert_owner(frame);
        self.slice(frame.offset, frame.length)
    }

    /// The mark ahead of the frame's first byte.
    ///
    /// # Panics
    ///
    /// If the frame is another queue's.
    pub(crate) fn mark(&self, frame: &Frame) -> Mark {
        self.assert_owner(frame);
        let bytes = self.slice(frame.offset - MARK, MARK);
        Mark::read_from_bytes(bytes).unwrap_or(Mark { arrival_ns: 0, reason: 0, queue: 0 })
    }

    /// Bytes of a chunk that is held, as `take` has checked, or of a slot.
    fn slice(&self, offset: usize, length: usize) -> &[u8] {
        let Some(start) = self.mapping.at::<u8>(offset, length) else {
            return &[];
        };
        // SAFETY: the bytes lie within the mapping; the kernel does not write to a chunk between
        // handing it over and getting it back, nor we to a slot while its frame is there, and a
        // frame borrowed here cannot go back meanwhile.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), length) }
    }

    /// Writes what the kernel would where a descriptor leads: a mark, and behind it a frame of one
    /// byte over and over.
    ///
    /// # Safety
    ///
    /// The chunk is the kernel's, and only the caller is the kernel.
    #[cfg(test)]
    pub(crate) unsafe fn write(&self, descriptor: &XdpDesc, mark: &Mark, byte: u8) {
        let offset = usize::try_from(descriptor.addr).unwrap();
        let length = descriptor.len as usize;
        let mark_at = self.mapping.at::<[u8; MARK]>(offset - MARK, 1).unwrap();
        let at = self.mapping.at::<u8>(offset, length).unwrap();
        // SAFETY: the mark's bytes lie within the mapping, and nobody else reaches them.
        unsafe { mark_at.write(zerocopy::transmute!(*mark)) };
        // SAFETY: the frame's bytes lie within the mapping, and nobody else reaches them.
        unsafe { at.write_bytes(byte, length) };
    }

    fn assert_owner(&self, frame: &Frame) {
        assert_eq!(
            frame.owner, self.id,
            "a frame is read and released by a socket of its own queue"
        );
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::xdp::XdpDescOptions;

    use super::*;

    fn descriptor(addr: u64, len: u32) -> XdpDesc {
        XdpDesc { addr, len, options: XdpDescOptions::empty() }
    }

    #[test]
    fn a_chunk_is_handed_over_once_until_it_goes_back() {
        let umem = Umem::new((4, 2048), (0, 0)).unwrap();
        let frame = umem.take(&descriptor(2048 + 256, 60)).unwrap();
        assert_eq!(umem.bytes(&frame).len(), 60);
        assert!(umem.take(&descriptor(2048 + 256, 60)).is_none());
        assert!(umem.take(&descriptor(2048 + 512, 60)).is_none());
        assert_eq!(umem.give_up(frame), Left::Chunk(2048));
        assert!(umem.take(&descriptor(2048 + 256, 60)).is_some());
    }

    #[test]
    fn a_descriptor_outside_its_chunk_is_not_followed() {
        let umem = Umem::new((4, 2048), (0, 0)).unwrap();
        assert!(umem.take(&descriptor(4 * 2048 + 256, 60)).is_none());
        assert!(umem.take(&descriptor(256, 1793)).is_none());
        assert!(umem.take(&descriptor(15, 60)).is_none());
        assert!(umem.take(&descriptor(u64::MAX, 60)).is_none());
        let last = umem.take(&descriptor(3 * 2048 + 256, 1792)).unwrap();
        assert_eq!(umem.bytes(&last).len(), 1792);
    }

    #[test]
    fn a_slot_is_no_chunk_of_the_kernels() {
        let umem = Umem::new((4, 2048), (2, 9000)).unwrap();
        let slots: Vec<_> = umem.slots().collect();
        assert_eq!(slots, [8192, 8192 + 9024]);
        assert_eq!(umem.range().1, 8192);
        assert!(umem.take(&descriptor(8192 + 256, 60)).is_none());
        let frame = umem.joined(slots[1], 60);
        assert_eq!(umem.bytes(&frame), [0; 60]);
        assert_eq!(umem.give_up(frame), Left::Slot(slots[1]));
    }

    #[test]
    #[should_panic(expected = "of its own queue")]
    fn a_frame_is_not_read_by_another_queue() {
        let one = Umem::new((1, 2048), (0, 0)).unwrap();
        let other = Umem::new((1, 2048), (0, 0)).unwrap();
        let frame = one.take(&descriptor(256, 60)).unwrap();
        let _ = other.bytes(&frame);
    }
}
