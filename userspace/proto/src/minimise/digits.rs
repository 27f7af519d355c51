//! Keys that were pressed, overwritten in media: the event's code in telephone events (RFC 4733 §2.3),
//! also where those are sent again in later packets (RFC 2198).
//!
//! Everything else of a packet stays: that a key was pressed, when, how loud, and for how long.
//! Tones in the voice itself are voice, and stay.

use alloc::vec::Vec;

use super::{FILLER, Masked};
use crate::packet::{self, Body, LinkType};
use crate::rtp::{Header, PayloadClocks};
use crate::within::offset_in;

/// Length of an event; longer payloads have several, or an authentication tag behind one.
const EVENT: usize = 4;

/// The first payload type that means what descriptions say (RFC 3551 §6).
const DYNAMIC: u8 = 96;

/// What becomes of a frame of media; none where it holds no key.
///
/// `clocks` are those announced at both its ends. A payload type that neither has is taken for
/// events where it is as long as one.
#[must_use]
pub fn digits(link: LinkType, frame: &[u8], clocks: [Option<&PayloadClocks>; 2]) -> Option<Masked> {
    let Ok(packet) = packet::parse(link, frame) else { return None };
    let Body::Udp(datagram) = packet.body else { return None };
    let header = Header::parse(datagram.payload).ok()?;
    let announced = |is: fn(&PayloadClocks, u8) -> bool, payload_type: u8| {
        clocks.iter().flatten().any(|clocks| is(clocks, payload_type))
    };
    let payload_type = header.payload_type;
    let is_event = |it| announced(PayloadClocks::is_event, it);
    let codes: Vec<&[u8]> = match Header::with_payload(datagram.payload) {
        Ok((_, payload)) if announced(PayloadClocks::is_redundant, payload_type) => {
            // What cannot be taken apart may hold anything.
            redundant(payload, is_event).unwrap_or_else(|| payload.iter().map(one).collect())
        }
        Ok((_, payload)) => {
            let is_unknown = payload_type >= DYNAMIC
                && clocks.iter().flatten().all(|clocks| clocks.rate_hz(payload_type).is_none());
            let is_event = is_event(payload_type) || is_unknown && payload.len() == EVENT;
            if is_event { codes(payload) } else { Vec::new() }
        }
        // Its padding is longer than it.
        Err(_) if is_event(payload_type) => datagram.payload.iter().skip(12).map(one).collect(),
        Err(_) => Vec::new(),
    };
    let mut masked: Vec<u8> = frame.into();
    let mut count = 0;
    for at in codes.iter().filter_map(|code| offset_in(frame, code)) {
        if let Some(byte) = masked.get_mut(at) {
            *byte = FILLER;
            count += 1;
        }
    }
    (count > 0).then_some(Masked { frame: masked, count })
}

fn one(byte: &u8) -> &[u8] {
    core::slice::from_ref(byte)
}

/// Where the codes of events stand.
fn codes(payload: &[u8]) -> Vec<&[u8]> {
    let several = payload.len().is_multiple_of(EVENT);
    let events = payload.chunks(EVENT).take(if several { usize::MAX } else { 1 });
    events.filter_map(|event| event.get(..1)).collect()
}

/// The codes in a redundant payload; none where it breaks RFC 2198 §3.
fn redundant(payload: &[u8], is_event: impl Fn(u8) -> bool) -> Option<Vec<&[u8]>> {
    let (mut blocks, mut rest) = (Vec::new(), payload);
    let last = loop {
        match rest {
            [first, more @ ..] if first & 0x80 == 0 => {
                rest = more;
                break *first;
            }
            [first, _, high, low, more @ ..] => {
                blocks.push((first & 0x7f, usize::from(high & 3) << 8 | usize::from(*low)));
                rest = more;
            }
            _ => return None,
        }
    };
    let mut found = Vec::new();
    for (payload_type, length) in blocks {
        let (block, more) = rest.split_at_checked(length)?;
        if is_event(payload_type) {
            found.extend(codes(block));
        }
        rest = more;
    }
    if is_event(last) {
        found.extend(codes(rest));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made;

    fn announced() -> PayloadClocks {
        let mut clocks = PayloadClocks::new();
        clocks.map(101, b"telephone-event", 8000);
        clocks.map(102, b"red", 8000);
        clocks.map(103, b"opus", 48_000);
        clocks
    }

    /// The payload of an RTP packet as it is kept.
    fn kept(payload_type: u8, payload: &[u8], clocks: Option<&PayloadClocks>) -> Vec<u8> {
        let header = [0x80, payload_type, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9];
        let datagram = [&header[..], payload].concat();
        let frame = made::udp("192.0.2.1:4000", "198.51.100.2:5000", &datagram);
        let masked = digits(LinkType::Ethernet, &frame, [None, clocks]);
        let kept = masked.as_ref().map_or(&frame, |masked| &masked.frame);
        assert_eq!(kept.len(), frame.len());
        let differ = kept.iter().zip(&frame).filter(|(a, b)| a != b).count();
        assert_eq!(masked.as_ref().map_or(0, |masked| masked.count), differ);
        kept[kept.len() - payload.len()..].into()
    }

    #[test]
    fn the_key_of_an_event_is_overwritten_and_nothing_else() {
        let clocks = announced();
        let cases: [(u8, &[u8], &[u8]); 6] = [
            (101, &[5, 0x8a, 3, 0x20], b"X\x8a\x03\x20"),
            (101, &[5, 10, 0, 1, 6, 10, 0, 2], b"X\x0a\0\x01X\x0a\0\x02"),
            // SRTP: a tag of ten bytes behind it.
            (101, &[5; 14], b"X\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05"),
            (0, &[5, 10, 0, 1], &[5, 10, 0, 1]),
            (103, &[5, 10, 0, 1], &[5, 10, 0, 1]),
            (101, &[], &[]),
        ];
        for (payload_type, payload, expected) in cases {
            assert_eq!(kept(payload_type, payload, Some(&clocks)), expected, "{payload:?}");
        }
    }

    #[test]
    fn what_nobody_announced_and_is_as_long_as_an_event_is_taken_for_one() {
        assert_eq!(kept(99, &[5, 10, 0, 1], Some(&announced())), b"X\x0a\0\x01");
        assert_eq!(kept(99, &[5, 10, 0, 1], None), b"X\x0a\0\x01");
        assert_eq!(kept(99, &[5, 10, 0, 1, 1], None), [5, 10, 0, 1, 1]);
    }

    #[test]
    fn a_key_that_is_sent_again_is_overwritten_in_each_packet() {
        let clocks = announced();
        let packet = [0x80 | 101, 0, 0, 4, 0x80, 0, 0, 2, 101, 5, 10, 0, 1, 9, 9, 6, 10, 0, 2];
        let expected =
            [0x80 | 101, 0, 0, 4, 0x80, 0, 0, 2, 101, b'X', 10, 0, 1, 9, 9, b'X', 10, 0, 2];
        assert_eq!(kept(102, &packet, Some(&clocks)), expected);
        assert_eq!(kept(102, &[0x80 | 101, 0, 0, 9, 101, 5], Some(&clocks)), b"XXXXXX");
    }
}
