//! Loss and jitter of one RTP stream (RFC 3550 A.1, A.3, A.8).

use alloc::vec::Vec;
use core::mem::offset_of;
use core::net::{IpAddr, SocketAddr};

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
///
/// A packet finds that of its stream in no cache, and waits for every line of it that it needs: so
/// what counting reads and writes comes first, and fills two lines of 64 bytes.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Tracked {
    brief: Brief,
    last: Timestamp,
    packets: u64,
    bytes: u64,
    jitter: Jitter,
    /// Clock rate of `ordinary`; 0 where unknown.
    ordinary_hz: u32,
    /// The paced payload type that the last packet was of.
    ordinary: Option<u8>,
    /// Whether `brief` is less than its ends.
    is_wide: bool,
    sequence: Sequence,
    rest: Rest,
}

const _: () = assert!(offset_of!(Tracked, rest) == 128 && size_of::<Tracked>() == 256);

/// What the unusual packet needs, and the figures of the stream.
#[derive(Clone, Debug)]
struct Rest {
    source: SocketAddr,
    destination: SocketAddr,
    first: Timestamp,
    /// Gaps when they appeared.
    gaps: u64,
    missed: Gaps,
    duplicates: u64,
    reordered: u64,
    /// Clock rate of `payload_type`; 0 where unknown.
    clock_hz: u32,
    payload_type: u8,
    codec: Codec,
    /// Whether `payload_type` is that of a paced payload.
    named: bool,
}

/// Which stream a packet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) ssrc: u32,
}

/// The same in 16 bytes: all there is to ends of IPv4, and what tells nearly all others apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Brief {
    source: u32,
    destination: u32,
    ports: [u16; 2],
    ssrc: u32,
}

impl Id {
    #[inline]
    fn brief(&self) -> Brief {
        let Self { source, destination, ssrc } = *self;
        let ports = [source.port(), destination.port()];
        Brief { source: folded(source), destination: folded(destination), ports, ssrc }
    }

    #[inline]
    fn is_wide(&self) -> bool {
        !(self.source.is_ipv4() && self.destination.is_ipv4())
    }
}

#[inline]
fn folded(end: SocketAddr) -> u32 {
    match end.ip() {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let segments = address.segments().into_iter();
            segments.fold(0, |folded: u32, it| folded.rotate_left(16) ^ u32::from(it))
        }
    }
}

impl Tracked {
    pub(super) fn new(at: Timestamp, id: &Id, header: &Header) -> Self {
        Self {
            brief: id.brief(),
            last: at,
            packets: 0,
            bytes: 0,
            jitter: Jitter::default(),
            ordinary_hz: 0,
            ordinary: None,
            is_wide: id.is_wide(),
            sequence: Sequence::new(header.sequence),
            rest: Rest {
                source: id.source,
                destination: id.destination,
                first: at,
                gaps: 0,
                missed: Gaps::default(),
                duplicates: 0,
                reordered: 0,
                clock_hz: 0,
                payload_type: header.payload_type,
                codec: Codec::Unknown,
                named: false,
            },
        }
    }

    /// Whether it is this stream.
    #[inline]
    pub(super) fn is(&self, id: &Id) -> bool {
        self.brief == id.brief()
            && self.is_wide == id.is_wide()
            && (!self.is_wide || self.id() == *id)
    }

    pub(super) fn id(&self) -> Id {
        let Rest { source, destination, .. } = self.rest;
        Id { source, destination, ssrc: self.brief.ssrc }
    }

    /// Reads of both lines that counting a packet needs.
    #[inline]
    pub(super) fn near(&self) -> u64 {
        self.packets ^ self.sequence.lost()
    }

    pub(super) fn feed(
        &mut self,
        at: Timestamp,
        header: &Header,
        bytes: usize,
        clocks: &PayloadClocks,
    ) {
        let paced = clocks.is_paced(header.payload_type);
        let rate_hz = clocks.rate_hz(header.payload_type).unwrap_or(0);
        if paced && !self.rest.named {
            self.rest.payload_type = header.payload_type;
            self.rest.codec = clocks.codec(header.payload_type);
            self.rest.clock_hz = rate_hz;
            self.rest.named = true;
        }
        if paced {
            (self.ordinary, self.ordinary_hz) = (Some(header.payload_type), rate_hz);
        }
        self.count(at, header, bytes, paced.then_some(rate_hz));
    }

