//! The messages of RFC 5769, which are vectors made by others, and damaged ones.

use super::*;
use proptest::prelude::*;
use std::vec::Vec;

/// RFC 5769 §2.1.
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e20746573742063 \
    6c69656e74002400046e0001ff80290008932ff9b151263b360006000965 7674 6a3a6836765920202000080014 \
    9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

/// RFC 5769 §2.2.
const RESPONSE_V4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220 \
    002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";

/// RFC 5769 §2.3.
const RESPONSE_V6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220 \
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41 \
    80280004c8fb0b4c";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn a_request_names_its_user_and_its_software() {
    let request = bytes(REQUEST);
    let message = Message::parse(&request).expect("STUN");
    assert_eq!((message.class, message.method), (Class::Request, 1));
    assert_eq!(message.username(), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.software(), Some(&b"STUN test client"[..]));
    assert_eq!(message.attributes().count(), 6);
    assert!(!message.uses_candidate() && !message.is_turn() && message.mapped().is_none());
}

#[test]
fn a_response_tells_the_address_it_saw() {
    for (hex, address) in [
        (RESPONSE_V4, "192.0.2.1:32853"),
        (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let response = bytes(hex);
        let message = Message::parse(&response).expect("STUN");
        assert_eq!(message.class, Class::Success);
        assert_eq!(message.mapped(), Some(address.parse().unwrap()));
    }
}

#[test]
fn turn_names_relayed_and_peer_addresses() {
    // An Allocate response and a ChannelBind request: 192.0.2.1:32853, masked as above.
    let relayed = bytes("0103000c2112a442b7e7a701bc34d686fa87dfae 001600080001a147e112a643");
    let message = Message::parse(&relayed).expect("STUN");
    assert_eq!((message.class, message.method, message.is_turn()), (Class::Success, 3, true));
    assert_eq!(message.relayed(), Some("192.0.2.1:32853".parse().unwrap()));
    let bind =
        bytes("000900142112a442b7e7a701bc34d686fa87dfae 000c000440000000 001200080001a147e112a643");
    let message = Message::parse(&bind).expect("STUN");
    assert_eq!((message.method, message.is_turn()), (9, true));
    assert_eq!(message.peers().collect::<Vec<_>>(), ["192.0.2.1:32853".parse().unwrap()]);
}

#[test]
fn what_is_no_whole_message_is_none() {
    let request = bytes(REQUEST);
    for cut in 0..request.len() {
        assert_eq!(Message::parse(&request[..cut]), None);
    }
    for (place, value) in [(0, 0x80), (3, 0x59), (4, 0)] {
        let mut other = request.clone();
        other[place] = value;
        assert_eq!(Message::parse(&other), None);
    }
    // A stream goes on behind it, a datagram does not.
    let mut more = request.clone();
    more.push(0);
    assert!(Message::parse(&more).is_none() && Message::first(&more).is_some());
}

#[test]
fn an_attribute_beyond_the_end_ends_the_list() {
    let message = bytes("000100082112a442b7e7a701bc34d686fa87dfae 0006ffff61620000");
    assert_eq!(Message::parse(&message).expect("STUN").attributes().count(), 0);
}

#[test]
fn channel_data_has_a_length_that_fits() {
    assert_eq!(channel_data(&[0x40, 1, 0, 2, 9, 8]), Some((0x4001, &[9, 8][..])));
    assert_eq!(channel_data(&[0x40, 1, 0, 2, 9, 8, 0, 0]), Some((0x4001, &[9, 8][..])));
    for other in [&[0x40, 1, 0, 3, 9, 8][..], &[0x40, 1, 0, 1, 9, 8, 7, 6, 5], &[0x50, 1, 0, 0]] {
        assert_eq!(channel_data(other), None);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = channel_data(&bytes);
        if let Some(header) = bytes.first_chunk_mut::<8>() {
            *header = [0, 1, 0, header[3] & 0x3c, 0x21, 0x12, 0xa4, 0x42];
        }
        if let Some(message) = Message::first(&bytes) {
            let _ = (message.username(), message.mapped(), message.relayed(), message.software());
            let _ = (message.attributes().count(), message.peers().count());
        }
    }
}
