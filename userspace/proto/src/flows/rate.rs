//! How many bits were seen in each second.

use alloc::vec::Vec;

/// Bytes by the second, from a flow's first packet on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    bytes: Vec<u32>,
    cut: bool,
}

impl Rate {
    /// Counts bytes in a second; returns how many seconds more are kept, at most `room`.
    pub(super) fn add(&mut self, second: u64, bytes: u32, room: usize) -> usize {
        let second = usize::try_from(second).unwrap_or(usize::MAX);
        let more = second.saturating_add(1).saturating_sub(self.bytes.len());
        if more > room || self.cut && more > 0 {
            // What comes later would leave a hole.
            self.cut = true;
            return 0;
        }
        self.bytes.resize(self.bytes.len() + more, 0);
        if let Some(count) = self.bytes.get_mut(second) {
            *count = count.saturating_add(bytes);
        }
        more
    }

    /// Bits in each second, the first packet's first.
    #[must_use]
    pub fn bits(&self) -> Vec<u64> {
        self.bytes.iter().map(|&bytes| u64::from(bytes) * 8).collect()
    }

    /// The most bits of a second.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.bytes.iter().copied().max().map_or(0, |bytes| u64::from(bytes) * 8)
    }

    /// Whether there was no room for later seconds.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}
