//! Dialogs that meet, cross, move on and last (RFC 3261 §12 to §15).

use super::limits::{feed, log_of, tracker};
use super::script::{events, nanos, note};
use crate::event::Event;
use crate::{CallKey, Limits};
use std::format;
use std::string::String;

#[test]
fn reinvites_that_cross_are_both_refused_and_leave_the_media_as_it_was() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         10 A>B INVITE 2 in sdp=4100
         10 B>A INVITE 2 by=B sdp=5100
         10.1 B>A 491 INVITE 2
         10.1 A>B 491 INVITE 2 by=B
         12 A>B INVITE 3 in sdp=4200
         12.1 B>A 200 INVITE 3 sdp=5000
         60 A>B BYE 4 in",
    );
    for ended in ["16 1/1 - 192.0.2.1:4100", "16 1/1 - 198.51.100.2:5100"] {
        assert!(!log.contains(&format!("\n{ended}\n")), "the grace time begins at 10.1: {log}");
    }
    assert!(log.contains("\n15.1 1/1 - 192.0.2.1:4100\n"), "{log}");
    assert!(log.contains("\n15.1 1/1 - 198.51.100.2:5100\n"), "{log}");
    assert!(log.contains("\n17.1 1/1 - 192.0.2.1:4000\n"), "{log}");
    assert!(log.contains("\n65 1/1 - 198.51.100.2:5000\n"), "{log}");
}

#[test]
fn an_offer_in_a_provisional_response_is_answered_in_its_prack() {
    let log = events(
        "0 A>B INVITE 1
         1 B>A 183 INVITE 1 sdp=5000
         1.1 A>B PRACK 2 in sdp=4000
         1.2 B>A 200 PRACK 2
         5 B>A 200 INVITE 1
         60 A>B BYE 3 in",
    );
    for (endpoint, at) in [("198.51.100.2:5000", 1.0), ("192.0.2.1:4000", 1.1)] {
        assert!(log.contains(&format!("\n{at} 1/1 + {endpoint}\n")), "{log}");
        assert!(log.contains(&format!("\n65 1/1 - {endpoint}\n")), "{log}");
    }
}

#[test]
fn a_controller_that_connects_two_parties_has_a_call_with_each() {
    // RFC 3725 flow I: the offer comes with the first party's answer.
    let log = events(
        "0 P>A INVITE 1 id=one
         1 A>P 200 INVITE 1 id=one sdp=4000
         1.1 P>B INVITE 1 id=two sdp=192.0.2.1:4000
         2 B>P 200 INVITE 1 id=two sdp=5000
         2.1 P>A ACK 1 id=one in sdp=198.51.100.2:5000
         2.2 P>B ACK 1 id=two in
         60 A>P BYE 9 id=one by=B
         60.1 P>B BYE 2 id=two in",
    );
    assert!(log.contains("\n2.1 1/1 + 198.51.100.2:5000\n2.1 1/1 ACK"), "{log}");
    assert!(log.contains("\n2 1/2 + 198.51.100.2:5000\n2 1/2 200"), "{log}");
    assert_eq!(log.matches("ended: Bye").count(), 2, "{log}");
}

#[test]
fn a_call_that_the_target_forwards_is_the_targets() {
    for header in ["Diversion", "History-Info"] {
        let log = events(&format!(
            "0 B>C INVITE 1 from=eve sdp=5000 h={header}:_<sip:alice@example.net>
             1 C>B 200 INVITE 1 from=eve sdp=6000
             9 B>C BYE 2 in from=eve"
        ));
        assert!(log.starts_with(&format!("0 1/1 opened by {header}")), "{log}");
        assert!(log.contains("1 1/1 + 203.0.113.3:6000"), "{log}");
    }
}

#[test]
fn a_call_of_twelve_hours_is_one_call() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         43200 A>B BYE 2 in",
    );
    assert!(log.contains("\n43200 1/1 ended: Bye"), "{log}");
    assert!(log.contains("\n43205 1/1 - 192.0.2.1:4000"), "{log}");
}

#[test]
fn a_call_lasts_while_its_media_is_seen_and_ends_when_that_is_silent() {
    let mut tracker = tracker(Limits::default());
    let call = CallKey { warrant: 1, cin: 1 };
    log_of(&mut tracker, "0 A>B INVITE 1 sdp=4000");
    log_of(&mut tracker, "1 B>A 200 INVITE 1 sdp=5000");
    let mut log = String::new();
    for hour in 0..100 {
        let at = nanos(2.0 + 3000.0 * f64::from(hour));
        tracker.tick(at, &mut |event| note(&mut log, &event));
        tracker.media_seen(call, at);
    }
    assert_eq!(log, "");
    tracker.tick(nanos(297_002.0 + 3599.0), &mut |event| note(&mut log, &event));
    assert_eq!(log, "");
    tracker.tick(nanos(297_002.0 + 3600.0), &mut |event| note(&mut log, &event));
    assert!(log.ends_with("\n297002 1/1 ended: TimedOut\n"), "{log}");
    tracker.media_seen(call, nanos(400_000.0));
    assert_eq!(tracker.next_deadline(), None);
}

