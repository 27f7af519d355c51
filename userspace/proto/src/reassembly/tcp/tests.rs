//! Ten messages in a stream, cut everywhere, shuffled, repeated, and among other things.

use super::*;
use crate::event::Flaw;
use crate::made;
use crate::packet::{self, Body, LinkType};
use crate::warrant::CallKey;
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec::Vec;

mod websocket;

const FROM: &str = "192.0.2.1:40000";
const TO: &str = "198.51.100.2:5060";
const FIRST: u32 = u32::MAX - 900; // The sequence number wraps within the stream.

/// Bytes of a message, and what was wrong with it.
type Given = (String, Option<Flaw>);

struct Run {
    streams: Streams,
    given: Vec<Given>,
    frames: Vec<usize>,
    target: bool,
    repeated: usize,
}

impl Run {
    fn new(limits: &Limits) -> Self {
        let streams = Streams::new(limits);
        Self { streams, given: Vec::new(), frames: Vec::new(), target: false, repeated: 0 }
    }

    fn frame(&mut self, seconds: u64, frame: &[u8]) {
        let at = Timestamp(seconds * 1_000_000_000);
        let Ok(Body::Tcp(segment)) = packet::parse(LinkType::Ethernet, frame).map(|p| p.body)
        else {
            panic!("a segment");
        };
        let kept = [Kept::whole(at, 0, LinkType::Ethernet, frame)];
        let Self { streams, given, frames, target, repeated } = self;
        let owners = streams.feed(&kept, at, &segment, &mut |_, framed| {
            given.push((String::from_utf8_lossy(framed.bytes).into_owned(), framed.flaw));
            frames.push(framed.frames.len());
            Owners::from_iter(target.then_some(CallKey { warrant: 1, cin: 1 }))
        });
        *repeated += owners.len();
    }

    fn segment(&mut self, seconds: u64, offset: usize, payload: &[u8]) {
        let sequence = FIRST.wrapping_add(u32::try_from(offset).unwrap());
        self.frame(seconds, &made::tcp(FROM, TO, sequence, made::ACK, payload));
    }

    fn syn(&mut self) {
        self.frame(0, &made::tcp(FROM, TO, FIRST.wrapping_sub(1), made::SYN, b""));
    }

    fn finish(&mut self) -> Vec<Given> {
        let Self { streams, given, .. } = self;
        streams.finish(&mut |_, framed| {
            given.push((String::from_utf8_lossy(framed.bytes).into_owned(), framed.flaw));
            Owners::new()
        });
        assert_eq!((streams.bytes, streams.by_worth.len(), streams.waiting.len()), (0, 0, 0));
        core::mem::take(given)
    }
}

fn messages() -> Vec<String> {
    let mut messages: Vec<_> = (0..9)
        .map(|n| {
            let body = "v=0\r\n".repeat(n);
            let name = if n % 2 == 0 { "Content-Length" } else { "l" };
            let length = body.len();
            format!("INFO sip:bob@example.org SIP/2.0\r\nCSeq: {n} INFO\r\n{name}: {length}\r\n\r\n{body}")
        })
        .collect();
    messages.push("SIP/2.0 200 OK\nl:0\n\n".into());
    messages
}

fn expected() -> Vec<Given> {
    messages().into_iter().map(|message| (message, None)).collect()
}

/// The messages with keep-alives between them.
fn stream() -> Vec<u8> {
    messages().join("\r\n\r\n").into_bytes()
}

#[test]
fn a_stream_cut_at_every_byte_gives_the_same_messages() {
    let stream = stream();
    for cut in 0..=stream.len() {
        let mut run = Run::new(&Limits::default());
        run.segment(0, 0, &stream[..cut]);
        run.segment(0, cut, &stream[cut..]);
        assert_eq!(run.finish(), expected(), "{cut}");
    }
}

#[test]
fn a_stream_of_single_bytes_gives_the_same_messages() {
    let mut run = Run::new(&Limits::default());
    for (at, byte) in stream().iter().enumerate() {
        run.segment(0, at, &[*byte]);
    }
    assert_eq!(run.finish(), expected());
}

