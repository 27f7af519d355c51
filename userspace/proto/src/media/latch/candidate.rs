//! A flow that may be a call's, and what speaks for it.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::{Doubtful, LatchLimits};
use crate::event::{Kept, MediaKind};
use crate::reassembly::Held;
use crate::rtp::{Header, is_rtcp};
use crate::time::Timestamp;

/// What speaks for a flow; the more there is, the sooner it is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing but that it is there.
    Unlikely,
    /// An announced address is none that signals, so there is a NAT; or the flow is of another
    /// port of an announced address.
    Possible,
    /// That, and it goes both ways.
    Likely,
    /// The call itself points to it.
    Sure,
}

impl Standing {
    /// How long the announced peer is waited for where there is a NAT and media goes both ways.
    pub const LIKELY: Duration = Duration::from_secs(1);
    /// The same where it goes one way.
    pub const POSSIBLE: Duration = Duration::from_secs(2);
    /// The same where nothing speaks for the flow.
    pub const UNLIKELY: Duration = Duration::from_secs(5);

    pub(super) fn doubt(self) -> Duration {
        match self {
            Self::Sure => Duration::ZERO,
            Self::Likely => Self::LIKELY,
            Self::Possible => Self::POSSIBLE,
            Self::Unlikely => Self::UNLIKELY,
        }
    }

    /// Packets in a row that must look like media.
    pub(super) fn packets(self, kind: MediaKind) -> u32 {
        match (self, kind) {
            (Self::Sure, MediaKind::Rtp) => 2,
            (Self::Sure, _) => 1,
            _ => 4,
        }
    }
}

/// A flow at an announced endpoint.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) peer: SocketAddr,
    pub(super) since: Timestamp,
    /// Arrival of its last packet.
    last: Timestamp,
    /// To the endpoint, and from it.
    ways: [Way; 2],
    /// The call itself points to it: its ICE fragment, or an SSRC it knows.
    pub(super) named: bool,
    held: Vec<Held>,
    bytes: usize,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// SSRC and sequence number of the packet before.
    last: Option<(u32, u16)>,
    /// Packets in a row that follow each other as media does.
    row: u32,
    packets: u32,
}

/// A.1 of RFC 3550 calls a gap up to this size loss.
const MAX_DROPOUT: u16 = 100;

impl Candidate {
    pub(super) fn new(peer: SocketAddr, since: Timestamp) -> Self {
        let (ways, held) = (Default::default(), Vec::new());
        Self { peer, since, last: since, ways, named: false, held, bytes: 0 }
    }

    /// Looks at a packet and holds it; gives the bytes held for it, or none where there is no room.
    pub(super) fn hold(
        &mut self,
        inbound: bool,
        kind: MediaKind,
        plays: impl FnOnce(u8) -> bool,
        packet: &Doubtful<'_>,
        limits: &LatchLimits,
    ) -> Option<usize> {
        self.last = packet.at;
        let [to, from] = &mut self.ways;
        let way = if inbound { to } else { from };
        way.packets = way.packets.saturating_add(1);
        match kind {
            MediaKind::Rtp => way.rtp(packet.payload, plays),
            MediaKind::Rtcp if !is_rtcp(packet.payload) => {}
            MediaKind::Rtcp | MediaKind::Udptl | MediaKind::Other => {
                way.row = way.row.saturating_add(1);
            }
        }
        if self.held.len() + packet.frames.len() > limits.frames {
            return None;
        }
        let before = self.bytes;
        for frame in packet.frames {
            let held = Held::copy(frame);
            self.bytes += held.cost();
            self.held.push(held);
        }
        Some(self.bytes - before)
    }

    /// From its first packet to its last.
    pub(super) fn span(&self) -> Duration {
        self.last.since(self.since)
    }

    /// Packets in a row that look like media, the better way's.
    pub(super) fn row(&self) -> u32 {
        let [to, from] = &self.ways;
        to.row.max(from.row)
    }

    pub(super) fn both_ways(&self) -> bool {
        self.ways.iter().all(|way| way.packets > 0)
    }

    /// Packets that came to the endpoint.
    pub(super) fn inbound(&self) -> u32 {
        let [to, _] = &self.ways;
        to.packets
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn frames(&self) -> u64 {
        self.held.len() as u64
    }

    /// Gives out what is held.
    pub(super) fn give(&self, then: impl FnOnce(&[Kept<'_>])) {
        let frames: Vec<_> = self.held.iter().map(Held::kept).collect();
        then(&frames);
    }
}

impl Way {
    fn rtp(&mut self, payload: &[u8], plays: impl FnOnce(u8) -> bool) {
        // RTCP, STUN and DTLS may come between, and say nothing.
        let Ok(header) = Header::parse(payload) else { return };
        let follows = self.last.is_some_and(|(ssrc, sequence)| {
            ssrc == header.ssrc && header.sequence.wrapping_sub(sequence) < MAX_DROPOUT
        });
        self.row = match (plays(header.payload_type), follows) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => self.row.saturating_add(1),
        };
        self.last = Some((header.ssrc, header.sequence));
    }
}
