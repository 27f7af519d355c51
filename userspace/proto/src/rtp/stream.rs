//! Loss and jitter of one RTP stream (RFC 3550 A.1, A.3, A.8).

use core::net::SocketAddr;

use super::clocks::PayloadClocks;
use super::header::Header;
use super::quality::{Codec, Quality};
use crate::time::Timestamp;

/// What is known of one stream: one SSRC from one sender to one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Payload type of the first packet that was no telephone event or comfort noise.
    pub payload_type: u8,
    /// What that payload type encodes.
    pub codec: Codec,
    /// Units a second of its timestamps, where known.
    pub clock_hz: Option<u32>,
    /// Packets seen, duplicates included.
    pub packets: u64,
    /// Sequence numbers that were never seen.
    pub lost: u64,
    /// Gaps in the sequence numbers when they appeared, whether or not they were filled later.
    pub gaps: u64,
    /// Packets whose sequence number had been seen before.
    pub duplicates: u64,
    /// Packets that came after one with a higher sequence number.
    pub reordered: u64,
    /// Highest interarrival jitter, in milliseconds; 0 where the clock is unknown.
    pub max_jitter_ms: f64,
    /// Mean of the interarrival jitter over all its updates, in milliseconds.
    pub mean_jitter_ms: f64,
}

/// Fewer packets say nothing about a stream's quality.
const FEW: u64 = 50;

impl Stream {
    /// How good it sounds, as far as that can be told: not of few packets, nor of a codec without
    /// published figures.
    #[must_use]
    pub fn quality(&self) -> Option<Quality> {
        let received = self.packets - self.duplicates;
        let runs = self.gaps.min(self.lost);
        (self.packets >= FEW).then(|| Quality::of(self.codec, received, self.lost, runs))?
    }
}

/// A.1: a gap up to this size is loss; beyond, the sender may have restarted.
const MAX_DROPOUT: u16 = 3000;
/// A.1: a packet up to this far behind is late; beyond, the sender may have restarted.
const MAX_MISORDER: u16 = 100;

/// The running state behind a [`Stream`].
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    stream: Stream,
    /// Whether `stream.payload_type` is that of a paced payload.
    named: bool,
    sequence: Sequence,
    jitter: Jitter,
}

impl Tracked {
    pub(super) fn new(source: SocketAddr, destination: SocketAddr, header: &Header) -> Self {
        Self {
            stream: Stream {
                source,
                destination,
                ssrc: header.ssrc,
                payload_type: header.payload_type,
                codec: Codec::Unknown,
                clock_hz: None,
                packets: 0,
                lost: 0,
                gaps: 0,
                duplicates: 0,
                reordered: 0,
                max_jitter_ms: 0.0,
                mean_jitter_ms: 0.0,
            },
            named: false,
            sequence: Sequence::new(header.sequence),
            jitter: Jitter::default(),
        }
    }

    pub(super) fn feed(&mut self, at: Timestamp, header: &Header, clocks: &PayloadClocks) {
        let paced = clocks.is_paced(header.payload_type);
        if paced && !self.named {
            self.stream.payload_type = header.payload_type;
            self.stream.codec = clocks.codec(header.payload_type);
            self.stream.clock_hz = clocks.rate_hz(header.payload_type);
            self.named = true;
        }
        self.stream.packets += 1;
        match self.sequence.feed(header.sequence, self.stream.packets == 1) {
            Place::Next => {}
            Place::Late => self.stream.reordered += 1,
            Place::Duplicate => {
                self.stream.duplicates += 1;
                return;
            }
            Place::Restart => self.jitter.previous = None,
            Place::Stray => return,
        }
        if paced {
            self.jitter.feed(at, header.timestamp, clocks.rate_hz(header.payload_type));
        }
    }

    pub(super) fn stream(&self) -> Stream {
        Stream {
            lost: self.sequence.lost(),
            gaps: self.sequence.gaps,
            max_jitter_ms: self.jitter.max_ms,
            mean_jitter_ms: self.jitter.mean_ms(),
            ..self.stream.clone()
        }
    }
}

