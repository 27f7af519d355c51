//! Calls that go on in a later session, or under another version of their warrant.

use std::string::String;

use super::script::{message, nanos, note, warrant};
use crate::event::{Event, Kept};
use crate::packet::LinkType;
use crate::warrant::CallKey;
use crate::{Limits, Tracker, made, target};

const CALL: CallKey = CallKey { warrant: 1, cin: 7 };

/// A tracker that has seen a call in an earlier session, as number 7.
fn resumed() -> Tracker {
    let mut tracker = Tracker::new(Limits::default());
    tracker.set_warrants([warrant()].into());
    tracker.remember(CALL, b"1");
    let log = play(&mut tracker, "0 A>B INVITE 1 sdp=4000\n1 B>A 200 INVITE 1 sdp=5000");
    assert!(log.contains("0 1/7 opened by From") && log.contains("1 1/7 + 198.51.100.2"), "{log}");
    tracker.doubt(CALL, nanos(2.0));
    tracker
}

fn play(tracker: &mut Tracker, script: &str) -> String {
    let mut log = String::new();
    for line in script.lines() {
        let message = message(line);
        let frame = made::udp(&message.from, &message.to, message.text.as_bytes());
        let at = nanos(line.trim().split_once(' ').unwrap().0.parse().unwrap());
        let sink = &mut |event: Event<'_>| note(&mut log, &event);
        tracker.feed(Kept::whole(at, 0, LinkType::Ethernet, &frame), sink);
    }
    log
}

#[test]
fn a_call_goes_on_under_the_number_that_it_had() {
    let log = play(&mut resumed(), "60 A>B INVITE 2 in sdp=4100");
    assert!(log.contains("60 1/7 + 192.0.2.1:4100") && log.contains("60 1/7 INVITE"), "{log}");
}

#[test]
fn an_endpoint_of_a_call_in_doubt_is_his_who_announces_it() {
    let mut tracker = resumed();
    let log = play(&mut tracker, "30 B>C INVITE 1 from=eve id=2 sdp=5000");
    assert_eq!(log, "30 1/7 - 198.51.100.2:5000\n");
    let log = play(&mut tracker, "31 C>B 200 INVITE 1 from=eve id=2 sdp=6000");
    assert_eq!(log, "", "what the call never had is not its loss");
}

#[test]
fn a_message_of_a_call_in_doubt_makes_it_certain() {
    let mut tracker = resumed();
    play(&mut tracker, "30 A>B INFO 2 in");
    assert_eq!(play(&mut tracker, "31 B>C INVITE 1 from=eve id=2 sdp=5000"), "");
}

#[test]
fn a_call_in_doubt_is_over_after_the_silence_of_one_with_media() {
    let mut tracker = resumed();
    let silence = Limits::default().media_silence.as_secs_f64();
    let mut log = String::new();
    tracker.tick(nanos(silence + 1.0), &mut |event| note(&mut log, &event));
    assert_eq!(log, "");
    tracker.tick(nanos(silence + 3.0), &mut |event| note(&mut log, &event));
    assert!(log.ends_with("1/7 ended: TimedOut\n"), "{log}");
}

#[test]
fn a_call_ends_when_its_warrant_names_its_target_no_longer() {
    let mut tracker = resumed();
    let mut other = warrant();
    other.targets = [target::parse("sip:carol@example.net").unwrap()].into();
    tracker.set_warrants([other].into());
    let mut log = String::new();
    tracker.tick(nanos(5.0), &mut |event| note(&mut log, &event));
    assert!(log.contains("5 1/7 - 192.0.2.1:4000"), "{log}");
    assert!(log.ends_with("5 1/7 ended: WarrantEnded\n"), "{log}");
}
