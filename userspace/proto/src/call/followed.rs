//! One Call-ID that is followed: for which warrants, and which endpoints are open for it.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;

use litemap::LiteMap;

use super::exclusion::Exclusion;
use super::legs::{Legs, Wanted};
use super::limits::Limits;
use super::matching::Warrants;
use super::parties::Parties;
use super::path::Path;
use super::progress::{Ended, Progress};
use super::sides::{Sides, of_address};
use crate::event::{Cause, Event};
use crate::sip::Message;
use crate::target::Identity;
use crate::time::Timestamp;
use crate::warrant::{CallKey, Keep, Side, Warrant};

type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// A call that at least one warrant covers.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) call_id: Box<[u8]>,
    pub(super) progress: Progress,
    pub(super) legs: Legs,
    pub(super) parties: Parties,
    /// How many calls stand between it and one that names a target.
    pub(super) joined: u8,
    /// The call keys under which it can be found.
    pub(super) filed: Vec<CallKey>,
    /// Its end may have been missed: whoever announces one of its endpoints has it.
    pub(super) is_uncertain: bool,
    /// What is kept of it under warrants that exclude one of its parties.
    pub(super) exclusions: Vec<Exclusion>,
    /// The Call-IDs of calls that are joined to it, or it to them.
    pub(super) ties: BTreeSet<Box<[u8]>>,
    bindings: Vec<Binding>,
    open: LiteMap<SocketAddr, Open>,
    /// When to look at it without a message.
    pub(super) due: Timestamp,
}

/// The call under one warrant.
#[derive(Clone, Debug)]
struct Binding {
    key: CallKey,
    target: Identity,
    content: bool,
    not_before: Timestamp,
    not_after: Timestamp,
    /// Whose the sides of the call are, where that must be told.
    sides: Option<Sides>,
    /// Whose the message in hand is.
    sender: Side,
}

impl Binding {
    /// Whose an endpoint is; takes note that it was told.
    fn side(&mut self, endpoint: SocketAddr, legs: &Legs) -> Side {
        let Some(sides) = &mut self.sides else { return Side::Unknown };
        let side = of_address(&self.target, endpoint.ip()).or_else(|| sides.of(endpoint, legs));
        let before = || sides.told.get(&endpoint).copied().unwrap_or_default();
        let side = side.unwrap_or_else(before);
        sides.told.insert(endpoint, side);
        side
    }

    fn tell(
        &mut self,
        legs: &Legs,
        endpoint: SocketAddr,
        wanted: &Wanted,
        at: Timestamp,
        sink: &mut Sink<'_>,
    ) {
        let side = self.side(endpoint, legs);
        let &Wanted { kind, ref terms, presumed } = wanted;
        sink(Event::MediaOpened { call: self.key, endpoint, kind, terms, presumed, side, at });
    }
}

#[derive(Debug)]
struct Open {
    wanted: Wanted,
    /// When the grace time of an endpoint that is no longer wanted is over.
    closing: Option<Timestamp>,
}

impl Followed {
    pub(super) fn new(call_id: &[u8], at: Timestamp) -> Self {
        Self {
            call_id: call_id.into(),
            progress: Progress::new(at),
            legs: Legs::default(),
            parties: Parties::default(),
            joined: 0,
            filed: Vec::new(),
            is_uncertain: false,
            exclusions: Vec::new(),
            ties: BTreeSet::new(),
            // Of most calls there is one; a list that grows by itself has room for four.
            bindings: Vec::with_capacity(1),
            open: LiteMap::new(),
            due: Timestamp(0),
        }
    }

    pub(super) fn is_bound(&self, warrant: u32) -> bool {
        self.bindings.iter().any(|binding| binding.key.warrant == warrant)
    }

    pub(super) fn is_unbound(&self) -> bool {
        self.bindings.is_empty()
    }

    /// Whether nothing has to be known of it any more; of a call of which nothing is kept that is
    /// known to its end.
    pub(super) fn is_done(&self) -> bool {
        self.is_unbound() && self.exclusions.is_empty()
    }

