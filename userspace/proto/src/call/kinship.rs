//! Which followed calls have which keys, so that further legs of them are found.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::joins::{Joins, Key};
use crate::sip::Message;

/// The keys of followed calls.
#[derive(Debug, Default)]
pub(super) struct Kinship {
    joins: Joins,
    by_key: Vec<BTreeMap<Box<[u8]>, Sharing>>,
    by_call: BTreeMap<Box<[u8]>, Keys>,
    /// Keys that were shared by too many.
    pub(super) refused: u64,
}

/// Kind and value of each key of a call.
type Keys = Vec<(usize, Box<[u8]>)>;

#[derive(Debug, Default)]
struct Sharing {
    calls: Vec<Box<[u8]>>,
    /// More calls than one person's have it: it names no call.
    crowded: bool,
}

/// A followed call that a message is joined to, and by what.
#[derive(Clone, Debug)]
pub(super) struct Kin {
    pub(super) call_id: Box<[u8]>,
    pub(super) header: Box<str>,
    pub(super) value: Box<[u8]>,
}

/// Legs of one call: what rings ten telephones is at the bound, and a key that a system puts into
/// all its calls is beyond it.
pub(super) const MAX_SHARING: usize = 12;

/// Keys of one call.
const MAX_KEYS: usize = 16;

impl Kinship {
    pub(super) fn set(&mut self, joins: Joins) {
        self.by_key.clear();
        self.by_call.clear();
        self.by_key.resize_with(joins.kinds(), BTreeMap::new);
        self.joins = joins;
    }

    /// Whether messages of this method can tell of legs.
    pub(super) fn concerns(method: &[u8]) -> bool {
        matches!(method, b"INVITE" | b"ACK" | b"UPDATE" | b"PRACK")
    }

    pub(super) fn keys<'a>(&self, message: &Message<'a>, give: &mut dyn FnMut(Key<'a>)) {
        if Self::concerns(message.method()) {
            self.joins.keys(message, give);
        }
    }

    pub(super) fn header(&self, key: &Key<'_>) -> &str {
        self.joins.header(key)
    }

    /// The followed call with which a message shares its most trusted key.
    pub(super) fn of(&self, message: &Message<'_>) -> Option<Kin> {
        if self.by_call.is_empty() {
            return None;
        }
        let mut kin = None;
        self.keys(message, &mut |key| {
            let sharing = self.by_key.get(key.kind).and_then(|map| map.get(key.value()));
            let Some(sharing) = sharing.filter(|it| kin.is_none() && !it.crowded) else { return };
            let other = sharing.calls.iter().find(|it| Some(&***it) != message.call_id);
            kin = other.map(|call_id| Kin {
                call_id: call_id.clone(),
                header: self.header(&key).into(),
                value: key.value().into(),
            });
        });
        kin
    }

    /// Takes note of the keys of a followed call's message.
    pub(super) fn learn(&mut self, call_id: &[u8], message: &Message<'_>) {
        let mut fresh: Keys = Vec::new();
        self.keys(message, &mut |key| {
            let map = self.by_key.get(key.kind);
            let sharing = map.and_then(|map| map.get(key.value()));
            if sharing.is_none_or(|it| !it.crowded && !it.calls.iter().any(|c| **c == *call_id)) {
                fresh.push((key.kind, Box::from(key.value())));
            }
        });
        for (kind, value) in fresh {
            let keys = self.by_call.entry(call_id.into()).or_default();
            if keys.len() >= MAX_KEYS {
                return;
            }
            let Some(map) = self.by_key.get_mut(kind) else { return };
            let sharing = map.entry(value.clone()).or_default();
            if sharing.calls.len() >= MAX_SHARING {
                sharing.crowded = true;
                self.refused += 1;
            } else {
                sharing.calls.push(call_id.into());
                keys.push((kind, value));
            }
        }
    }

    /// Many strangers at once have this key: it joins nothing while a call with it lives.
    pub(super) fn crowd(&mut self, key: &Key<'_>) {
        let map = self.by_key.get_mut(key.kind);
        if let Some(sharing) = map.and_then(|map| map.get_mut(key.value())) {
            sharing.crowded = true;
            self.refused += 1;
        }
    }

    pub(super) fn forget(&mut self, call_id: &[u8]) {
        for (kind, value) in self.by_call.remove(call_id).unwrap_or_default() {
            let Some(map) = self.by_key.get_mut(kind) else { continue };
            let Some(sharing) = map.get_mut(&value) else { continue };
            sharing.calls.retain(|call| **call != *call_id);
            if sharing.calls.is_empty() {
                map.remove(&value);
            }
        }
    }
}
