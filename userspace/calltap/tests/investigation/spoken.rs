//! A call between addresses of documentation, spoken in encodings of a test's choice.

use std::fs;
use std::path::Path;

use super::desk::{Desk, EVER};

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Party {
    Caller,
    Called,
}

/// When the call begins, in seconds since the Unix epoch.
const START: u32 = 1_795_449_840;

/// Writes the call of `sip:alice@example.net` as a classic pcap.
///
/// `offer` and `answer` are what the descriptions say from the `m=` line on, with ports 4000 and
/// 5000; each datagram of media comes at its time, in milliseconds after the answer.
fn capture(path: &Path, [offer, answer]: [&str; 2], media: &[(Party, u32, Vec<u8>)]) {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    let mut put = |at_ms: u32, (party, ports): (Party, [u16; 2]), payload: &[u8]| {
        let frame = frame(party, ports, payload);
        let length = u32::try_from(frame.len()).unwrap();
        for word in [START + at_ms / 1000, at_ms % 1000 * 1_000_000, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    };
    let sip = [5060, 5060];
    put(
        0,
        (Party::Caller, sip),
        &message("INVITE sip:bob@example.org SIP/2.0", "INVITE", 1, offer),
    );
    put(100, (Party::Called, sip), &message("SIP/2.0 200 OK", "INVITE", 2, answer));
    put(101, (Party::Caller, sip), &message("ACK sip:bob@example.org SIP/2.0", "ACK", 1, ""));
    for (party, at_ms, datagram) in media {
        let ports = match party {
            Party::Caller => [4000, 5000],
            Party::Called => [5000, 4000],
        };
        put(110 + at_ms, (*party, ports), datagram);
    }
    let end = 200 + media.last().map_or(0, |(_, at_ms, _)| *at_ms);
    put(end, (Party::Caller, sip), &message("BYE sip:bob@example.org SIP/2.0", "BYE", 1, ""));
    put(end + 1, (Party::Called, sip), &message("SIP/2.0 200 OK", "BYE", 2, ""));
    fs::write(path, file).unwrap();
}

/// A desk with the evidence of such a call.
pub(crate) fn replayed(descriptions: [&str; 2], media: &[(Party, u32, Vec<u8>)]) -> Desk {
    let desk = Desk::new();
    capture(&desk.path("call.pcap"), descriptions, media);
    let warrant = desk.warrant("CASE-1", &[super::ALICE], EVER);
    desk.replay(&desk.path("call.pcap"), &warrant, &[]);
    desk
}

/// An RTP packet (RFC 3550 §5.1).
pub(crate) fn rtp(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x80, payload_type];
    datagram.extend(sequence.to_be_bytes());
    datagram.extend(timestamp.to_be_bytes());
    datagram.extend([0xca, 0x11, 0x7a, payload_type]);
    datagram.extend(payload);
    datagram
}

fn message(start: &str, method: &str, host: u8, media: &str) -> Vec<u8> {
    let (sdp, content) = match media {
        "" => (String::new(), ""),
        media => (
            format!(
                "v=0\r\no=- 1 1 IN IP4 192.0.2.{host}\r\ns=-\r\nc=IN IP4 192.0.2.{host}\r\nt=0 0\r\n{media}"
            ),
            "Content-Type: application/sdp\r\n",
        ),
    };
    let tag = if start.starts_with("INVITE") { "" } else { ";tag=b" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{method}\r\n\
         Call-ID: spoken@192.0.2.1\r\nFrom: <sip:alice@example.net>;tag=a\r\n\
         To: <sip:bob@example.org>{tag}\r\nCSeq: 1 {method}\r\n{content}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}

/// Ethernet, IPv4 and UDP.
fn frame(party: Party, [from, to]: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let udp = u16::try_from(8 + payload.len()).unwrap();
    let (source, destination) = if party == Party::Caller { (1, 2) } else { (2, 1) };
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend((20 + udp).to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, source, 192, 0, 2, destination]);
    for word in [from, to, udp, 0] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend_from_slice(payload);
    frame
}
