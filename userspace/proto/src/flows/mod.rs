//! Flows that no signalling explains: what can be said of them without reading what is in them.
//!
//! Calls of services that encrypt their signalling are such flows: who, when, how much, and what
//! STUN and TURN tell on the way (RFC 8489, RFC 8656) is all there is.

mod facts;
mod looks;
mod rate;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;

pub use facts::StunFacts;
pub use looks::{Look, Looks};
pub use rate::Rate;

use crate::packet::{Body, Packet};
use crate::time::Timestamp;

/// The packets between two ends by one protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// IP protocol number.
    pub protocol: u8,
    /// Who sent the first packet; port 0 where the protocol has none, and in fragments.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// Arrival of the first packet.
    pub first: Timestamp,
    /// Arrival of the last one.
    pub last: Timestamp,
    /// Packets from source to destination, and back.
    pub packets: [u64; 2],
    /// Bytes of their frames, and back.
    pub bytes: [u64; 2],
    /// Bits of both ways in each second.
    pub rate: Rate,
    /// What its packets look like, by their first bytes.
    pub looks: Looks,
    /// What STUN and TURN said, where they were spoken.
    pub stun: Option<StunFacts>,
}

/// Flows by their ends.
#[derive(Clone, Debug, Default)]
pub struct Flows {
    flows: Vec<Flow>,
    places: BTreeMap<(u8, SocketAddr, SocketAddr), usize>,
    /// Seconds that flows may still keep a rate of.
    seconds: usize,
    beyond: u64,
}

/// Flows told apart: who talks to more ports than these is not in a call with each.
const MAX_FLOWS: usize = 1024;

/// Seconds of rates kept for all flows together.
const MAX_SECONDS: usize = 65_536;

impl Flows {
    /// Counts a packet, whose frame has so many bytes on the wire.
    pub fn feed(&mut self, at: Timestamp, packet: &Packet<'_>, bytes: u32) {
        let (source, destination) = packet.endpoints();
        let (protocol, payload) = match packet.body {
            Body::Udp(datagram) => (17, datagram.payload),
            Body::Tcp(segment) => (6, segment.payload),
            Body::Sctp(chunks) => (132, chunks.payload),
            Body::Fragment(fragment) => (fragment.protocol, &[][..]),
            Body::Other { protocol, .. } => (protocol, &[][..]),
        };
        let room = MAX_SECONDS - self.seconds;
        let Some((flow, way)) = self.flow(at, protocol, source, destination) else {
            self.beyond += 1;
            return;
        };
        flow.last = at;
        for (counts, more) in [(&mut flow.packets, 1), (&mut flow.bytes, u64::from(bytes))] {
            if let Some(count) = counts.get_mut(way) {
                *count += more;
            }
        }
        if !payload.is_empty() {
            let look = Look::of(protocol, payload);
            flow.looks.add(look);
            if look == Look::Stun {
                flow.stun.get_or_insert_default().learn(protocol, payload);
            }
        }
        let more = flow.rate.add(at.since(flow.first).as_secs(), bytes, room);
        self.seconds += more;
    }

    fn flow(
        &mut self,
        at: Timestamp,
        protocol: u8,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Option<(&mut Flow, usize)> {
        let there = (protocol, source, destination);
        let (place, way) = match self.places.get(&there) {
            Some(&place) => (place, 0),
            None => match self.places.get(&(protocol, destination, source)) {
                Some(&place) => (place, 1),
                None if self.flows.len() >= MAX_FLOWS => return None,
                None => {
                    self.places.insert(there, self.flows.len());
                    self.flows.push(Flow {
                        protocol,
                        source,
                        destination,
                        first: at,
                        last: at,
                        packets: [0; 2],
                        bytes: [0; 2],
                        rate: Rate::default(),
                        looks: Looks::default(),
                        stun: None,
                    });
                    (self.flows.len() - 1, 0)
                }
            },
        };
        self.flows.get_mut(place).map(|flow| (flow, way))
    }

    /// The flows, in the order in which they began.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.flows.iter()
    }

