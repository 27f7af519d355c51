//! Frames in several buffers (`XDP_PKT_CONTD`, jumbo frames) put together.
//!
//! The parts are copied into one slot, beyond the chunks that the kernel knows of, and their chunks
//! go back at once: whoever reads the frame has it in one piece, as any other.
//! What a packet needs is there from the start, so that nothing is allocated for one.

use crossbeam::queue::ArrayQueue;
use rustix::net::xdp::{XdpDesc, XdpDescOptions};

use crate::{
    Frame,
    umem::{Left, Umem},
};

/// Frames of several buffers that may be in the reader's hands: more than are taken at once.
pub(super) const SLOTS: u32 = 72;

/// The frame that is being put together, and where the next ones will be.
#[derive(Debug, Default)]
pub(super) struct Joining {
    /// Slots that hold no frame.
    free: Vec<usize>,
    open: Option<Open>,
    /// Frames longer than a slot.
    pub(super) too_long: u64,
}

/// A frame of which the last part has not come yet.
#[derive(Debug)]
struct Open {
    slot: Option<usize>,
    length: usize,
    fault: Option<Fault>,
}

/// Why a frame is not put together; its parts are taken off the ring all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A part whose descriptor the kernel had no right to hand over.
    BadDescriptor,
    /// Longer than a slot.
    TooLong,
}

impl Fault {
    /// Whether the kernel is at fault.
    pub(super) fn is_the_kernels(self) -> bool {
        self == Self::BadDescriptor
    }
}

impl Joining {
    /// Puts frames together in these slots of the memory.
    pub(super) fn within(slots: impl Iterator<Item = usize>) -> Self {
        Self { free: slots.collect(), ..Self::default() }
    }

    /// Whether frames in several buffers are to be expected.
    pub(super) const fn is_expected(&self) -> bool {
        self.free.capacity() > 0
    }

    /// How many descriptors may be taken when so many frames are wanted: each may begin another
    /// frame that needs a slot.
    pub(super) fn most(&self, wanted: usize) -> usize {
        if self.is_expected() { wanted.min(self.free.len()) } else { wanted }
    }

    /// Whether a descriptor stands for a part of a frame, and not for a whole one.
    pub(super) fn is_part(&self, descriptor: &XdpDesc) -> bool {
        self.open.is_some() || descriptor.options.contains(XdpDescOptions::XDP_PKT_CONTD)
    }

    /// Adds a part, and gives its chunk to `returning`; gives the frame with its last part, or why
    /// there is none.
    pub(super) fn add(
        &mut self,
        umem: &Umem,
        descriptor: &XdpDesc,
        returning: &ArrayQueue<u64>,
    ) -> Option<Result<Frame, Fault>> {
        let free = &mut self.free;
        let open =
            self.open.get_or_insert_with(|| Open { slot: free.pop(), length: 0, fault: None });
        if let Some(part) = umem.take(descriptor) {
            match open.slot.and_then(|slot| umem.append(slot, open.length, &part)) {
                Some(length) => open.length = length,
                None => open.fault = open.fault.or(Some(Fault::TooLong)),
            }
            if let Left::Chunk(chunk) = umem.give_up(part) {
                // There is room for every chunk that there is.
                let _ = returning.push(chunk);
            }
        } else {
            open.fault = Some(Fault::BadDescriptor);
        }
        if descriptor.options.contains(XdpDescOptions::XDP_PKT_CONTD) {
            return None;
        }
        let Open { slot, length, fault } = self.open.take()?;
        match (slot, fault) {
            (Some(slot), None) => Some(Ok(umem.joined(slot, length))),
            (slot, fault) => {
                self.free.extend(slot);
                let fault = fault.unwrap_or(Fault::TooLong);
                self.too_long += u64::from(fault == Fault::TooLong);
                Some(Err(fault))
            }
        }
    }

    /// Takes a slot back whose frame was released.
    pub(super) fn give_back(&mut self, slot: usize) {
        self.free.push(slot);
    }
}
