//! Fax over UDPTL (ITU-T T.38 §9.1): packets counted by their sequence numbers, not decoded.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::rtp::sequence::{Place, Sequence};
use crate::time::Timestamp;

/// What is known of the UDPTL packets of one sender to one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Fax {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Arrival of the first packet.
    pub first: Timestamp,
    /// Arrival of the last one.
    pub last: Timestamp,
    /// Packets seen, duplicates included.
    pub packets: u64,
    /// Bytes of their UDP payload.
    pub bytes: u64,
    /// Sequence numbers that were never seen.
    pub lost: u64,
    /// Packets whose sequence number had been seen before.
    pub duplicates: u64,
    /// Packets that came after one with a higher sequence number.
    pub reordered: u64,
}

/// The UDPTL packets of a call.
#[derive(Clone, Debug, Default)]
pub struct Faxes {
    faxes: Vec<(Fax, Sequence)>,
    beyond_limit: u64,
}

/// Pairs of sender and receiver beyond this number are not told apart: a call has two.
const LIMIT: usize = 32;

/// The sequence number of a datagram that can be UDPTL: its primary packet lies within it.
///
/// Nothing in it says that it is UDPTL; only a description does.
#[must_use]
pub fn sequence(datagram: &[u8]) -> Option<u16> {
    let (&[s0, s1], rest) = datagram.split_first_chunk()?;
    // The length of an open type in aligned PER (ITU-T X.691 §11.9): 7 bits, or 14.
    let (length, rest) = match *rest {
        [length @ ..0x80, ref rest @ ..] => (usize::from(length), rest),
        [upper @ 0x80..0xc0, lower, ref rest @ ..] => {
            (usize::from(upper & 0x3f) << 8 | usize::from(lower), rest)
        }
        _ => return None,
    };
    (length > 0 && length <= rest.len()).then_some(u16::from_be_bytes([s0, s1]))
}

impl Faxes {
    /// Counts a datagram between ends that are announced for UDPTL; says whether it can be UDPTL.
    pub fn feed(
        &mut self,
        at: Timestamp,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
    ) -> bool {
        let Some(number) = sequence(datagram) else { return false };
        let ends = (source, destination);
        let place = self.faxes.iter().position(|(it, _)| (it.source, it.destination) == ends);
        if place.is_none() {
            if self.faxes.len() >= LIMIT {
                self.beyond_limit += 1;
                return true;
            }
            let fax = Fax {
                source,
                destination,
                first: at,
                last: at,
                packets: 0,
                bytes: 0,
                lost: 0,
                duplicates: 0,
                reordered: 0,
            };
            self.faxes.push((fax, Sequence::new(number)));
        }
        let place = place.unwrap_or_else(|| self.faxes.len().saturating_sub(1));
        let Some((fax, sequence)) = self.faxes.get_mut(place) else { return true };
        fax.last = at;
        fax.packets += 1;
        fax.bytes += datagram.len() as u64;
        match sequence.feed(number, fax.packets == 1) {
            Place::Duplicate => fax.duplicates += 1,
            Place::Late => fax.reordered += 1,
            Place::Next | Place::Restart | Place::Stray => {}
        }
        true
    }

    /// Each pair of sender and receiver, with its figures up to now.
    pub fn iter(&self) -> impl Iterator<Item = Fax> + '_ {
        self.faxes.iter().map(|(fax, sequence)| Fax { lost: sequence.lost(), ..fax.clone() })
    }

    /// Each sender and receiver.
    pub fn ends(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> + '_ {
        self.faxes.iter().map(|(fax, _)| (fax.source, fax.destination))
    }

    /// Packets between further ends, which were not counted.
    #[must_use]
    pub fn beyond_limit(&self) -> u64 {
        self.beyond_limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "192.0.2.1:4002";
    const B: &str = "198.51.100.2:5002";

    fn counted(numbers: &[u16]) -> Fax {
        let (from, to): (SocketAddr, SocketAddr) = (A.parse().unwrap(), B.parse().unwrap());
        let mut faxes = Faxes::default();
        for (nth, number) in (0..).zip(numbers) {
            let [s0, s1] = number.to_be_bytes();
            assert!(faxes.feed(Timestamp(nth), from, to, &[s0, s1, 1, 6, 0, 0]));
        }
        let found: Vec<_> = faxes.iter().collect();
        let [fax] = &found[..] else { panic!("{found:?}") };
        fax.clone()
    }

    #[test]
    fn lost_repeated_and_late_packets_are_told_apart() {
        let fax = counted(&[0, 1, 1, 3, 2, 6]);
        assert_eq!((fax.packets, fax.bytes, fax.lost), (6, 36, 2));
        assert_eq!((fax.duplicates, fax.reordered), (1, 1));
        assert_eq!((fax.first, fax.last), (Timestamp(0), Timestamp(5)));
        assert_eq!(counted(&[65_534, 65_535, 0, 1]).lost, 0);
    }

    #[test]
    fn a_datagram_without_a_whole_primary_packet_is_none() {
        assert_eq!(sequence(&[0, 7, 3, 1, 2, 3, 0, 0]), Some(7));
        assert_eq!(sequence(&[0, 7, 0x80, 2, 1, 2]), Some(7));
        for other in
            [&[0, 7][..], &[0, 7, 0], &[0, 7, 3, 1, 2], &[0, 7, 0x80, 3, 1, 2], &[0, 7, 0xc1, 1]]
        {
            assert_eq!(sequence(other), None);
        }
    }

    #[test]
    fn a_flood_of_ends_is_bounded_and_counted() {
        let mut faxes = Faxes::default();
        let to: SocketAddr = B.parse().unwrap();
        for port in 1..=100 {
            faxes.feed(Timestamp(0), SocketAddr::new(to.ip(), port), to, &[0, 0, 1, 6]);
        }
        assert_eq!((faxes.iter().count(), faxes.beyond_limit()), (LIMIT, 100 - 32));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = sequence(&bytes);
        }
    }
}
