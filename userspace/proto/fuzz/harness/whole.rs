//! What was cut in any way and arrives in any order comes out whole: fragments (RFC 791 §3.2),
//! segments (RFC 9293 §3.4) and user messages (RFC 9260 §6.9, RFC 8260 §2).

use std::collections::BTreeSet;

use calltap_proto::Timestamp;
use calltap_proto::packet::LinkType;

use super::frame::{self, DESCRIPTION, End, message};
use super::input::Input;
use super::tracked::{Fed, alices};

const ALICE: End = (0, 5060);
const PROXY: End = (1, 5060);

/// An INVITE in fragments, in any order and some of them twice.
pub(crate) fn fragments(data: &[u8]) {
    let mut input = Input(data);
    let datagram = frame::datagram(ALICE, PROXY, &message("INVITE", 1, DESCRIPTION));
    let cuts = cuts(&mut input, datagram.len(), 8);
    let pieces: Vec<_> = cuts
        .windows(2)
        .map(|cut| {
            let more = if cut[1] < datagram.len() { 0x2000 } else { 0 };
            let place = u16::try_from(cut[0] / 8).unwrap() | more;
            frame::ip(ALICE, PROXY, 17, place, &datagram[cut[0]..cut[1]])
        })
        .collect();
    let sent = shuffled(&mut input, pieces);
    let out = alices(&sent);
    assert!(!out.is_empty(), "the INVITE is lost");
    assert!(out.iter().all(|it| it.start_line.starts_with(b"INVITE") && !it.flawed));
}

/// Ten messages in one stream, cut anywhere, some segments twice, neighbours in any order.
pub(crate) fn tcp(data: &[u8]) {
    let mut input = Input(data);
    let methods = ["INVITE", "ACK", "UPDATE", "BYE", "MESSAGE", "OPTIONS", "INFO", "INVITE", "BYE"];
    let mut stream = Vec::new();
    for (number, method) in methods.iter().enumerate() {
        if input.byte() & 1 == 1 {
            stream.extend(b"\r\n\r\n");
        }
        let description = if input.byte() & 1 == 1 { DESCRIPTION } else { "" };
        stream.extend(message(method, number / 2, description));
    }
    let start = u32::try_from(input.number()).unwrap().wrapping_sub(0x1000);
    let cuts = cuts(&mut input, stream.len(), 1);
    let pieces: Vec<_> = cuts
        .windows(2)
        .map(|cut| {
            let sequence = start.wrapping_add(1).wrapping_add(u32::try_from(cut[0]).unwrap());
            frame::tcp(ALICE, PROXY, sequence, 0x10, &stream[cut[0]..cut[1]])
        })
        .collect();
    let mut sent = vec![Fed {
        at: Timestamp(999_999_999),
        link: LinkType::Ethernet,
        bytes: frame::tcp(ALICE, PROXY, start, 2, &[]),
    }];
    sent.extend(shuffled(&mut input, pieces));
    let out = alices(&sent);
    let found: Vec<_> = out.iter().map(|it| it.start_line.split(|b| *b == b' ').next()).collect();
    let expected: Vec<_> = methods.iter().map(|method| Some(method.as_bytes())).collect();
    assert_eq!(found, expected);
    assert!(out.iter().all(|it| !it.flawed), "a flaw where nothing is wrong");
    let given: usize = out.iter().map(|it| it.frames.len()).sum();
    assert!(given < cuts.len() * 3, "a frame is given once");
}

