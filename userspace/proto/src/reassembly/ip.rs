//! IP datagrams from their fragments (RFC 791 §3.2, RFC 8200 §4.5).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::held::Held;
use super::pieces::Pieces;
use crate::call::Limits;
use crate::event::Kept;
use crate::packet::{Fragment, Packet};
use crate::time::Timestamp;

/// Fragments that wait for the others of their datagram, in any order.
#[derive(Debug)]
pub(crate) struct Fragments {
    datagrams: BTreeMap<Key, Datagram>,
    /// Keys by age: the serial number of a datagram's first fragment.
    by_age: BTreeMap<u64, Key>,
    next_serial: u64,
    bytes: usize,
    recent: Recent,
    limits: Bounds,
    /// Datagrams given up before they were whole.
    pub(crate) given_up: u64,
    /// Fragments of datagrams that had just become whole.
    pub(crate) late: u64,
}

#[derive(Debug)]
struct Bounds {
    datagrams: usize,
    bytes: usize,
    age: Duration,
}

/// A datagram that became whole.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Its fragments' frames, in order of arrival, duplicates included.
    pub(crate) frames: Vec<Held>,
    /// The datagram behind an IP header of its own: `LinkType::Raw`.
    pub(crate) packet: Vec<u8>,
    /// Whether overlapping fragments differed.
    pub(crate) conflict: bool,
}

/// Tunnel, source, destination, protocol (IPv4 only: RFC 8200 §4.5 leaves it out) and
/// identification.
type Key = (u32, IpAddr, IpAddr, u8, u32);

#[derive(Debug)]
struct Datagram {
    serial: u64,
    since: Timestamp,
    /// Protocol of the fragment at offset 0, once it is there.
    protocol: Option<u8>,
    /// Payload length, once the last fragment is there.
    length: Option<usize>,
    pieces: Pieces,
    frames: Vec<Held>,
    cost: usize,
    conflict: bool,
}

/// Datagrams that were whole a moment ago.
#[derive(Debug, Default)]
struct Recent {
    since: BTreeMap<Key, Timestamp>,
    by_age: VecDeque<(Timestamp, Key)>,
}

/// How long a whole datagram is remembered, so that a mirrored duplicate of its last fragment does
/// not wait for, and mix with, the next datagram of the same identification.
const MEMORY: Duration = Duration::from_millis(500);

/// An IPv4 datagram has no more than this many bytes, nor has an IPv6 one that is no jumbogram.
const MAX_LENGTH: usize = 65_535;

impl Fragments {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            datagrams: BTreeMap::new(),
            by_age: BTreeMap::new(),
            next_serial: 0,
            bytes: 0,
            recent: Recent::default(),
            limits: Bounds {
                datagrams: limits.datagrams,
                bytes: limits.datagram_bytes,
                age: limits.datagram_age,
            },
            given_up: 0,
            late: 0,
        }
    }

    /// Takes a fragment, and the frames that it came in: several where it was in a tunnel whose
    /// packets were fragments too. Gives the datagram that it completes.
    pub(crate) fn feed(
        &mut self,
        at: Timestamp,
        frames: &[Kept<'_>],
        packet: &Packet<'_>,
        fragment: &Fragment<'_>,
    ) -> Option<Whole> {
        self.expire(at);
        let protocol = if packet.source.is_ipv4() { fragment.protocol } else { 0 };
        let key = (packet.tunnel, packet.source, packet.destination, protocol, fragment.id);
        if self.recent.has(&key) {
            self.late += 1;
            return None;
        }
        let serial = self.next_serial;
        let datagram = self.datagrams.entry(key).or_insert_with(|| Datagram::new(serial, at));
        if datagram.serial == serial {
            self.next_serial += 1;
            self.by_age.insert(serial, key);
        }
        let before = datagram.cost;
        datagram.add(frames, fragment);
        self.bytes += datagram.cost - before;
        let whole = datagram.whole(packet);
        if whole.is_some() {
            self.remove(&key);
            self.recent.insert(key, at, self.limits.datagrams);
        }
        self.evict();
        whole
    }

    /// Gives up datagrams that have waited too long.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.recent.expire(now);
        while let Some((_, &oldest)) = self.by_age.first_key_value() {
            let waiting = self.datagrams.get(&oldest).map(|datagram| now.since(datagram.since));
            if waiting.is_some_and(|waiting| waiting <= self.limits.age) {
                break;
            }
            self.given_up += 1;
            self.remove(&oldest);
        }
    }

    fn evict(&mut self) {
        while self.datagrams.len() > self.limits.datagrams || self.bytes > self.limits.bytes {
            let Some((_, &oldest)) = self.by_age.first_key_value() else { break };
            self.given_up += 1;
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(datagram) = self.datagrams.remove(key) {
            self.by_age.remove(&datagram.serial);
            self.bytes -= datagram.cost;
        }
    }
}

impl Recent {
    fn has(&self, key: &Key) -> bool {
        self.since.contains_key(key)
    }

    fn insert(&mut self, key: Key, at: Timestamp, limit: usize) {
        self.since.insert(key, at);
        self.by_age.push_back((at, key));
        if self.by_age.len() > limit
            && let Some((_, key)) = self.by_age.pop_front()
        {
            self.since.remove(&key);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((_, key)) = self.by_age.pop_front_if(|(at, _)| now.since(*at) > MEMORY) {
            self.since.remove(&key);
        }
    }
}

impl Datagram {
    fn new(serial: u64, since: Timestamp) -> Self {
        Self {
            serial,
            since,
            protocol: None,
            length: None,
            pieces: Pieces::default(),
            frames: Vec::new(),
            cost: 0,
            conflict: false,
        }
    }

    fn add(&mut self, frames: &[Kept<'_>], fragment: &Fragment<'_>) {
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
        self.pieces.insert(start as u64, text.unwrap_or(fragment.payload));
        self.cost += fragment.payload.len();
        for held in frames.iter().map(Held::copy) {
            self.cost += held.cost();
            self.frames.push(held);
        }
    }

    fn whole(&mut self, packet: &Packet<'_>) -> Option<Whole> {
        let payload = self.pieces.whole(self.length?)?;
        let conflict = self.conflict || self.pieces.conflict();
        let packet = with_header(packet, self.protocol?, &payload);
        Some(Whole { frames: core::mem::take(&mut self.frames), packet, conflict })
    }
}

/// The payload behind the shortest IP header, so that what it holds is read by the one header walk.
///
/// The header's length field is 0, which the walk takes for the end of the frame: a datagram may
/// be longer than the field could tell.
fn with_header(packet: &Packet<'_>, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(40 + payload.len());
    match (packet.source, packet.destination) {
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

#[cfg(test)]
mod tests;
