//! The same ten messages in WebSocket frames.

use super::*;

const HANDSHAKE: &str = "GET /sip HTTP/1.1\r\nHost: ws.example.org\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, sip\r\n\r\n";

const MASK: [u8; 4] = [0x37, 0xfa, 0x0d, 0x3d];

/// A frame; `first` is its first byte.
fn frame(first: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut frame = std::vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(bit | u8::try_from(short).unwrap()),
        length => {
            frame.push(bit | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    let mask = if masked { MASK } else { [0; 4] };
    if masked {
        frame.extend(mask);
    }
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The messages, some in several frames with a ping or a keep-alive between.
fn framed(masked: bool) -> Vec<u8> {
    let mut stream = Vec::new();
    for (number, message) in messages().iter().enumerate() {
        let message = message.as_bytes();
        match number % 3 {
            0 => stream.extend(frame(0x81, masked, message)),
            1 => {
                let (one, two) = message.split_at(message.len() / 2);
                stream.extend(frame(0x01, masked, one));
                stream.extend(frame(0x89, masked, b"ping"));
                stream.extend(frame(0x80, masked, two));
            }
            _ => {
                stream.extend(frame(0x82, masked, message));
                stream.extend(frame(0x81, masked, b"\r\n\r\n"));
            }
        }
    }
    stream
}

#[test]
fn frames_cut_at_every_byte_give_the_same_messages() {
    let stream = [HANDSHAKE.as_bytes(), &framed(true)].concat();
    for cut in 1..stream.len() {
        let mut run = Run::new(&Limits::default());
        run.syn();
        run.segment(0, 0, &stream[..cut]);
        run.segment(0, cut, &stream[cut..]);
        assert_eq!(run.finish(), expected(), "cut at {cut}");
    }
}

#[test]
fn a_servers_frames_are_not_masked() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-protocol:sip\r\n\r\n";
    let stream = [answer.as_bytes(), &framed(false)].concat();
    let mut run = Run::new(&Limits::default());
    stream.chunks(100).enumerate().for_each(|(n, part)| run.segment(0, n * 100, part));
    assert_eq!(run.finish(), expected());
}

#[test]
fn segments_in_any_order_and_twice_give_the_same_messages() {
    let stream = [HANDSHAKE.as_bytes(), &framed(true)].concat();
    let parts: Vec<_> = stream.chunks(97).enumerate().collect();
    let mut run = Run::new(&Limits::default());
    run.syn();
    for pair in parts.chunks(2).rev().collect::<Vec<_>>().into_iter().rev() {
        for (n, part) in pair.iter().rev().chain(pair) {
            run.segment(0, n * 97, part);
        }
    }
    assert_eq!(run.finish(), expected());
}

#[test]
fn a_stream_whose_handshake_was_not_seen_is_known_by_its_next_message() {
    for masked in [true, false] {
        let stream = framed(masked);
        let mut run = Run::new(&Limits::default());
        run.segment(0, 0, &stream);
        assert_eq!(run.finish(), expected());

        // The capture begins within a frame, and the next segment with one.
        let first = frame(0x81, masked, messages()[0].as_bytes());
        let mut run = Run::new(&Limits::default());
        run.segment(0, 0, &first[20..]);
        run.segment(0, first.len() - 20, &stream);
        assert_eq!(run.finish(), expected());
    }
}

#[test]
fn behind_a_lost_segment_the_next_frame_with_sip_is_found() {
    let [one, two, three] = [0, 3, 6].map(|n| frame(0x81, true, messages()[n].as_bytes()));
    let mut run = Run::new(&Limits::default());
    run.segment(0, 0, &[HANDSHAKE.as_bytes(), &one, &two[..40]].concat());
    let at = HANDSHAKE.len() + one.len() + two.len();
    run.segment(1, at, &three);
    let given = run.finish();
    let texts: Vec<_> = given.iter().map(|(text, flaw)| (text.as_str(), *flaw)).collect();
    let [first, second, third] = &texts[..] else { panic!("{texts:?}") };
    let all = messages();
    assert_eq!((*first, *third), ((all[0].as_str(), None), (all[6].as_str(), None)));
    assert!(all[3].starts_with(second.0) && second.1 == Some(Flaw::BrokenOff), "{second:?}");
}

#[test]
fn an_impossible_length_smuggles_nothing_and_waits_for_nothing() {
    let message = messages()[0].clone().into_bytes();
    for length in [u64::MAX, 1 << 63, (1 << 32) + 32, 1 << 30] {
        let mut huge = std::vec![0x81, 127];
        huge.extend(length.to_be_bytes());
        huge.extend(&message);
        let mut run = Run::new(&Limits::default());
        run.segment(0, 0, &[HANDSHAKE.as_bytes(), &huge].concat());
        let text = messages()[0].clone();
        assert_eq!(run.given, [(text, Some(Flaw::ContentLength))], "{length}");
        run.finish();
    }
}

#[test]
fn http_that_is_no_sip_over_websocket_gives_nothing() {
    let other = HANDSHAKE.replace("chat, sip", "chat");
    let mut run = Run::new(&Limits::default());
    run.segment(0, 0, &[other.as_bytes(), &frame(0x81, true, b"hello")].concat());
    assert_eq!(run.finish(), []);
}

proptest! {
    #[test]
    fn hostile_frames_end(stream in prop::collection::vec(any::<u8>(), 0..600), cut in 0_usize..600) {
        let stream = [HANDSHAKE.as_bytes(), &stream].concat();
        let cut = cut.min(stream.len());
        let mut run = Run::new(&Limits::default());
        run.segment(0, 0, &stream[..cut]);
        run.segment(0, cut, &stream[cut..]);
        run.finish();
    }
}
