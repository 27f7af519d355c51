//! One direction of a TCP connection: segments in, SIP messages out (RFC 3261 §18.3).
//!
//! ```text
//!        consumed            end
//!           | head: in order |   gap   | ahead: out of order |
//!           v                v         v                     v
//!  ...given | INVITE sip:... | ??????? | ...v=0...           |
//! ```
//!
//! Lines that are no SIP are passed over up to the next start line; after too many of them only
//! the beginnings of segments are looked at, so that a stream of something else costs next to
//! nothing.

use alloc::vec::Vec;

use super::consumed::Consumed;
use super::held::Held;
use super::pieces::Pieces;
use super::recent::Owners;
use super::websocket::{self, Front, Upgrade};
use crate::call::Limits;
use crate::event::{Flaw, Kept};
use crate::packet::Segment;
use crate::sip;
use crate::sip::{Beginning, beginning};
use crate::time::Timestamp;

/// A message found in a stream.
#[derive(Debug)]
pub(crate) struct Framed<'a> {
    /// Start line, header and body.
    pub(crate) bytes: &'a [u8],
    /// Frames of the segments that hold its bytes, in order of arrival.
    pub(crate) frames: Vec<&'a mut Held>,
    /// What went wrong on the way.
    pub(crate) flaw: Option<Flaw>,
}

/// Takes a message and says whose it was.
type Sink<'a> = dyn FnMut(Framed<'_>) -> Owners + 'a;

#[derive(Debug)]
pub(super) struct Stream {
    serial: u64,
    last_at: Timestamp,
    /// Whether it carried a target's message.
    target: bool,
    /// Sequence number behind the SYN, where one was seen.
    first: Option<u32>,
    /// Sequence number at `end`.
    next: u32,
    /// Position behind `head`; positions do not wrap as sequence numbers do.
    end: u64,
    head: Vec<u8>,
    /// Bytes of `head` in which no end of a header was found.
    scanned: usize,
    /// Bytes of a WebSocket's handshake at the front of `head`: evidence with the first message, as
    /// nothing else says that the stream is a WebSocket.
    handshake: usize,
    ahead: Pieces,
    ahead_bytes: usize,
    gap_since: Option<Timestamp>,
    held: Vec<Span>,
    held_cost: usize,
    consumed: Consumed,
    mode: Mode,
    /// Bytes passed over since the last message.
    junk: usize,
    conflict: bool,
}

/// A frame, and the positions of its payload.
#[derive(Debug)]
struct Span {
    start: u64,
    end: u64,
    frame: Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// `head` begins where a line does.
    Line,
    /// `head` begins within a line that is no SIP.
    WithinLine,
    /// `head` begins where a WebSocket frame does.
    WebSocket,
    /// Only a segment that begins with a start line is looked at.
    GivenUp,
}

/// Bytes of something else after which a stream is given up.
const MAX_JUNK: usize = 64 << 10;

/// A sequence number further away than this is another connection's, or the capture had a hole.
const WINDOW: u64 = 1 << 20;

/// Far from 0, so that what precedes the first segment has a position too.
const ORIGIN: u64 = 1 << 40;

impl Stream {
    /// A stream that begins with this segment; none for a segment that brings nothing.
    pub(super) fn open(segment: &Segment<'_>, at: Timestamp) -> Option<Self> {
        (segment.syn || !segment.payload.is_empty()).then(|| Self {
            serial: 0,
            last_at: at,
            target: false,
            first: None,
            next: segment.sequence,
            end: ORIGIN,
            head: Vec::new(),
            scanned: 0,
            handshake: 0,
            ahead: Pieces::default(),
            ahead_bytes: 0,
            gap_since: None,
            held: Vec::new(),
            held_cost: 0,
            consumed: Consumed::default(),
            mode: Mode::Line,
            junk: 0,
            conflict: false,
        })
    }

    pub(super) fn last_at(&self) -> Timestamp {
        self.last_at
    }

