//! From a message to what follows from it: its calls, their media, and the message itself.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::calls::Calls;
use super::counters::Counters;
use super::followed::Followed;
use super::legs::Legs;
use super::limits::Limits;
use super::matching::{Hit, Warrants};
use super::numbers::Numbers;
use super::path::Path;
use crate::event::{Event, Flaw, Kept, Matched};
use crate::reassembly::{Held, Verdict};
use crate::sdp;
use crate::sip::{self, Clue, Message};
use crate::time::Timestamp;
use crate::warrant::{CallKey, Warrant};

type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// Knows the warrants and the calls under them; knows nothing of strangers.
#[derive(Debug)]
pub(super) struct Follower {
    warrants: Warrants,
    calls: Calls,
    numbers: Numbers,
    limits: Limits,
    pub(super) counters: Counters,
    /// The warrants were changed, and the calls not yet reviewed.
    changed: bool,
}

/// A message's bytes with what is known of them.
pub(super) struct Arrival<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) path: Path,
    /// Arrival of the last frame.
    pub(super) at: Timestamp,
    /// What went wrong before it could be read.
    pub(super) flaw: Option<Flaw>,
}

/// The frames that formed a message.
pub(super) enum Frames<'f, 'h> {
    /// They form nothing else.
    Own(&'f [Kept<'f>]),
    /// Neighbouring messages may have been given out with them.
    Shared(Vec<&'h mut Held>),
}

impl Frames<'_, '_> {
    /// Gives `then` those that `warrant` has not had yet.
    fn give(&mut self, warrant: u32, then: impl FnOnce(&[Kept<'_>])) {
        match self {
            Self::Own(frames) => then(frames),
            Self::Shared(held) => {
                let mut fresh = Vec::with_capacity(held.len());
                for frame in held {
                    if frame.give(warrant) {
                        fresh.push(frame.kept());
                    }
                }
                then(&fresh);
            }
        }
    }
}

impl Follower {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            warrants: Warrants::default(),
            calls: Calls::default(),
            numbers: Numbers::default(),
            limits,
            counters: Counters::default(),
            changed: false,
        }
    }

    pub(super) fn set_warrants(&mut self, warrants: Vec<Warrant>) {
        self.warrants.replace(warrants);
        self.changed = true;
    }

    /// Whether there is nothing that a message could belong to.
    pub(super) fn is_idle(&self) -> bool {
        self.warrants.is_empty() && self.calls.len() == 0
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        if self.changed { Some(Timestamp(0)) } else { self.calls.next_due() }
    }

    pub(super) fn pass(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        if core::mem::take(&mut self.changed) {
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
        }
    }

    pub(super) fn message(
        &mut self,
        arrival: &Arrival<'_>,
        frames: Frames<'_, '_>,
        sink: &mut Sink<'_>,
    ) -> Verdict {
        match Message::parse(arrival.bytes) {
            Some(message) => self.parsed(arrival, &message, frames, sink),
            None => self.unparsed(arrival, frames, sink),
        }
    }

    fn parsed(
        &mut self,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        frames: Frames<'_, '_>,
        sink: &mut Sink<'_>,
    ) -> Verdict {
        self.counters.messages += 1;
        let (at, path) = (arrival.at, arrival.path);
        let hits = self.warrants.message(at, message, path);
        // Without a Call-ID nothing but a hit ties a message to a call.
        let is_known = message.call_id.is_some_and(|call_id| self.calls.has(call_id));
        if hits.is_empty() && !is_known {
            self.counters.strangers += 1;
            self.strangers_media(at, path, message, sink);
            return Verdict::Stranger;
        }
        let mut call = self.call(message.call_id.unwrap_or_default(), at, sink);
        for hit in &hits {
            let opening = Opening {
                method: message.method(),
                from: first_uri(message.from),
                to: first_uri(message.to),
            };
            self.bind(&mut call, hit, at, &opening, sink);
        }
        let description = message.description().filter(|_| Legs::concern(message.method()));
        let session = description.map(sdp::scan);
        call.progress.feed(at, path, message);
        call.legs.feed(path, message, session.as_ref());
        call.reconcile(at, &self.limits, sink);
        for endpoint in call.wanted() {
            self.release(endpoint, at, sink);
        }
        let kept = Summary {
            start_line: message.start_line,
            description: description.map(|text| identify(message, text)),
            flaw: arrival.flaw.or(message.flaw).or_else(|| session?.flaw),
        };
        self.give(&call, at, &kept, frames, sink);
        self.calls.put(call);
        Verdict::Target
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
        for endpoint in legs.wanted(self.limits.endpoints).into_keys() {
            self.release(endpoint, at, sink);
        }
    }

    /// Ends the grace time of an endpoint that another call has announced.
    fn release(&mut self, endpoint: SocketAddr, at: Timestamp, sink: &mut Sink<'_>) {
        while let Some(mut call) = self.calls.take_fading(endpoint) {
            call.release(endpoint, at, &self.limits, sink);
            self.calls.put(call);
        }
    }

