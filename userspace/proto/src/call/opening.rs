//! How a message opens a call: under which warrants, by what it names or by what joins it.

use alloc::boxed::Box;

use super::followed::Followed;
use super::follower::{Follower, Sink};
use super::kinship::Kin;
use super::matching::Hit;
use super::replaces::replaced;
use crate::event::{Event, Joined, Matched};
use crate::sip::{self, Message};
use crate::time::Timestamp;
use crate::warrant::{CallKey, Keep};

/// What opens a call.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    pub(super) method: &'a [u8],
    pub(super) from: &'a [u8],
    pub(super) to: &'a [u8],
    pub(super) at: Timestamp,
}

/// Legs joined to legs that are joined are still one call, so many deep: each of a few
/// back-to-back user agents in a row names the one before it.
const MAX_DEPTH: u8 = 4;

impl<'a> Opening<'a> {
    pub(super) fn of(message: &Message<'a>, at: Timestamp) -> Self {
        let first_uri = |value: Option<&'a [u8]>| {
            value.and_then(|value| sip::uris(value).next()).unwrap_or_default()
        };
        let (from, to) = (first_uri(message.from), first_uri(message.to));
        Self { method: message.method(), from, to, at }
    }
}

impl Follower {
    /// The call of this Call-ID, known or new; a new one may cost the one that is nearest its end.
    pub(super) fn call(
        &mut self,
        call_id: &[u8],
        at: Timestamp,
        sink: &mut Sink<'_>,
    ) -> Box<Followed> {
        if let Some(call) = self.calls.take(call_id) {
            return call;
        }
        while self.calls.len() >= self.limits.calls.max(1) {
            let Some(mut call) = self.calls.take_next() else { break };
            self.counters.calls_evicted += 1;
            call.end(call.progress.outcome(), sink);
            self.calls.put(call);
        }
        Box::new(Followed::new(call_id, at))
    }

    /// Puts a call under the warrant whose target it names.
    pub(super) fn bind(
        &mut self,
        call: &mut Followed,
        hit: &Hit<'_>,
        opening: &Opening<'_>,
        sink: &mut Sink<'_>,
    ) {
        let Some((warrant, target)) = self.warrants.of(hit) else { return };
        let (id, target) = (warrant.id, target.clone());
        call.joined = 0;
        let &Hit { header, is_contact, .. } = hit;
        let matched = Matched { header, target: &target, value: &hit.value, is_contact };
        self.open(call, id, matched, None, opening, sink);
    }

    /// The followed call that a message belongs to although it has another Call-ID.
    pub(super) fn kin(&self, message: &Message<'_>) -> Option<Kin> {
        let replaced = replaced(message).filter(|it| {
            let call = self.calls.get(it.call_id);
            call.is_some_and(|call| call.parties.have_dialog(it.tags))
        });
        if let Some(replaced) = replaced {
            let (call_id, value) = (replaced.call_id.into(), replaced.value.into());
            return Some(Kin { call_id, header: replaced.header.into(), value });
        }
        let kin = self.calls.kinship.of(message)?;
        let parent = self.calls.get(&kin.call_id)?;
        (parent.joined < MAX_DEPTH).then_some(kin)
    }

    /// Puts a call under the warrants of the one that it is joined to.
    pub(super) fn join(
        &mut self,
        call: &mut Followed,
        kin: &Kin,
        opening: &Opening<'_>,
        sink: &mut Sink<'_>,
    ) {
        let Some(parent) = self.calls.get(&kin.call_id) else { return };
        if call.is_unbound() {
            call.joined = parent.joined + 1;
        }
        for (key, target) in parent.targets() {
            let (header, value) = (&*kin.header, &*kin.value);
            let matched = Matched { header, target: &target, value, is_contact: false };
            let joined = Joined { header, value, cin: key.cin };
            self.open(call, key.warrant, matched, Some(joined), opening, sink);
        }
    }

    fn open(
        &mut self,
        call: &mut Followed,
        id: u32,
        matched: Matched<'_>,
        joined: Option<Joined<'_>>,
        opening: &Opening<'_>,
        sink: &mut Sink<'_>,
    ) {
        if call.is_bound(id) || call.excluded(id) == Some(Keep::Nothing) {
            return;
        }
        let Some(cin) = self.cin(id, &call.call_id) else { return };
        let Some(warrant) = self.warrants.get(id) else { return };
        let call_id = call.call_id.clone();
        let &Opening { method, from, to, at } = opening;
        let at = at.max(warrant.not_before);
        let announce = |call, sink: &mut Sink<'_>| {
            let call_id = &call_id;
            sink(Event::CallOpened { call, call_id, method, from, to, matched, joined, at });
        };
        call.bind(warrant, cin, matched.target, at, announce, sink);
    }

    /// The number of a Call-ID under a warrant: the one that it had, or the next.
    fn cin(&mut self, warrant: u32, call_id: &[u8]) -> Option<u32> {
        if let Some(cin) = self.numbers.of(warrant, call_id) {
            return Some(cin);
        }
        let cin = self.warrants.draw_cin(warrant)?;
        self.numbers.remember(CallKey { warrant, cin }, call_id, self.limits.calls);
        Some(cin)
    }
}
