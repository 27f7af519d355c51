//! Crafted frames: UDP over either IP version, with what the header walk must get through.

use std::net::{IpAddr, SocketAddr};

/// The hardware address all crafted frames come from.
pub(crate) const SENDER: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// A hardware address that is nobody's.
pub(crate) const ELSEWHERE: [u8; 6] = [2, 0, 0, 0, 0, 0x99];

/// Which part of a datagram a packet carries.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) identification: u16,
    /// Bytes; a multiple of eight.
    pub(crate) offset: u16,
    pub(crate) more: bool,
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

/// A UDP datagram, header and payload; its checksum is left out, as nobody here checks it.
pub(crate) fn datagram(source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a datagram's length");
    let mut datagram = Vec::new();
    datagram.extend(address(source).port().to_be_bytes());
    datagram.extend(address(destination).port().to_be_bytes());
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// An Ethernet frame to `to`.
pub(crate) fn ethernet(to: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &SENDER, &ethertype.to_be_bytes(), payload].concat()
}

/// A frame with one more VLAN tag of `ethertype` ahead of those it has.
pub(crate) fn tagged(ethertype: u16, frame: &[u8]) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, &ethertype.to_be_bytes(), &[0, 7], rest].concat()
}

/// An IPv4 packet of UDP.
pub(crate) fn ipv4(
    source: &str,
    destination: &str,
    options: &[u8],
    part: Option<Part>,
    payload: &[u8],
) -> Vec<u8> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (address(source).ip(), address(destination).ip())
    else {
        panic!("IPv4 addresses");
    };
    let header = 20 + options.len();
    let total = u16::try_from(header + payload.len()).expect("a packet's length");
    let part = part.unwrap_or(Part { identification: 0, offset: 0, more: false });
    let place = (part.offset / 8) | if part.more { 0x2000 } else { 0 };
    let mut packet = vec![0x40 | u8::try_from(header / 4).expect("15 words at most"), 0];
    packet.extend(total.to_be_bytes());
    packet.extend(part.identification.to_be_bytes());
    packet.extend(place.to_be_bytes());
    packet.extend([64, 17, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(options);
    let sum: u32 =
        packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    // RFC 1071: the carries are added back in, of which there are two at most.
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from(sum & 0xffff).expect("16 bits");
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// An IPv6 packet of UDP behind `extensions` destination options headers, and a fragment header if
/// it is a part.
pub(crate) fn ipv6(
    source: &str,
    destination: &str,
    extensions: usize,
    part: Option<Part>,
    payload: &[u8],
) -> Vec<u8> {
    let (IpAddr::V6(from), IpAddr::V6(to)) = (address(source).ip(), address(destination).ip())
    else {
        panic!("IPv6 addresses");
    };
    let mut next = 17;
    let mut payload = payload.to_vec();
    if let Some(part) = part {
        let [high, low] = (part.offset | u16::from(part.more)).to_be_bytes();
        let [a, b] = part.identification.to_be_bytes();
        payload.splice(0..0, [next, 0, high, low, 0, 0, a, b]);
        next = 44;
    }
    for _ in 0..extensions {
        payload.splice(0..0, [next, 0, 1, 4, 0, 0, 0, 0]);
        next = 60;
    }
    let length = u16::try_from(payload.len()).expect("a packet's length");
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(payload);
    packet
}

/// A whole UDP frame of 160 payload bytes to `to`, of the IP version of its addresses.
pub(crate) fn udp_to(to: [u8; 6], source: &str, destination: &str) -> Vec<u8> {
    let datagram = datagram(source, destination, &[0x5a; 160]);
    if address(source).is_ipv4() {
        ethernet(to, 0x0800, &ipv4(source, destination, &[], None, &datagram))
    } else {
        ethernet(to, 0x86dd, &ipv6(source, destination, 0, None, &datagram))
    }
}

/// A whole UDP frame of 160 payload bytes to nobody's hardware address.
pub(crate) fn udp(source: &str, destination: &str) -> Vec<u8> {
    udp_to(ELSEWHERE, source, destination)
}

/// The fragments of a UDP datagram of 2000 payload bytes over IPv4, first to last.
pub(crate) fn fragments(source: &str, destination: &str, identification: u16) -> Vec<Vec<u8>> {
    let datagram = datagram(source, destination, &[0x5a; 2000]);
    let cuts = [(0_u16, 1024), (1024, 1536), (1536, datagram.len())];
    cuts.into_iter()
        .map(|(from, to)| {
            let part = Part { identification, offset: from, more: to < datagram.len() };
            let payload = &datagram[usize::from(from)..to];
            ethernet(ELSEWHERE, 0x0800, &ipv4(source, destination, &[], Some(part), payload))
        })
        .collect()
}
