//! Frames made for tests: Ethernet, IPv4 or IPv6, UDP or TCP.

use core::net::{IpAddr, SocketAddr};
use std::vec;
use std::vec::Vec;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;

/// A UDP datagram in one frame.
pub(crate) fn udp(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let (from, to) = ends(from, to);
    ip(from, to, 17, &udp_datagram(from, to, payload))
}

/// A TCP segment in one frame.
pub(crate) fn tcp(from: &str, to: &str, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (from, to) = ends(from, to);
    let mut segment = ports(from, to);
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    ip(from, to, 6, &segment)
}

/// A UDP datagram cut into fragments at `cuts`, which count from its UDP header and begin with 0.
pub(crate) fn fragments(from: &str, to: &str, payload: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let (from, to) = ends(from, to);
    let datagram = udp_datagram(from, to, payload);
    let last = *cuts.last().expect("cuts");
    cuts.windows(2)
        .map(|cut| fragment(from, to, cut[0], cut[1] < last, &datagram[cut[0]..cut[1]]))
        .collect()
}

/// One fragment of a UDP datagram with identification 0x1234.
pub(crate) fn fragment(
    from: SocketAddr,
    to: SocketAddr,
    offset: usize,
    more: bool,
    part: &[u8],
) -> Vec<u8> {
    let offset = u16::try_from(offset).expect("an offset");
    let more = u16::from(more);
    if from.is_ipv4() {
        let mut frame = ip(from, to, 17, part);
        frame[20..22].copy_from_slice(&(offset >> 3 | more << 13).to_be_bytes());
        return frame;
    }
    let mut header = vec![17, 0];
    header.extend((offset | more).to_be_bytes());
    header.extend([0, 0, 0x12, 0x34]);
    ip(from, to, 44, &[&header, part].concat())
}

fn udp_datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut datagram = ports(from, to);
    datagram.extend(u16::try_from(8 + payload.len()).expect("a length").to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

fn ports(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    [from.port().to_be_bytes(), to.port().to_be_bytes()].concat()
}

fn ends(from: &str, to: &str) -> (SocketAddr, SocketAddr) {
    (from.parse().expect("an endpoint"), to.parse().expect("an endpoint"))
}

fn ip(from: SocketAddr, to: SocketAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    let length = |header: usize| u16::try_from(header + payload.len()).expect("a length");
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            frame.extend([0x08, 0x00, 0x45, 0]);
            frame.extend(length(20).to_be_bytes());
            frame.extend([0x12, 0x34, 0, 0, 64, protocol, 0, 0]);
            frame.extend(from.octets().iter().chain(&to.octets()));
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length(0).to_be_bytes());
            frame.extend([protocol, 64]);
            frame.extend(from.octets().iter().chain(&to.octets()));
        }
        _ => panic!("addresses of one family"),
    }
    frame.extend(payload);
    frame
}
