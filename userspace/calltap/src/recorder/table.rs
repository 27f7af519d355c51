//! The calls that have not ended.

use calltap_evidence::calls::Calls;
use calltap_proto::CallKey;
use litemap::LiteMap;

use super::live::LiveCall;

/// Each warrant's, of which there are few.
#[derive(Default)]
pub(super) struct Table(LiteMap<u32, Calls<LiveCall>>);

impl Table {
    #[inline]
    pub(super) fn get(&self, call: CallKey) -> Option<&LiveCall> {
        self.0.get(&call.warrant)?.get(call.cin)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, call: CallKey) -> Option<&mut LiveCall> {
        self.0.get_mut(&call.warrant)?.get_mut(call.cin)
    }

    pub(super) fn insert(&mut self, call: CallKey, live: LiveCall) {
        self.0.entry(call.warrant).or_default().insert(call.cin, live);
    }

    pub(super) fn remove(&mut self, call: CallKey) -> Option<LiveCall> {
        self.0.get_mut(&call.warrant)?.remove(call.cin)
    }

    /// Takes out all of them, by warrant and number.
    pub(super) fn take_all(&mut self) -> Vec<LiveCall> {
        let mut calls: Vec<_> = self
            .0
            .iter()
            .flat_map(|(&warrant, calls)| {
                calls.iter().map(move |(cin, _)| CallKey { warrant, cin })
            })
            .collect();
        calls.sort_unstable();
        calls.into_iter().filter_map(|call| self.remove(call)).collect()
    }
}
