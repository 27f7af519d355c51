//! Where in a stream the messages of targets stood that were given out, as their segments may come
//! again: retransmitted, or mirrored twice.

use alloc::collections::VecDeque;

use super::recent::Owners;

/// The last messages, by their place.
#[derive(Debug, Default)]
pub(super) struct Consumed {
    messages: VecDeque<(u64, u64, Owners)>,
}

/// A sender has no more messages unacknowledged than this, in a stream of SIP.
const MAX_MESSAGES: usize = 32;

impl Consumed {
    /// Remembers a message from `start` up to `end`, if it was a target's.
    pub(super) fn note(&mut self, start: u64, end: u64, owners: Owners) {
        if owners.is_empty() {
            return;
        }
        if self.messages.len() >= MAX_MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back((start, end, owners));
    }

    /// The calls that bytes from `start` up to `end` were given to, one for each warrant.
    pub(super) fn owners(&self, start: u64, end: u64) -> Owners {
        let mut all = Owners::new();
        let within = self.messages.iter().filter(|(from, to, _)| *from < end && *to > start);
        for &owner in within.flat_map(|(_, _, owners)| owners) {
            if !all.iter().any(|other| other.warrant == owner.warrant) {
                all.push(owner);
            }
        }
        all
    }

    /// Positions count anew.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
    }

    /// What it costs to remember them.
    pub(super) fn cost(&self) -> usize {
        self.messages.len() * (size_of::<(u64, u64, Owners)>() + size_of::<crate::CallKey>())
    }
}
