//! Frames of every link type, whole, cut and wrong.

use super::*;
use crate::made;
use proptest::prelude::*;
use std::vec::Vec;

fn udp_frame() -> Vec<u8> {
    made::udp("192.0.2.1:4000", "198.51.100.2:5060", b"hello")
}

fn payload(frame: &[u8], link: LinkType) -> Result<&[u8], Malformed> {
    match parse(link, frame)?.body {
        Body::Udp(datagram) => Ok(datagram.payload),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_link_type_leads_to_the_same_datagram() {
    let frame = udp_frame();
    let packet = &frame[14..];
    let behind = |header: &[u8]| [header, packet].concat();
    let mut cooked = [0; 16];
    cooked[14] = 8;
    let mut cooked2 = [0; 20];
    cooked2[0] = 8;
    let cases = [
        (LinkType::Ethernet, frame.clone()),
        (LinkType::Raw, behind(&[])),
        (LinkType::Ipv4, behind(&[])),
        (LinkType::Null, behind(&[2, 0, 0, 0])),
        (LinkType::Loop, behind(&[0, 0, 0, 2])),
        (LinkType::LinuxSll, behind(&cooked)),
        (LinkType::LinuxSll2, behind(&cooked2)),
    ];
    for (link, frame) in cases {
        let Ok(Packet { body: Body::Udp(datagram), .. }) = parse(link, &frame) else {
            panic!("{link:?}");
        };
        assert_eq!(datagram.source, "192.0.2.1:4000".parse().unwrap());
        assert_eq!(datagram.destination, "198.51.100.2:5060".parse().unwrap());
        assert_eq!(datagram.payload, b"hello");
        assert_eq!(LinkType::from_number(link.number()), Some(link));
    }
}

#[test]
fn padding_and_surplus_behind_the_udp_length_are_no_payload() {
    let mut frame = udp_frame();
    frame.extend([0x55; 20]);
    assert_eq!(payload(&frame, LinkType::Ethernet), Ok(&b"hello"[..]));
    frame[39] = 8 + 2; // UDP length
    assert_eq!(payload(&frame, LinkType::Ethernet), Ok(&b"he"[..]));
    frame[39] = 7;
    assert_eq!(payload(&frame, LinkType::Ethernet), Err(Malformed::Header { at: 34 }));
    frame[39] = 0;
    assert_eq!(payload(&frame, LinkType::Ethernet), Ok(&b"hello"[..]));
}

#[test]
fn a_segment_has_its_sequence_flags_and_payload() {
    let frame = made::tcp("[2001:db8::1]:4000", "[2001:db8::2]:5060", 7, made::SYN, b"");
    let Ok(Packet { body: Body::Tcp(segment), .. }) = parse(LinkType::Ethernet, &frame) else {
        panic!();
    };
    assert_eq!((segment.sequence, segment.syn, segment.last), (7, true, false));
    let frame = made::tcp("192.0.2.1:4000", "192.0.2.2:5060", 8, made::FIN, b"bye");
    let Ok(Packet { body: Body::Tcp(segment), .. }) = parse(LinkType::Ethernet, &frame) else {
        panic!();
    };
    assert_eq!((segment.payload, segment.syn, segment.last), (&b"bye"[..], false, true));
}

#[test]
fn a_fragment_is_what_lies_behind_the_fragment_header() {
    for from in ["192.0.2.1:4000", "[2001:db8::1]:4000"] {
        let to = from.replace("1]", "2]").replace("1:", "2:");
        let frames = made::fragments(from, &to, &[b'x'; 100], &[0, 48, 108]);
        let places: Vec<_> = frames
            .iter()
            .map(|frame| match parse(LinkType::Ethernet, frame).unwrap().body {
                Body::Fragment(f) => (f.protocol, f.offset, f.more, f.payload.len()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(places, [(17, 0, true, 48), (17, 48, false, 60)], "{from}");
    }
}

#[test]
fn an_extension_header_behind_the_fragment_header_is_part_of_the_datagram() {
    let from = "[2001:db8::1]:4000";
    let mut frame = made::fragments(from, "[2001:db8::2]:5060", b"hello", &[0, 13]).remove(0);
    // A destination options header ahead of UDP.
    frame[14 + 40] = 60;
    frame[14 + 43] = 1; // more fragments
    let options = [17, 0, 1, 4, 0, 0, 0, 0];
    frame.splice(14 + 48..14 + 48, options);
    frame[14 + 5] += 8;
    let Ok(Packet { body: Body::Fragment(fragment), .. }) = parse(LinkType::Ethernet, &frame)
    else {
        panic!();
    };
    assert_eq!((fragment.protocol, fragment.payload.len()), (60, 8 + 13));
}

#[test]
fn other_protocols_are_told_by_number() {
    let mut frame = udp_frame();
    frame[23] = 89;
    let Ok(Packet { body: Body::Other { protocol, payload }, .. }) =
        parse(LinkType::Ethernet, &frame)
    else {
        panic!();
    };
    assert_eq!((protocol, payload.len()), (89, 13));
    assert_eq!(parse(LinkType::LinuxSll2, &[0; 40]), Err(Malformed::NotIp));
}

proptest! {
    #[test]
    fn no_frame_makes_it_panic(
        number in 0u16..300,
        mut frame in proptest::collection::vec(any::<u8>(), 0..120),
        fitting in any::<bool>(),
    ) {
        if fitting && frame.len() > 15 {
            (frame[12], frame[13], frame[14]) = (8, 0, 0x45);
        }
        if let Some(link) = LinkType::from_number(number) {
            let _ = parse(link, &frame);
        }
    }

    #[test]
    fn a_frame_cut_anywhere_does_not_panic(cut in 0usize..60) {
        let frame = udp_frame();
        let _ = parse(LinkType::Ethernet, &frame[..cut.min(frame.len())]);
    }
}
