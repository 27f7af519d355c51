//! What was given out a moment ago, and to whom: a part of it may come again, or late.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::datagram::Key;
use crate::time::Timestamp;
use crate::warrant::CallKey;

/// The calls that a message was given to; none where it is a stranger's.
pub(crate) type Owners = Vec<CallKey>;

/// Whose a datagram was.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// The calls whose message it was.
    pub(crate) owners: Owners,
    /// Sender and receiver, so that whoever listens to media can tell.
    pub(crate) ends: (SocketAddr, SocketAddr),
}

/// Datagrams that were given out, the newest so many.
#[derive(Debug)]
pub(super) struct Recent {
    datagrams: BTreeMap<Key, Given>,
    by_age: VecDeque<(Timestamp, Key)>,
    memory: Duration,
    most: usize,
}

impl Recent {
    pub(super) fn new(memory: Duration, most: usize) -> Self {
        Self { datagrams: BTreeMap::new(), by_age: VecDeque::new(), memory, most }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Given> {
        self.datagrams.get(key)
    }

    pub(super) fn insert(&mut self, key: Key, at: Timestamp, given: Given) {
        if self.datagrams.insert(key, given).is_none() {
            self.by_age.push_back((at, key));
        }
        if self.by_age.len() > self.most
            && let Some((_, key)) = self.by_age.pop_front()
        {
            self.datagrams.remove(&key);
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        let memory = self.memory;
        while let Some((_, key)) = self.by_age.pop_front_if(|(at, _)| now.since(*at) > memory) {
            self.datagrams.remove(&key);
        }
    }
}
