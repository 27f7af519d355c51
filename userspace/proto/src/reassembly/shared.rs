//! Frames that several messages have parts in: each is held once, and given to a warrant once.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use super::held::Held;
use crate::event::Kept;

/// Frames by number, each with how many parts are in it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    frames: BTreeMap<u64, (Held, usize)>,
    next: u64,
    bytes: usize,
}

/// The numbers of the frames of one packet.
pub(super) type Numbers = Range<u64>;

impl Shared {
    /// Takes the frames of a packet, until [`Shared::release`] is called as often as this and
    /// [`Shared::hold`] were.
    pub(super) fn add(&mut self, frames: &[Kept<'_>]) -> Numbers {
        let first = self.next;
        for frame in frames {
            let held = Held::copy(frame);
            self.bytes += held.cost();
            self.frames.insert(self.next, (held, 1));
            self.next += 1;
        }
        first..self.next
    }

    /// Holds frames for one more part.
    pub(super) fn hold(&mut self, numbers: &Numbers) {
        for (_, (_, parts)) in self.frames.range_mut(numbers.clone()) {
            *parts += 1;
        }
    }

    /// Lets go of frames for one part.
    pub(super) fn release(&mut self, numbers: &Numbers) {
        for number in numbers.clone() {
            let Some((held, parts)) = self.frames.get_mut(&number) else { continue };
            *parts -= 1;
            if *parts == 0 {
                self.bytes -= held.cost();
                self.frames.remove(&number);
            }
        }
    }

    /// Lends the frames of some packets, in order of arrival.
    pub(super) fn lend<T>(
        &mut self,
        packets: &[Numbers],
        then: impl FnOnce(Vec<&mut Held>) -> T,
    ) -> T {
        let mut numbers: Vec<u64> = packets.iter().cloned().flatten().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut taken: Vec<_> =
            numbers.into_iter().filter_map(|number| self.frames.remove_entry(&number)).collect();
        let done = then(taken.iter_mut().map(|(_, (held, _))| held).collect());
        self.frames.extend(taken);
        done
    }

    /// What it costs to hold them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
