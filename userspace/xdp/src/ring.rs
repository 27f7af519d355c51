//! The rings an AF_XDP socket shares with the kernel: one side produces, the other consumes.
//!
//! Each side publishes one free-running 32-bit count; their difference is what the ring holds, so
//! all arithmetic on them wraps.
//! A side writes its own count with release order and reads the other's with acquire order, as the
//! kernel does (`net/xdp/xsk_queue.h`).

use std::{
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::net::xdp::{XdpRingFlags, XdpRingOffset};

use crate::mapping::Mapping;

mod sides;

pub(crate) use sides::{Consumer, Producer};

/// A ring's memory; the size is a power of two.
#[derive(Debug)]
struct Memory<T> {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    slots: NonNull<T>,
    size: u32,
    _mapping: Mapping,
}

// SAFETY: the pointers lead into the mapping it owns, which may change threads.
unsafe impl<T: Send> Send for Memory<T> {}

impl<T: Copy> Memory<T> {
    /// Finds a ring in `mapping`; `None` if it does not lie there as a kernel of 5.4 or later lays
    /// it.
    fn new(mapping: Mapping, offsets: &XdpRingOffset, size: u32) -> Option<Self> {
        let place = |offset: u64| usize::try_from(offset).ok();
        let slots = usize::try_from(size).ok()?;
        size.is_power_of_two().then_some(())?;
        Some(Self {
            producer: mapping.at(place(offsets.producer)?, 1)?,
            consumer: mapping.at(place(offsets.consumer)?, 1)?,
            flags: mapping.at(place(offsets.flags?)?, 1)?,
            slots: mapping.at(place(offsets.desc)?, slots)?,
            size,
            _mapping: mapping,
        })
    }

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: it points into the mapping, which lives as long as `self`.
        unsafe { self.producer.as_ref() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: it points into the mapping, which lives as long as `self`.
        unsafe { self.consumer.as_ref() }
    }

    fn flags(&self) -> &AtomicU32 {
        // SAFETY: it points into the mapping, which lives as long as `self`.
        unsafe { self.flags.as_ref() }
    }

    /// The slot that count `at` falls on.
    fn slot(&self, at: u32) -> NonNull<T> {
        let index = at & (self.size - 1);
        // SAFETY: the index is less than the size, and that many slots lie within the mapping.
        unsafe { self.slots.add(index as usize) }
    }
}

/// The length of the mapping that holds a ring.
pub(crate) fn mapping_length<T>(offsets: &XdpRingOffset, size: u32) -> Option<usize> {
    let slots = usize::try_from(size).ok()?.checked_mul(size_of::<T>())?;
    usize::try_from(offsets.desc).ok()?.checked_add(slots)
}

impl<T: Copy> Producer<T> {
    pub(crate) fn new(mapping: Mapping, offsets: &XdpRingOffset, size: u32) -> Option<Self> {
        Memory::new(mapping, offsets, size).map(Self::over)
    }

    /// Whether the kernel sleeps until it is woken (`XDP_RING_NEED_WAKEUP`).
    pub(crate) fn needs_wakeup(&self) -> bool {
        let flags = self.memory.flags().load(Ordering::Relaxed);
        XdpRingFlags::from_bits_retain(flags).contains(XdpRingFlags::XDP_RING_NEED_WAKEUP)
    }
}

impl<T: Copy> Consumer<T> {
    pub(crate) fn new(mapping: Mapping, offsets: &XdpRingOffset, size: u32) -> Option<Self> {
        Memory::new(mapping, offsets, size).map(Self::over)
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
pub(crate) mod tests;
