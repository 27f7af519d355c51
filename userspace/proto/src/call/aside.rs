//! What is kept beside its call's messages and does not change its state: bytes that are no SIP
//! message, and messages of which a part is missing.

use super::arrival::{Arrival, Frames};
use super::follower::{Follower, Sink, Summary};
use super::matching::Hit;
use super::opening::Opening;
use crate::event::Flaw;
use crate::reassembly::Owners;
use crate::sip::{self, Clue, Message};
use crate::time::Timestamp;

impl Follower {
    /// RFC 3261 §7 does not know these bytes, but a target may have sent them.
    pub(super) fn unparsed(
        &mut self,
        arrival: &Arrival<'_>,
        frames: Frames<'_, '_>,
        sink: &mut Sink<'_>,
    ) -> Owners {
        self.aside(arrival, None, frames, arrival.at, sink)
    }

    /// A message of which a part is missing, given up at `now`.
    ///
    /// What it would do to its call, the retransmission has done that came in the meantime
    /// (RFC 3261 §17.1.1.2): it is evidence and no more.
    pub(super) fn cut(
        &mut self,
        arrival: &Arrival<'_>,
        frames: Frames<'_, '_>,
        now: Timestamp,
        sink: &mut Sink<'_>,
    ) -> Owners {
        self.aside(arrival, Message::parse(arrival.bytes).as_ref(), frames, now, sink)
    }

    /// Whether a message names a target, or is one of a target's call.
    pub(super) fn names_target(&self, arrival: &Arrival<'_>) -> bool {
        let message = Message::parse(arrival.bytes);
        let call_id = call_id(arrival.bytes, message.as_ref());
        !self.hits(arrival, message.as_ref()).is_empty()
            || self.is_known(arrival, message.as_ref(), call_id)
    }

    fn aside(
        &mut self,
        arrival: &Arrival<'_>,
        message: Option<&Message<'_>>,
        mut frames: Frames<'_, '_>,
        now: Timestamp,
        sink: &mut Sink<'_>,
    ) -> Owners {
        let at = arrival.at;
        let call_id = call_id(arrival.bytes, message);
        let hits = self.hits(arrival, message);
        if hits.is_empty() && !self.is_known(arrival, message, call_id) {
            self.counters.not_sip += u64::from(message.is_none());
            self.counters.strangers += u64::from(message.is_some());
            return Owners::new();
        }
        let mut call = self.call(call_id.unwrap_or_default(), at, sink);
        call.parties.learn(arrival.path, message);
        let shown = match message {
            Some(message) => self.warrants.exclusions(at, message),
            None => self.warrants.exclusions_unparsed(at, arrival.bytes),
        };
        self.exclude(&mut call, &shown, at, sink);
        let nameless = Opening { method: b"", from: b"", to: b"", at };
        let opening = message.map_or(nameless, |message| Opening::of(message, at));
        for hit in &hits {
            self.bind(&mut call, hit, &opening, sink);
        }
        call.hear(&self.warrants, arrival.path, message);
        call.progress.touch(now);
        let evicted = call.reconcile(now, &self.limits, sink);
        self.counters.endpoints_evicted += evicted as u64;
        let (line, _) = sip::split_line(sip::past_empty_lines(arrival.bytes));
        let line = line.get(..MAX_START_LINE).unwrap_or(line);
        let flaw = message.map_or(Some(Flaw::NoStartLine), |message| message.flaw);
        let kept = Summary {
            start_line: message.map_or(line, |message| message.start_line.trim_ascii_end()),
            description: None,
            flaw: arrival.flaw.or(flaw),
        };
        let owners = self.give(&call, arrival, &kept, &mut frames, sink);
        self.calls.put(call);
        owners
    }

    fn hits<'a>(
        &self,
        arrival: &Arrival<'a>,
        message: Option<&Message<'a>>,
    ) -> alloc::vec::Vec<Hit<'a>> {
        let &Arrival { bytes, path, at, .. } = arrival;
        match message {
            Some(message) => self.warrants.message(at, message, path),
            None => self.warrants.unparsed(at, bytes, path),
        }
    }

    fn is_known(
        &self,
        arrival: &Arrival<'_>,
        message: Option<&Message<'_>>,
        call_id: Option<&[u8]>,
    ) -> bool {
        let call = call_id.and_then(|call_id| self.calls.get(call_id));
        call.is_some_and(|call| call.parties.include(arrival.path, message, |_| false))
    }
}

/// The Call-ID, also where it stands in bytes that are no message.
fn call_id<'a>(bytes: &'a [u8], message: Option<&Message<'a>>) -> Option<&'a [u8]> {
    match message {
        Some(message) => message.call_id,
        None => sip::clues(bytes).find_map(|clue| match clue {
            Clue::CallId(call_id) => Some(call_id),
            Clue::Uri(_) => None,
        }),
    }
}

/// Of bytes that are no message, no more than this is shown for a start line.
const MAX_START_LINE: usize = 256;