    /// Counts a packet of the paced payload type that was fed last; says whether it is one.
    #[inline]
    pub(super) fn feed_ordinary(&mut self, at: Timestamp, header: &Header, bytes: usize) -> bool {
        let is_ordinary = self.ordinary == Some(header.payload_type);
        if is_ordinary {
            self.count(at, header, bytes, Some(self.ordinary_hz));
        }
        is_ordinary
    }

    /// Forgets what its payload types are: something else may have been announced.
    pub(super) fn look_again(&mut self) {
        self.ordinary = None;
    }

    /// Counts a packet; its clock rate is none where it has no pace, and 0 where it is not known.
    #[inline]
    fn count(&mut self, at: Timestamp, header: &Header, bytes: usize, pace: Option<u32>) {
        let (before, lost_before) = (self.last, self.sequence.lost());
        self.last = at;
        self.packets += 1;
        self.bytes += bytes as u64;
        match self.sequence.feed(header.sequence, self.packets == 1) {
            Place::Next => {
                let missed = self.sequence.lost() - lost_before;
                if missed > 0 {
                    self.rest.gaps += 1;
                    self.rest.missed.open(before, at, missed);
                }
            }
            Place::Late => {
                let Rest { first, missed: gaps, reordered, .. } = &mut self.rest;
                *reordered += 1;
                match self.sequence.lost().checked_sub(lost_before) {
                    None => gaps.fill(lost_before - self.sequence.lost()),
                    // One from before the first: the run began earlier than thought.
                    Some(missed @ 1..) => gaps.open(*first, at, missed),
                    Some(0) => {}
                }
            }
            Place::Duplicate => {
                self.rest.duplicates += 1;
                return;
            }
            Place::Restart => self.jitter.rate_hz = 0,
            Place::Stray => return,
        }
        if let Some(rate_hz) = pace {
            self.jitter.feed(at, header.timestamp, rate_hz);
        }
    }

    pub(super) fn stream(&self) -> Stream {
        let Self { brief, last, packets, bytes, jitter, sequence, rest, .. } = self;
        Stream {
            source: rest.source,
            destination: rest.destination,
            ssrc: brief.ssrc,
            payload_type: rest.payload_type,
            codec: rest.codec,
            clock_hz: Some(rest.clock_hz).filter(|&rate| rate != 0),
            first: rest.first,
            last: *last,
            packets: *packets,
            bytes: *bytes,
            lost: sequence.lost(),
            gaps: rest.gaps,
            missed: rest.missed.to_vec(),
            duplicates: rest.duplicates,
            reordered: rest.reordered,
            max_jitter_ms: jitter.max_ms,
            mean_jitter_ms: jitter.mean_ms(),
        }
    }
}

/// A.8, in milliseconds.
#[derive(Clone, Debug, Default)]
#[repr(C)]
struct Jitter {
    /// Arrival of the packet before.
    at: Timestamp,
    /// Its timestamp.
    timestamp: u32,
    /// Its clock rate; 0 where there is no such packet.
    rate_hz: u32,
    now_ms: f64,
    max_ms: f64,
    sum_ms: f64,
    updates: u64,
}

impl Jitter {
    /// Takes in a packet whose timestamps have this clock rate, 0 where it is not known.
    #[inline]
    fn feed(&mut self, at: Timestamp, timestamp: u32, rate_hz: u32) {
        if rate_hz != 0 && rate_hz == self.rate_hz {
            let arrived_ms = signed(at.0.wrapping_sub(self.at.0)) / 1e6;
            let units = timestamp.wrapping_sub(self.timestamp).cast_signed();
            let sent_ms = f64::from(units) * 1e3 / f64::from(rate_hz);
            self.now_ms += ((arrived_ms - sent_ms).abs() - self.now_ms) / 16.0;
            self.max_ms = self.max_ms.max(self.now_ms);
            self.sum_ms += self.now_ms;
            self.updates += 1;
        }
        (self.at, self.timestamp, self.rate_hz) = (at, timestamp, rate_hz);
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
