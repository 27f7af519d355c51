//! Which CIN a Call-ID got, beyond the end of its call.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use crate::warrant::CallKey;

/// The CINs of calls that ended, the newest of them.
///
/// A registration that is refreshed an hour later, or a call of which only the end was seen, has
/// the Call-ID that it had before: it goes on as the same call.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    cins: BTreeMap<(u32, Box<[u8]>), u32>,
    order: VecDeque<(u32, Box<[u8]>)>,
}

impl Numbers {
    /// The CIN that the Call-ID has under the warrant.
    pub(super) fn of(&self, warrant: u32, call_id: &[u8]) -> Option<u32> {
        self.cins.get(&(warrant, call_id.into())).copied()
    }

    /// Remembers a CIN just drawn; beyond `limit` the oldest is forgotten.
    pub(super) fn remember(&mut self, key: CallKey, call_id: &[u8], limit: usize) {
        let name = (key.warrant, Box::from(call_id));
        if self.cins.insert(name.clone(), key.cin).is_none() {
            self.order.push_back(name);
        }
        while self.order.len() > limit {
            let Some(oldest) = self.order.pop_front() else { return };
            self.cins.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered() {
        let mut numbers = Numbers::default();
        for (cin, call_id) in (1..).zip([b"a", b"b", b"c", b"d", b"e"]) {
            numbers.remember(CallKey { warrant: 1, cin }, call_id, 3);
        }
        let known = |name: &[u8]| numbers.of(1, name);
        assert_eq!((known(b"a"), known(b"b"), known(b"c")), (None, None, Some(3)));
        assert_eq!((known(b"e"), numbers.of(2, b"e")), (Some(5), None));
    }
}
