//! From a message to what follows from it: its calls, their media, and the message itself.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::arrival::{Arrival, Frames};
use super::calls::Calls;
use super::counters::Counters;
use super::followed::Followed;
use super::hold::Hold;
use super::joins::Joins;
use super::legs::Legs;
use super::limits::Limits;
use super::matching::Warrants;
use super::numbers::Numbers;
use super::opening::Opening;
use super::path::Path;
use crate::event::{Event, Flaw};
use crate::fnv::fnv;
use crate::reassembly::Owners;
use crate::sdp;
use crate::sip::{self, Message};
use crate::target::Numbering;
use crate::time::Timestamp;
use crate::warrant::{CallKey, Warrant};

pub(super) type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// Knows the warrants and the calls under them; of strangers no more than [`Hold`] holds.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) warrants: Warrants,
    pub(super) calls: Calls,
    pub(super) numbers: Numbers,
    pub(super) hold: Hold,
    pub(super) limits: Limits,
    pub(super) counters: Counters,
    /// The warrants were changed, and the calls not yet reviewed.
    changed: bool,
}

impl Follower {
    pub(super) fn new(limits: Limits) -> Self {
        let mut calls = Calls::default();
        calls.kinship.set(Joins::default());
        Self {
            warrants: Warrants::default(),
            calls,
            numbers: Numbers::default(),
            hold: Hold::new(&limits),
            limits,
            counters: Counters::default(),
            changed: false,
        }
    }

    pub(super) fn set_warrants(&mut self, warrants: Vec<Warrant>) {
        self.warrants.replace(warrants);
        self.changed = true;
    }

    pub(super) fn set_numbering(&mut self, numbering: Numbering) {
        self.warrants.set_numbering(numbering);
    }

    pub(super) fn set_joins(&mut self, joins: Joins) {
        self.calls.kinship.set(joins);
    }

    pub(super) fn set_patience(&mut self, grace: Duration, media_silence: Duration) {
        self.limits.grace = grace;
        self.limits.media_silence = media_silence;
        self.changed = true;
    }

    /// Media of this call was seen, which therefore is not over.
    pub(super) fn media_seen(&mut self, key: CallKey, at: Timestamp) {
        let mut is_first = false;
        self.calls.with(key, |call| is_first = call.progress.media_seen(at));
        if is_first && let Some(mut call) = self.calls.take_by_key(key) {
            call.set_due(&self.limits);
            self.calls.put(call);
        }
    }

    /// This call's end may have been missed; the last that was seen of it was then.
    pub(super) fn doubt(&mut self, key: CallKey, at: Timestamp) {
        if let Some(mut call) = self.calls.take_by_key(key) {
            call.is_uncertain = true;
            call.progress.media_seen(at);
            call.set_due(&self.limits);
            self.calls.put(call);
        }
    }

    pub(super) fn counters(&self) -> Counters {
        Counters {
            held: self.hold.held,
            hold_overwritten: self.hold.overwritten,
            joins_refused: self.calls.kinship.refused,
            ..self.counters
        }
    }

    /// Whether there is nothing that a message could belong to.
    pub(super) fn is_idle(&self) -> bool {
        self.warrants.is_empty() && self.calls.len() == 0
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        if self.changed {
            return Some(Timestamp(0));
        }
        self.calls.next_due().into_iter().chain(self.hold.next_deadline()).min()
    }

    pub(super) fn pass(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        self.hold.expire(now);
        if core::mem::take(&mut self.changed) {
            if self.warrants.is_empty() {
                self.hold.clear();
            }
            for mut call in self.calls.take_all() {
                call.review(now, &self.warrants, &self.limits, sink);
                self.calls.put(call);
            }
        }
        while self.calls.next_due().is_some_and(|due| due <= now) {
            let Some(mut call) = self.calls.take_next() else { break };
            call.pass(now, &self.limits, sink);
            self.calls.put(call);
        }
    }

