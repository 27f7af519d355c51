//! A message as it arrives: its bytes, its way, its frames.

use alloc::vec::Vec;

use super::path::Path;
use crate::event::{Flaw, Kept};
use crate::reassembly::Held;
use crate::time::Timestamp;

/// A message's bytes with what is known of them.
pub(super) struct Arrival<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) path: Path,
    /// Arrival of the first frame.
    pub(super) first: Timestamp,
    /// Arrival of the last frame.
    pub(super) at: Timestamp,
    /// What went wrong before it could be read.
    pub(super) flaw: Option<Flaw>,
}

/// The frames that formed a message.
pub(super) enum Frames<'f, 'h> {
    /// They form nothing else.
    Own(&'f [Kept<'f>]),
    /// Neighbouring messages may have been given out with them.
    Shared(Vec<&'h mut Held>),
}

impl Frames<'_, '_> {
    /// Gives `then` those that `warrant` has not had yet.
    pub(super) fn give(&mut self, warrant: u32, then: impl FnOnce(&[Kept<'_>])) {
        match self {
            Self::Own(frames) => then(frames),
            Self::Shared(held) => {
                let mut fresh = Vec::with_capacity(held.len());
                for frame in held {
                    if frame.give(warrant) {
                        fresh.push(frame.kept());
                    }
                }
                then(&fresh);
            }
        }
    }

    /// Each, with a warrant that had it before.
    pub(super) fn each(&self, mut visit: impl FnMut(&Kept<'_>, Option<u32>)) {
        match self {
            Self::Own(frames) => frames.iter().for_each(|kept| visit(kept, None)),
            Self::Shared(held) => {
                held.iter().for_each(|held| visit(&held.kept(), held.given()));
            }
        }
    }

    /// Whether one of them is this frame.
    pub(super) fn have(&self, frame: &Kept<'_>) -> bool {
        let mut found = false;
        self.each(|kept, _| found |= kept == frame);
        found
    }
}
