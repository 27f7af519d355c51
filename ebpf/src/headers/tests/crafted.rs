//! Frames made by hand, for the tests of the walk here and of the loaded program.

#![allow(dead_code, reason = "each of two tests uses its part")]

/// The protocol number of UDP.
const UDP: u8 = 17;

/// An Ethernet header, with the EtherType last.
pub(crate) fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// One VLAN tag and what it leads to.
pub(crate) fn tagged(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 7][..], &ethertype.to_be_bytes(), payload].concat()
}

/// An IPv4 packet from 192.0.2.1 to 198.51.100.2 with `options` and a protocol.
pub(crate) fn ipv4(protocol: u8, flags_and_offset: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = u8::try_from((20 + options.len()) / 4).unwrap();
    let total = u16::try_from(20 + options.len() + payload.len()).unwrap();
    let mut packet = vec![0x40 | words, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(flags_and_offset.to_be_bytes());
    packet.extend([64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
    packet.extend(options);
    packet.extend(payload);
    packet
}

/// An IPv6 packet from 2001:db8::1 to 2001:db8::2.
pub(crate) fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([next_header, 64]);
    for host in [1, 2] {
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    packet.extend(payload);
    packet
}

/// A UDP header from port 4000 to port 5060, and four bytes.
pub(crate) const DATAGRAM: [u8; 12] = [0x0f, 0xa0, 0x13, 0xc4, 0, 12, 0, 0, 1, 2, 3, 4];

/// A UDP datagram from port 3000 to `port`.
pub(crate) fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    [&3000_u16.to_be_bytes()[..], &port.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload]
        .concat()
}

/// An outer IPv4 packet in Ethernet, between other hosts than the inner one's.
pub(crate) fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = ipv4(protocol, 0, &[], payload);
    packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    ethernet(0x0800, &packet)
}

/// An inner packet in Ethernet, or as it is.
pub(crate) type Wrap = fn(&[u8]) -> Vec<u8>;

pub(crate) fn in_ethernet(packet: &[u8]) -> Vec<u8> {
    ethernet(ethertype(packet), packet)
}

pub(crate) fn ethertype(packet: &[u8]) -> u16 {
    if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd }
}

pub(crate) fn labels(count: u8, packet: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in 1..=count {
        bytes.extend([0, label, u8::from(label == count), 64]);
    }
    [&bytes, packet].concat()
}

pub(crate) fn gre(flags: u16, protocol: u16, rest: &[u8]) -> Vec<u8> {
    let mut header = [flags.to_be_bytes(), protocol.to_be_bytes()].concat();
    if flags & 0x8000 != 0 {
        header.extend([0xab, 0xcd, 0, 0]);
    }
    if flags & 0x2000 != 0 {
        header.extend([0, 0, 0x12, 0x34]);
    }
    if flags & 0x1000 != 0 {
        header.extend([0, 0, 0, 9]);
    }
    outer(47, &[&header, rest].concat())
}

pub(crate) fn erspan_iii(last: u32, rest: &[u8]) -> Vec<u8> {
    let header = [&[0x20, 0, 0x01, 0x23, 0, 0, 0, 0][..], &last.to_be_bytes()].concat();
    let platform: &[u8] = if last & 1 == 1 { &[0; 8] } else { &[] };
    gre(0x1000, 0x22eb, &[&header, platform, rest].concat())
}

pub(crate) fn gtp_u(flags: u8, extensions: &[u8], packet: &[u8]) -> Vec<u8> {
    let header = [&[0x30 | flags, 0xff, 0, 0, 0xde, 0xad, 0xbe, 0xef][..], extensions].concat();
    outer(UDP, &udp(2152, &[&header, packet].concat()))
}

