//! Parties whom warrants exclude, such as a lawyer or a doctor: which calls they take part in.
//!
//! Whoever a message of the call names, in any header field in which a target may be named, takes
//! part in it: as caller, as called, as who answers, forwards, is transferred to or transfers.
//! From that message on less is kept of the call, or nothing, and of each call that is joined to it;
//! what was kept before stays, and nothing is kept again although the party leaves.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::followed::Followed;
use super::follower::{Follower, Sink};
use super::hold::Early;
use super::matching::{Account, Place, Warrants};
use crate::sip::{self, Clue, Header, Message, StartLine, Uri};
use crate::target::{Entry, is_global};
use crate::time::Timestamp;
use crate::warrant::Keep;

/// A party of a call, excluded by the warrant of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exclusion {
    pub(super) warrant: u32,
    pub(super) keep: Keep,
}

/// Calls joined to one another of which each is looked at; joins are bounded far below that.
const MAX_JOINED: usize = 64;

impl Warrants {
    /// Whether no warrant excludes anybody.
    pub(super) fn exclude_nobody(&self) -> bool {
        self.list.iter().all(|warrant| warrant.excluded.is_empty())
    }

    /// The excluded parties that a message of a call shows.
    pub(super) fn exclusions(&self, at: Timestamp, message: &Message<'_>) -> Vec<Exclusion> {
        let mut found = Vec::new();
        if self.exclude_nobody() {
            return found;
        }
        let mut add = |exclusion| found.push(exclusion);
        if let StartLine::Request { uri, .. } = message.start {
            self.party(at, uri, &mut add);
        }
        for field in message.fields() {
            let Some(header) = Header::named(field.name) else { continue };
            // A contact names a party whatever the method: who answers may say who he is there alone.
            match Place::of(header, b"REGISTER") {
                None => {}
                Some(Place::Authorization | Place::ProxyAuthorization) => {
                    self.credentials(field.value, &mut add);
                }
                Some(_) => sip::uris(field.value).for_each(|uri| self.party(at, uri, &mut add)),
            }
        }
        found
    }

    /// The same for bytes that are no message but hold URIs.
    pub(super) fn exclusions_unparsed(&self, at: Timestamp, bytes: &[u8]) -> Vec<Exclusion> {
        let mut found = Vec::new();
        if self.exclude_nobody() {
            return found;
        }
        for clue in sip::clues(bytes) {
            if let Clue::Uri(uri) = clue {
                self.party(at, uri, &mut |exclusion| found.push(exclusion));
            }
        }
        found
    }

    /// A URI that is a party's, or a contact that it registered.
    fn party(&self, at: Timestamp, text: &[u8], add: &mut dyn FnMut(Exclusion)) {
        if let Some(uri) = Uri::parse(text) {
            self.excluded.uri(&uri, &mut |entry| self.listed(entry, add));
        }
        self.bindings.of(at, text, &mut |id, identity| {
            let keep = self.get(id).and_then(|warrant| warrant.excludes(identity));
            keep.into_iter().for_each(|keep| add(Exclusion { warrant: id, keep }));
        });
    }

    fn credentials(&self, value: &[u8], add: &mut dyn FnMut(Exclusion)) {
        let Some(Account { user, host, .. }) = Account::of(value) else { return };
        self.excluded.user(user, host, &mut |entry| self.listed(entry, add));
        if is_global(user) {
            self.excluded.number(user, None, &mut |entry| self.listed(entry, add));
        }
    }

    fn listed(&self, entry: Entry, add: &mut dyn FnMut(Exclusion)) {
        let Some(warrant) = self.list.get(entry.warrant) else { return };
        let excluded = warrant.excluded.get(entry.target);
        excluded.into_iter().for_each(|it| add(Exclusion { warrant: warrant.id, keep: it.keep }));
    }
}

impl Follower {
    /// The excluded parties that a message shows, or one that was seen ahead of it.
    pub(super) fn shown(
        &self,
        at: Timestamp,
        message: &Message<'_>,
        early: &[Early],
    ) -> Vec<Exclusion> {
        let mut found = self.warrants.exclusions(at, message);
        if !self.warrants.exclude_nobody() {
            let held = early.iter().filter_map(|it| Some((it.at, Message::parse(&it.bytes)?)));
            found.extend(held.flat_map(|(at, message)| self.warrants.exclusions(at, &message)));
        }
        found
    }

    /// Ties a call to the one that it is joined to: who takes part in one takes part in both.
    pub(super) fn tie(
        &mut self,
        call: &mut Followed,
        parent: &[u8],
        at: Timestamp,
        sink: &mut Sink<'_>,
    ) {
        if self.warrants.exclude_nobody() {
            return;
        }
        let Some(parent) = self.calls.get_mut(parent) else { return };
        parent.ties.insert(call.call_id.clone());
        call.ties.insert(parent.call_id.clone());
        let known = parent.exclusions.clone();
        self.exclude(call, &known, at, sink);
    }

    /// Keeps less of a call, and of all that are joined to it, as these parties take part.
    pub(super) fn exclude(
        &mut self,
        call: &mut Followed,
        found: &[Exclusion],
        at: Timestamp,
        sink: &mut Sink<'_>,
    ) {
        if found.is_empty() || !self.exclude_from(call, found, at, sink) {
            return;
        }
        let mut joined: Vec<Box<[u8]>> = call.ties.iter().cloned().collect();
        let mut nth = 0;
        while let Some(call_id) = joined.get(nth).cloned() {
            nth += 1;
            let Some(mut leg) = self.calls.take(&call_id) else { continue };
            if self.exclude_from(&mut leg, found, at, sink) {
                let further = leg.ties.iter().filter(|it| **it != call.call_id);
                let fresh: Vec<_> = further.filter(|it| !joined.contains(it)).cloned().collect();
                joined.extend(fresh);
                joined.truncate(MAX_JOINED);
            }
            self.calls.put(leg);
        }
    }

    fn exclude_from(
        &mut self,
        call: &mut Followed,
        found: &[Exclusion],
        at: Timestamp,
        sink: &mut Sink<'_>,
    ) -> bool {
        let mut any = false;
        for &exclusion in found {
            let is_first = call.excluded(exclusion.warrant).is_none();
            if call.exclude(exclusion, at, sink) {
                self.counters.excluded += u64::from(is_first);
                any = true;
            }
        }
        any
    }
}

impl Followed {
    /// What is kept of it under a warrant that excludes one of its parties.
    pub(super) fn excluded(&self, warrant: u32) -> Option<Keep> {
        let of_it = self.exclusions.iter().find(|exclusion| exclusion.warrant == warrant);
        of_it.map(|exclusion| exclusion.keep)
    }
}