    /// RFC 3261 §7 does not know these bytes, but a target may have sent them.
    fn unparsed(
        &mut self,
        arrival: &Arrival<'_>,
        frames: Frames<'_, '_>,
        sink: &mut Sink<'_>,
    ) -> Verdict {
        let at = arrival.at;
        let call_id = sip::clues(arrival.bytes).find_map(|clue| match clue {
            Clue::CallId(call_id) => Some(call_id),
            Clue::Uri(_) => None,
        });
        let hits = self.warrants.unparsed(at, arrival.bytes, arrival.path);
        let is_known = call_id.is_some_and(|call_id| self.calls.has(call_id));
        if hits.is_empty() && !is_known {
            self.counters.not_sip += 1;
            return Verdict::Stranger;
        }
        let mut call = self.call(call_id.unwrap_or_default(), at, sink);
        for hit in &hits {
            let opening = Opening { method: b"", from: b"", to: b"" };
            self.bind(&mut call, hit, at, &opening, sink);
        }
        call.progress.touch(at);
        call.reconcile(at, &self.limits, sink);
        let (start_line, _) = sip::split_line(sip::past_empty_lines(arrival.bytes));
        let kept = Summary {
            start_line: start_line.get(..MAX_START_LINE).unwrap_or(start_line),
            description: None,
            flaw: arrival.flaw.or(Some(Flaw::NoStartLine)),
        };
        self.give(&call, at, &kept, frames, sink);
        self.calls.put(call);
        Verdict::Target
    }

    /// The call of this Call-ID, known or new; a new one may cost the one that is nearest its end.
    fn call(&mut self, call_id: &[u8], at: Timestamp, sink: &mut Sink<'_>) -> Followed {
        if let Some(call) = self.calls.take(call_id) {
            return call;
        }
        while self.calls.len() >= self.limits.calls.max(1) {
            let Some(mut call) = self.calls.take_next() else { break };
            self.counters.calls_evicted += 1;
            call.end(call.progress.outcome(), sink);
        }
        Followed::new(call_id, at)
    }

    fn bind(
        &mut self,
        call: &mut Followed,
        hit: &Hit<'_>,
        at: Timestamp,
        opening: &Opening<'_>,
        sink: &mut Sink<'_>,
    ) {
        let Some((warrant, _)) = self.warrants.of(hit) else { return };
        if call.is_bound(warrant.id) {
            return;
        }
        let id = warrant.id;
        let cin = match self.numbers.of(id, &call.call_id) {
            Some(cin) => cin,
            None => {
                let Some(cin) = self.warrants.draw_cin(id) else { return };
                let key = CallKey { warrant: id, cin };
                self.numbers.remember(key, &call.call_id, self.limits.calls);
                cin
            }
        };
        let Some((warrant, target)) = self.warrants.of(hit) else { return };
        let call_id = call.call_id.clone();
        let announce = |key, sink: &mut Sink<'_>| {
            let matched = Matched { header: hit.header, target, value: &hit.value };
            let Opening { method, from, to } = *opening;
            sink(Event::CallOpened { call: key, call_id: &call_id, method, from, to, matched, at });
        };
        call.bind(warrant, cin, at, announce, sink);
    }

    fn give(
        &mut self,
        call: &Followed,
        at: Timestamp,
        message: &Summary<'_>,
        mut frames: Frames<'_, '_>,
        sink: &mut Sink<'_>,
    ) {
        let &Summary { start_line, description, flaw } = message;
        for key in call.keys() {
            self.counters.kept += 1;
            self.counters.flawed += u64::from(flaw.is_some());
            frames.give(key.warrant, |frames| {
                sink(Event::Message { call: key, at, frames, start_line, description, flaw });
            });
        }
    }
}

/// What of a message is given out with its frames.
struct Summary<'a> {
    start_line: &'a [u8],
    description: Option<u64>,
    flaw: Option<Flaw>,
}

/// What opens a call.
struct Opening<'a> {
    method: &'a [u8],
    from: &'a [u8],
    to: &'a [u8],
}

/// Of bytes that are no message, no more than this is shown for a start line.
const MAX_START_LINE: usize = 256;

fn first_uri(value: Option<&[u8]>) -> &[u8] {
    value.and_then(|value| sip::uris(value).next()).unwrap_or_default()
}

/// A number for a description and the party that sent it: FNV-1a, 64 bits, the same everywhere.
fn identify(message: &Message<'_>, description: &[u8]) -> u64 {
    let party = match message.start {
        sip::StartLine::Request { .. } => message.from,
        sip::StartLine::Response { .. } => message.to,
    };
    let tag = party.and_then(sip::tag).unwrap_or_default();
    tag.iter().chain(b"\n").chain(description).fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
