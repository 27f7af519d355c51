//! Which chunks are ours: each is held once until it is given up, whatever descriptors say.

use std::sync::atomic::Ordering;

use super::AtomicBool;

/// By chunk: whether a frame stands for it.
///
/// A chunk is one socket's at a time, so that reading and setting need not be one step.
#[derive(Debug)]
pub(crate) struct Held(Box<[AtomicBool]>);

impl Held {
    pub(crate) fn none_of(chunks: usize) -> Self {
        Self((0..chunks).map(|_| AtomicBool::new(false)).collect())
    }

    /// How many chunks there are.
    pub(crate) const fn chunks(&self) -> usize {
        self.0.len()
    }

    /// Holds a chunk; `None` if it is held already, or is none.
    pub(crate) fn take(&self, chunk: usize) -> Option<()> {
        let held = self.0.get(chunk)?;
        if held.load(Ordering::Relaxed) {
            return None;
        }
        held.store(true, Ordering::Relaxed);
        Some(())
    }

    /// Gives a chunk up; `None` if it is none.
    pub(crate) fn give_up(&self, chunk: usize) -> Option<()> {
        // Relaxed: the ring that the chunk goes back by orders this ahead of its next use.
        self.0.get(chunk)?.store(false, Ordering::Relaxed);
        Some(())
    }
}
