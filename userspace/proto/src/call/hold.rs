//! Strangers' messages of the last two seconds, in memory alone, as one of them may prove to be a
//! target's: mirror ports bring a response ahead of its request, and a leg ahead of the one that it
//! is joined to.
//!
//! One ring of bytes and one of places in it; both are bounded, and what leaves the ring is
//! overwritten.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::HashMap;

use super::arrival::{Arrival, Frames};
use super::limits::Limits;
use super::path::Path;
use crate::event::{Flaw, Kept};
use crate::packet::LinkType;
use crate::reassembly::Held;
use crate::time::Timestamp;
use crate::within::offset_in;

/// Messages held, found again by the hashes of what names them.
#[derive(Debug)]
pub(super) struct Hold {
    bytes: Vec<u8>,
    /// Where the next message goes.
    next: usize,
    places: VecDeque<Place>,
    frames: VecDeque<Frame>,
    /// Number of the oldest message, and of its first frame.
    first: u64,
    first_frame: u64,
    /// The newest message of each name.
    newest: HashMap<u64, u64>,
    limit_bytes: usize,
    limit_messages: usize,
    age: core::time::Duration,
    /// Messages held so far.
    pub(super) held: u64,
    /// Messages overwritten before their time, for want of room.
    pub(super) overwritten: u64,
}

/// What a message can be found by: its Call-ID, and keys that join it to other calls.
pub(super) const NAMES: usize = 6;

/// The number of no message; 0 is the name of none.
const NONE: u64 = u64::MAX;

#[derive(Debug)]
struct Place {
    at: Timestamp,
    path: Path,
    flaw: Option<Flaw>,
    start: usize,
    /// The frames stand first.
    len: usize,
    /// The message: within a frame, or behind them.
    message: (usize, usize),
    /// Number of its first frame, and how many there are.
    frames: (u64, usize),
    /// Each name, with the number of the message before that has it.
    names: [(u64, u64); NAMES],
    taken: bool,
}

#[derive(Debug)]
struct Frame {
    at: Timestamp,
    interface: u32,
    link: LinkType,
    original_len: u32,
    len: usize,
    /// A warrant that had it for another message in it.
    given: Option<u32>,
}

/// A message that was held, with its frames.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) bytes: Vec<u8>,
    pub(super) path: Path,
    pub(super) at: Timestamp,
    pub(super) flaw: Option<Flaw>,
    pub(super) frames: Vec<Held>,
}