    /// What is forgotten first compares lowest.
    pub(super) fn worth(&self) -> (bool, u64) {
        (self.target, self.serial)
    }

    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    pub(super) fn set_serial(&mut self, serial: u64) {
        self.serial = serial;
    }

    /// Whether a message has begun and waits for its end.
    pub(super) fn is_waiting(&self) -> bool {
        !self.head.is_empty() || self.ahead_bytes > 0
    }

    pub(super) fn cost(&self) -> usize {
        let waiting = self.head.len() + self.ahead_bytes + self.held_cost;
        size_of::<Self>() + waiting + self.consumed.cost()
    }

    /// Takes a segment; one that brings nothing new may be a part of messages that were given out,
    /// whose owners it gives.
    pub(super) fn feed(
        &mut self,
        frames: &[Kept<'_>],
        at: Timestamp,
        segment: &Segment<'_>,
        limits: &Limits,
        sink: &mut Sink<'_>,
    ) -> Owners {
        let mut owners = Owners::new();
        self.last_at = at;
        let mut sequence = segment.sequence;
        if segment.syn {
            sequence = sequence.wrapping_add(1);
            if self.first != Some(sequence) {
                self.break_off(limits, sink);
                self.first = Some(sequence);
                self.next = sequence;
                self.mode = Mode::Line;
            }
        }
        if !segment.payload.is_empty() {
            owners = self.place(frames, sequence, segment.payload, limits, sink);
            self.give_messages(limits, sink);
            self.close_gap(at, limits, sink);
            if self.cost() > 4 * limits.message_bytes {
                self.break_off(limits, sink);
                self.give_up();
            }
        }
        if segment.last && self.ahead_bytes == 0 {
            self.break_off(limits, sink);
        }
        if self.head.is_empty() {
            self.head = Vec::new();
        }
        owners
    }

    /// Puts a payload into its place; gives the owners of one that has no place any more.
    fn place(
        &mut self,
        frames: &[Kept<'_>],
        sequence: u32,
        payload: &[u8],
        limits: &Limits,
        sink: &mut Sink<'_>,
    ) -> Owners {
        let mut offset = i64::from(sequence.wrapping_sub(self.next).cast_signed());
        if offset.unsigned_abs() > WINDOW {
            self.break_off(limits, sink);
            (self.next, offset) = (sequence, 0);
        }
        if self.mode == Mode::GivenUp {
            if offset < 0 {
                return Owners::new();
            }
            self.next = sequence;
            if !begins_message(payload) {
                self.next = self.next.wrapping_add(length_of(payload));
                return Owners::new();
            }
            (self.mode, self.junk, offset) = (Mode::Line, 0, 0);
        }
        let start = self.end.saturating_add_signed(offset);
        let end = start + payload.len() as u64;
        let consumed = self.end - self.head.len() as u64;
        if end <= consumed {
            return self.consumed.owners(start, end);
        }
        if self.mode == Mode::WithinLine && offset == 0 && begins_message(payload) {
            // What came before had no line end; a message begins here nevertheless.
            self.mode = Mode::Line;
        }
        for frame in frames {
            let frame = Held::copy(frame);
            self.held_cost += frame.cost();
            self.held.push(Span { start, end, frame });
        }
        let known = usize::try_from(self.end.saturating_sub(start)).unwrap_or(usize::MAX);
        self.compare(start, payload.get(..known).unwrap_or(payload), consumed);
        let Some(new) = payload.get(known..).filter(|new| !new.is_empty()) else {
            return Owners::new();
        };
        let start = start + known as u64;
        if start == self.end && self.ahead_bytes == 0 {
            self.append(new);
        } else {
            self.ahead_bytes += self.ahead.insert(start, new);
            self.conflict |= self.ahead.conflict();
            self.take_ahead();
        }
        Owners::new()
    }

    /// Only a segment that begins with a start line is looked at from now on.
    fn give_up(&mut self) {
        self.mode = Mode::GivenUp;
        self.consumed.clear();
    }

    /// Bytes that came before, in order: the first stay.
    fn compare(&mut self, start: u64, again: &[u8], consumed: u64) {
        let skip = usize::try_from(consumed.saturating_sub(start)).unwrap_or(usize::MAX);
        let from = usize::try_from(start.saturating_sub(consumed)).unwrap_or(usize::MAX);
        let again = again.get(skip..).unwrap_or_default();
        let before = self.head.get(from..).and_then(|head| head.get(..again.len()));
        self.conflict |= before.is_some_and(|before| before != again);
    }

    fn append(&mut self, bytes: &[u8]) {
        self.head.extend_from_slice(bytes);
        self.end += bytes.len() as u64;
        self.next = self.next.wrapping_add(length_of(bytes));
    }

    fn take_ahead(&mut self) {
        while let Some(part) = self.ahead.take(self.end) {
            self.ahead_bytes -= part.len();
            self.append(&part);
        }
        if self.ahead_bytes == 0 {
            self.gap_since = None;
        }
    }

    /// Gives up a missing segment that was waited for long enough.
    fn close_gap(&mut self, at: Timestamp, limits: &Limits, sink: &mut Sink<'_>) {
        if self.ahead_bytes == 0 {
            return;
        }
        let since = *self.gap_since.get_or_insert(at);
        if at.since(since) > limits.stream_gap || self.ahead_bytes > limits.message_bytes {
            self.skip_gap(limits, sink);
            self.gap_since = (self.ahead_bytes > 0).then_some(at);
        }
    }

    /// Goes on behind the gap; what stands ahead of it will not become whole.
    fn skip_gap(&mut self, limits: &Limits, sink: &mut Sink<'_>) {
        self.give_broken(sink);
        if let Some(first) = self.ahead.first() {
            let missing = first.saturating_sub(self.end);
            self.next = self.next.wrapping_add(u32::try_from(missing).unwrap_or(0));
            self.end = first;
            self.take_ahead();
        }
        self.give_messages(limits, sink);
    }

    /// Gives out what there is, message or not, and begins anew.
    pub(super) fn break_off(&mut self, limits: &Limits, sink: &mut Sink<'_>) {
        while self.ahead_bytes > 0 {
            self.skip_gap(limits, sink);
        }
        self.give_broken(sink);
        self.gap_since = None;
        self.conflict = false;
    }

    fn give_broken(&mut self, sink: &mut Sink<'_>) {
        match self.mode {
            Mode::Line if beginning(&self.head) == Beginning::StartLine => {
                self.give(self.head.len(), None, Some(Flaw::BrokenOff), sink);
            }
            Mode::WebSocket => self.give_rest(Flaw::BrokenOff, sink),
            _ => {}
        }
        self.discard(self.head.len());
        if matches!(self.mode, Mode::WithinLine | Mode::WebSocket) {
            self.mode = Mode::Line;
        }
    }

    /// Gives out the messages at the front of `head`.
    fn give_messages(&mut self, limits: &Limits, sink: &mut Sink<'_>) {
        loop {
            match self.mode {
                Mode::GivenUp => return self.discard(self.head.len()),
                Mode::WebSocket => {
                    if self.frames().is_empty() || !self.give_frames(limits, sink) {
                        return;
                    }
                }
                Mode::WithinLine => {
                    let end = memchr::memchr(b'\n', &self.head);
                    let line = end.map_or(self.head.len(), |end| end + 1);
                    self.junk += line;
                    self.discard(line);
                    if self.junk > MAX_JUNK {
                        self.give_up();
                    } else if end.is_some() {
                        self.mode = Mode::Line;
                    } else {
                        return;
                    }
                }
                Mode::Line => {
                    // Empty lines keep connections alive (RFC 5626 §3.5.1).
                    let empty = self.head.len() - sip::past_empty_lines(&self.head).len();
                    self.discard(empty);
                    match websocket::upgrade(&self.head) {
                        Upgrade::No => {}
                        Upgrade::Unclear => return,
                        Upgrade::Behind { length } => {
                            (self.mode, self.handshake) = (Mode::WebSocket, length);
                            continue;
                        }
                    }
                    match beginning(&self.head) {
                        Beginning::Unclear => return,
                        Beginning::Other => match websocket::carries_sip(&self.head) {
                            Beginning::StartLine => self.mode = Mode::WebSocket,
                            Beginning::Unclear => return,
                            Beginning::Other => self.mode = Mode::WithinLine,
                        },
                        Beginning::StartLine => {
                            if !self.give_message(limits, sink) {
                                return;
                            }
                        }
                    }
                }
            }
        }
    }

    /// The WebSocket frames in `head`.
    fn frames(&self) -> &[u8] {
        self.head.get(self.handshake..).unwrap_or_default()
    }

    /// Says whether there may be another frame behind what was given out.
    fn give_frames(&mut self, limits: &Limits, sink: &mut Sink<'_>) -> bool {
        let handshake = self.handshake;
        match websocket::front(self.frames(), limits.message_bytes) {
            Front::Incomplete => return false,
            Front::Passed { length } => self.discard(handshake + length),
            Front::Message { length, bytes } => {
                self.give(handshake + length, Some(&bytes), None, sink);
            }
            Front::Endless => {
                self.give_rest(Flaw::ContentLength, sink);
                self.give_up();
            }
        }
        true
    }

    /// Gives out what there is of a message in frames, if it began as SIP does.
    fn give_rest(&mut self, flaw: Flaw, sink: &mut Sink<'_>) {
        let bytes = websocket::rest(self.frames());
        if sip::looks_like_start_line(&bytes) {
            self.give(self.head.len(), Some(&bytes), Some(flaw), sink);
        }
    }

    /// Says whether there may be another message behind the one given out.
    fn give_message(&mut self, limits: &Limits, sink: &mut Sink<'_>) -> bool {
        match sip::frame(&self.head, self.scanned, limits.message_bytes) {
            sip::Framed::Incomplete { scanned } => {
                self.scanned = scanned;
                false
            }
            sip::Framed::Message { length } => {
                self.give(length, None, None, sink);
                true
            }
            // Nothing behind it can be believed to be a message: it may be its body.
            sip::Framed::Endless(flaw) => {
                self.give(self.head.len(), None, Some(flaw), sink);
                self.give_up();
                false
            }
        }
    }

    /// Gives out the front of `head`, or what it means where that is something else.
    fn give(
        &mut self,
        length: usize,
        meaning: Option<&[u8]>,
        flaw: Option<Flaw>,
        sink: &mut Sink<'_>,
    ) {
        let start = self.end - self.head.len() as u64;
        let end = start + length as u64;
        let spans = self.held.iter_mut().filter(|span| span.start < end && span.end > start);
        let overlap = self.conflict.then_some(Flaw::Overlap);
        let owners = sink(Framed {
            bytes: meaning.or_else(|| self.head.get(..length)).unwrap_or(&self.head),
            frames: spans.map(|span| &mut span.frame).collect(),
            flaw: flaw.or(overlap),
        });
        self.target |= !owners.is_empty();
        self.consumed.note(start, end, owners);
        self.junk = 0;
        self.conflict = false;
        self.discard(length);
    }

    /// Takes bytes from the front of `head`, and lets go of the frames that held nothing else.
    fn discard(&mut self, length: usize) {
        if length == 0 {
            return;
        }
        self.head.drain(..length.min(self.head.len()));
        (self.scanned, self.handshake) = (0, 0);
        let consumed = self.end - self.head.len() as u64;
        let cost = &mut self.held_cost;
        self.held.retain(|span| {
            let needed = span.end > consumed;
            *cost -= if needed { 0 } else { span.frame.cost() };
            needed
        });
    }
}

/// Whether a segment begins with a message, or with a frame that holds one.
fn begins_message(payload: &[u8]) -> bool {
    sip::looks_like_start_line(payload) || websocket::carries_sip(payload) == Beginning::StartLine
}

/// As sequence numbers count; a payload is never longer than 2^16.
fn length_of(payload: &[u8]) -> u32 {
    u32::try_from(payload.len()).unwrap_or(u32::MAX)
}
