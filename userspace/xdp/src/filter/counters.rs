//! The program's counters, summed over all CPUs.

use calltap_ebpf::abi::Counter;

/// What has become of every packet the program saw.
///
/// `seen = passed + filtered + kept + lost`, exactly, whenever no packet is being judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; Counter::COUNT]);

impl Counters {
    /// Adds the counters of each CPU.
    pub(super) fn sum<'a>(cpus: impl Iterator<Item = &'a [u64; Counter::COUNT]>) -> Self {
        let mut sum = Self::default();
        for cpu in cpus {
            for (total, count) in sum.0.iter_mut().zip(cpu) {
                *total += count;
            }
        }
        sum
    }

    /// One counter.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.iter().find_map(|(each, count)| (each == counter).then_some(count)).unwrap_or(0)
    }

    /// Every counter and its count.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.into_iter().zip(self.0)
    }

    /// Packets the program was run for.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.get(Counter::Seen)
    }

    /// Packets given on to the host (host mode).
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.get(Counter::Passed)
    }

    /// Packets dropped because no warrant asks for them.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        self.total(Counter::is_filtered)
    }

    /// Packets given to a socket.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.total(Counter::is_kept)
    }

    /// Packets that were to be kept and never reached a socket.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.total(Counter::is_lost)
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.0;
        for (count, before) in counts.iter_mut().zip(earlier.0) {
            *count = count.saturating_sub(before);
        }
        Self(counts)
    }

    fn total(&self, kind: impl Fn(Counter) -> bool) -> u64 {
        self.iter().filter(|&(counter, _)| kind(counter)).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_added_and_kinds_told_apart() {
        let cpu: [u64; Counter::COUNT] = std::array::from_fn(|place| 1 << place);
        let counters = Counters::sum([&cpu, &cpu].into_iter());
        assert_eq!((counters.seen(), counters.passed()), (2, 4));
        assert_eq!(counters.filtered(), 2 * 0b111_1100);
        assert_eq!(counters.kept(), 2 * 0b111_1000_0000);
        assert_eq!(counters.lost(), 2 * 0b1_1000_0000_0000);
        assert_eq!(counters.since(&counters), Counters::default());
    }
}
