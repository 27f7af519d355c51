//! Fragments that come too late, twice, or never.

use super::script::{message, note, warrant};
use crate::event::{Event, Kept};
use crate::packet::LinkType;
use crate::time::Timestamp;
use crate::{Limits, Tracker, made};
use std::string::String;
use std::vec;
use std::vec::Vec;

/// Feeds frames at their seconds, then lets the capture end; gives the log, in which a datagram
/// that may be media is named with the number of its frames.
fn log(frames: &[(u64, &[u8])]) -> (String, Tracker) {
    let mut tracker = Tracker::new(Limits::default());
    tracker.set_warrants(vec![warrant()]);
    let mut log = String::new();
    let mut sink = |event: Event<'_>| {
        let frames = match &event {
            Event::Message { frames, .. } | Event::Reassembled { frames, .. } => frames.len(),
            _ => 0,
        };
        note(&mut log, &event);
        if frames > 0 {
            log.truncate(log.trim_end().len());
            log += &std::format!(" in {frames}\n");
        }
    };
    let mut end = Timestamp(0);
    for (seconds, frame) in frames {
        end = Timestamp(seconds * 1_000_000_000);
        tracker.feed(Kept::whole(end, 0, LinkType::Ethernet, frame), &mut sink);
    }
    tracker.finish(end, &mut sink);
    (log, tracker)
}

/// An INVITE of the target's in three fragments of which the first names him.
fn invite() -> Vec<Vec<u8>> {
    let invite = message("0 A>B INVITE 1 sdp=4000");
    let payload = invite.text.as_bytes();
    made::fragments(&invite.from, &invite.to, payload, &[0, 120, 160, payload.len() + 8])
}

fn udp(line: &str) -> Vec<u8> {
    let message = message(line);
    made::udp(&message.from, &message.to, message.text.as_bytes())
}

#[test]
fn a_targets_datagram_that_never_becomes_whole_is_kept_and_flagged() {
    let parts = invite();
    for (there, end) in [([0, 1], 0), ([0, 2], 0), ([2, 0], 40), ([0, 0], 30)] {
        let [a, b] = there.map(|place| &parts[place][..]);
        let other = made::udp("203.0.113.9:9", "203.0.113.8:9", b"x");
        let (log, tracker) = log(&[(0, a), (0, b), (end, &other)]);
        let expected = "0 1/1 opened by From\n0 1/1 INVITE (fragments missing) in 2\n";
        assert!(log.starts_with(expected), "{there:?}: {log}");
        assert_eq!(tracker.counters().fragments_cut, 1);
    }
}

#[test]
fn a_strangers_datagram_that_never_becomes_whole_leaves_nothing() {
    let eve = |frame: &Vec<u8>| {
        let text = String::from_utf8_lossy(frame).replace("alice", "eve99");
        let mut changed = frame.clone();
        changed[42..].copy_from_slice(&text.as_bytes()[text.len() - frame.len() + 42..]);
        changed
    };
    let parts: Vec<_> = invite().iter().take(2).map(eve).collect();
    let (log, tracker) = log(&[(0, &parts[0]), (0, &parts[1]), (40, &parts[1])]);
    assert!(!log.contains("INVITE") && !log.contains("opened"), "{log}");
    assert_eq!(tracker.counters().fragments_cut, 0);
}

#[test]
fn the_late_fragment_of_a_targets_datagram_is_kept() {
    let parts = invite();
    let (log, tracker) = log(&[(0, &parts[0]), (0, &parts[1]), (50, &parts[2])]);
    let late = "0 1/1 INVITE (fragments missing) in 2\nlate of [CallKey { warrant: 1, cin: 1 }]\n";
    assert!(log.contains(late), "{log}");
    assert_eq!(tracker.counters().fragments_late, 1);
}

#[test]
fn a_cut_message_changes_nothing_in_its_call() {
    let parts = invite();
    let [invite, ok, ack, bye, done] = [
        "0 A>B INVITE 1 sdp=4000",
        "0 B>A 200 INVITE 1 sdp=5000",
        "0 A>B ACK 1 in",
        "0 A>B BYE 2 in",
        "0 B>A 200 BYE 2",
    ]
    .map(udp);
    let whole = [(1, &*invite), (2, &ok), (3, &ack), (20, &bye), (21, &done)];
    let frames = [&[(0, &*parts[0])][..], &whole, &[(31, &parts[1])]].concat();
    let (log, _) = log(&frames);
    assert_eq!(log.matches("opened").count(), 1, "{log}");
    assert_eq!(log.matches(" + ").count(), 2, "{log}");
    assert!(log.contains("0 1/1 INVITE (fragments missing) in 1\n"), "{log}");
    assert!(log.trim_end().ends_with("20 1/1 ended: Bye"), "{log}");
}

#[test]
fn a_datagram_repeated_by_the_mirror_is_told_of_and_counted() {
    let parts = invite();
    let frames: Vec<_> = parts.iter().chain(&parts).map(|part| (0, &part[..])).collect();
    let (log, tracker) = log(&frames);
    assert_eq!(log.matches("INVITE in 3\n").count(), 1, "{log}");
    assert_eq!(log.matches("late of [CallKey { warrant: 1, cin: 1 }]").count(), 3, "{log}");
    assert_eq!(tracker.counters().fragments_repeated, 3);
}

#[test]
fn cut_media_is_given_back_while_its_endpoint_is_open() {
    let [invite, ok, ack, bye] = [
        "0 A>B INVITE 1 sdp=4000",
        "0 B>A 200 INVITE 1 sdp=5000",
        "0 A>B ACK 1 in",
        "0 A>B BYE 2 in",
    ]
    .map(udp);
    let media = made::fragments("192.0.2.1:4000", "198.51.100.2:5000", &[0x80; 300], &[0, 80, 308]);
    let later = made::udp("203.0.113.9:9", "203.0.113.8:9", b"x");
    let frames = [(0, &*invite), (1, &ok), (2, &ack), (10, &media[0]), (11, &bye), (12, &media[1])];
    let (whole, _) = log(&frames);
    assert!(whole.contains("reassembled 300 in 2\n"), "{whole}");
    let frames = [(0, &*invite), (1, &ok), (2, &ack), (10, &media[0]), (11, &bye), (90, &later)];
    let (cut, _) = log(&frames);
    let given = cut.find("reassembled 72 in 1\n").unwrap_or_else(|| panic!("{cut}"));
    assert!(given < cut.find(" - 192.0.2.1:4000").expect("a closed endpoint"), "{cut}");
}
