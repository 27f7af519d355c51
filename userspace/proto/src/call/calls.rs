//! The calls followed, by Call-ID and by the time at which each must be looked at.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::followed::Followed;
use super::kinship::Kinship;
use crate::time::Timestamp;
use crate::warrant::CallKey;

/// Targets' calls only: a stranger's leaves no trace here.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// What joins further legs to them.
    pub(super) kinship: Kinship,
    /// Messages without a Call-ID share the empty one.
    ///
    /// Boxed, as they are taken out for each message.
    by_call_id: BTreeMap<Box<[u8]>, Box<Followed>>,
    by_due: BTreeSet<(Timestamp, Box<[u8]>)>,
    by_key: BTreeMap<CallKey, Box<[u8]>>,
    /// Endpoints in their grace time, each with the call that no longer wants it.
    fading: BTreeSet<(SocketAddr, Box<[u8]>)>,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.by_call_id.len()
    }

    pub(super) fn get(&self, call_id: &[u8]) -> Option<&Followed> {
        self.by_call_id.get(call_id).map(|call| &**call)
    }

    /// Lets `change` work on the call of this key, which must be looked at as soon as before.
    pub(super) fn with(&mut self, key: CallKey, change: impl FnOnce(&mut Followed)) {
        let Some(call_id) = self.by_key.get(&key) else { return };
        if let Some(call) = self.by_call_id.get_mut(call_id) {
            change(call);
        }
    }

    /// Takes the call of this key out to work on it.
    pub(super) fn take_by_key(&mut self, key: CallKey) -> Option<Box<Followed>> {
        let call_id = self.by_key.get(&key)?.clone();
        self.take(&call_id)
    }

    /// When the next call must be looked at.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.by_due.first().map(|&(due, _)| due)
    }

    /// Takes a call out to work on it; [`Calls::put`] gives it back.
    pub(super) fn take(&mut self, call_id: &[u8]) -> Option<Box<Followed>> {
        let (call_id, call) = self.by_call_id.remove_entry(call_id)?;
        self.by_due.remove(&(call.due, call_id));
        self.forget(&call);
        Some(call)
    }

    /// Takes out the call that must be looked at first.
    pub(super) fn take_next(&mut self) -> Option<Box<Followed>> {
        let (_, call_id) = self.by_due.pop_first()?;
        let call = self.by_call_id.remove(&call_id)?;
        self.forget(&call);
        Some(call)
    }

    /// Takes out a call for which `endpoint` is in its grace time.
    pub(super) fn take_fading(&mut self, endpoint: SocketAddr) -> Option<Box<Followed>> {
        let first = (endpoint, Box::default());
        let (found, call_id) = self.fading.range(first..).next()?;
        if *found != endpoint {
            return None;
        }
        let call_id = call_id.clone();
        self.take(&call_id)
    }

    /// Whether any endpoint is in its grace time.
    pub(super) fn has_fading(&self) -> bool {
        !self.fading.is_empty()
    }

    /// Takes out all calls, in the order of their Call-IDs.
    #[expect(clippy::vec_box, reason = "a call is large, and goes back where it was")]
    pub(super) fn take_all(&mut self) -> Vec<Box<Followed>> {
        self.by_due.clear();
        self.fading.clear();
        core::mem::take(&mut self.by_call_id).into_values().collect()
    }

    pub(super) fn get_mut(&mut self, call_id: &[u8]) -> Option<&mut Followed> {
        self.by_call_id.get_mut(call_id).map(|call| &mut **call)
    }

    /// A call that no warrant covers any more is forgotten, unless one forbids to keep it.
    pub(super) fn put(&mut self, mut call: Box<Followed>) {
        if call.is_rebound() {
            for key in core::mem::take(&mut call.filed) {
                self.by_key.remove(&key);
            }
            call.filed = call.keys().collect();
            let filed = call.filed.iter().map(|key| (*key, call.call_id.clone()));
            self.by_key.extend(filed);
        }
        if call.is_done() {
            self.kinship.forget(&call.call_id);
        } else {
            self.by_due.insert((call.due, call.call_id.clone()));
            let fading = call.fading().map(|endpoint| (endpoint, call.call_id.clone()));
            self.fading.extend(fading);
            self.by_call_id.insert(call.call_id.clone(), call);
        }
    }

    fn forget(&mut self, call: &Followed) {
        for endpoint in call.fading() {
            self.fading.remove(&(endpoint, call.call_id.clone()));
        }
    }
}
