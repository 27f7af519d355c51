//! The prefilter's bits, and how many open endpoints need each, so that bits can be cleared again.

use std::sync::atomic::Ordering;

use calltap_ebpf::abi::{Endpoint, PrefilterBits};
use rustix::param::page_size;

use super::words::Words;

/// The prefilter map and what must be in it.
#[derive(Debug)]
pub(super) struct Prefilter {
    words: Words,
    mask: u32,
    /// The words as they were written.
    written: Vec<u64>,
    /// By bit: how many open endpoints need it; more than a few never do.
    /// A count that reaches its limit stays there, and its bit stays set.
    users: Vec<u8>,
}

/// Words for a prefilter of `endpoints`: 16 to 32 bits an endpoint, at which 0.4 % to 0.07 % of
/// strangers' endpoints pass if all are open.
///
/// Fewer bits let more pass, each of which costs an exact lookup; more bits lie further from the
/// CPU, which costs every packet: a million endpoints in 2 MiB are judged in less time than in
/// 1 MiB and in 4 MiB.
pub(super) fn words_for(endpoints: u32) -> u32 {
    let words = u64::from(endpoints).div_ceil(4);
    u32::try_from(words).unwrap_or(u32::MAX).clamp(512, 1 << 22).next_power_of_two()
}

impl Prefilter {
    pub(super) fn new(words: Words) -> Self {
        let count = words.count();
        Self {
            mask: u32::try_from(count - 1).unwrap_or(u32::MAX),
            users: resident(count * 64),
            written: resident(count),
            words,
        }
    }

    /// Sets the bits of an endpoint that was not in it before.
    pub(super) fn insert(&mut self, endpoint: &Endpoint) {
        let slot = PrefilterBits::of(endpoint, self.mask);
        for users in self.users(slot) {
            *users = users.saturating_add(1);
        }
        self.write(slot.word, |word| word | slot.bits);
    }

    /// Clears those bits of an endpoint that was in it which no other endpoint needs.
    pub(super) fn remove(&mut self, endpoint: &Endpoint) {
        let slot = PrefilterBits::of(endpoint, self.mask);
        let mut unused = 0;
        for (bit, users) in bits(slot.bits).zip(self.users(slot)) {
            if *users != u8::MAX {
                *users = users.saturating_sub(1);
            }
            if *users == 0 {
                unused |= 1 << bit;
            }
        }
        self.write(slot.word, |word| word & !unused);
    }

    fn write(&mut self, index: u32, change: impl Fn(u64) -> u64) {
        let index = index as usize;
        if let (Some(written), Some(word)) = (self.written.get_mut(index), self.words.word(index)) {
            *written = change(*written);
            word.store(*written, Ordering::Release);
        }
    }

    /// Writes what differs of at most `count` words from `first` on, and says whether anything did;
    /// `None` if there are no such words.
    pub(super) fn mend(&self, first: usize, count: usize) -> Option<bool> {
        let end = self.written.len().min(first + count);
        let written = self.written.get(first..end).filter(|written| !written.is_empty())?;
        Some(self.words.mend(first, written))
    }

    /// The counts of a slot's bits, lowest bit first.
    fn users(&mut self, slot: PrefilterBits) -> impl Iterator<Item = &mut u8> {
        let first = slot.word as usize * 64;
        let counts = self.users.get_mut(first..first + 64).unwrap_or_default();
        counts
            .iter_mut()
            .enumerate()
            .filter_map(move |(bit, users)| (slot.bits >> bit & 1 == 1).then_some(users))
    }
}

/// Zeros in memory that is there already: a page that comes when it is first written holds up the
/// message that opens an endpoint.
fn resident<T: Default + Clone>(count: usize) -> Vec<T> {
    let mut zeros = vec![T::default(); count];
    for page in zeros.chunks_mut(page_size() / size_of::<T>()) {
        // The allocator's zeros take no memory until something is stored.
        page[0] = std::hint::black_box(T::default());
    }
    zeros
}

/// The numbers of the bits that are set, lowest first.
fn bits(word: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |bit| word >> bit & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn endpoint(number: u16) -> Endpoint {
        let [high, low] = number.to_be_bytes();
        SocketAddr::from(([198, 51, high, low], 16_384 + number)).into()
    }

    fn holds(prefilter: &Prefilter, endpoint: &Endpoint) -> bool {
        let slot = PrefilterBits::of(endpoint, prefilter.mask);
        let word = prefilter.words.word(slot.word as usize).unwrap().load(Ordering::Relaxed);
        word & slot.bits == slot.bits
    }

    #[test]
    fn closing_endpoints_in_any_order_never_hides_an_open_one_and_ends_empty() {
        let mut prefilter = Prefilter::new(Words::in_memory(16));
        for number in 0..300 {
            prefilter.insert(&endpoint(number));
        }
        // 7 and 300 have no common divisor, so this visits every endpoint once.
        for step in 0..300_u16 {
            prefilter.remove(&endpoint(step * 7 % 300));
            for other in step + 1..300 {
                assert!(holds(&prefilter, &endpoint(other * 7 % 300)));
            }
        }
        for index in 0..16 {
            assert_eq!(prefilter.words.word(index).unwrap().load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn words_that_somebody_else_wrote_are_mended() {
        let mut prefilter = Prefilter::new(Words::in_memory(16));
        prefilter.insert(&endpoint(7));
        assert_eq!(prefilter.mend(0, 64), Some(false));
        for index in [0, 15] {
            let word = prefilter.words.word(index).unwrap();
            let honest = word.swap(0xdead, Ordering::Relaxed);
            assert_eq!(prefilter.mend(0, 15), Some(index == 0));
            assert_eq!(prefilter.mend(15, 15), Some(index == 15));
            assert_eq!(word.load(Ordering::Relaxed), honest);
        }
        assert_eq!(prefilter.mend(16, 1), None);
    }

    #[test]
    fn there_are_at_least_16_bits_an_endpoint_at_any_size() {
        for endpoints in [1, 1_000, 65_536, 200_000, 1_000_000] {
            assert!(u64::from(words_for(endpoints)) * 64 >= u64::from(endpoints) * 16);
            assert!(words_for(endpoints).is_power_of_two());
        }
    }
}
