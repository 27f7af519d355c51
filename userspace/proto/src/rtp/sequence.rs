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
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    /// Highest sequence number.
    highest: u16,
    /// One bit a packet at or below `highest`: bit 0 is `highest` itself.
    seen: u128,
    /// Sequence numbers from the first to the highest, in this run.
    expected: u64,
    /// Those of them that were seen.
    received: u64,
    /// Lost in runs before the sender restarted.
    lost_before: u64,
    /// Times that numbers were skipped.
    pub(crate) gaps: u64,
    /// What would follow a stray packet.
    after_stray: Option<u16>,
}

impl Sequence {
    pub(crate) fn new(first: u16) -> Self {
        Self {
            highest: first,
            seen: 1,
            expected: 1,
            received: 1,
            lost_before: 0,
            gaps: 0,
            after_stray: None,
        }
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
            self.expected += u64::from(ahead);
            self.gaps += u64::from(ahead > 1);
            self.received += 1;
            self.after_stray = None;
            return Place::Next;
        }
        if behind <= MAX_MISORDER {
            let bit = 1u128 << behind;
            if self.seen & bit != 0 {
                return Place::Duplicate;
            }
            self.seen |= bit;
            self.received += 1;
            // A packet from before the first one seen: the run began earlier than thought.
            self.expected = self.expected.max(u64::from(behind) + 1);
            return Place::Late;
        }
        if self.after_stray == Some(sequence) {
            let lost_before = self.lost();
            // The stray was the first packet of the new run.
            let gaps = self.gaps;
            let run = Self::new(sequence);
            *self = Self { seen: 3, expected: 2, received: 2, lost_before, gaps, ..run };
            return Place::Restart;
        }
        self.after_stray = Some(sequence.wrapping_add(1));
        Place::Stray
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost_before + self.expected.saturating_sub(self.received)
    }
}
