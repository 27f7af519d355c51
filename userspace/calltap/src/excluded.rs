//! Calls in which a party takes part that their warrant excludes, as whoever keeps their frames must
//! know them.

use std::collections::{BTreeMap, VecDeque};

use calltap_proto::{CallKey, Keep};

/// The calls, and what is kept of each.
#[derive(Debug, Default)]
pub(crate) struct ExcludedCalls {
    calls: BTreeMap<CallKey, Keep>,
    /// Those that ended, the oldest first: frames of their messages may come late.
    ended: VecDeque<CallKey>,
}

/// Calls that are remembered beyond their end.
const MAX_ENDED: usize = 4096;

impl ExcludedCalls {
    /// A party takes part in a call, of which this is kept from here on.
    pub(crate) fn note(&mut self, call: CallKey, keep: Keep) {
        self.calls.insert(call, keep);
    }

    /// A call has ended.
    pub(crate) fn ended(&mut self, call: CallKey) {
        if !self.have(call) {
            return;
        }
        self.ended.push_back(call);
        while self.ended.len() > MAX_ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.calls.remove(&oldest);
        }
    }

    /// Whether nothing that is said in a call is kept.
    pub(crate) fn have(&self, call: CallKey) -> bool {
        self.calls.contains_key(&call)
    }

    /// Whether nothing of a call is kept.
    pub(crate) fn keep_nothing(&self, call: CallKey) -> bool {
        self.calls.get(&call) == Some(&Keep::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_ended_are_remembered_and_only_so_many() {
        let mut calls = ExcludedCalls::default();
        let call = |cin| CallKey { warrant: 1, cin };
        calls.note(call(0), Keep::Iri);
        for cin in 1..=5000 {
            calls.note(call(cin), Keep::Nothing);
            calls.ended(call(cin));
        }
        assert!(calls.have(call(0)) && calls.keep_nothing(call(5000)));
        assert!(!calls.have(call(1)) && calls.calls.len() == MAX_ENDED + 1);
    }
}
