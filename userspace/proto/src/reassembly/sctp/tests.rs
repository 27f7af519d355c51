//! Messages in parts: in every order, twice, too late, and too many.

use super::*;
use crate::packet::LinkType;
use crate::warrant::CallKey;
use std::vec;

/// A DATA chunk; `flags` are those of RFC 9260 §3.3.1: unordered 4, beginning 2, end 1.
fn plain(flags: u8, tsn: u32, text: &[u8]) -> Vec<u8> {
    chunk(0, flags, &[&tsn.to_be_bytes()[..], &[0, 1, 0, 0, 0, 0, 0, 0]].concat(), text)
}

/// An I-DATA chunk of message `mid` (RFC 8260 §2.1).
fn interleaved(flags: u8, mid: u32, fsn: u32, text: &[u8]) -> Vec<u8> {
    let head = [&[0, 0, 0, 9, 0, 1, 0, 0][..], &mid.to_be_bytes(), &fsn.to_be_bytes()].concat();
    chunk(64, flags, &head, text)
}

fn chunk(kind: u8, flags: u8, head: &[u8], text: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend(u16::try_from(4 + head.len() + text.len()).unwrap().to_be_bytes());
    chunk.extend(head);
    chunk.extend(text);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

fn path() -> Path {
    let end = "192.0.2.1:5060".parse().unwrap();
    Path { source: end, destination: end }
}

/// Text, number of frames, flaw.
type Found = (Vec<u8>, usize, Option<Flaw>);

/// Feeds packets a millisecond apart, each message being one of call 1's.
struct Run {
    messages: Messages,
    at: Timestamp,
    found: Vec<Found>,
    repeated: usize,
}

impl Run {
    fn new() -> Self {
        let messages = Messages::new(&Limits::default());
        Self { messages, at: Timestamp(0), found: Vec::new(), repeated: 0 }
    }

    fn feed(&mut self, packet: &[u8]) {
        self.at.0 += 1_000_000;
        let frame = [Kept::whole(self.at, 0, LinkType::Raw, packet)];
        let found = &mut self.found;
        let owners = self.messages.feed(path(), &frame, packet, None, &mut |mut framed| {
            let fresh = framed.frames.iter_mut().filter_map(|it| it.give(1).then_some(()));
            found.push((framed.bytes.to_vec(), fresh.count(), framed.flaw));
            vec![CallKey { warrant: 1, cin: 1 }]
        });
        self.repeated += owners.len();
    }

    fn all(packets: &[Vec<u8>]) -> Self {
        let mut run = Self::new();
        packets.iter().for_each(|packet| run.feed(packet));
        run
    }
}

fn permutations(length: usize) -> Vec<Vec<usize>> {
    (0..length).fold(vec![vec![]], |orders, next| {
        let insert = |order: Vec<usize>| {
            (0..=order.len()).map(move |place| {
                let mut order = order.clone();
                order.insert(place, next);
                order
            })
        };
        orders.into_iter().flat_map(insert).collect()
    })
}

#[test]
fn each_whole_chunk_is_a_message_whatever_stands_beside_it() {
    let sack = vec![3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let packet = [sack, plain(3, 7, b"one"), interleaved(7, 8, 0, b"two!")].concat();
    let run = Run::all(&[packet]);
    assert_eq!(run.found, [(b"one".to_vec(), 1, None), (b"two!".to_vec(), 0, None)]);
}

#[test]
fn a_message_in_parts_is_whole_in_every_order_and_across_the_wrap() {
    let chunks = |part: fn(u8, u32, &[u8]) -> Vec<u8>, first: u32| {
        let texts: [&[u8]; 5] = [b"IN", b"VI", b"T", b"E", b" sip"];
        let part = |(nth, text): (u32, &&[u8])| {
            let flags = [2, 0, 0, 0, 1][usize::try_from(nth).unwrap()];
            part(flags, first.wrapping_add(nth), text)
        };
        (0..).zip(&texts).map(part).collect::<Vec<_>>()
    };
    let idata: fn(u8, u32, &[u8]) -> Vec<u8> = |flags, fsn, text| interleaved(flags, 5, fsn, text);
    for parts in [chunks(plain, u32::MAX - 1), chunks(idata, 0)] {
        for order in permutations(parts.len()) {
            let packets: Vec<_> = order.iter().map(|&place| parts[place].clone()).collect();
            let run = Run::all(&packets);
            assert_eq!(run.found, [(b"INVITE sip".to_vec(), 5, None)], "{order:?}");
            assert!(run.messages.waiting.is_empty() && run.messages.by_age.is_empty());
            assert_eq!((run.messages.bytes, run.messages.frames.bytes()), (0, 0));
        }
    }
}

#[test]
fn interleaved_messages_of_one_stream_are_told_apart() {
    let packets = [
        interleaved(2, 1, 0, b"one "),
        interleaved(2, 2, 0, b"two "),
        interleaved(6, 1, 0, b"uno "),
        interleaved(1, 2, 1, b"zwei"),
        interleaved(5, 1, 1, b"un"),
        interleaved(1, 1, 1, b"eins"),
    ];
    let texts: Vec<_> = Run::all(&packets).found.into_iter().map(|(text, ..)| text).collect();
    assert_eq!(texts, [b"two zwei".to_vec(), b"uno un".to_vec(), b"one eins".to_vec()]);
}

#[test]
fn parts_mirrored_twice_are_kept_and_make_no_second_message() {
    let parts = [plain(2, 1, b"IN"), plain(0, 2, b"VI"), plain(1, 3, b"TE")];
    let twice: Vec<_> = parts.iter().flat_map(|part| [part.clone(), part.clone()]).collect();
    let run = Run::all(&twice);
    // The copy of the last part comes when the message is whole.
    assert_eq!(run.found, [(b"INVITE".to_vec(), 5, None)]);
    assert_eq!((run.repeated, run.messages.repeated), (1, 1));
    let run = Run::all(&[&parts[..], &parts[..]].concat());
    assert_eq!((run.found.len(), run.repeated), (1, 3));
}

#[test]
fn parts_that_differ_are_flagged_and_the_first_stays() {
    let run = Run::all(&[plain(2, 1, b"IN"), plain(2, 1, b"XX"), plain(1, 2, b"VITE")]);
    assert_eq!(run.found, [(b"INVITE".to_vec(), 3, Some(Flaw::Overlap))]);
}

#[test]
fn two_messages_that_share_a_packet_share_its_frame() {
    let end_and_beginning = [plain(1, 2, b"b"), plain(2, 3, b"c")].concat();
    let run = Run::all(&[plain(2, 1, b"a"), end_and_beginning, plain(1, 4, b"d")]);
    assert_eq!(run.found, [(b"ab".to_vec(), 2, None), (b"cd".to_vec(), 1, None)]);
}

#[test]
fn what_never_becomes_whole_is_given_up_with_what_is_there() {
    let mut run = Run::all(&[plain(2, 1, b"IN"), plain(0, 2, b"VI"), plain(1, 4, b"x")]);
    assert!(run.messages.give_up(Timestamp(29_000_000_000)).is_none());
    let taken = run.messages.give_up(Timestamp(31_000_000_000)).expect("what is there");
    assert_eq!((&taken.text[..], taken.flaw), (&b"INVI"[..], Some(Flaw::BrokenOff)));
    let frames = run.messages.give(&taken, &mut |framed| {
        assert_eq!(framed.frames.len(), 2);
        Owners::new()
    });
    assert!(frames.is_empty());
    assert!(run.messages.give_up(Timestamp(31_000_000_000)).is_some(), "the part behind the gap");
    assert!(run.messages.give_up(Timestamp::MAX).is_none());
}

#[test]
fn impossible_lengths_end_the_packet() {
    for length in [0_u16, 3, 15, 0xffff] {
        let mut packet = plain(3, 1, b"x");
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        let cut = Run::all(&[packet.clone()]).found.iter().all(|(_, _, flaw)| flaw.is_some());
        assert!(cut, "{length}");
        packet.truncate(9);
        assert!(Run::all(&[packet]).found.is_empty());
    }
}

#[test]
fn a_flood_of_first_parts_stays_within_its_bounds() {
    let mut limits = Limits::default();
    (limits.datagrams, limits.datagram_bytes) = (16, 10_000);
    let mut messages = Messages::new(&limits);
    for port in 0..2_000 {
        let source = std::net::SocketAddr::from(([192, 0, 2, 1], port));
        let path = Path { source, destination: source };
        let packet = plain(2, 1, &[b'x'; 200]);
        let frame = [Kept::whole(Timestamp(1), 0, LinkType::Raw, &packet)];
        messages.feed(path, &frame, &packet, None, &mut |_| panic!("nothing is whole"));
        while let Some(taken) = messages.give_up(Timestamp(1)) {
            messages.give(&taken, &mut |_| Owners::new());
        }
        assert!(messages.waiting.len() <= 16);
        assert!(messages.bytes + messages.frames.bytes() <= 10_000);
    }
    assert!(messages.given_up >= 1_984);
}
