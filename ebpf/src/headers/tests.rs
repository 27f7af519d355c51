//! The walk over crafted frames, whole and cut.

use super::*;
use crafted::{DATAGRAM, ethernet, ipv4, ipv6, tagged};

const PORTS: Option<Ports> = Some(Ports { source: 4000, destination: 5060 });

/// As the kernel goes about it: at once where that is enough, and else level by level.
fn walk(frame: &[u8]) -> Result<Packet, Stop> {
    match walk_ethernet(frame) {
        Err(Stop::Layered) => walk_levels(frame, Cursor::ETHERNET, |_| false),
        walked => walked,
    }
}

#[test]
fn plain_udp_over_ipv4_is_walked_to_its_ports() {
    let packet = walk(&ethernet(0x0800, &ipv4(UDP, 0, &[], &DATAGRAM))).unwrap();
    assert_eq!(packet.source, Address::from_ipv4([192, 0, 2, 1]));
    assert_eq!(packet.destination, Address::from_ipv4([198, 51, 100, 2]));
    assert_eq!((packet.network_offset, packet.transport_offset, packet.end), (14, 34, 46));
    assert_eq!((packet.fragment, packet.ports), (Fragment::Whole, PORTS));
}

#[test]
fn up_to_four_vlan_tags_are_followed() {
    let inner = ipv4(UDP, 0, &[], &DATAGRAM);
    let single = walk(&ethernet(0x8100, &tagged(0x0800, &inner))).unwrap();
    assert_eq!((single.network_offset, single.ports), (18, PORTS));
    let two = tagged(0x8100, &tagged(0x0800, &inner));
    assert_eq!(walk(&ethernet(0x88a8, &two)).unwrap().network_offset, 22);
    let four = tagged(0x9100, &tagged(0x88a8, &two));
    let packet = walk(&ethernet(0x8100, &four)).unwrap();
    assert_eq!((packet.network_offset, packet.ports), (30, PORTS));
    let five = ethernet(0x8100, &tagged(0x8100, &four));
    assert_eq!(walk(&five), Err(Stop::TooDeep(32)), "behind the fifth tag");
}

#[test]
fn ipv4_options_are_skipped() {
    let packet = walk(&ethernet(0x0800, &ipv4(UDP, 0, &[1; 8], &DATAGRAM))).unwrap();
    assert_eq!((packet.transport_offset, packet.ports), (42, PORTS));
}

#[test]
fn ipv6_extension_headers_are_skipped_up_to_four() {
    let extension = |next: u8, payload: &[u8]| [&[next, 0, 0, 0, 0, 0, 0, 0], payload].concat();
    let mut payload = DATAGRAM.to_vec();
    let mut next = UDP;
    for header in [60, 43, 60, 0] {
        payload = extension(next, &payload);
        next = header;
    }
    let packet = walk(&ethernet(0x86dd, &ipv6(next, &payload))).unwrap();
    assert_eq!((packet.transport_offset, packet.ports), (14 + 40 + 32, PORTS));
    assert_eq!(packet.protocol, UDP);

    let five = ethernet(0x86dd, &ipv6(60, &extension(next, &payload)));
    assert_eq!(walk(&five), Err(Stop::TooDeep(14 + 40 + 32)));
}

#[test]
fn an_authentication_header_is_counted_in_words() {
    let header = [&[UDP, 4][..], &[0; 22], &DATAGRAM].concat();
    let packet = walk(&ethernet(0x86dd, &ipv6(51, &header))).unwrap();
    assert_eq!((packet.transport_offset, packet.ports), (14 + 40 + 24, PORTS));
}

#[test]
fn ipv4_fragments_tell_their_place() {
    let first = walk(&ethernet(0x0800, &ipv4(UDP, 0x2000, &[], &DATAGRAM))).unwrap();
    assert_eq!(first.fragment, Fragment::First { identification: 0x1234 });
    assert_eq!(first.ports, PORTS);
    let later = walk(&ethernet(0x0800, &ipv4(UDP, 0x2003, &[], &DATAGRAM))).unwrap();
    assert_eq!(later.fragment, Fragment::Later { identification: 0x1234, offset: 24, more: true });
    assert_eq!(later.ports, None);
    let last = walk(&ethernet(0x0800, &ipv4(UDP, 0x0003, &[], &DATAGRAM))).unwrap();
    assert_eq!(last.fragment, Fragment::Later { identification: 0x1234, offset: 24, more: false });
    assert_eq!(first.fragment_key(), last.fragment_key());
}

