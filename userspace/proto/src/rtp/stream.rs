//! Loss and jitter of one RTP stream (RFC 3550 A.1, A.3, A.8).

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::clocks::PayloadClocks;
use super::gaps::{Gap, Gaps};
use super::header::Header;
use super::quality::{Codec, Quality};
use super::sequence::{Place, Sequence};
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
    /// Arrival of its first packet.
    pub first: Timestamp,
    /// Arrival of its last packet.
    pub last: Timestamp,
    /// Packets seen, duplicates included.
    pub packets: u64,
    /// Bytes of their UDP payload, RTP headers included.
    pub bytes: u64,
    /// Sequence numbers that were never seen.
    pub lost: u64,
    /// Gaps in the sequence numbers when they appeared, whether or not they were filled later.
    pub gaps: u64,
    /// When those were missed that were never seen: a bounded list, the oldest of which may stand
    /// for many.
    pub missed: Vec<Gap>,
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

/// The running state behind a [`Stream`].
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    stream: Stream,
    /// Whether `stream.payload_type` is that of a paced payload.
    named: bool,
    /// The paced payload type that the last packet was of, and its clock rate.
    ordinary: Option<(u8, Option<u32>)>,
    sequence: Sequence,
    gaps: Gaps,
    jitter: Jitter,
}

impl Tracked {
    pub(super) fn new(
        at: Timestamp,
        source: SocketAddr,
        destination: SocketAddr,
        header: &Header,
    ) -> Self {
        Self {
            stream: Stream {
                source,
                destination,
                ssrc: header.ssrc,
                payload_type: header.payload_type,
                codec: Codec::Unknown,
                clock_hz: None,
                first: at,
                last: at,
                packets: 0,
                bytes: 0,
                lost: 0,
                gaps: 0,
                missed: Vec::new(),
                duplicates: 0,
                reordered: 0,
                max_jitter_ms: 0.0,
                mean_jitter_ms: 0.0,
            },
            named: false,
            ordinary: None,
            sequence: Sequence::new(header.sequence),
            gaps: Gaps::default(),
            jitter: Jitter::default(),
        }
    }

    /// Whether it is this stream.
    #[inline]
    pub(super) fn is(&self, source: SocketAddr, destination: SocketAddr, ssrc: u32) -> bool {
        let Stream { ssrc: ours, source: from, destination: to, .. } = &self.stream;
        *ours == ssrc && *from == source && *to == destination
    }

    /// Reads of each part of it that counting a packet needs.
    #[inline]
    pub(super) fn near(&self) -> u64 {
        let Self { stream, sequence, gaps: _, jitter, .. } = self;
        stream.packets ^ u64::from(stream.ssrc) ^ sequence.lost() ^ jitter.updates
    }

    pub(super) fn key(&self) -> (SocketAddr, SocketAddr, u32) {
        (self.stream.source, self.stream.destination, self.stream.ssrc)
    }

    pub(super) fn feed(
        &mut self,
        at: Timestamp,
        header: &Header,
        bytes: usize,
        clocks: &PayloadClocks,
    ) {
        let paced = clocks.is_paced(header.payload_type);
        let rate_hz = clocks.rate_hz(header.payload_type);
        if paced && !self.named {
            self.stream.payload_type = header.payload_type;
            self.stream.codec = clocks.codec(header.payload_type);
            self.stream.clock_hz = rate_hz;
            self.named = true;
        }
        if paced {
            self.ordinary = Some((header.payload_type, rate_hz));
        }
        self.count(at, header, bytes, paced.then_some(rate_hz));
    }

    /// Counts a packet of the paced payload type that was fed last; says whether it is one.
    #[inline]
    pub(super) fn feed_ordinary(&mut self, at: Timestamp, header: &Header, bytes: usize) -> bool {
        match self.ordinary {
            Some((payload_type, rate_hz)) if payload_type == header.payload_type => {
                self.count(at, header, bytes, Some(rate_hz));
                true
            }
            _ => false,
        }
    }

    /// Forgets what its payload types are: something else may have been announced.
    pub(super) fn look_again(&mut self) {
        self.ordinary = None;
    }

    /// Counts a packet; its clock rate is none where it has no pace.
    #[inline]
    fn count(&mut self, at: Timestamp, header: &Header, bytes: usize, pace: Option<Option<u32>>) {
        let (before, lost_before) = (self.stream.last, self.sequence.lost());
        self.stream.last = at;
        self.stream.packets += 1;
        self.stream.bytes += bytes as u64;
        match self.sequence.feed(header.sequence, self.stream.packets == 1) {
            Place::Next => {
                let missed = self.sequence.lost().saturating_sub(lost_before);
                if missed > 0 {
                    self.gaps.open(before, at, missed);
                }
            }
            Place::Late => {
                self.stream.reordered += 1;
                match self.sequence.lost().checked_sub(lost_before) {
                    None => self.gaps.fill(lost_before - self.sequence.lost()),
                    // One from before the first: the run began earlier than thought.
                    Some(missed @ 1..) => self.gaps.open(self.stream.first, at, missed),
                    Some(0) => {}
                }
            }
            Place::Duplicate => {
                self.stream.duplicates += 1;
                return;
            }
            Place::Restart => self.jitter.previous = None,
            Place::Stray => return,
        }
        if let Some(rate_hz) = pace {
            self.jitter.feed(at, header.timestamp, rate_hz);
        }
    }

    pub(super) fn stream(&self) -> Stream {
        Stream {
            lost: self.sequence.lost(),
            gaps: self.sequence.gaps,
            missed: self.gaps.to_vec(),
            max_jitter_ms: self.jitter.max_ms,
            mean_jitter_ms: self.jitter.mean_ms(),
            ..self.stream.clone()
        }
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