#[test]
fn swapped_and_repeated_segments_give_the_same_messages() {
    let stream = stream();
    for cut in 1..stream.len() - 1 {
        let mut run = Run::new(&Limits::default());
        run.syn();
        run.segment(0, cut, &stream[cut..]);
        run.segment(0, cut, &stream[cut..]);
        run.segment(0, 0, &stream[..cut + 1]);
        run.segment(0, 0, &stream);
        assert_eq!(run.finish(), expected(), "{cut}");
    }
}

#[test]
fn a_message_has_the_frames_of_all_its_segments() {
    let message = "INFO sip:a SIP/2.0\r\nl: 4\r\n\r\nbody".as_bytes();
    let mut run = Run::new(&Limits::default());
    let two = [message, message].concat();
    run.segment(0, 0, &two[..10]);
    run.segment(0, 10, &two[10..40]);
    run.segment(0, 40, &two[40..]);
    assert_eq!(run.frames, [2, 2], "the middle segment holds parts of both");
}

#[test]
fn segments_of_a_targets_messages_that_come_again_are_told_of() {
    let stream = stream();
    for cut in 1..stream.len() {
        let mut run = Run::new(&Limits::default());
        run.target = true;
        run.segment(0, 0, &stream[..cut]);
        run.segment(0, cut, &stream[cut..]);
        let before = run.given.len();
        run.segment(0, 0, &stream[..cut]);
        run.segment(0, cut, &stream[cut..]);
        assert_eq!((run.given.len() - before, run.repeated), (0, 2), "{cut}");
    }
    let mut run = Run::new(&Limits::default());
    run.segment(0, 0, &stream);
    run.segment(0, 0, &stream);
    assert_eq!(run.repeated, 0, "a stranger's are nobody's");
}