    /// Whether its call keys are others than those under which it can be found.
    pub(super) fn is_rebound(&self) -> bool {
        !self.keys().eq(self.filed.iter().copied())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = CallKey> + '_ {
        self.bindings.iter().map(|binding| binding.key)
    }

    /// Each call key of it, with the target that it is the call of.
    pub(super) fn targets(&self) -> Vec<(CallKey, Identity)> {
        self.bindings.iter().map(|binding| (binding.key, binding.target.clone())).collect()
    }

    /// The call keys whose warrants were in force already when a message was seen, and whose it is.
    pub(super) fn keys_at(&self, at: Timestamp) -> impl Iterator<Item = (CallKey, Side)> + '_ {
        let bindings = self.bindings.iter().filter(move |binding| binding.not_before <= at);
        bindings.map(|binding| (binding.key, binding.sender))
    }

    /// Learns from a message of the call whose its sides are, as far as it can be read.
    pub(super) fn hear(&mut self, warrants: &Warrants, path: Path, message: Option<&Message<'_>>) {
        for binding in &mut self.bindings {
            let Some(sides) = &mut binding.sides else { continue };
            let by_tag =
                |message| sides.learn(message, warrants.ends(binding.key.warrant, message));
            binding.sender = of_address(&binding.target, path.source.ip())
                .or_else(|| message.map(by_tag))
                .unwrap_or_default();
        }
    }

    /// Puts the call under a warrant; `announce` tells of it ahead of its open endpoints.
    pub(super) fn bind(
        &mut self,
        warrant: &Warrant,
        cin: u32,
        target: &Identity,
        at: Timestamp,
        announce: impl FnOnce(CallKey, &mut Sink<'_>),
        sink: &mut Sink<'_>,
    ) {
        let key = CallKey { warrant: warrant.id, cin };
        let &Warrant { not_before, not_after, .. } = warrant;
        let excluded = self.excluded(warrant.id);
        let content = warrant.content && excluded.is_none();
        announce(key, sink);
        if let Some(keep) = excluded {
            sink(Event::Excluded { warrant: key.warrant, call: Some(key), keep, at });
        }
        self.bindings.push(Binding {
            key,
            target: target.clone(),
            content,
            not_before,
            not_after,
            sides: warrant.sided.then(Sides::default),
            sender: Side::Unknown,
        });
        if content {
            self.open_all(key, at, sink);
        }
    }

    /// Opens what is wanted and was not, and begins the grace time of what no longer is; gives how
    /// many endpoints closed ahead of theirs.
    pub(super) fn reconcile(
        &mut self,
        at: Timestamp,
        limits: &Limits,
        sink: &mut Sink<'_>,
    ) -> usize {
        let ended = self.progress.ended();
        let mut wanted = match ended {
            Some(_) => BTreeMap::new(),
            None => self.legs.wanted(limits.endpoints),
        };
        let closing = ended.map_or(at, |ended| ended.at).after(limits.grace);
        for (endpoint, open) in &mut self.open {
            match wanted.remove(endpoint) {
                Some(wanted) => {
                    open.closing = None;
                    if open.wanted != wanted {
                        open.wanted = wanted;
                        let (bindings, legs) = (&mut self.bindings, &self.legs);
                        tell_open(bindings, legs, *endpoint, &open.wanted, at, sink);
                    }
                }
                None => {
                    open.closing.get_or_insert(closing);
                }
            }
        }
        let evicted = self.hasten(at, limits, sink);
        for (endpoint, wanted) in &wanted {
            tell_open(&mut self.bindings, &self.legs, *endpoint, wanted, at, sink);
        }
        // All at once, as each alone would move those behind it.
        let opened = wanted.into_iter();
        self.open.extend(opened.map(|(end, wanted)| (end, Open { wanted, closing: None })));
        self.tell_sides(at, sink);
        self.set_due(limits);
        evicted
    }

    /// Closes those that were replaced first, where more are in their grace time than may be wanted:
    /// who describes himself anew again and again fills nobody's memory. Gives how many.
    fn hasten(&mut self, at: Timestamp, limits: &Limits, sink: &mut Sink<'_>) -> usize {
        let closing = self.open.iter().filter_map(|(end, open)| Some((open.closing?, *end)));
        let excess = closing.clone().count().saturating_sub(limits.endpoints);
        if excess == 0 {
            return 0;
        }
        let mut closing: Vec<_> = closing.collect();
        closing.sort_unstable();
        for (_, endpoint) in closing.into_iter().take(excess) {
            self.open.remove(&endpoint);
            tell_closed(&self.bindings, endpoint, at, sink);
        }
        excess
    }

    /// Tells anew of open endpoints of which it shows only now whose they are.
    fn tell_sides(&mut self, at: Timestamp, sink: &mut Sink<'_>) {
        let Self { bindings, legs, open, .. } = self;
        for binding in bindings.iter_mut().filter(|binding| binding.content) {
            let Some(sides) = &mut binding.sides else { continue };
            sides.told.retain(|endpoint, _| open.contains_key(endpoint));
            let told = sides.told.clone();
            for (&endpoint, Open { wanted, .. }) in open.iter() {
                if told.get(&endpoint) != Some(&binding.side(endpoint, legs)) {
                    binding.tell(legs, endpoint, wanted, at, sink);
                }
            }
        }
    }

    /// Endpoints that descriptions name.
    pub(super) fn wanted(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.named(|open| open.closing.is_none())
    }

    /// Those that another call may have by now: in their grace time, and all of a call whose end
    /// may have been missed.
    pub(super) fn fading(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.named(|open| self.is_uncertain || open.closing.is_some())
    }

    fn named(&self, which: impl Fn(&Open) -> bool) -> impl Iterator<Item = SocketAddr> {
        let named = self.open.iter().filter(move |(_, open)| !open.wanted.presumed && which(open));
        named.map(|(endpoint, _)| *endpoint)
    }

    /// Gives up an endpoint that fades: another call has it now.
    pub(super) fn release(
        &mut self,
        endpoint: SocketAddr,
        at: Timestamp,
        limits: &Limits,
        sink: &mut Sink<'_>,
    ) {
        let uncertain = self.is_uncertain;
        if self.open.get(&endpoint).is_some_and(|open| uncertain || open.closing.is_some()) {
            self.open.remove(&endpoint);
            tell_closed(&self.bindings, endpoint, at, sink);
            self.set_due(limits);
        }
    }

    /// Lets time pass: closes endpoints, and ends the call where nothing more can come.
    pub(super) fn pass(&mut self, now: Timestamp, limits: &Limits, sink: &mut Sink<'_>) {
        let bindings = &self.bindings;
        self.open.retain(|endpoint, open| {
            let Some(closing) = open.closing.filter(|closing| *closing <= now) else { return true };
            tell_closed(bindings, *endpoint, closing, sink);
            false
        });
        let over: Vec<_> = self.bindings.extract_if(.., |b| b.not_after < now).collect();
        for binding in over {
            let ended = Ended { at: binding.not_after, cause: Cause::WarrantEnded };
            self.end_binding(&binding, ended, sink);
        }
        if self.progress.deadline(limits) <= now {
            self.end(self.progress.outcome(), sink);
        }
        self.set_due(limits);
    }

    /// Ends the call under all its warrants.
    pub(super) fn end(&mut self, ended: Ended, sink: &mut Sink<'_>) {
        self.exclusions.clear();
        for binding in core::mem::take(&mut self.bindings) {
            self.end_binding(&binding, ended, sink);
        }
    }

    /// Ends the call with the capture; one that had ended before ended then.
    pub(super) fn finish(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        let finished = Ended { at: now, cause: Cause::Finished };
        self.end(self.progress.ended().unwrap_or(finished), sink);
    }

    /// Follows a change of the warrants: withdrawn, of other targets, prolonged, with or without
    /// content.
    pub(super) fn review(
        &mut self,
        now: Timestamp,
        warrants: &Warrants,
        limits: &Limits,
        sink: &mut Sink<'_>,
    ) {
        let mut opened = Vec::new();
        for mut binding in core::mem::take(&mut self.bindings) {
            let warrant = warrants.get(binding.key.warrant);
            let Some(warrant) = warrant.filter(|it| it.targets.contains(&binding.target)) else {
                let ended = Ended { at: now, cause: Cause::WarrantEnded };
                self.end_binding(&binding, ended, sink);
                continue;
            };
            let had_content = binding.content;
            binding.content = warrant.content && self.excluded(warrant.id).is_none();
            binding.not_after = warrant.not_after;
            binding.not_before = warrant.not_before;
            match (warrant.sided, &binding.sides) {
                (true, None) => binding.sides = Some(Sides::default()),
                (false, Some(_)) => binding.sides = None,
                _ => {}
            }
            match (had_content, binding.content) {
                (false, true) => opened.push(binding.key),
                (true, false) => self.close_all(binding.key, now, sink),
                _ => {}
            }
            self.bindings.push(binding);
        }
        for call in opened {
            self.open_all(call, now, sink);
        }
        self.exclusions.retain(|exclusion| warrants.get(exclusion.warrant).is_some());
        self.set_due(limits);
    }

    /// A party takes part that a warrant excludes; says whether less is kept therefore.
    pub(super) fn exclude(
        &mut self,
        exclusion: Exclusion,
        at: Timestamp,
        sink: &mut Sink<'_>,
    ) -> bool {
        let Exclusion { warrant, keep } = exclusion;
        if self.excluded(warrant).is_some_and(|before| before <= keep) {
            return false;
        }
        self.exclusions.retain(|it| it.warrant != warrant);
        self.exclusions.push(exclusion);
        let place = self.bindings.iter().position(|binding| binding.key.warrant == warrant);
        let call = place.and_then(|place| self.bindings.get(place)).map(|binding| binding.key);
        // Of a call that has no number yet it is told once it has one.
        if call.is_some() || keep == Keep::Nothing {
            sink(Event::Excluded { warrant, call, keep, at });
        }
        let Some(place) = place else { return true };
        match keep {
            Keep::Nothing => {
                let binding = self.bindings.remove(place);
                self.end_binding(&binding, Ended { at, cause: Cause::Excluded }, sink);
            }
            Keep::Iri => {
                let binding = self.bindings.get_mut(place);
                let had_content = binding.map(|it| core::mem::take(&mut it.content));
                if let (Some(true), Some(call)) = (had_content, call) {
                    self.close_all(call, at, sink);
                }
            }
        }
        true
    }

    fn end_binding(&self, binding: &Binding, ended: Ended, sink: &mut Sink<'_>) {
        let Ended { at, cause } = ended;
        if binding.content {
            self.close_all(binding.key, at, sink);
        }
        sink(Event::CallEnded { call: binding.key, at, cause });
    }

    fn open_all(&mut self, call: CallKey, at: Timestamp, sink: &mut Sink<'_>) {
        let Self { bindings, legs, open, .. } = self;
        for binding in bindings.iter_mut().filter(|binding| binding.key == call) {
            for (&endpoint, Open { wanted, .. }) in open.iter() {
                binding.tell(legs, endpoint, wanted, at, sink);
            }
        }
    }

    fn close_all(&self, call: CallKey, at: Timestamp, sink: &mut Sink<'_>) {
        for &endpoint in self.open.keys() {
            sink(Event::MediaClosed { call, endpoint, at });
        }
    }

    pub(super) fn set_due(&mut self, limits: &Limits) {
        let closings = self.open.values().filter_map(|open| open.closing);
        // The last moment of the window still belongs to it.
        let windows =
            self.bindings.iter().map(|binding| Timestamp(binding.not_after.0.saturating_add(1)));
        let deadline = self.progress.deadline(limits);
        self.due = closings.chain(windows).fold(deadline, Timestamp::min);
    }
}

fn tell_open(
    bindings: &mut [Binding],
    legs: &Legs,
    endpoint: SocketAddr,
    wanted: &Wanted,
    at: Timestamp,
    sink: &mut Sink<'_>,
) {
    for binding in bindings.iter_mut().filter(|binding| binding.content) {
        binding.tell(legs, endpoint, wanted, at, sink);
    }
}

fn tell_closed(bindings: &[Binding], endpoint: SocketAddr, at: Timestamp, sink: &mut Sink<'_>) {
    for binding in bindings.iter().filter(|binding| binding.content) {
        sink(Event::MediaClosed { call: binding.key, endpoint, at });
    }
}
