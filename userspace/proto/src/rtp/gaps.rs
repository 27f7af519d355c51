//! When sequence numbers of a stream went missing, so that it can be asked who lost them.

use alloc::vec::Vec;

use crate::time::Timestamp;

/// Packets that are missing between two that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Arrival of the packet before it.
    pub from: Timestamp,
    /// Arrival of the packet after it.
    pub to: Timestamp,
    /// How many are missing.
    pub packets: u64,
}

/// So many gaps are told apart; where there are more, the oldest become one that is wider.
const MOST: usize = 32;

/// The gaps of one stream, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps(Vec<Gap>);

impl Gaps {
    /// Notes that `packets` are missing between two that came at these times.
    pub(super) fn open(&mut self, from: Timestamp, to: Timestamp, packets: u64) {
        match self.0.last_mut() {
            Some(last) if second(last.from) == second(to) => {
                last.to = to;
                last.packets += packets;
            }
            _ => self.0.push(Gap { from, to, packets }),
        }
        if self.0.len() > MOST {
            let oldest = self.0.remove(0);
            if let Some(next) = self.0.first_mut() {
                next.from = oldest.from;
                next.packets += oldest.packets;
            }
        }
    }

    /// Notes that so many have come after all.
    pub(super) fn fill(&mut self, mut packets: u64) {
        for gap in self.0.iter_mut().rev() {
            let filled = gap.packets.min(packets);
            gap.packets -= filled;
            packets -= filled;
        }
    }

    pub(super) fn to_vec(&self) -> Vec<Gap> {
        self.0.clone()
    }
}

fn second(at: Timestamp) -> u64 {
    at.0 / 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn open(gaps: &mut Gaps, at: u64, packets: u64) {
        gaps.open(Timestamp(at * SECOND), Timestamp(at * SECOND + 40_000_000), packets);
    }

    #[test]
    fn gaps_of_one_second_are_one_and_late_packets_fill_the_newest() {
        let mut gaps = Gaps::default();
        for (at, packets) in [(1, 2), (1, 3), (5, 1)] {
            open(&mut gaps, at, packets);
        }
        gaps.fill(2);
        let packets: Vec<_> = gaps.to_vec().iter().map(|gap| gap.packets).collect();
        assert_eq!(packets, [4, 0]);
    }

    #[test]
    fn a_stream_that_never_ceases_to_lose_stays_within_bounds_and_keeps_its_sum() {
        let mut gaps = Gaps::default();
        (0..1000).for_each(|at| open(&mut gaps, at, 3));
        let gaps = gaps.to_vec();
        assert_eq!(gaps.len(), MOST);
        assert_eq!(gaps.iter().map(|gap| gap.packets).sum::<u64>(), 3000);
        assert_eq!(gaps[0].from, Timestamp(0));
        assert!(gaps.is_sorted_by(|one, next| one.to < next.from));
    }
}