#[test]
fn signalling_alone_keeps_a_call_whose_media_is_silent() {
    let mut tracker = tracker(Limits::default());
    log_of(&mut tracker, "0 A>B INVITE 1 sdp=4000");
    log_of(&mut tracker, "1 B>A 200 INVITE 1 sdp=5000");
    tracker.media_seen(CallKey { warrant: 1, cin: 1 }, nanos(2.0));
    // Session timers (RFC 4028).
    for n in 1..20 {
        let log = log_of(&mut tracker, &format!("{} A>B UPDATE {} in", n * 1800, n + 1));
        assert_eq!(log.lines().count(), 1, "{log}");
    }
}

#[test]
fn hold_by_the_unspecified_ipv6_address_keeps_the_endpoint_open() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         10 A>B INVITE 2 in sdp=:::4000
         11 B>A 200 INVITE 2 sdp=5000 a=inactive
         130 A>B BYE 4 in",
    );
    assert!(log.contains("\n135 1/1 - 192.0.2.1:4000"), "{log}");
    assert!(log.contains("\n135 1/1 - 198.51.100.2:5000"), "{log}");
}

#[test]
fn media_taken_away_by_port_zero_is_open_no_longer() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         10 A>B INVITE 2 in sdp=0
         11 B>A 200 INVITE 2 sdp=0
         130 A>B BYE 4 in",
    );
    assert!(log.contains("\n16 1/1 - 192.0.2.1:4000"), "{log}");
    assert!(log.contains("\n16 1/1 - 198.51.100.2:5000"), "{log}");
}

#[test]
fn candidates_are_open_as_long_as_their_line_is() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000 a=candidate:1_1_UDP_5_203.0.113.9_7000_typ_relay_raddr_10.0.0.1_rport_8000
         1 B>A 200 INVITE 1 sdp=5000
         60 A>B BYE 2 in",
    );
    assert!(log.contains("0 1/1 + 203.0.113.9:7000"), "{log}");
    assert!(log.contains("\n65 1/1 - 203.0.113.9:7000"), "{log}");
    assert!(!log.contains("10.0.0.1"), "{log}");
}

#[test]
fn what_descriptions_say_of_an_endpoint_reaches_its_terms() {
    let mut tracker = tracker(Limits::default());
    let mut terms = None;
    let line = "0 A>B INVITE 1 sdp=4000 a=crypto:1_AES_CM_128_HMAC_SHA1_80_inline:x|ice-ufrag:9uB6";
    feed(&mut tracker, line, &mut |event| {
        if let Event::MediaOpened { terms: said, .. } = event {
            terms = Some(said.clone());
        }
    });
    let terms = terms.expect("media");
    assert_eq!(terms.keying, crate::media::Keying::Sdes);
    assert_eq!(terms.ufrag.as_deref(), Some(&b"9uB6"[..]));
}

#[test]
fn a_fragment_of_a_message_in_a_notify_is_no_message() {
    // RFC 3515 §2.4.5: how a transfer goes is told as message/sipfrag.
    let message = super::script::message("5 A>B NOTIFY 4 in");
    let fragment = "SIP/2.0 486 Busy Here\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n";
    let text = message.text.replace(
        "Content-Length: 0\r\n\r\n",
        &format!(
            "Content-Type: message/sipfrag\r\nContent-Length: {}\r\n\r\n{fragment}",
            fragment.len()
        ),
    );
    let mut tracker = tracker(Limits::default());
    log_of(&mut tracker, "0 A>B INVITE 1 sdp=4000");
    log_of(&mut tracker, "1 B>A 200 INVITE 1 sdp=5000");
    let frames = [
        crate::made::udp(&message.from, &message.to, text.as_bytes()),
        crate::made::tcp(&message.from, &message.to, 1, crate::made::ACK, text.as_bytes()),
    ];
    for frame in frames {
        let mut log = String::new();
        let link = crate::packet::LinkType::Ethernet;
        let kept = crate::Kept::whole(nanos(5.0), 0, link, &frame);
        tracker.feed(kept, &mut |event| note(&mut log, &event));
        assert_eq!(log, "5 1/1 NOTIFY\n1/1 body message/sipfrag\n");
    }
}
