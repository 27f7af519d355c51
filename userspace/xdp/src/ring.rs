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

/// The side of a ring that puts items in.
#[derive(Debug)]
pub(crate) struct Producer<T> {
    memory: Memory<T>,
    produced: u32,
    consumed: u32,
}

impl<T: Copy> Producer<T> {
    pub(crate) fn new(mapping: Mapping, offsets: &XdpRingOffset, size: u32) -> Option<Self> {
        let memory = Memory::new(mapping, offsets, size)?;
        let produced = memory.producer().load(Ordering::Relaxed);
        let consumed = memory.consumer().load(Ordering::Acquire);
        Some(Self { memory, produced, consumed })
    }

    /// Puts items in, as far as there is room, and publishes them together; returns how many.
    pub(crate) fn push(&mut self, items: impl IntoIterator<Item = T>) -> u32 {
        let before = self.produced;
        for item in items {
            if !self.has_room() {
                break;
            }
            // SAFETY: the slot is free until the count below is published: only we write it.
            unsafe { self.memory.slot(self.produced).write(item) };
            self.produced = self.produced.wrapping_add(1);
        }
        // Release: the items are written before the other side sees the count.
        self.memory.producer().store(self.produced, Ordering::Release);
        self.produced.wrapping_sub(before)
    }

    fn has_room(&mut self) -> bool {
        if self.produced.wrapping_sub(self.consumed) < self.memory.size {
            return true;
        }
        // Acquire: the other side has read a slot before it counts it as consumed.
        self.consumed = self.memory.consumer().load(Ordering::Acquire);
        self.produced.wrapping_sub(self.consumed) < self.memory.size
    }

    /// Whether the kernel sleeps until it is woken (`XDP_RING_NEED_WAKEUP`).
    pub(crate) fn needs_wakeup(&self) -> bool {
        let flags = self.memory.flags().load(Ordering::Relaxed);
        XdpRingFlags::from_bits_retain(flags).contains(XdpRingFlags::XDP_RING_NEED_WAKEUP)
    }
}

/// The side of a ring that takes items out.
#[derive(Debug)]
pub(crate) struct Consumer<T> {
    memory: Memory<T>,
    produced: u32,
    consumed: u32,
}

impl<T: Copy> Consumer<T> {
    pub(crate) fn new(mapping: Mapping, offsets: &XdpRingOffset, size: u32) -> Option<Self> {
        let memory = Memory::new(mapping, offsets, size)?;
        let produced = memory.producer().load(Ordering::Acquire);
        let consumed = memory.consumer().load(Ordering::Relaxed);
        Some(Self { memory, produced, consumed })
    }

    /// Takes up to `limit` items out, gives each to `take`, and publishes their slots as free
    /// together; returns how many.
    pub(crate) fn pop(&mut self, limit: u32, mut take: impl FnMut(T)) -> u32 {
        if self.produced == self.consumed {
            // Acquire: the other side has written an item before it counts it as produced.
            self.produced = self.memory.producer().load(Ordering::Acquire);
        }
        let count = self.produced.wrapping_sub(self.consumed).min(limit);
        for _ in 0..count {
            // SAFETY: the slot was published by the producer, and is ours until we say otherwise.
            take(unsafe { self.memory.slot(self.consumed).read() });
            self.consumed = self.consumed.wrapping_add(1);
        }
        if count != 0 {
            // Release: the slots are read before the other side may write them again.
            self.memory.consumer().store(self.consumed, Ordering::Release);
        }
        count
    }

    /// How many items wait, and how many may.
    pub(crate) fn waiting(&self) -> (u32, u32) {
        let produced = self.memory.producer().load(Ordering::Relaxed);
        (produced.wrapping_sub(self.consumed), self.memory.size)
    }
}

#[cfg(test)]
mod tests;