/// Where a sequence number stands among those seen before.
enum Place {
    Next,
    Late,
    Duplicate,
    /// The second packet in a row after a jump: the sender started anew.
    Restart,
    /// After a jump, and not yet followed by its successor.
    Stray,
}

/// Which sequence numbers were seen.
#[derive(Clone, Debug)]
struct Sequence {
    /// Highest sequence number.
    highest: u16,
    /// One bit a packet at or below `highest`: bit 0 is `highest` itself.
    seen: u128,
    /// Sequence numbers from the first to the highest, in this run.
    expected: u64,
    /// Those of them that were seen.
    received: u64,
    /// Lost in runs before the sender restarted.
    lost_before: u64,
    /// Times that numbers were skipped.
    gaps: u64,
    /// What would follow a stray packet.
    after_stray: Option<u16>,
}

impl Sequence {
    fn new(first: u16) -> Self {
        Self {
            highest: first,
            seen: 1,
            expected: 1,
            received: 1,
            lost_before: 0,
            gaps: 0,
            after_stray: None,
        }
    }

    fn feed(&mut self, sequence: u16, first: bool) -> Place {
        if first {
            return Place::Next;
        }
        let ahead = sequence.wrapping_sub(self.highest);
        let behind = self.highest.wrapping_sub(sequence);
        if ahead != 0 && ahead < MAX_DROPOUT {
            self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.highest = sequence;
            self.expected += u64::from(ahead);
            self.gaps += u64::from(ahead > 1);
            self.received += 1;
            self.after_stray = None;
            return Place::Next;
        }
        if behind <= MAX_MISORDER {
            let bit = 1u128 << behind;
            if self.seen & bit != 0 {
                return Place::Duplicate;
            }
            self.seen |= bit;
            self.received += 1;
            // A packet from before the first one seen: the run began earlier than thought.
            self.expected = self.expected.max(u64::from(behind) + 1);
            return Place::Late;
        }
        if self.after_stray == Some(sequence) {
            let lost_before = self.lost();
            // The stray was the first packet of the new run.
            let gaps = self.gaps;
            let run = Self::new(sequence);
            *self = Self { seen: 3, expected: 2, received: 2, lost_before, gaps, ..run };
            return Place::Restart;
        }
        self.after_stray = Some(sequence.wrapping_add(1));
        Place::Stray
    }

    fn lost(&self) -> u64 {
        self.lost_before + self.expected.saturating_sub(self.received)
    }
}

/// A.8, in milliseconds.
#[derive(Clone, Debug, Default)]
struct Jitter {
    /// Arrival, timestamp and clock rate of the packet before.
    previous: Option<(Timestamp, u32, u32)>,
    now_ms: f64,
    max_ms: f64,
    sum_ms: f64,
    updates: u64,
}

impl Jitter {
    fn feed(&mut self, at: Timestamp, timestamp: u32, rate_hz: Option<u32>) {
        let Some(rate_hz) = rate_hz else {
            self.previous = None;
            return;
        };
        if let Some((at_before, timestamp_before, rate_before)) = self.previous
            && rate_before == rate_hz
        {
            let arrived_ms = signed(at.0.wrapping_sub(at_before.0)) / 1e6;
            let units = timestamp.wrapping_sub(timestamp_before).cast_signed();
            let sent_ms = f64::from(units) * 1e3 / f64::from(rate_hz);
            self.now_ms += ((arrived_ms - sent_ms).abs() - self.now_ms) / 16.0;
            self.max_ms = self.max_ms.max(self.now_ms);
            self.sum_ms += self.now_ms;
            self.updates += 1;
        }
        self.previous = Some((at, timestamp, rate_hz));
    }

    #[expect(clippy::cast_precision_loss, reason = "2^53 packets are more than a call has")]
    fn mean_ms(&self) -> f64 {
        if self.updates == 0 { 0.0 } else { self.sum_ms / self.updates as f64 }
    }
}

/// The difference of two times, which is small whichever came first.
#[expect(clippy::cast_precision_loss, reason = "exact below 104 days, and it is divided by 16")]
fn signed(nanos: u64) -> f64 {
    nanos.cast_signed() as f64
}
