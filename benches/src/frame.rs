//! Ethernet frames of UDP, and the endpoints between which they go.

use std::net::{IpAddr, SocketAddr};

/// EtherType of a customer's VLAN tag (IEEE 802.1Q).
pub const CUSTOMER_TAG: u16 = 0x8100;

/// EtherType of a service VLAN tag (IEEE 802.1ad), which stands outside a customer's: QinQ.
pub const SERVICE_TAG: u16 = 0x88a8;

/// The `number`th endpoint of a telephone system with 250 media addresses, up to 6,000,000.
pub fn endpoint(number: u32) -> SocketAddr {
    let host = u8::try_from(number % 250 + 1).expect("at most 250");
    let port = u16::try_from(10_000 + 2 * (number / 250)).expect("a port");
    SocketAddr::from(([192, 0, 2, host], port))
}

/// The IPv6 endpoint that goes with an IPv4 one.
pub fn over_ipv6(endpoint: SocketAddr) -> SocketAddr {
    let IpAddr::V4(address) = endpoint.ip() else { return endpoint };
    let [a, b, c, d] = address.octets().map(u16::from);
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, a, b, c, d], endpoint.port()))
}

/// A UDP datagram in an Ethernet frame, both ends of one IP version; without checksums, which
/// nobody here looks at.
pub fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let udp_length = u16::try_from(8 + payload.len()).expect("a datagram's length");
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            frame.extend([0x08, 0x00, 0x45, 0]);
            frame.extend((20 + udp_length).to_be_bytes());
            frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
            frame.extend(from.octets());
            frame.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(udp_length.to_be_bytes());
            frame.extend([17, 64]);
            frame.extend(from.octets());
            frame.extend(to.octets());
        }
        _ => panic!("{source} and {destination} are not of one IP version"),
    }
    frame.extend(source.port().to_be_bytes());
    frame.extend(destination.port().to_be_bytes());
    frame.extend(udp_length.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// The frame with one more VLAN tag, outside those it has.
pub fn tagged(ethertype: u16, frame: &[u8]) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, &ethertype.to_be_bytes(), &[0, 7], rest].concat()
}

/// An RTP packet of 20 ms of G.711 (RFC 3551): with UDP, IPv4 and Ethernet, 214 bytes.
pub fn rtp(ssrc: u32, sequence: u16) -> [u8; 172] {
    let mut packet = [0x55; 172];
    packet[..2].copy_from_slice(&[0x80, 0]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&(160 * u32::from(sequence)).to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    packet
}
