//! Which frame has which bytes: G.711 in RTP between the ends of many calls (RFC 3550, RFC 3551).
//!
//! A frame follows from its number alone.
//! Streams take turns, as those of a real link do: each has one packet, then each has its next.

use std::net::{Ipv4Addr, SocketAddrV4};

/// Calls of one party: the target's, and as many of strangers.
pub const CALLS: u32 = 100_000;

/// Bytes of a frame: 20 ms of G.711 with RTP, UDP, IPv4 and Ethernet.
pub const FRAME_BYTES: usize = 214;

/// Streams of one party: two a call.
pub(super) const STREAMS: u32 = 2 * CALLS;

/// Ports of one media address; they are even, and those of RTCP lie between.
pub(super) const PORTS_BITS: u32 = 13;
pub(super) const FIRST_PORT: u16 = 16_384;

/// Where a frame's own fields lie in it.
pub(super) mod at {
    pub(in super::super) const CHECKSUM: usize = 24;
    pub(in super::super) const SOURCE: usize = 26;
    pub(in super::super) const DESTINATION: usize = 30;
    pub(in super::super) const SOURCE_PORT: usize = 34;
    pub(in super::super) const DESTINATION_PORT: usize = 36;
    pub(in super::super) const SEQUENCE: usize = 44;
    pub(in super::super) const TIMESTAMP: usize = 46;
    pub(in super::super) const SSRC: usize = 50;
    pub(in super::super) const NUMBER: usize = 54;
    pub(in super::super) const CHECK: usize = 62;
    pub(in super::super) const CHECK_AGAIN: usize = super::FRAME_BYTES - 8;
}

/// Spreads whatever changes in a frame over its 64-bit check.
pub(super) const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// G.711's way of saying nothing (μ-law).
const SILENCE: u8 = 0xff;

/// Frames of two parties' calls: of each hundred in a row, the first `share` are the target's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    share: u8,
}

/// Which way a stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From who called.
    FromCaller,
    /// From who was called.
    FromCallee,
}

/// The stream that a frame belongs to, and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Whether the call is the target's.
    pub of_target: bool,
    /// The call, below [`CALLS`].
    pub call: u32,
    /// The way.
    pub direction: Direction,
    /// How many packets the stream had before.
    pub packet: u64,
}

impl Traffic {
    /// Of which `share` in a hundred frames are the target's, 100 at most.
    #[must_use]
    pub fn new(share: u8) -> Self {
        Self { share: share.min(100) }
    }

    /// How many frames in a hundred are the target's.
    #[must_use]
    pub fn share(self) -> u8 {
        self.share
    }

    /// How many of the first `frames` are the target's.
    #[must_use]
    pub fn of_target(self, frames: u64) -> u64 {
        let share = u64::from(self.share);
        frames / 100 * share + (frames % 100).min(share)
    }

    /// What frame `number` belongs to.
    #[must_use]
    pub fn stream(self, number: u64) -> Stream {
        let (block, rest, share) = (number / 100, number % 100, u64::from(self.share));
        let of_target = rest < share;
        let place =
            if of_target { block * share + rest } else { block * (100 - share) + rest - share };
        let stream = u32::try_from(place % u64::from(STREAMS)).unwrap_or_default();
        let direction =
            if stream.is_multiple_of(2) { Direction::FromCaller } else { Direction::FromCallee };
        let packet = place / u64::from(STREAMS);
        Stream { of_target, call: stream / 2, direction, packet }
    }

    /// Frame `number`.
    #[must_use]
    pub fn frame(self, number: u64) -> [u8; FRAME_BYTES] {
        let stream = self.stream(number);
        let (from, to) = stream.endpoints();
        let mut frame = [SILENCE; FRAME_BYTES];
        let mut put = |at: usize, bytes: &[u8]| frame[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00]);
        put(14, &[0x45, 0, 0, 200, 0, 0, 0x40, 0, 64, 17, 0, 0]);
        put(at::SOURCE, &from.ip().octets());
        put(at::DESTINATION, &to.ip().octets());
        put(at::SOURCE_PORT, &from.port().to_be_bytes());
        put(at::DESTINATION_PORT, &to.port().to_be_bytes());
        put(38, &[0, 180, 0, 0, 0x80, 0]);
        put(at::SEQUENCE, &stream.sequence().to_be_bytes());
        put(at::TIMESTAMP, &stream.timestamp().to_be_bytes());
        put(at::SSRC, &stream.ssrc().to_be_bytes());
        put(at::NUMBER, &number.to_le_bytes());
        let check = stream.check(number).to_le_bytes();
        put(at::CHECK, &check);
        put(at::CHECK_AGAIN, &check);
        let checksum = ipv4_checksum(&frame[14..34]);
        frame[at::CHECKSUM..at::CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
        frame
    }