    /// Packets of flows that there was no room to tell apart.
    #[must_use]
    pub fn beyond(&self) -> u64 {
        self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{self, LinkType};
    use crate::{made, stun};

    fn feed(flows: &mut Flows, millis: u64, from: &str, to: &str, payload: &[u8]) {
        let frame = made::udp(from, to, payload);
        let packet = packet::parse(LinkType::Ethernet, &frame).expect("a packet");
        flows.feed(Timestamp(millis * 1_000_000), &packet, u32::try_from(frame.len()).unwrap());
    }

    #[test]
    fn both_ways_of_a_flow_are_counted_apart_and_by_the_second() {
        let (a, b) = ("192.0.2.1:40000", "203.0.113.9:3478");
        let mut flows = Flows::default();
        feed(&mut flows, 0, a, b, &[0; 100]);
        feed(&mut flows, 500, b, a, &[0; 50]);
        feed(&mut flows, 2_100, a, b, &[0; 100]);
        feed(&mut flows, 2_200, a, "203.0.113.9:443", &[0x40; 10]);
        let found: Vec<_> = flows.iter().collect();
        assert_eq!(found.len(), 2);
        // 42 bytes of headers a frame.
        assert_eq!((found[0].packets, found[0].bytes), ([2, 1], [284, 92]));
        assert_eq!(found[0].rate.bits(), [(142 + 92) * 8, 0, 142 * 8]);
        assert_eq!(found[0].rate.peak(), 234 * 8);
        assert_eq!(found[0].last.since(found[0].first).as_millis(), 2_100);
    }

    #[test]
    fn a_flood_of_ports_is_counted_and_not_remembered() {
        let mut flows = Flows::default();
        for port in 1..=2_000_u16 {
            for second in 0..100 {
                let to = std::format!("203.0.113.9:{port}");
                feed(&mut flows, second * 1_000, "192.0.2.1:40000", &to, &[0; 8]);
            }
        }
        assert_eq!(flows.iter().count(), MAX_FLOWS);
        assert_eq!(flows.beyond(), (2_000 - MAX_FLOWS as u64) * 100);
        let seconds: usize = flows.iter().map(|flow| flow.rate.bits().len()).sum();
        assert!(seconds <= MAX_SECONDS && seconds + 100 > MAX_SECONDS, "{seconds}");
        assert!(flows.iter().all(|flow| flow.packets == [100, 0]), "counts go on");
    }

    #[test]
    fn stun_says_where_the_ends_are_seen_from() {
        // A binding response with XOR-MAPPED-ADDRESS 192.0.2.7:50000 and SOFTWARE (RFC 8489 §14).
        let mut response = std::vec![1, 1, 0, 24, 0x21, 0x12, 0xa4, 0x42];
        response.extend([7; 12]);
        response.extend([0, 0x20, 0, 8, 0, 1]);
        response.extend((50_000_u16 ^ 0x2112).to_be_bytes());
        response.extend((0xc000_0207_u32 ^ 0x2112_a442).to_be_bytes());
        response.extend([0x80, 0x22, 0, 5]);
        response.extend(b"turn1\0\0\0");
        assert!(stun::Message::parse(&response).is_some());
        let mut flows = Flows::default();
        for _ in 0..3 {
            feed(&mut flows, 0, "203.0.113.9:3478", "10.0.0.1:5000", &response);
        }
        let flow = flows.iter().next().expect("a flow");
        let facts = flow.stun.as_ref().expect("facts");
        assert_eq!(facts.mapped, ["192.0.2.7:50000".parse().unwrap()]);
        assert_eq!(facts.software, ["turn1"]);
        assert_eq!((facts.messages, facts.turn), (3, false));
        assert!(flow.looks.iter().eq([Look::Stun]));
    }
}
