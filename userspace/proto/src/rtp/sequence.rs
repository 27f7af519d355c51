//! Which of a stream's sequence numbers were seen: lost, late and repeated ones (RFC 3550 A.1, A.3).

/// A.1: a gap up to this size is loss; beyond, the sender may have restarted.
const MAX_DROPOUT: u16 = 3000;
/// A.1: a packet up to this far behind is late; beyond, the sender may have restarted.
const MAX_MISORDER: u16 = 100;

/// Where a sequence number stands among those seen before.
pub(crate) enum Place {
    /// Ahead of all.
    Next,
    /// Behind the highest, and not seen before.
    Late,
    /// Seen before.
    Duplicate,
    /// The second packet in a row after a jump: the sender started anew.
    Restart,
    /// After a jump, and not yet followed by its successor.
    Stray,
}

/// Which sequence numbers were seen.
///
/// Of a run from its first number to its highest one, no more is known than counting needs: there is
/// one of these for every stream, and every packet of it reads and writes all of it.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    /// One bit a packet at or below `highest`: bit 0 is `highest` itself.
    seen: u128,
    /// Numbers that were skipped and did not come since, in all runs.
    lost: u64,
    /// Highest sequence number.
    highest: u16,
    /// What would follow a stray packet.
    after_stray: Option<u16>,
    /// Length of the run; one that is longer than a late packet reaches back need not be known.
    run: u8,
}

impl Sequence {
    pub(crate) fn new(first: u16) -> Self {
        Self { seen: 1, lost: 0, highest: first, after_stray: None, run: 1 }
    }

    #[inline]
    pub(crate) fn feed(&mut self, sequence: u16, first: bool) -> Place {
        if first {
            return Place::Next;
        }
        let ahead = sequence.wrapping_sub(self.highest);
        let behind = self.highest.wrapping_sub(sequence);
        if ahead != 0 && ahead < MAX_DROPOUT {
            self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.highest = sequence;
            self.lost += u64::from(ahead - 1);
            self.run = self.run.saturating_add(u8::try_from(ahead).unwrap_or(u8::MAX));
            self.after_stray = None;
            return Place::Next;
        }
        if behind <= MAX_MISORDER {
            let bit = 1u128 << behind;
            if self.seen & bit != 0 {
                return Place::Duplicate;
            }
            self.seen |= bit;
            // A packet from before the first one seen: the run began earlier than thought.
            let run = self.run.max(u8::try_from(behind + 1).unwrap_or(u8::MAX));
            self.lost = (self.lost + u64::from(run - self.run)).saturating_sub(1);
            self.run = run;
            return Place::Late;
        }
        if self.after_stray == Some(sequence) {
            // The stray was the first packet of the new run.
            *self = Self { seen: 3, run: 2, lost: self.lost, ..Self::new(sequence) };
            return Place::Restart;
        }
        self.after_stray = Some(sequence.wrapping_add(1));
        Place::Stray
    }

    /// Numbers that were skipped and did not come since.
    #[inline]
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}
