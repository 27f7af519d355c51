//! What a warrant does not order is in no byte of the evidence, in whatever form it crossed the
//! wire, and what it orders is.

mod desk;

use std::fs;
use std::path::PathBuf;

use desk::{Desk, EVER, sum, tshark, words};
use serde_json::Value;

const ALICE: &str = "sip:alice@example.net";

/// Repeated where it stands, so that no cut hides it.
const CANARY: &str = "canary";

/// The mask of a WebSocket client.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn message(call: &str, method: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call}\r\n\
         From: <{ALICE}>;tag=a\r\nTo: <sip:bob@example.net>\r\nCall-ID: {call}\r\n\
         CSeq: 1 {method}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn text(call: &str) -> Vec<u8> {
    message(call, "MESSAGE", "text/plain", &CANARY.repeat(20))
}

/// A packet of IPv4 (RFC 791); `fragment` has the offset and whether more follow.
fn ip(protocol: u8, fragment: (usize, bool), payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 0];
    frame.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
    let flags = u16::try_from(fragment.0 / 8).unwrap() | u16::from(fragment.1) << 13;
    frame.extend([0x12, 0x34]);
    frame.extend(flags.to_be_bytes());
    frame.extend([64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend(payload);
    frame
}

fn datagram(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    [&[5060, 5060, length, 0].map(u16::to_be_bytes).concat(), payload].concat()
}

fn udp(payload: &[u8]) -> Vec<u8> {
    ip(17, (0, false), &datagram(payload))
}

fn fragments(payload: &[u8], size: usize) -> Vec<Vec<u8>> {
    let whole = datagram(payload);
    let parts = whole.chunks(size).enumerate();
    parts.map(|(nth, part)| ip(17, (nth * size, (nth + 1) * size < whole.len()), part)).collect()
}

fn tcp(port: u16, sequence: usize, payload: &[u8]) -> Vec<u8> {
    let mut segment = [port, 5060].map(u16::to_be_bytes).concat();
    segment.extend(u32::try_from(sequence).unwrap().to_be_bytes());
    segment.extend([0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    ip(6, (0, false), &segment)
}

fn websocket(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend(MASK);
    frame.extend(text.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A DATA chunk (RFC 9260 §3.3.1); `flags` say whether a message begins (2) and ends (1) there.
fn sctp(number: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = [5060, 5060].map(u16::to_be_bytes).concat();
    packet.extend([0, 0, 0, 9, 0, 0, 0, 0, 0, flags]);
    packet.extend(u16::try_from(16 + payload.len()).unwrap().to_be_bytes());
    packet.extend(number.to_be_bytes());
    packet.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    packet.extend(payload);
    packet.resize(packet.len().next_multiple_of(4), 0);
    ip(132, (0, false), &packet)
}

/// Every way in which a message may cross the wire, of each a message of its own.
fn ways(said: impl Fn(&str) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut frames = vec![udp(&said("udp")), udp(&said("udp"))];
    let mut cut = fragments(&said("fragments"), 160);
    cut.reverse();
    // One is mirrored twice, too late to be a part of it.
    cut.push(cut[0].clone());
    frames.extend(cut);
    let (one, other) = (said("segments"), said("pipelined"));
    let stream = [&one[..], &other, &said("third")].concat();
    let (a, b) = (one.len() - 50, one.len() + other.len() - 70);
    for (from, to) in [(0, a), (a, b), (a, b), (b, stream.len()), (0, a)] {
        frames.push(tcp(40_000, 1 + from, &stream[from..to]));
    }
    let stream = [websocket(&said("websocket")), websocket(&said("again"))].concat();
    for (nth, part) in stream.chunks(300).enumerate() {
        frames.push(tcp(40_001, 1 + 300 * nth, part));
    }
    let whole = said("chunks");
    let (first, last) = whole.split_at(whole.len() - 40);
    frames.extend([sctp(7, 2, first), sctp(8, 1, last), sctp(8, 1, last)]);
    frames
}

/// How many of their messages have a frame that no other message was given out with first.
const MESSAGES: usize = 7;

/// Writes frames a tenth of a second apart as a capture file.
fn capture(desk: &Desk, frames: &[Vec<u8>]) -> PathBuf {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    for (nth, frame) in (0_u32..).zip(frames) {
        let length = u32::try_from(frame.len()).unwrap();
        let at = [1_700_000_000 + nth / 10, nth % 10 * 100_000, length, length];
        at.iter().for_each(|word| file.extend(word.to_le_bytes()));
        file.extend(frame);
    }
    let path = desk.path("wire.pcap");
    fs::write(&path, file).unwrap();
    path
}

/// Where the canary stands, as it is or in a masked frame, among the evidence and the logs.
fn found(desk: &Desk, log: &[u8]) -> Vec<String> {
    let mut all: Vec<_> = desk.files("evidence").into_iter().collect();
    let logged = desk.path("log");
    fs::write(&logged, log).unwrap();
    all.push(logged);
    let masked = |phase: usize| -> Vec<u8> {
        CANARY
            .bytes()
            .zip(MASK.iter().cycle().skip(phase))
            .map(|(byte, mask)| byte ^ mask)
            .collect()
    };
    let forms: Vec<Vec<u8>> = (0..4).map(masked).chain([CANARY.into()]).collect();
    all.retain(|path| {
        let bytes = fs::read(path).unwrap();
        forms.iter().any(|form| bytes.windows(form.len()).any(|part| part == form))
    });
    all.iter().map(|path| path.display().to_string()).collect()
}

/// Replays with every detail logged.
fn replay(desk: &Desk, frames: &[Vec<u8>], warrant: &str, more: &[&str]) -> (Value, Vec<u8>) {
    let path = capture(desk, frames);
    let mut command = desk.command();
    command.env("RUST_LOG", "trace").arg("replay").arg(path).args(["--warrant", warrant]);
    command.args(["--trust", "trust", "--evidence", "evidence", "--json"]).args(more);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
    (serde_json::from_slice(&output.stdout).unwrap(), output.stderr)
}

#[test]
fn a_warrant_for_signalling_keeps_no_text_however_it_came() {
    let frames = ways(text);
    let desk = Desk::new();
    let warrant = desk.iri_only_warrant("IRI", &[ALICE]);
    let (told, log) = replay(&desk, &frames, &warrant, &[]);
    assert_eq!(found(&desk, &log), Vec::<String>::new());
    // Who wrote to whom stays, and no frame is missing.
    assert_eq!(sum(&told["volumes"], "packets"), frames.len() as u64, "{told}");
    assert_eq!(told["calls"].as_array().unwrap().len(), MESSAGES, "{told}");
    let volume = desk.volumes("evidence").remove(0);
    let filter = "sip.Method == MESSAGE && sip.from.user == alice && sip.Content-Type";
    let read = tshark(&volume, filter, &["sip.Call-ID"]);
    let mut calls: Vec<_> = read.iter().map(|it| it[0].clone()).collect();
    calls.sort();
    calls.dedup();
    for call in ["udp", "fragments", "segments"] {
        assert!(calls.iter().any(|it| it.contains(call)), "{call} in {calls:?}");
    }
    // Each packet that is not as it came says so, with the hash of what came.
    let hashes: Vec<_> =
        frames.iter().map(|frame| calltap_evidence::warrant::sha256(frame)).collect();
    let comments = tshark(&volume, "frame.comment contains \"masked\"", &["frame.comment"]);
    assert_eq!(sum(&told["volumes"], "masked"), comments.len() as u64);
    assert!(comments.len() >= MESSAGES);
    for comment in comments {
        let hash = comment[0].rsplit(' ').next().unwrap().to_owned();
        assert!(hashes.contains(&hash), "{comment:?}");
    }
}

#[test]
fn a_warrant_for_content_keeps_the_text_as_it_came() {
    let desk = Desk::new();
    let warrant = desk.warrant("ALL", &[ALICE], EVER);
    let frames = ways(text);
    let (told, log) = replay(&desk, &frames, &warrant, &[]);
    assert_eq!(sum(&told["volumes"], "masked"), 0);
    let files = found(&desk, &log);
    assert!(files.iter().any(|it| it.ends_with(".pcapng")), "{files:?}");
    assert!(files.iter().any(|it| it.ends_with("calls.jsonl")), "{files:?}");
}

/// An offer of SRTP whose key is the canary (RFC 4568).
fn offer(call: &str) -> Vec<u8> {
    let key = CANARY.repeat(7);
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:4\r\n"
    );
    message(call, "INVITE", "application/sdp", &sdp)
}

#[test]
fn keys_of_media_are_in_no_description_where_the_warrant_has_them_redacted() {
    let frames = ways(offer);
    for redact in [true, false] {
        let desk = Desk::new();
        let file = desk.draft("KEYS", &[ALICE], EVER);
        if redact {
            let path = desk.path(&file);
            let text = fs::read_to_string(&path).unwrap() + "sdes_keys = \"redact\"\n";
            fs::write(&path, text).unwrap();
        }
        desk.fine(&["warrant", "sign", &file, "--key", "keys/court.key"]);
        // Volumes of a second each: what is repeated at their heads is redacted too.
        let (told, log) = replay(&desk, &frames, &file, &["-b", "duration:1"]);
        assert!(sum(&told["volumes"], "carried") > 0, "{told}");
        assert_eq!(sum(&told["volumes"], "packets"), frames.len() as u64, "{told}");
        assert_eq!(found(&desk, &log).is_empty(), redact);
        assert_eq!(sum(&told["volumes"], "masked") > 0, redact);
        let volumes = desk.volumes("evidence");
        let suites: usize = volumes
            .iter()
            .map(|it| tshark(it, "sdp.crypto.crypto_suite", &["sip.Call-ID"]).len())
            .sum();
        assert!(suites > 0, "the suite can still be read");
    }
}
