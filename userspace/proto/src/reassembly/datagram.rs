//! One IP datagram, as far as its fragments are there (RFC 791 §3.2, RFC 8200 §4.5).

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::held::Held;
use super::pieces::Pieces;
use crate::event::{Flaw, Kept};
use crate::packet::Fragment;
use crate::sip;
use crate::time::Timestamp;

/// Tunnel, source, destination, protocol (IPv4 only: RFC 8200 §4.5 leaves it out) and
/// identification.
pub(crate) type Key = (u32, IpAddr, IpAddr, u8, u32);

/// A datagram put together from its fragments, or what there is of it.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) key: Key,
    /// Its fragments' frames, in order of arrival, duplicates included.
    pub(crate) frames: Vec<Held>,
    /// The datagram behind an IP header of its own: `LinkType::Raw`. Where fragments are missing,
    /// what stands ahead of the first that is; none where that is all of it.
    pub(crate) packet: Option<Vec<u8>>,
    /// Whether overlapping fragments differed, or fragments are missing.
    pub(crate) flaw: Option<Flaw>,
}

impl Assembled {
    /// Sender and receiver without their ports, which only a first fragment has.
    pub(crate) fn hosts(&self) -> (SocketAddr, SocketAddr) {
        let (_, source, destination, ..) = self.key;
        (SocketAddr::new(source, 0), SocketAddr::new(destination, 0))
    }

    /// Arrival of the last fragment.
    pub(crate) fn at(&self) -> Timestamp {
        self.frames.iter().map(|frame| frame.kept().at).max().unwrap_or_default()
    }
}

/// A datagram that waits for fragments.
#[derive(Debug)]
pub(super) struct Datagram {
    /// Draws apart those that came first; the first to come is the first to make room.
    pub(super) serial: u64,
    /// Whether it is known to name a target.
    pub(super) target: bool,
    /// When it is given up.
    pub(super) due: Timestamp,
    /// What it costs to hold its frames and its text.
    pub(super) cost: usize,
    /// Protocol of the fragment at offset 0, once it is there.
    protocol: Option<u8>,
    /// Payload length, once the last fragment is there.
    length: Option<usize>,
    pieces: Pieces,
    /// Bytes that are there.
    have: usize,
    frames: Vec<Held>,
    conflict: bool,
}

/// An IPv4 datagram has no more than this many bytes, nor has an IPv6 one that is no jumbogram.
const MAX_LENGTH: usize = 65_535;

/// IANA's number for what has no payload, of a datagram whose protocol nobody knows.
const NO_NEXT_HEADER: u8 = 59;

const UDP: u8 = 17;

impl Datagram {
    pub(super) fn new(serial: u64, due: Timestamp) -> Self {
        Self {
            serial,
            target: false,
            due,
            cost: 0,
            protocol: None,
            length: None,
            pieces: Pieces::default(),
            have: 0,
            frames: Vec::new(),
            conflict: false,
        }
    }

    pub(super) fn add(&mut self, frames: &[Kept<'_>], fragment: &Fragment<'_>) {
        let start = usize::from(fragment.offset);
        let end = start + fragment.payload.len();
        if fragment.offset == 0 {
            self.protocol.get_or_insert(fragment.protocol);
        }
        if !fragment.more {
            self.conflict |= self.length.is_some_and(|length| length != end);
            self.length.get_or_insert(end);
        }
        if end > MAX_LENGTH || self.length.is_some_and(|length| end > length) {
            self.conflict = true;
        }
        let text = fragment.payload.get(..MAX_LENGTH.saturating_sub(start));
        self.have += self.pieces.insert(start as u64, text.unwrap_or(fragment.payload));
        self.cost += fragment.payload.len();
        for held in frames.iter().map(Held::copy) {
            self.cost += held.cost();
            self.frames.push(held);
        }
    }

    pub(super) fn whole(&mut self, key: Key) -> Option<Assembled> {
        let length = self.length.filter(|length| *length <= self.have)?;
        let payload = self.pieces.whole(length)?;
        let packet = Some(with_header(key, self.protocol?, &payload));
        let conflict = self.conflict || self.pieces.conflict();
        let flaw = conflict.then_some(Flaw::Overlap);
        Some(Assembled { key, frames: core::mem::take(&mut self.frames), packet, flaw })
    }

    /// What there is of it.
    pub(super) fn cut(self, key: Key) -> Assembled {
        let (packet, flaw) = (self.beginning(key), Some(Flaw::FragmentsMissing));
        Assembled { key, frames: self.frames, packet, flaw }
    }

    /// It up to its first gap.
    pub(super) fn beginning(&self, key: Key) -> Option<Vec<u8>> {
        let text = self.pieces.beginning();
        let protocol = self.protocol.unwrap_or(NO_NEXT_HEADER);
        (!text.is_empty()).then(|| with_header(key, protocol, &text))
    }
}

/// Whether a first fragment is of a UDP datagram that is no SIP: it may be media.
pub(super) fn may_be_media(fragment: &Fragment<'_>) -> bool {
    let text = fragment.payload.get(8..);
    fragment.offset == 0
        && fragment.protocol == UDP
        && text.is_some_and(|text| !sip::looks_like_start_line(text))
}

/// The payload behind the shortest IP header, so that what it holds is read by the one header walk.
///
/// The header's length field is 0, which the walk takes for the end of the frame: a datagram may
/// be longer than the field could tell.
fn with_header((_, source, destination, ..): Key, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(40 + payload.len());
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            whole.extend([0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0]);
            whole.extend(source.octets());
            whole.extend(destination.octets());
        }
        (source, destination) => {
            whole.extend([0x60, 0, 0, 0, 0, 0, protocol, 64]);
            for address in [source, destination] {
                whole.extend(match address {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                    IpAddr::V6(v6) => v6.octets(),
                });
            }
        }
    }
    whole.extend_from_slice(payload);
    whole
}
