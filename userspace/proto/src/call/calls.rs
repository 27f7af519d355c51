//! The calls followed, by Call-ID and by the time at which each must be looked at.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::followed::Followed;
use crate::time::Timestamp;

/// Targets' calls only: a stranger's leaves no trace here.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Messages without a Call-ID share the empty one.
    by_call_id: BTreeMap<Box<[u8]>, Followed>,
    by_due: BTreeSet<(Timestamp, Box<[u8]>)>,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.by_call_id.len()
    }

    pub(super) fn has(&self, call_id: &[u8]) -> bool {
        self.by_call_id.contains_key(call_id)
    }

    /// When the next call must be looked at.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.by_due.first().map(|&(due, _)| due)
    }

    /// Takes a call out to work on it; [`Calls::put`] gives it back.
    pub(super) fn take(&mut self, call_id: &[u8]) -> Option<Followed> {
        let (call_id, call) = self.by_call_id.remove_entry(call_id)?;
        self.by_due.remove(&(call.due, call_id));
        Some(call)
    }

    /// Takes out the call that must be looked at first.
    pub(super) fn take_next(&mut self) -> Option<Followed> {
        let (_, call_id) = self.by_due.pop_first()?;
        self.by_call_id.remove(&call_id)
    }

    /// Takes out all calls, in the order of their Call-IDs.
    pub(super) fn take_all(&mut self) -> Vec<Followed> {
        self.by_due.clear();
        core::mem::take(&mut self.by_call_id).into_values().collect()
    }

    /// A call that no warrant covers any more is forgotten.
    pub(super) fn put(&mut self, call: Followed) {
        if !call.is_unbound() {
            self.by_due.insert((call.due, call.call_id.clone()));
            self.by_call_id.insert(call.call_id.clone(), call);
        }
    }
}
