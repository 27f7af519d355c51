//! Messages as they are sent, and as they should not be.

use super::*;
use proptest::prelude::*;
use std::format;

const INVITE: &str = "INVITE sip:bob@example.org SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
    f: Alice <sip:alice@example.net>;tag=a\r\n\
    t: <sip:bob@example.org>\r\n\
    i: 1@192.0.2.1\r\n\
    CSeq: 7  INVITE\r\n\
    c: application/sdp\r\n\
    l: 5\r\n\
    \r\n\
    v=0\r\n";

#[test]
fn the_first_proxy_says_where_a_request_came_from() {
    let received = |vias: &str| {
        let text = format!("INVITE sip:bob@example.com SIP/2.0\r\n{vias}\r\n\r\n");
        Message::parse(text.as_bytes()).unwrap().received()
    };
    let near = Some([203, 0, 113, 7].into());
    let proxy = "Via: SIP/2.0/UDP proxy.example.net;received=192.0.2.1";
    assert_eq!(received(&format!("{proxy}\r\nv: SIP/2.0/UDP 10.0.0.5;received=203.0.113.7")), near);
    assert_eq!(
        received(&format!("{proxy}, SIP/2.0/UDP 10.0.0.5; Received = 203.0.113.7;rport")),
        near
    );
    assert_eq!(received(&format!("{proxy}\r\nVia: SIP/2.0/UDP 10.0.0.5")), None);
    assert_eq!(received("Via: SIP/2.0/UDP 10.0.0.5;received=example.net"), None);
    assert_eq!(
        received("Via: SIP/2.0/UDP 10.0.0.5;received=[2001:db8::1]"),
        "2001:db8::1".parse().ok()
    );
    assert_eq!(received("Subject: none"), None);
}

#[test]
fn a_message_has_its_parts_with_compact_names_too() {
    let message = Message::parse(INVITE.as_bytes()).unwrap();
    assert_eq!(message.start_line, b"INVITE sip:bob@example.org SIP/2.0");
    assert_eq!(message.call_id, Some(&b"1@192.0.2.1"[..]));
    assert_eq!(message.from, Some(&b"Alice <sip:alice@example.net>;tag=a"[..]));
    assert_eq!(message.cseq, Some(CSeq { number: 7, method: b"INVITE" }));
    assert_eq!(message.description(), Some(&b"v=0\r\n"[..]));
    assert_eq!(message.flaw, None);
    assert_eq!(message.fields().count(), 7);
}

#[test]
fn line_feeds_alone_and_empty_lines_ahead_are_tolerated() {
    let text = format!("\r\n\r\n{}", INVITE.replace("\r\n", "\n"));
    let text = text.replace("l: 5", "l: 4");
    let message = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(message.call_id, Some(&b"1@192.0.2.1"[..]));
    assert_eq!((message.body, message.flaw), (&b"v=0\n"[..], None));
}

#[test]
fn what_is_wrong_is_told_and_the_rest_is_read() {
    let at = |text| INVITE.find(text).unwrap();
    let cases: [(&str, &str, Flaw); 9] = [
        ("CSeq: 7  INVITE", "CSeq: 4294967296 INVITE", Flaw::CSeq { at: at("CSeq") }),
        ("CSeq: 7  INVITE", "CSeq: seven", Flaw::CSeq { at: at("CSeq") }),
        ("CSeq: 7  INVITE\r\n", "", Flaw::Missing("CSeq")),
        ("i: 1@192.0.2.1\r\n", "i:\r\n", Flaw::Missing("Call-ID")),
        ("t: <sip:bob@example.org>", "t <nobody>", Flaw::HeaderLine { at: at("t: <") }),
        ("l: 5", "l: -5", Flaw::ContentLength),
        ("l: 5", "l: 4294967301", Flaw::ShortBody { need: 4_294_967_301, have: 5 }),
        ("l: 5", "l: 6", Flaw::ShortBody { need: 6, have: 5 }),
        ("\r\n\r\nv=0\r\n", "", Flaw::NoHeaderEnd),
    ];
    for (what, instead, flaw) in cases {
        let text = INVITE.replace(what, instead);
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.flaw, Some(flaw), "{instead}");
        assert_eq!(message.from, Some(&b"Alice <sip:alice@example.net>;tag=a"[..]), "{instead}");
    }
}

#[test]
fn a_datagram_without_content_length_has_all_the_rest_as_body() {
    let text = INVITE.replace("l: 5\r\n", "");
    assert_eq!(Message::parse(text.as_bytes()).unwrap().body, b"v=0\r\n");
    let surplus = format!("{INVITE}surplus");
    assert_eq!(Message::parse(surplus.as_bytes()).unwrap().body, b"v=0\r\n");
}

#[test]
fn an_encoded_body_is_flagged_and_not_looked_into() {
    for (field, flaw) in [
        ("Content-Encoding: gzip", Some(Flaw::Encoded)),
        ("e: deflate", Some(Flaw::Encoded)),
        ("Content-Encoding: Identity", None),
    ] {
        let text = INVITE.replace("l: 5", &format!("{field}\r\nl: 5"));
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!((message.flaw, message.description().is_none()), (flaw, flaw.is_some()));
    }
}

#[test]
fn a_start_line_alone_is_a_message() {
    for text in ["SIP/2.0 200 OK", "SIP/2.0 200 OK\r\n", "SIP/2.0 200 OK\r\n\r\n"] {
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.start, StartLine::Response { status: 200 });
        assert_eq!(message.fields().count(), 0, "{text:?}");
        assert!(message.flaw.is_some());
    }
}

#[test]
fn a_binding_lasts_as_long_as_its_longest_contact() {
    let register = "SIP/2.0 200 OK\r\nContact: <sip:a@x>;expires=60\r\n\
        m: <sip:a@y;expires=9>;expires=\"120\"\r\nExpires: 90\r\n\r\n";
    assert_eq!(Message::parse(register.as_bytes()).unwrap().expires, Some(120));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::parse(&bytes);
        let _ = Message::parse(&[b"INVITE a SIP/2.0\r\n", bytes.as_slice()].concat());
    }

    #[test]
    fn a_message_cut_or_changed_anywhere_does_not_panic(
        cut in 0usize..INVITE.len(), at in 0usize..INVITE.len(), byte in any::<u8>()
    ) {
        let _ = Message::parse(&INVITE.as_bytes()[..cut]).map(|m| m.description().is_some());
        let mut changed = INVITE.as_bytes().to_vec();
        changed[at] = byte;
        let _ = Message::parse(&changed).map(|m| m.description().is_some());
    }
}