    /// Ends what is left.
    pub(super) fn finish(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        for mut call in self.calls.take_all() {
            call.finish(now, sink);
            self.calls.put(call);
        }
        self.hold.clear();
    }

    pub(super) fn message(
        &mut self,
        arrival: &Arrival<'_>,
        frames: Frames<'_, '_>,
        sink: &mut Sink<'_>,
    ) -> Owners {
        match Message::parse(arrival.bytes) {
            Some(message) => self.parsed(arrival, &message, frames, sink),
            None => self.unparsed(arrival, frames, sink),
        }
    }

    fn parsed(
        &mut self,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        mut frames: Frames<'_, '_>,
        sink: &mut Sink<'_>,
    ) -> Owners {
        self.counters.messages += 1;
        let (at, path) = (arrival.at, arrival.path);
        self.warrants.register(at, message, path);
        let hits = self.warrants.message(at, message, path);
        // Without a Call-ID nothing but a hit ties a message to a call.
        let known = message.call_id.and_then(|call_id| self.calls.get_mut(call_id));
        let is_new = known.is_none();
        if let Some(call) = known.filter(|_| hits.is_empty())
            && !call.parties.include(path, Some(message), |host| call.progress.awaits(host))
        {
            call.parties.refuse(message);
            self.counters.foreign += 1;
            self.stranger(arrival, message, &frames, sink);
            return Owners::new();
        }
        let kin = self.kin(message);
        if hits.is_empty() && is_new && kin.is_none() {
            self.stranger(arrival, message, &frames, sink);
            return Owners::new();
        }
        let mut call = self.call(message.call_id.unwrap_or_default(), at, sink);
        let is_fresh = call.parties.learn(path, Some(message));
        let early = if is_new || is_fresh { self.early(&mut call, &frames) } else { Vec::new() };
        let first = early.first().map_or(at, |early| early.at.min(at));
        let opening = Opening::of(message, first);
        if let Some(kin) = &kin {
            self.tie(&mut call, &kin.call_id, at, sink);
        }
        let shown = self.shown(at, message, &early);
        self.exclude(&mut call, &shown, at, sink);
        for hit in &hits {
            self.bind(&mut call, hit, &opening, sink);
        }
        if let Some(kin) = kin {
            self.join(&mut call, &kin, &opening, sink);
        }
        self.give_early(&mut call, early, sink);
        let owners = self.take_in(&mut call, arrival, message, &mut frames, sink);
        let call_id = call.call_id.clone();
        self.calls.put(call);
        self.join_early(&call_id, message, sink);
        owners
    }

    /// A stranger's message leaves nothing behind, but for the two seconds of [`Hold`].
    fn stranger(
        &mut self,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        frames: &Frames<'_, '_>,
        sink: &mut Sink<'_>,
    ) {
        self.counters.strangers += 1;
        self.hold_back(arrival, message, frames);
        self.strangers_media(arrival.at, arrival.path, message, sink);
    }

    /// What follows from a message of a call, ahead of the message itself; says which calls it was
    /// given to.
    pub(super) fn take_in(
        &mut self,
        call: &mut Followed,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        frames: &mut Frames<'_, '_>,
        sink: &mut Sink<'_>,
    ) -> Owners {
        let (at, path) = (arrival.at, arrival.path);
        call.is_uncertain = false;
        let description = message.description().filter(|_| Legs::concern(message.method()));
        let session = description.map(sdp::scan);
        call.hear(&self.warrants, path, Some(message));
        call.progress.feed(at, path, message);
        call.legs.feed(path, message, session.as_ref());
        let evicted = call.reconcile(at, &self.limits, sink);
        self.counters.endpoints_evicted += evicted as u64;
        for endpoint in call.wanted() {
            self.release(endpoint, at, sink);
        }
        self.calls.kinship.learn(&call.call_id, message);
        let in_session = session.and_then(|session| session.flaw);
        let kept = Summary {
            start_line: message.start_line.trim_ascii_end(),
            description: description.map(|text| identify(message, text)),
            flaw: arrival.flaw.or(message.flaw).or_else(|| sip::flaw(message)).or(in_session),
        };
        let owners = self.give(call, arrival, &kept, frames, sink);
        give_bodies(call, at, message, sink);
        owners
    }

