//! The two sides of a ring, over whatever memory `super` has it in: the kernel's, or the model's
//! (`model.rs`), which tries every order in which the two may see each other's writes.

use std::sync::atomic::Ordering;

use super::Memory;

/// The side of a ring that puts items in.
#[derive(Debug)]
pub(crate) struct Producer<T> {
    pub(super) memory: Memory<T>,
    produced: u32,
    consumed: u32,
}

impl<T: Copy> Producer<T> {
    pub(super) fn over(memory: Memory<T>) -> Self {
        let produced = memory.producer().load(Ordering::Relaxed);
        let consumed = memory.consumer().load(Ordering::Acquire);
        Self { memory, produced, consumed }
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
}

/// The side of a ring that takes items out.
#[derive(Debug)]
pub(crate) struct Consumer<T> {
    memory: Memory<T>,
    produced: u32,
    consumed: u32,
}

impl<T: Copy> Consumer<T> {
    pub(super) fn over(memory: Memory<T>) -> Self {
        let produced = memory.producer().load(Ordering::Acquire);
        let consumed = memory.consumer().load(Ordering::Relaxed);
        Self { memory, produced, consumed }
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