/// A WebSocket stream: messages in frames, and then whatever the input says, cut anywhere.
pub(crate) fn websocket(data: &[u8]) {
    let mut input = Input(data);
    let mut stream = b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: sip\r\n\r\n".to_vec();
    let methods = ["INVITE", "MESSAGE", "INFO"];
    for (number, method) in methods.iter().enumerate() {
        let text = message(method, number, DESCRIPTION);
        let at = input.below(text.len());
        let mask = u32::try_from(input.number()).unwrap().to_be_bytes();
        for (first, part) in [(1, &text[..at]), (0x8a, b"pong"), (0x80, &text[at..])] {
            stream.extend([first, 0x80 | 126]);
            if first == 0x8a {
                *stream.last_mut().unwrap() = 0x80 | 4;
            } else {
                stream.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
            }
            stream.extend(mask);
            stream.extend(part.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
    }
    let cuts = cuts(&mut input, stream.len(), 1);
    let start = 0x1000_u32;
    let segment = |at: usize, bytes: &[u8]| {
        frame::tcp(ALICE, PROXY, start + u32::try_from(at).unwrap(), 0x10, bytes)
    };
    let fed = |at, bytes| Fed { at: Timestamp(at), link: LinkType::Ethernet, bytes };
    let mut sent = vec![fed(999_999_999, frame::tcp(ALICE, PROXY, start - 1, 2, &[]))];
    let pieces = cuts.windows(2).map(|cut| segment(cut[0], &stream[cut[0]..cut[1]])).collect();
    sent.extend(shuffled(&mut input, pieces));
    let hostile = input.string().to_vec();
    sent.push(fed(2_000_000_000, segment(stream.len(), &hostile)));
    let out = alices(&sent);
    let found: Vec<_> = out.iter().map(|it| it.start_line.split(|b| *b == b' ').next()).collect();
    let expected: Vec<_> = methods.iter().map(|method| Some(method.as_bytes())).collect();
    assert_eq!(found.get(..3), Some(&expected[..]));
    assert!(out.iter().take(3).all(|it| !it.flawed), "a flaw where nothing is wrong");
}

/// Four messages of one association, each in parts of DATA or I-DATA chunks, in any order.
pub(crate) fn sctp(data: &[u8]) {
    let mut input = Input(data);
    let methods = ["INVITE", "MESSAGE", "OPTIONS", "INFO"];
    let mut pieces = Vec::new();
    let mut tsn = u32::try_from(input.number()).unwrap().wrapping_sub(0x8000);
    for (number, method) in (0_u32..).zip(methods) {
        let text = message(method, number as usize, DESCRIPTION);
        let message = (input.byte() & 1 == 1).then_some(number);
        let cuts = cuts(&mut input, text.len(), 1);
        for (nth, cut) in (0_u32..).zip(cuts.windows(2)) {
            let flags = u8::from(cut[0] == 0) << 1 | u8::from(cut[1] == text.len());
            let place = message.map_or(tsn, |_| nth);
            let part = &text[cut[0]..cut[1]];
            pieces.push(frame::sctp(ALICE, PROXY, flags, message, place, part));
            tsn = tsn.wrapping_add(1);
        }
    }
    let out = alices(&shuffled(&mut input, pieces));
    let found = out.iter().map(|it| it.start_line.split(|b| *b == b' ').next().unwrap_or_default());
    let found: BTreeSet<_> = found.collect();
    let expected: BTreeSet<_> = methods.iter().map(|method| method.as_bytes()).collect();
    assert_eq!(found, expected);
    assert!(out.iter().all(|it| !it.flawed), "a flaw where nothing is wrong");
}

/// Places to cut, the beginning and the end among them.
pub(super) fn cuts(input: &mut Input<'_>, length: usize, step: usize) -> Vec<usize> {
    let mut cuts = vec![0, length];
    cuts.extend((0..input.below(12)).map(|_| input.below(length) / step * step));
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// The pieces in an order that the input says, some of them twice, a millisecond apart.
fn shuffled(input: &mut Input<'_>, mut pieces: Vec<Vec<u8>>) -> Vec<Fed> {
    for place in (1..pieces.len()).rev() {
        pieces.swap(place, input.below(place + 1));
    }
    for _ in 0..input.below(4) {
        let again = pieces[input.below(pieces.len())].clone();
        pieces.insert(input.below(pieces.len() + 1), again);
    }
    let times = (0_u64..).map(|number| Timestamp(1_000_000_000 + number * 1_000_000));
    let fed = |(at, bytes)| Fed { at, link: LinkType::Ethernet, bytes };
    times.zip(pieces).map(fed).collect()
}