    /// A port that a target's call has just left may be a stranger's now: what a stranger announces
    /// is looked at while some endpoint is in its grace time, and ends that.
    fn strangers_media(
        &mut self,
        at: Timestamp,
        path: Path,
        message: &Message<'_>,
        sink: &mut Sink<'_>,
    ) {
        if !self.calls.has_fading() {
            return;
        }
        let description = message.description().filter(|_| Legs::concern(message.method()));
        let Some(description) = description else { return };
        let mut legs = Legs::default();
        legs.feed(path, message, Some(&sdp::scan(description)));
        for (endpoint, wanted) in legs.wanted(self.limits.endpoints) {
            if !wanted.presumed {
                self.release(endpoint, at, sink);
            }
        }
    }

    /// Ends what another call has of an endpoint that this one has announced.
    fn release(&mut self, endpoint: SocketAddr, at: Timestamp, sink: &mut Sink<'_>) {
        while let Some(mut call) = self.calls.take_fading(endpoint) {
            call.release(endpoint, at, &self.limits, sink);
            self.calls.put(call);
        }
    }

    /// Gives a message to each warrant that it belongs to; says to which calls.
    pub(super) fn give(
        &mut self,
        call: &Followed,
        arrival: &Arrival<'_>,
        message: &Summary<'_>,
        frames: &mut Frames<'_, '_>,
        sink: &mut Sink<'_>,
    ) -> Owners {
        let &Summary { start_line, description, flaw } = message;
        let &Arrival { first, at, bytes, path, .. } = arrival;
        let Path { source, destination } = path;
        for (call, sender) in call.keys_at(at) {
            self.counters.kept += 1;
            self.counters.flawed += u64::from(flaw.is_some());
            frames.give(call.warrant, |frames| {
                sink(Event::Message {
                    call,
                    first,
                    at,
                    source,
                    destination,
                    sender,
                    bytes,
                    frames,
                    start_line,
                    description,
                    flaw,
                });
            });
        }
        call.keys_at(at).map(|(key, _)| key).collect()
    }
}

/// What of a message is given out with its frames.
pub(super) struct Summary<'a> {
    pub(super) start_line: &'a [u8],
    pub(super) description: Option<u64>,
    pub(super) flaw: Option<Flaw>,
}

/// Gives what else than a description a message holds; nothing can be read in an encoded body.
fn give_bodies(call: &Followed, at: Timestamp, message: &Message<'_>, sink: &mut Sink<'_>) {
    if message.is_encoded || message.body.is_empty() {
        return;
    }
    let Opening { method, from, to, .. } = Opening::of(message, at);
    let number = message.cseq.map_or(0, |cseq| cseq.number).to_be_bytes();
    let tag = message.from.and_then(sip::tag).unwrap_or_default();
    let answer: &[u8] = match message.start {
        sip::StartLine::Request { .. } => b"",
        sip::StartLine::Response { .. } => message.start_line,
    };
    let copy = fnv([tag, &number, method, answer]);
    let mut copy = copy;
    sip::other_bodies(message.content_type, message.body, &mut |media_type, bytes| {
        for (call, sender) in call.keys_at(at) {
            sink(Event::Body { call, at, method, from, to, sender, copy, media_type, bytes });
        }
        copy = copy.wrapping_add(1);
    });
}

/// A number for a description and the party that sent it.
fn identify(message: &Message<'_>, description: &[u8]) -> u64 {
    let party = match message.start {
        sip::StartLine::Request { .. } => message.from,
        sip::StartLine::Response { .. } => message.to,
    };
    let tag = party.and_then(sip::tag).unwrap_or_default();
    fnv([tag, b"\n", description])
}