    /// The IPv4 checksum of the target's first call, which all others are less than.
    pub(super) fn template_checksum() -> u16 {
        let frame = Self::new(100).frame(0);
        u16::from_be_bytes([frame[at::CHECKSUM], frame[at::CHECKSUM + 1]])
    }

    /// The number of a frame of this traffic; `None` where a single byte of it is another's.
    #[must_use]
    pub fn number(self, frame: &[u8]) -> Option<u64> {
        let number = frame.get(at::NUMBER..at::NUMBER + 8)?;
        let number = u64::from_le_bytes(number.try_into().ok()?);
        (frame == self.frame(number)).then_some(number)
    }
}

impl Stream {
    /// Where its packets come from, and where they go.
    #[must_use]
    pub fn endpoints(&self) -> (SocketAddrV4, SocketAddrV4) {
        let [caller, callee] = endpoints(self.of_target, self.call);
        match self.direction {
            Direction::FromCaller => (caller, callee),
            Direction::FromCallee => (callee, caller),
        }
    }

    fn number_of_stream(&self) -> u32 {
        2 * self.call + u32::from(self.direction == Direction::FromCallee)
    }

    /// The synchronisation source (RFC 3550 §3).
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        (u32::from(!self.of_target) << 24) + self.number_of_stream() + 1
    }

    fn sequence(&self) -> u16 {
        low_half(self.packet)
    }

    fn timestamp(&self) -> u32 {
        u32::try_from(self.packet.wrapping_mul(160) & 0xffff_ffff).unwrap_or_default()
    }

    fn check(&self, number: u64) -> u64 {
        let port = FIRST_PORT + 2 * low_half(u64::from(self.call) & ((1 << PORTS_BITS) - 1));
        let fields =
            (u64::from(self.ssrc()) << 32) | (u64::from(port) << 16) | u64::from(self.sequence());
        let mixed = (number ^ fields).wrapping_mul(MIX);
        mixed ^ (mixed >> 32)
    }
}

/// The media endpoints of a party's call: the caller's and the callee's.
pub(super) fn endpoints(of_target: bool, call: u32) -> [SocketAddrV4; 2] {
    let network = if of_target { 1 } else { 3 };
    let [.., host] = (1 + (call >> PORTS_BITS)).to_be_bytes();
    let port = FIRST_PORT + 2 * low_half(u64::from(call) & ((1 << PORTS_BITS) - 1));
    [network, network + 1].map(|net| SocketAddrV4::new(Ipv4Addr::new(10, net, 0, host), port))
}

fn low_half(number: u64) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or_default()
}

/// RFC 1071, over a header whose checksum is zero.
pub(super) fn ipv4_checksum(header: &[u8]) -> u16 {
    let words =
        header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    !low_half(u64::from((sum & 0xffff) + (sum >> 16)))
}

impl Traffic {
    /// The media endpoints of a call of the target's: the caller's and the callee's.
    #[must_use]
    pub fn endpoints_of_target(call: u32) -> [SocketAddrV4; 2] {
        endpoints(true, call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_target_is_exact() {
        for share in [0, 1, 10, 100] {
            let traffic = Traffic::new(share);
            let counted = (0..1_234).filter(|&number| traffic.stream(number).of_target).count();
            assert_eq!(traffic.of_target(1_234), counted as u64);
        }
    }

    #[test]
    fn a_frame_is_known_by_its_number_and_not_with_a_byte_changed() {
        let traffic = Traffic::new(10);
        for number in [0, 1, 99, 100, 54_321_987] {
            let mut frame = traffic.frame(number);
            assert_eq!(traffic.number(&frame), Some(number));
            frame[100] ^= 1;
            assert_eq!(traffic.number(&frame), None);
        }
    }

    #[test]
    fn each_stream_has_one_packet_before_any_has_its_next() {
        let traffic = Traffic::new(100);
        let last = traffic.stream(u64::from(STREAMS) - 1);
        let next = traffic.stream(u64::from(STREAMS));
        assert_eq!((last.call, last.packet), (CALLS - 1, 0));
        assert_eq!((next.call, next.packet), (0, 1));
    }
}