/// Every tunnel there is, with its name and number.
pub(crate) const TUNNELS: &[(&str, u32, Wrap)] = &[
    ("MPLS, 1 label", 0, |it| ethernet(0x8847, &labels(1, it))),
    ("MPLS, 4 labels", 0, |it| ethernet(0x8848, &labels(4, it))),
    ("MPLS pseudowire", 0, |it| {
        ethernet(0x8847, &labels(2, &[&[0; 4], &in_ethernet(it)[..]].concat()))
    }),
    ("MPLS behind a tag", 0, |it| ethernet(0x8100, &tagged(0x8847, &labels(2, it)))),
    ("PPPoE", 0, |it| {
        let ppp = if it[0] >> 4 == 4 { [0, 0x21] } else { [0, 0x57] };
        ethernet(0x8864, &[&[0x11, 0, 0, 7, 0, 0], &ppp[..], it].concat())
    }),
    ("VN-Tag", 0, |it| {
        ethernet(0x8926, &[&[0, 1, 0, 2], &ethertype(it).to_be_bytes()[..], it].concat())
    }),
    ("IP in IP", 0, |it| outer(if it[0] >> 4 == 4 { 4 } else { 41 }, it)),
    ("GRE", 0, |it| gre(0, ethertype(it), it)),
    ("GRE with all its fields", 0x1234, |it| gre(0xb000, ethertype(it), it)),
    ("GRE with Ethernet", 0x1234, |it| gre(0x2000, 0x6558, &in_ethernet(it))),
    ("GRE with MPLS", 0, |it| gre(0, 0x8847, &labels(2, it))),
    ("ERSPAN I", 0, |it| gre(0, 0x88be, &in_ethernet(it))),
    ("ERSPAN II", 0x123, |it| {
        gre(0x1000, 0x88be, &[&[0x10, 0, 0x01, 0x23, 0, 0, 0, 0], &in_ethernet(it)[..]].concat())
    }),
    ("ERSPAN III", 0x123, |it| erspan_iii(0, &in_ethernet(it))),
    ("ERSPAN III with its subheader", 0x123, |it| erspan_iii(1, &in_ethernet(it))),
    ("ERSPAN III with IP", 0x123, |it| erspan_iii(2 << 10, it)),
    ("VXLAN", 42, |it| {
        outer(UDP, &udp(4789, &[&[8, 0, 0, 0, 0, 0, 42, 0], &in_ethernet(it)[..]].concat()))
    }),
    ("VXLAN at its old port", 42, |it| {
        outer(UDP, &udp(8472, &[&[8, 0, 0, 0, 0, 0, 42, 0], &in_ethernet(it)[..]].concat()))
    }),
    ("VXLAN with reserved bits set", 42, |it| {
        outer(UDP, &udp(4789, &[&[255, 7, 7, 0, 0, 0, 42, 7], &in_ethernet(it)[..]].concat()))
    }),
    ("VXLAN-GPE with IP", 42, |it| {
        let next = if it[0] >> 4 == 4 { 1 } else { 2 };
        outer(UDP, &udp(4789, &[&[0x0c, 0, 0, next, 0, 0, 42, 0], it].concat()))
    }),
    ("Geneve with options", 42, |it| {
        let header = [2, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        outer(UDP, &udp(6081, &[&header, &in_ethernet(it)[..]].concat()))
    }),
    ("GTP-U", 0xdead_beef, |it| gtp_u(0, &[], it)),
    ("GTP-U with a sequence number", 0xdead_beef, |it| gtp_u(2, &[0, 1, 0, 0], it)),
    ("GTP-U with two extension headers", 0xdead_beef, |it| {
        gtp_u(4, &[0, 0, 0, 0x85, 1, 9, 9, 0x20, 2, 8, 8, 8, 8, 8, 8, 0], it)
    }),
    ("TZSP", 0, |it| {
        outer(UDP, &udp(37_008, &[&[1, 0, 0, 1, 10, 1, 0xd3, 0, 1], &in_ethernet(it)[..]].concat()))
    }),
    ("ERSPAN of VXLAN behind a tag", 42, |it| {
        let vxlan = udp(4789, &[&[8, 0, 0, 0, 0, 0, 42, 0], &in_ethernet(it)[..]].concat());
        let tagged = ethernet(0x8100, &tagged(0x0800, &ipv4(UDP, 0, &[], &vxlan)));
        gre(0x1000, 0x88be, &[&[0x10, 0, 0, 7, 0, 0, 0, 0], &tagged[..]].concat())
    }),
];
