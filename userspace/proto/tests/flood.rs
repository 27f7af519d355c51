//! A flood of strangers' calls, descriptions, fragments, connections and chunks, and a target's calls
//! in the midst of it: memory stays within what was configured, and no call of the target is lost.

use calltap_proto::packet::LinkType;
use calltap_proto::{Event, Kept, Limits, MediaKind, Timestamp, Tracker, Warrant, target};

/// Strangers' frames between any two of the target's.
const BETWEEN: u32 = 100;

/// The target's calls.
const CALLS: u32 = 150;

/// A packet of this protocol without a link header; `word` is the identification and the fragment word.
fn ip(from: [u8; 4], to: [u8; 4], protocol: u8, word: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend(u16::try_from(20 + payload.len()).expect("a length").to_be_bytes());
    packet.extend(word.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    packet.extend(payload);
    packet
}

fn datagram(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a length");
    [&[port, 5060, length, 0].map(u16::to_be_bytes).concat(), payload].concat()
}

fn segment(port: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut segment = [port.to_be_bytes(), 5060_u16.to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    [&segment, payload].concat()
}

/// An SCTP packet with a DATA chunk; `flags` say beginning 2 and end 1.
fn chunk(port: u16, flags: u8, tsn: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = [port.to_be_bytes(), 5060_u16.to_be_bytes()].concat();
    packet.extend([0, 0, 0, 9, 0, 0, 0, 0, 0, flags]);
    packet.extend(u16::try_from(16 + payload.len()).expect("a length").to_be_bytes());
    packet.extend(tsn.to_be_bytes());
    packet.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    packet.extend(payload);
    packet.resize(packet.len().next_multiple_of(4), 0);
    packet
}

/// An INVITE that describes media at this port.
fn invite(user: &str, call: &str, port: u16) -> Vec<u8> {
    let body = format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio {port} RTP/AVP 0\r\n");
    let text = format!(
        "INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call}\r\n\
         From: <sip:{user}@example.net>;tag={call}\r\nTo: <sip:bob@example.org>\r\n\
         Call-ID: {call}\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    text.into_bytes()
}

/// A stranger's frame: a call of its own, the first or the last part of something, from anywhere.
fn strangers(random: &mut u64) -> Vec<u8> {
    *random =
        random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let [a, b, c, d, e, f, _, kind] = random.to_le_bytes();
    let (from, to) = ([10, a, b, c], [203, 0, 113, d]);
    let port = u16::from_le_bytes([e, f]).max(1024);
    let id = u32::from(port) << 16;
    let text = invite("eve", &format!("{random:x}"), port & !1);
    let half = text.len() / 16 * 8;
    match kind % 8 {
        0 => ip(from, to, 17, 0, &datagram(port, &text)),
        1 => ip(from, to, 17, id | 0x2000, &datagram(port, &text)[..half]),
        2 => ip(from, to, 17, id | 0x2000, &datagram(port, &[0x80; 1200])),
        3 => ip(from, to, 17, id | u32::try_from(half / 8).expect("small"), &text[half..]),
        4 => ip(from, to, 6, 0, &segment(port, 1, &text[..half])),
        5 => ip(from, to, 6, 0, &segment(port, 1, &text)),
        6 => ip(from, to, 132, 0, &chunk(port, 2, 1, &text[..half])),
        _ => ip(from, to, 132, 0, &chunk(port, 0, port.into(), &text[half..])),
    }
}

/// The parts of the target's INVITE number `nth`, over one transport or another.
fn targets(nth: u32) -> Vec<Vec<u8>> {
    let (from, to) = ([192, 0, 2, 1], [198, 51, 100, 2]);
    let port = 20_000 + u16::try_from(nth * 2).expect("a port");
    let text = invite("alice", &format!("call-{nth}"), port);
    let half = text.len() / 16 * 8;
    let (first, second) = text.split_at(half);
    match nth % 4 {
        0 => vec![ip(from, to, 17, 0, &datagram(5060, &text))],
        1 => {
            let (whole, id) = (datagram(5060, &text), nth << 16);
            vec![
                ip(from, to, 17, id | 0x2000, &whole[..half]),
                ip(from, to, 17, id | u32::try_from(half / 8).expect("small"), &whole[half..]),
            ]
        }
        2 => vec![
            ip(from, to, 6, 0, &segment(port, 1, first)),
            ip(from, to, 6, 0, &segment(port, 1 + u32::try_from(half).expect("small"), second)),
        ],
        _ => vec![
            ip(from, to, 132, 0, &chunk(port, 2, 7, first)),
            ip(from, to, 132, 0, &chunk(port, 1, 8, second)),
        ],
    }
}

/// Feeds the target's calls, with so many frames of strangers between any two of its own; gives the
/// most bytes that were held at once.
fn peak(limits: &Limits, between: u32) -> u64 {
    let (mut random, mut at) = (1, 1_000_000_000);
    let (mut invites, mut frames, mut endpoints, mut sent) = (0, 0, 0, 0);
    let cost = allocation_counter::measure(|| {
        let mut tracker = Tracker::new(limits.clone());
        tracker.set_warrants(vec![Warrant::on(
            1,
            vec![target::parse("sip:alice@example.net").expect("a target")],
        )]);
        let mut feed = |frame: &[u8]| {
            at += 10_000;
            let kept = Kept::whole(Timestamp(at), 0, LinkType::Raw, frame);
            tracker.feed(kept, &mut |event| match event {
                Event::Message { frames: parts, start_line, flaw, .. } => {
                    assert!(start_line.starts_with(b"INVITE") && flaw.is_none(), "{flaw:?}");
                    invites += 1;
                    frames += parts.len();
                }
                Event::MediaOpened { kind: MediaKind::Rtp, .. } => endpoints += 1,
                Event::CallOpened { from, .. } => assert_eq!(from, b"sip:alice@example.net"),
                Event::CallEnded { .. } | Event::Late { .. } => panic!("{event:?}"),
                _ => {}
            });
        };
        for nth in 0..CALLS {
            for part in targets(nth) {
                feed(&part);
                sent += 1;
                (0..between).for_each(|_| feed(&strangers(&mut random)));
            }
        }
        let counters = tracker.counters();
        if between > 0 {
            assert!(counters.hold_overwritten > 0, "{counters:?}");
            assert!(counters.streams_evicted > 1_000, "{counters:?}");
            assert!(counters.fragments_given_up > 1_000, "{counters:?}");
            assert!(counters.sctp_given_up > 1_000, "{counters:?}");
        }
        assert_eq!((counters.calls_evicted, counters.fragments_cut), (0, 0));
    });
    assert_eq!((invites, frames, endpoints), (CALLS, sent, CALLS));
    assert_eq!(cost.bytes_current, 0);
    cost.bytes_max
}

#[test]
fn a_flood_stays_within_the_configured_memory_and_costs_the_target_no_call() {
    let mut limits = Limits::default();
    (limits.datagrams, limits.datagram_bytes) = (1_000, 1 << 20);
    (limits.streams, limits.stream_bytes) = (1_000, 1 << 20);
    (limits.hold_messages, limits.hold_bytes) = (1_000, 1 << 20);
    // Datagrams and SCTP messages have the same bound, each for itself.
    let bytes = 2 * limits.datagram_bytes + limits.stream_bytes + limits.hold_bytes;
    let configured = u64::try_from(bytes).expect("a size");
    // The target's calls are not the strangers' doing, and have a bound of their own.
    let flood = peak(&limits, BETWEEN) - peak(&limits, 0);
    println!("{flood} bytes at most, where {configured} are configured");
    // Vectors grow by doubling, and maps have room to spare.
    assert!(flood < 2 * configured, "{flood} bytes, where {configured} are configured");
}
