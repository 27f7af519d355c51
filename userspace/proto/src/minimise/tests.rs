use std::string::String;
use std::vec;
use std::vec::Vec;

use super::{Masked, Rules, frames, late};
use crate::event::Kept;
use crate::made;
use crate::packet::LinkType;
use crate::time::Timestamp;

const CONTENT: Rules = Rules { content: true, keys: false, digits: false };
const KEYS: Rules = Rules { content: false, keys: true, digits: false };
const DIGITS: Rules = Rules { content: false, keys: false, digits: true };
const A: &str = "192.0.2.1:5060";
const B: &str = "192.0.2.2:5060";
const SECRET: &str = "the canary sings at noon";

fn message(method: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    std::format!(
        "{method} sip:bob@example.net SIP/2.0\r\nFrom: <sip:a@example.net>;tag=1\r\n\
         To: <sip:b@example.net>\r\nCall-ID: c-{length}\r\nCSeq: 1 {method}\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// What is left of each frame.
fn left(rules: Rules, message: &str, wire: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let kept: Vec<_> =
        wire.iter().map(|it| Kept::whole(Timestamp(0), 0, LinkType::Ethernet, it)).collect();
    let each = wire.iter().zip(frames(rules, message.as_bytes(), &kept));
    each.map(|(wire, masked)| {
        let Some(Masked { frame, count }) = masked else { return wire.clone() };
        let differ = frame.iter().zip(wire).filter(|(a, b)| a != b).count();
        assert!(count >= differ && frame.len() == wire.len());
        frame
    })
    .collect()
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}

fn websocket(text: &str, mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend(mask);
    frame.extend(text.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[test]
fn a_text_is_overwritten_and_its_header_stays() {
    let text = message("MESSAGE", "text/plain", SECRET);
    let [frame] = &left(CONTENT, &text, &[made::udp(A, B, text.as_bytes())])[..] else { panic!() };
    let expected = text.replace(SECRET, &"X".repeat(SECRET.len()));
    assert!(has(frame, &expected));
}

#[test]
fn a_description_stays_and_what_stands_beside_it_does_not() {
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let text = message("INVITE", "application/sdp", sdp);
    let wire = made::udp(A, B, text.as_bytes());
    assert_eq!(left(CONTENT, &text, std::slice::from_ref(&wire)), [wire]);
    let body = std::format!(
        "preamble {SECRET}\r\n--x\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n\
         --x\r\nContent-Type: text/plain\r\n\r\n{SECRET}\r\n--x--\r\nepilogue {SECRET}"
    );
    let text = message("INVITE", "multipart/mixed;boundary=x", &body);
    let [frame] = &left(CONTENT, &text, &[made::udp(A, B, text.as_bytes())])[..] else { panic!() };
    assert!(!has(frame, "canary") && has(frame, sdp) && has(frame, "\r\n--x--\r\n"));
}

#[test]
fn keys_that_were_pressed_are_overwritten_and_other_bodies_stay() {
    for kind in ["application/dtmf-relay", "Application/DTMF; x=y", "application/kpml-response+xml"]
    {
        let text = std::format!("{}{SECRET}", message("INFO", kind, SECRET));
        let [frame] = &left(DIGITS, &text, &[made::udp(A, B, text.as_bytes())])[..] else {
            panic!()
        };
        assert!(!has(frame, "canary") && has(frame, "Call-ID: c-"), "{kind}");
    }
    let parts = std::format!(
        "--x\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\n\
         --x\r\nContent-Type: text/plain\r\n\r\n{SECRET}\r\n--x--"
    );
    let text = message("INFO", "multipart/mixed;boundary=x", &parts);
    let [frame] = &left(DIGITS, &text, &[made::udp(A, B, text.as_bytes())])[..] else { panic!() };
    assert!(!has(frame, "Signal=5") && has(frame, SECRET));
    let text = message("MESSAGE", "text/plain", SECRET);
    let wire = made::udp(A, B, text.as_bytes());
    assert_eq!(left(DIGITS, &text, std::slice::from_ref(&wire)), [wire]);
    let broken = "INFO sip:alice@example.net\r\nContent-Type: application/dtmf\r\n\r\n7";
    let [frame] = &left(DIGITS, broken, &[made::udp(A, B, broken.as_bytes())])[..] else {
        panic!()
    };
    assert!(has(frame, "Content-Type: application/dtmf\r\nX"), "{frame:?}");
}

#[test]
fn bytes_behind_content_length_are_overwritten_too() {
    let text = std::format!("{}{SECRET}", message("MESSAGE", "text/plain", "hello"));
    let [frame] = &left(CONTENT, &text, &[made::udp(A, B, text.as_bytes())])[..] else { panic!() };
    assert!(!has(frame, "canary") && !has(frame, "hello"));
}

#[test]
fn however_a_stream_is_cut_no_segment_bears_the_text() {
    let (first, second) =
        (message("INFO", "text/plain", "first canary"), message("MESSAGE", "text/plain", SECRET));
    let stream = [first.as_bytes(), second.as_bytes()].concat();
    for cut in 1..stream.len() {
        let base = u32::MAX - 40;
        let order = base.wrapping_add(u32::try_from(cut).unwrap());
        let wire = [
            made::tcp(A, B, base, made::ACK, &stream[..cut]),
            made::tcp(A, B, order, made::ACK, &stream[cut..]),
            made::tcp(A, B, base, made::ACK, &stream[..cut]),
        ];
        let frames = left(CONTENT, &first, &wire);
        // The second message was given with the first one's frames, or has its own ones.
        let rest = left(CONTENT, &second, &wire[1..2]);
        for frame in frames.iter().chain(&rest) {
            assert!(!has(frame, "nary") && !has(frame, "sings"), "cut at {cut}");
        }
        let all: Vec<u8> = [frames[0].get(54..).unwrap(), frames[1].get(54..).unwrap()].concat();
        let header = &second[..second.len() - SECRET.len()];
        assert!(cut <= first.len() || has(&all, &header[..40]), "cut at {cut}");
        assert!(has(&all, &first[..first.len() - "first canary".len()]), "cut at {cut}");
    }
}

#[test]
fn however_a_datagram_is_cut_no_fragment_bears_the_text() {
    let text = message("MESSAGE", "text/plain", SECRET);
    let last = text.len() + 8;
    for cut in (8..last).step_by(8) {
        let wire = made::fragments(A, B, text.as_bytes(), &[0, cut, last]);
        let frames = left(CONTENT, &text, &wire);
        let all: Vec<u8> = [&frames[0][34..], &frames[1][34..]].concat();
        assert!(!has(&all, "canary"), "cut at {cut}");
        assert!(has(&all, &text[..text.len() - SECRET.len()]), "cut at {cut}");
    }
}

#[test]
fn a_masked_websocket_frame_says_x_where_the_text_was() {
    let mask = [7, 99, 200, 13];
    let text = message("MESSAGE", "text/plain", SECRET);
    let other = message("INFO", "application/dtmf", "5");
    let stream = [websocket(&text, mask), websocket(&other, mask)].concat();
    let wire = made::tcp(A, B, 1, made::ACK, &stream);
    let [frame] = &left(CONTENT, &text, &[wire])[..] else { panic!() };
    let masked = text.replace(SECRET, &"X".repeat(SECRET.len()));
    let other = [other.strip_suffix('5').unwrap(), "X"].concat();
    assert!(frame.ends_with(&[websocket(&masked, mask), websocket(&other, mask)].concat()));
}

#[test]
fn keys_are_overwritten_and_the_rest_of_their_lines_stays() {
    let sdp = "v=0\r\nk=base64:S0VZ\r\na=key-mgmt:mikey QUJDREVG\r\nm=audio 4000 RTP/SAVP 0\r\n\
        a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4;\
        inline:SECOND|2^20|2:4 FEC_ORDER=FEC_SRTP\r\na=crypto:2 X INLINE:THIRD";
    let text = message("INVITE", "application/sdp", sdp);
    let [frame] = &left(KEYS, &text, &[made::udp(A, B, text.as_bytes())])[..] else { panic!() };
    for secret in ["S0VZ", "QUJD", "d0Rm", "HAwJ", "SECOND", "THIRD"] {
        assert!(!has(frame, secret), "{secret}");
    }
    for kept in
        ["k=base64:X", "mikey X", "X|2^20|1:4;inline:XXXXXX|2^20|2:4 FEC_ORDER=FEC_SRTP\r\n"]
    {
        assert!(has(frame, kept), "{kept}");
    }
}

#[test]
fn what_cannot_be_read_is_overwritten_whole() {
    let zipped = message("INVITE", "application/sdp", SECRET)
        .replace("Content-Type", "Content-Encoding: gzip\r\nContent-Type");
    let garbage = std::format!("?? {SECRET}\r\nFrom: <sip:a@example.net>\r\n\r\n{SECRET}");
    for text in [zipped, garbage] {
        let [frame] = &left(CONTENT, &text, &[made::udp(A, B, text.as_bytes())])[..] else {
            panic!()
        };
        assert!(!has(frame, "canary") && has(frame, "From: <sip:a@example.net>"), "{text}");
    }
    let text = message("MESSAGE", "text/plain", "hello");
    let other = made::tcp(A, B, 1, made::ACK, SECRET.as_bytes());
    let [frame] = &left(CONTENT, &text, &[other])[..] else { panic!() };
    assert!(!has(frame, "canary"), "a frame that does not hold the message");
}

#[test]
fn a_frame_that_comes_late_bears_its_ends_alone() {
    let text = message("MESSAGE", "text/plain", SECRET);
    for wire in [
        made::tcp(A, B, 1, made::ACK, text.as_bytes()),
        made::fragments(A, B, text.as_bytes(), &[0, 64, text.len() + 8]).remove(0),
    ] {
        let Masked { frame, .. } =
            late(CONTENT, &Kept::whole(Timestamp(0), 0, LinkType::Ethernet, &wire)).unwrap();
        assert!(frame[..42] == wire[..42] && !has(&frame, "sip:"), "{frame:?}");
    }
}