#[test]
fn what_is_no_sip_is_passed_over_up_to_a_start_line() {
    let message = &messages()[3];
    for junk in ["", "\r\n", "tail of a body\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "a: b\n\n"]
    {
        let mut run = Run::new(&Limits::default());
        run.segment(0, 0, format!("{junk}{message}").as_bytes());
        assert_eq!(run.finish(), [(message.clone(), None)], "{junk:?}");
    }
    // A segment that begins with a start line is believed, also behind an unfinished line.
    let mut run = Run::new(&Limits::default());
    run.segment(0, 0, b"\xff\xfe no line end");
    run.segment(0, 14, message.as_bytes());
    assert_eq!(run.finish(), [(message.clone(), None)]);
}

#[test]
fn a_length_that_cannot_be_smuggles_no_message_and_stalls_nothing() {
    let smuggled = &messages()[1];
    for length in ["4294967328", "-1", "2147483648", "99999999999999999999", "x"] {
        let text = format!("INFO sip:a SIP/2.0\r\nl: {length}\r\n\r\n{:32}{smuggled}", "");
        let mut run = Run::new(&Limits::default());
        run.segment(0, 0, text.as_bytes());
        assert_eq!(run.given, [(text.clone(), Some(Flaw::ContentLength))], "{length}");
        run.segment(0, text.len(), b"rest of a body");
        run.segment(0, text.len() + 14, smuggled.as_bytes());
        assert_eq!(run.finish().last(), Some(&(smuggled.clone(), None)), "{length}");
    }
}

#[test]
fn a_stream_without_sip_is_given_up_at_bounded_cost() {
    let limits = Limits::default();
    let mut run = Run::new(&limits);
    let (mut at, mut most) = (0, 0);
    for n in 0..1000 {
        let payload = if n % 2 == 0 { [b'x'; 1400] } else { [b'\n'; 1400] };
        run.segment(0, at, &payload);
        at += payload.len();
        most = most.max(run.streams.bytes);
    }
    assert!(most < 20_000, "{most}");
    let message = &messages()[2];
    run.segment(0, at, message.as_bytes());
    assert_eq!(run.finish(), [(message.clone(), None)]);
}

#[test]
fn a_lost_segment_costs_its_message_and_not_the_next() {
    let (first, second) = (&messages()[8], &messages()[7]);
    let mut run = Run::new(&Limits::default());
    run.segment(0, 0, &first.as_bytes()[..90]);
    run.segment(1, first.len(), second.as_bytes());
    assert!(run.given.is_empty());
    run.segment(9, first.len() + second.len(), second.as_bytes());
    let broken = (first[..90].into(), Some(Flaw::BrokenOff));
    assert_eq!(run.finish(), [broken, (second.clone(), None), (second.clone(), None)]);
}

#[test]
fn differing_bytes_for_one_place_are_flagged_and_the_first_stay() {
    let message = &messages()[2];
    let mut run = Run::new(&Limits::default());
    run.segment(0, 0, &message.as_bytes()[..60]);
    run.segment(0, 0, &[b'X'; 30]);
    run.segment(0, 60, &message.as_bytes()[60..]);
    assert_eq!(run.finish(), [(message.clone(), Some(Flaw::Overlap))]);
}

#[test]
fn a_new_connection_on_the_same_ports_begins_anew() {
    let message = &messages()[2];
    let mut run = Run::new(&Limits::default());
    run.syn();
    run.segment(0, 0, &message.as_bytes()[..20]);
    let other = FIRST.wrapping_add(7_000_000);
    run.frame(1, &made::tcp(FROM, TO, other, made::SYN, b""));
    run.frame(1, &made::tcp(FROM, TO, other.wrapping_add(1), made::FIN, message.as_bytes()));
    assert_eq!(run.finish(), [(message.clone(), None)]);
}

#[test]
fn a_message_that_stops_is_given_out_broken() {
    let message = &messages()[2];
    let mut run = Run::new(&Limits::default());
    run.segment(0, 0, &message.as_bytes()[..60]);
    run.frame(100, &made::tcp(TO, FROM, 1, made::ACK, b"x"));
    assert_eq!(run.given, [(message[..60].into(), Some(Flaw::BrokenOff))]);
}

#[test]
fn a_flood_of_connections_forgets_strangers_and_never_targets() {
    let limits = Limits { streams: 50, stream_bytes: 20_000, ..Limits::default() };
    let mut run = Run::new(&limits);
    run.target = true;
    let message = &messages()[2];
    run.segment(0, 0, message.as_bytes());
    run.segment(0, message.len(), &message.as_bytes()[..30]);
    run.target = false;
    for port in 1..2000 {
        let from = format!("203.0.113.9:{port}");
        run.frame(0, &made::tcp(&from, TO, 1, made::ACK, b"INVITE sip:half-a-message SIP"));
        assert!(run.streams.streams.len() <= 50 && run.streams.bytes <= 20_000);
    }
    run.segment(0, message.len() + 30, &message.as_bytes()[30..]);
    assert_eq!(run.given.len(), 2);
}

proptest! {
    #[test]
    fn any_order_of_segments_gives_the_same_messages(
        cuts in proptest::collection::btree_set(1usize..900, 0..20),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let stream = stream();
        let mut edges = Vec::from([0]);
        edges.extend(cuts.into_iter().filter(|&cut| cut < stream.len()));
        edges.push(stream.len());
        let segments: Vec<_> = edges.windows(2).map(|edge| (edge[0], &stream[edge[0]..edge[1]])).collect();
        let mut run = Run::new(&Limits::default());
        run.syn();
        for at in order.iter().map(|at| at.index(segments.len())).chain(0..segments.len()) {
            run.segment(0, segments[at].0, segments[at].1);
        }
        prop_assert_eq!(run.finish(), expected());
    }

    #[test]
    fn no_bytes_make_it_panic_or_keep_more_than_they_are(
        parts in proptest::collection::vec((0usize..3000, proptest::collection::vec(any::<u8>(), 1..50), any::<bool>()), 0..60)
    ) {
        let mut run = Run::new(&Limits::default());
        for (at, mut payload, sip) in parts {
            if sip {
                payload.splice(0..0, b"\nINFO sip:a SIP/2.0\nl: 3\n\n".iter().copied());
            }
            run.segment(0, at, &payload);
        }
        run.finish();
    }
}
