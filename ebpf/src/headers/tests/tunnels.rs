//! One packet in every tunnel, whole, cut and broken.

use super::crafted::{TUNNELS, gre, in_ethernet, outer, udp};
use super::*;

/// The inner packet, in IPv4 and in IPv6.
fn inner() -> [Vec<u8>; 2] {
    [ipv4(UDP, 0, &[], &DATAGRAM), ipv6(UDP, &DATAGRAM)]
}

#[test]
fn every_tunnel_is_walked_to_the_ports_within() {
    for (name, number, wrap) in TUNNELS {
        for packet in inner() {
            let frame = wrap(&packet);
            let walked = walk(&frame).unwrap_or_else(|stop| panic!("{name}: {stop:?}"));
            assert_eq!((walked.ports, walked.tunnel), (PORTS, *number), "{name}");
            assert_eq!(walked.network_offset, frame.len() - packet.len(), "{name}");
            assert_eq!((walked.fragment, walked.outer), (Fragment::Whole, None), "{name}");
        }
    }
}

#[test]
fn a_cut_tunnel_is_cut_wherever_it_is_cut() {
    for (name, _, wrap) in TUNNELS {
        let frame = wrap(&inner()[0]);
        // The ports are the last that is read: four bytes at the beginning of the last twelve.
        for length in 0..frame.len() - 8 {
            let walked = walk(&frame[..length]);
            assert!(walked.is_err(), "{name} cut to {length}: {walked:?}");
        }
    }
}

#[test]
fn broken_tunnels_never_lead_beyond_the_frame() {
    for (name, _, wrap) in TUNNELS {
        let frame = wrap(&inner()[1]);
        for place in 0..frame.len() {
            for value in [0, 1, 0x45, 0x60, 0x7f, 0x80, 0xff] {
                let mut broken = frame.clone();
                broken[place] = value;
                if let Ok(packet) = walk(&broken) {
                    assert!(packet.network_offset < broken.len(), "{name}, {place}");
                    assert!(packet.end <= broken.len(), "{name}, {place}");
                }
            }
        }
    }
}

#[test]
fn what_only_uses_a_tunnels_port_is_a_packet_of_its_own() {
    let rtp = [0x80; 40];
    for port in [4789, 8472, 6081, 2152, 37_008] {
        let walked = walk(&outer(UDP, &udp(port, &rtp))).unwrap();
        let ports = Some(Ports { source: 3000, destination: port });
        assert_eq!((walked.ports, walked.network_offset), (ports, 14));
    }
    // PPTP is GRE of version 1.
    assert_eq!(walk(&gre(0x2001, 0x880b, &[0; 40])).unwrap().protocol, 47);
}

#[test]
fn tunnels_end_somewhere() {
    let mut packet = inner()[0].clone();
    for _ in 0..4 {
        packet = ipv4(4, 0, &[], &packet);
    }
    assert_eq!(walk(&ethernet(0x0800, &packet)).unwrap().ports, PORTS);
    let packet = ipv4(4, 0, &[], &packet);
    assert!(matches!(walk(&ethernet(0x0800, &packet)), Err(Stop::TooDeep(_))));
    let endless = [0, 1, 0, 64].repeat(9);
    assert!(matches!(walk(&ethernet(0x8847, &endless)), Err(Stop::TooDeep(_))));
}

#[test]
fn a_fragmented_tunnel_shows_what_is_within_and_is_keyed_by_its_own_datagram() {
    let vxlan = udp(4789, &[&[8, 0, 0, 0, 0, 0, 42, 0], &in_ethernet(&inner()[0])[..]].concat());
    let first = walk(&ethernet(0x0800, &ipv4(UDP, 0x2000, &[], &vxlan))).unwrap();
    assert_eq!((first.ports, first.tunnel), (PORTS, 42));
    let later = walk(&ethernet(0x0800, &ipv4(UDP, 4, &[], &[0; 40]))).unwrap();
    assert_eq!(first.fragment_key(), later.fragment_key());
    assert!(first.fragment_key().is_some());
}

#[test]
fn equal_fragments_in_two_tunnels_are_of_two_datagrams() {
    let key = |vni: u8| {
        let fragment = in_ethernet(&ipv4(UDP, 4, &[], &[0; 40]));
        let vxlan = udp(4789, &[&[8, 0, 0, 0, 0, 0, vni, 0], &fragment[..]].concat());
        walk(&outer(UDP, &vxlan)).unwrap().fragment_key()
    };
    assert!(key(1).is_some());
    assert_ne!(key(1), key(2));
}
