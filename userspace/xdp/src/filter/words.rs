//! An array map in memory: user space stores words that the program reads at its next packet.
//!
//! A store is one atomic word, so that the program never reads half a deadline.

use std::{
    os::fd::AsFd,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::{Ebpf, maps::Map};
use rustix::param::page_size;

use super::plain::missing;
use crate::{Error, mapping::Mapping};

/// The words of a `BPF_F_MMAPABLE` array.
#[derive(Debug)]
pub(super) struct Words {
    mapping: Mapping,
    count: usize,
}

impl Words {
    /// Maps the array `name` of `count` words.
    pub(super) fn of(program: &mut Ebpf, name: &'static str, count: usize) -> Result<Self, Error> {
        let Some(Map::Array(map)) = program.take_map(name) else {
            return Err(missing(name));
        };
        let length = (count * size_of::<u64>()).next_multiple_of(page_size());
        let mapping = Mapping::shared(map.fd().as_fd(), length, 0)
            .map_err(|cause| Error::Map { map: name, cause: cause.to_string() })?;
        Ok(Self { mapping, count })
    }

    /// How many words there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A word, or `None` beyond the last.
    pub(super) fn word(&self, index: usize) -> Option<&AtomicU64> {
        if index >= self.count {
            return None;
        }
        let word = self.mapping.at::<AtomicU64>(index * size_of::<u64>(), 1)?;
        // SAFETY: the word lies within the mapping, which lives as long as `self`; whoever else
        // has it mapped reads and writes it as one word.
        Some(unsafe { word.as_ref() })
    }

    /// Stores those of `words`, the first of which stands at `first`, that differ; returns whether
    /// any did.
    pub(super) fn mend(&self, first: usize, words: &[u64]) -> bool {
        let mut differed = false;
        for (index, &value) in words.iter().enumerate() {
            let Some(word) = self.word(first + index) else { break };
            if word.load(Ordering::Relaxed) != value {
                word.store(value, Ordering::Release);
                differed = true;
            }
        }
        differed
    }

    /// Stores `words` from the first on.
    pub(super) fn store_all<const COUNT: usize>(&self, words: &[u64; COUNT]) {
        for (index, &value) in words.iter().enumerate() {
            if let Some(word) = self.word(index) {
                word.store(value, Ordering::Release);
            }
        }
    }
}

#[cfg(test)]
impl Words {
    /// Words of no map, for tests.
    pub(super) fn in_memory(count: usize) -> Self {
        let length = count * size_of::<u64>();
        Self { mapping: Mapping::anonymous(length).expect("a page of memory"), count }
    }
}