#[test]
fn ipv6_fragments_share_a_key_whatever_their_next_header() {
    let fragment = |next: u8, offset_and_more: u16, payload: &[u8]| {
        let place = offset_and_more.to_be_bytes();
        let header = [next, 0, place[0], place[1], 0, 0, 0x12, 0x34];
        ethernet(0x86dd, &ipv6(44, &[&header, payload].concat()))
    };
    let first = walk(&fragment(UDP, 1, &DATAGRAM)).unwrap();
    assert_eq!((first.fragment, first.ports), (Fragment::First { identification: 0x1234 }, PORTS));
    let later = walk(&fragment(60, 16, &DATAGRAM)).unwrap();
    assert_eq!(later.fragment, Fragment::Later { identification: 0x1234, offset: 16, more: false });
    assert_eq!(later.transport_offset, 14 + 40 + 8);
    assert_eq!(first.fragment_key(), later.fragment_key());
    let atomic = walk(&fragment(UDP, 0, &DATAGRAM)).unwrap();
    assert_eq!((atomic.fragment, atomic.ports), (Fragment::Whole, PORTS));
}

#[test]
fn padding_behind_a_datagram_is_no_port() {
    let mut frame = ethernet(0x0800, &ipv4(UDP, 0, &[], &[]));
    frame.resize(60, 0x55);
    assert_eq!(walk(&frame), Err(Stop::Cut(34)));
}

#[test]
fn a_first_fragment_too_short_for_its_ports_has_none() {
    let mut frame = ethernet(0x0800, &ipv4(UDP, 0x2000, &[], &[0x0f, 0xa0]));
    frame.resize(60, 0);
    assert_eq!(walk(&frame).unwrap().ports, None);
}

#[test]
fn impossible_headers_are_named_by_their_offset() {
    let mut short_header = ethernet(0x0800, &ipv4(UDP, 0, &[], &DATAGRAM));
    short_header[14] = 0x44;
    assert_eq!(walk(&short_header), Err(Stop::Malformed(14)));
    let mut short_total = ethernet(0x0800, &ipv4(UDP, 0, &[], &DATAGRAM));
    short_total[17] = 19;
    assert_eq!(walk(&short_total), Err(Stop::Malformed(16)));
    let six_in_four = ethernet(0x0800, &ipv6(UDP, &DATAGRAM));
    assert_eq!(walk(&six_in_four), Err(Stop::Malformed(14)));
    let arp = ethernet(0x0806, &[0; 28]);
    assert_eq!(walk(&arp), Err(Stop::NotIp));
}

#[test]
fn a_frame_cut_anywhere_stops_the_walk_and_never_panics() {
    let extended = [&[UDP, 0, 0, 0, 0, 0, 0, 0][..], &DATAGRAM].concat();
    for frame in [
        ethernet(0x0800, &ipv4(UDP, 0, &[1; 8], &DATAGRAM)),
        ethernet(0x8100, &tagged(0x86dd, &ipv6(0, &extended))),
    ] {
        let whole = walk(&frame).unwrap();
        for length in 0..frame.len() {
            match walk(&frame[..length]) {
                Ok(packet) => {
                    assert!(length >= whole.transport_offset + 4);
                    assert_eq!((packet.end, packet.ports), (length, PORTS));
                }
                Err(Stop::Cut(offset)) => assert!(offset + 16 > length || offset <= length),
                Err(stop) => panic!("{stop:?} at {length}"),
            }
        }
    }
}

#[test]
fn any_bytes_end_the_walk() {
    // A small xorshift: every walk over noise must return, whatever it says.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200_000 {
        let mut frame = [0_u8; 96];
        for chunk in frame.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        let ethertype: [u8; 2] = if state & 1 == 0 { [8, 0] } else { [0x86, 0xdd] };
        frame[12..14].copy_from_slice(&ethertype);
        frame[14] = if state & 1 == 0 { 0x45 } else { 0x60 };
        if let Ok(packet) = walk(&frame) {
            assert!(packet.end <= frame.len());
            assert!(packet.network_offset < packet.transport_offset);
        }
    }
}

mod crafted;
mod tunnels;
