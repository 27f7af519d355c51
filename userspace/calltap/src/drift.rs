//! The system's clock, watched against the boot clock that stamps packets.
//!
//! Packets get their time by the offset that was read when the session began, so a clock that is
//! set on the way moves none of them, neither in the evidence nor past a warrant's end. That it was
//! set is told, as every other record of that day goes by it.

use calltap_xdp::clock::Offset;

/// A difference that is told.
const STEP_NS: u64 = 100_000_000;

/// Where the system's clock stands to the session's.
#[derive(Debug)]
pub struct Drift {
    session: Offset,
    told_ns: i64,
}

impl Drift {
    /// At the beginning of a session with this offset.
    pub fn new(session: Offset) -> Self {
        Self { session, told_ns: 0 }
    }

    /// Looks at the present offset: gives by how many nanoseconds the system's clock is ahead of
    /// the session's, if that has changed by a tenth of a second since it was told last.
    pub fn look(&mut self, now: Offset) -> Option<i64> {
        let ahead_ns = now.offset_ns.saturating_sub(self.session.offset_ns);
        if ahead_ns.abs_diff(self.told_ns) < STEP_NS {
            return None;
        }
        self.told_ns = ahead_ns;
        Some(ahead_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_NS: i64 = 86_400_000_000_000;

    #[test]
    fn a_clock_that_is_set_is_told_once_and_so_is_its_way_back() {
        let at = |offset_ns| Offset { offset_ns, uncertainty_ns: 1 };
        let mut drift = Drift::new(at(7));
        assert_eq!(drift.look(at(7)), None);
        assert_eq!(drift.look(at(99_000_000)), None, "it is slewed a little");
        assert_eq!(drift.look(at(7 + DAY_NS)), Some(DAY_NS));
        assert_eq!(drift.look(at(8 + DAY_NS)), None);
        assert_eq!(drift.look(at(7 - DAY_NS)), Some(-DAY_NS));
        assert_eq!(drift.look(at(7)), Some(0));
    }
}