impl Hold {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            bytes: Vec::new(),
            next: 0,
            places: VecDeque::new(),
            frames: VecDeque::new(),
            first: 0,
            first_frame: 0,
            newest: HashMap::new(),
            limit_bytes: limits.hold_bytes,
            limit_messages: limits.hold_messages,
            age: limits.hold,
            held: 0,
            overwritten: 0,
        }
    }

    /// The number that stands for a name of this kind.
    pub(super) fn name(&self, kind: usize, value: &[u8]) -> u64 {
        self.newest.hasher().hash_one((kind, value)).max(1)
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.places.front().map(|place| place.at.after(self.age))
    }

    /// Holds a message under at most [`NAMES`] names.
    pub(super) fn keep(&mut self, arrival: &Arrival<'_>, frames: &Frames<'_, '_>, names: &[u64]) {
        let mut len = 0;
        let mut message = None;
        frames.each(|kept, _| {
            let within = offset_in(kept.bytes, arrival.bytes).map(|at| len + at);
            message = message.or(within);
            len += kept.bytes.len();
        });
        let message = message.unwrap_or_else(|| {
            len += arrival.bytes.len();
            len - arrival.bytes.len()
        });
        let Some(start) = self.room(len) else {
            self.overwritten += 1;
            return;
        };
        self.held += 1;
        let Self { bytes, frames: held, .. } = self;
        let mut at = start;
        let mut copy = |from: &[u8]| {
            if let Some(to) = bytes.get_mut(at..at + from.len()) {
                to.copy_from_slice(from);
                at += from.len();
            }
        };
        let mut count = 0;
        frames.each(|kept, given| {
            copy(kept.bytes);
            let Kept { at, interface, link, original_len, bytes } = *kept;
            held.push_back(Frame { at, interface, link, original_len, len: bytes.len(), given });
            count += 1;
        });
        // A message put together from its frames stands behind them.
        if at < start + len
            && let Some(to) = bytes.get_mut(at..start + len)
        {
            to.copy_from_slice(arrival.bytes);
        }
        let number = self.first + self.places.len() as u64;
        let first_frame = self.first_frame + (self.frames.len() - count) as u64;
        let mut chained = [(0, NONE); NAMES];
        for (slot, &name) in chained.iter_mut().zip(names) {
            *slot = (name, self.newest.insert(name, number).unwrap_or(NONE));
        }
        self.places.push_back(Place {
            at: arrival.at,
            path: arrival.path,
            flaw: arrival.flaw,
            start,
            len,
            message: (message, arrival.bytes.len()),
            frames: (first_frame, count),
            names: chained,
            taken: false,
        });
    }

    /// Overwrites what is older than it may be.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while self.next_deadline().is_some_and(|due| due <= now) {
            self.drop_oldest();
        }
    }

    /// Overwrites everything.
    pub(super) fn clear(&mut self) {
        while !self.places.is_empty() {
            self.drop_oldest();
        }
    }

    /// Shows each message of this name, the newest first.
    pub(super) fn each(&self, name: u64, mut show: impl FnMut(&[u8])) {
        self.walk(name, |_, place, bytes| {
            if !place.taken {
                show(bytes);
            }
        });
    }

    /// Takes out the messages of this name that `choose` wants, the oldest first.
    pub(super) fn take(
        &mut self,
        name: u64,
        mut choose: impl FnMut(&[u8], Path) -> bool,
    ) -> Vec<Early> {
        let mut chosen = Vec::new();
        self.walk(name, |nth, place, bytes| {
            if !place.taken && choose(bytes, place.path) {
                chosen.push(nth);
            }
        });
        let mut found: Vec<_> = chosen.iter().filter_map(|&nth| self.copy(nth)).collect();
        found.reverse();
        found
    }

    fn walk(&self, name: u64, mut visit: impl FnMut(usize, &Place, &[u8])) {
        let mut number = self.newest.get(&name).copied();
        while let Some(nth) = number.and_then(|number| number.checked_sub(self.first))
            && let Ok(nth) = usize::try_from(nth)
            && let Some(place) = self.places.get(nth)
        {
            let (at, len) = place.message;
            let at = place.start + at;
            visit(nth, place, self.bytes.get(at..at + len).unwrap_or_default());
            let link = place.names.iter().find(|(other, _)| *other == name);
            number = link.map(|(_, before)| *before);
        }
    }

    /// The message at this place, which is then taken.
    fn copy(&mut self, nth: usize) -> Option<Early> {
        let place = self.places.get_mut(nth)?;
        place.taken = true;
        let skipped = usize::try_from(place.frames.0.checked_sub(self.first_frame)?).ok()?;
        let mut from = place.start;
        let mut frames = Vec::new();
        for frame in self.frames.iter().skip(skipped).take(place.frames.1) {
            let bytes = self.bytes.get(from..from + frame.len)?;
            from += frame.len;
            let &Frame { at, interface, link, original_len, .. } = frame;
            let mut held = Held::copy(&Kept { at, interface, link, original_len, bytes });
            if let Some(warrant) = frame.given {
                held.give(warrant);
            }
            frames.push(held);
        }
        let (at, len) = place.message;
        let at = place.start + at;
        let bytes = self.bytes.get(at..at + len)?.into();
        Some(Early { bytes, path: place.path, at: place.at, flaw: place.flaw, frames })
    }

    /// Makes room for so many bytes in a row, and says where.
    fn room(&mut self, len: usize) -> Option<usize> {
        if len == 0 || len > self.limit_bytes / 4 {
            return None;
        }
        while self.places.len() >= self.limit_messages {
            self.overwritten += 1;
            self.drop_oldest();
        }
        let start = loop {
            let Some(oldest) = self.places.front().map(|place| place.start) else { break 0 };
            let wrapped = self.next <= oldest;
            if wrapped && self.next + len < oldest {
                break self.next;
            }
            if !wrapped && self.next + len <= self.limit_bytes {
                break self.next;
            }
            if !wrapped && len < oldest {
                break 0;
            }
            self.overwritten += 1;
            self.drop_oldest();
        };
        self.next = start + len;
        if self.bytes.len() < self.next {
            self.bytes.resize(self.next, 0);
        }
        Some(start)
    }

    fn drop_oldest(&mut self) {
        let Some(place) = self.places.pop_front() else { return };
        if let Some(bytes) = self.bytes.get_mut(place.start..place.start + place.len) {
            bytes.fill(0);
        }
        let (_, count) = place.frames;
        self.frames.drain(..count.min(self.frames.len()));
        self.first_frame += count as u64;
        for (name, _) in place.names.into_iter().take_while(|(name, _)| *name != 0) {
            if self.newest.get(&name) == Some(&self.first) {
                self.newest.remove(&name);
            }
        }
        self.first += 1;
    }
}

#[cfg(test)]
mod tests;
