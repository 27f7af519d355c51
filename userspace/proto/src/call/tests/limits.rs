//! Floods, changes of warrants, and the end of a capture.

use super::script::{self, message, note, warrant};
use crate::event::{Event, Kept};
use crate::packet::LinkType;
use crate::time::Timestamp;
use crate::{Limits, Tracker, made};
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec::Vec;

/// Feeds a script to a fresh tracker.
pub(super) fn run(script: &str, sink: &mut dyn FnMut(Event<'_>)) {
    let mut tracker = tracker(Limits::default());
    script.lines().for_each(|line| feed(&mut tracker, line, sink));
    tracker.finish(Timestamp::MAX, sink);
}

pub(super) fn tracker(limits: Limits) -> Tracker {
    let mut tracker = Tracker::new(limits);
    tracker.set_warrants(Vec::from([warrant()]));
    tracker
}

pub(super) fn feed(tracker: &mut Tracker, line: &str, sink: &mut dyn FnMut(Event<'_>)) {
    let seconds = line.split_whitespace().next().unwrap().parse().unwrap();
    let message = message(line);
    let frame = made::udp(&message.from, &message.to, message.text.as_bytes());
    tracker.feed(Kept::whole(script::nanos(seconds), 3, LinkType::Ethernet, &frame), sink);
}

pub(super) fn log_of(tracker: &mut Tracker, line: &str) -> String {
    let mut log = String::new();
    feed(tracker, line, &mut |event| note(&mut log, &event));
    log
}

#[test]
fn a_flood_of_strangers_leaves_nothing_behind() {
    let mut tracker = tracker(Limits::default());
    for n in 0..2000 {
        let line = format!("0 B>C INVITE 1 id={n} sdp=4000");
        let text = message(&line).text.replace("alice", "eve");
        let frame = made::udp("198.51.100.2:5060", "203.0.113.3:5060", text.as_bytes());
        tracker.feed(Kept::whole(Timestamp(0), 0, LinkType::Ethernet, &frame), &mut |_| {
            panic!("an event")
        });
    }
    assert_eq!(tracker.counters().strangers, 2000);
    // What may prove a target's is held for two seconds.
    assert_eq!(tracker.next_deadline(), Some(script::nanos(2.0)));
    tracker.tick(script::nanos(2.0), &mut |_| panic!("an event"));
    assert_eq!(tracker.next_deadline(), None);
}

#[test]
fn beyond_the_limit_the_call_nearest_its_end_makes_room() {
    let mut tracker = tracker(Limits { calls: 2, ..Limits::default() });
    log_of(&mut tracker, "0 A>B INVITE 1 id=one sdp=4000");
    log_of(&mut tracker, "1 B>A 200 INVITE 1 id=one sdp=5000");
    log_of(&mut tracker, "2 A>B MESSAGE 1 id=two");
    let log = log_of(&mut tracker, "3 A>B INVITE 1 id=three sdp=4200");
    assert!(log.starts_with("2 1/2 ended: TimedOut\n3 1/3 opened"), "{log}");
    assert_eq!(tracker.counters().calls_evicted, 1);
}

#[test]
fn endpoints_of_one_call_are_bounded() {
    let mut tracker = tracker(Limits { endpoints: 10, ..Limits::default() });
    let mut opened = 0;
    for fork in 0..50 {
        let line = format!("1 B>A 183 INVITE 1 tag={fork} sdp={}", 5000 + 2 * fork);
        feed(&mut tracker, &line, &mut |event| {
            opened += usize::from(matches!(event, Event::MediaOpened { .. }));
        });
    }
    assert_eq!(opened, 10);
}

#[test]
fn replaced_endpoints_of_one_call_are_bounded_and_the_oldest_close_first() {
    let mut tracker = tracker(Limits { endpoints: 10, ..Limits::default() });
    let mut open = Vec::new();
    let mut most = 0;
    for round in 0..50 {
        let described = format!("A>B INVITE {} sdp={}", round + 1, 5000 + 2 * round);
        for line in [described, format!("B>A 200 INVITE {}", round + 1)] {
            feed(&mut tracker, &format!("1 {line}"), &mut |event| match event {
                Event::MediaOpened { endpoint, .. } => open.push(endpoint),
                Event::MediaClosed { endpoint, .. } => assert_eq!(endpoint, open.remove(0)),
                _ => {}
            });
            most = most.max(open.len());
        }
    }
    assert_eq!(most, 14, "RTP and RTCP of two descriptions, and ten in their grace time");
    assert_eq!(tracker.counters().endpoints_evicted, 50 * 2 + 2 - 14);
}

#[test]
fn candidates_never_take_the_place_of_what_media_lines_name() {
    let mut tracker = tracker(Limits { endpoints: 10, ..Limits::default() });
    let candidates: Vec<_> = (0..30)
        .map(|nth| format!("candidate:1_1_UDP_5_192.0.2.1_{}_typ_host", 40_000 + nth))
        .collect();
    log_of(&mut tracker, &format!("0 A>B INVITE 1 sdp=4000 a={}", candidates.join("|")));
    let log = log_of(&mut tracker, "1 B>A 200 INVITE 1 sdp=5000");
    assert!(log.contains("+ 198.51.100.2:5000"), "{log}");
}

#[test]
fn a_withdrawn_warrant_ends_its_calls_and_a_kept_one_goes_on() {
    let mut tracker = tracker(Limits::default());
    log_of(&mut tracker, "0 A>B INVITE 1 sdp=4000");
    let mut without_content = warrant();
    without_content.content = false;
    tracker.set_warrants(Vec::from([without_content]));
    assert_eq!(tracker.next_deadline(), Some(Timestamp(0)));
    let mut log = String::new();
    tracker.tick(Timestamp(0), &mut |event| note(&mut log, &event));
    assert_eq!(log, "0 1/1 - 192.0.2.1:4000\n");
    tracker.set_warrants(Vec::from([warrant()]));
    let log = log_of(&mut tracker, "1 A>B INVITE 1 sdp=4000");
    assert_eq!(log, "1 1/1 + 192.0.2.1:4000\n1 1/1 INVITE\n");
    tracker.set_warrants(Vec::new());
    let log = log_of(&mut tracker, "2 A>B INVITE 1 sdp=4000");
    assert_eq!(log, "2 1/1 - 192.0.2.1:4000\n2 1/1 ended: WarrantEnded\n");
    tracker.set_warrants(Vec::from([warrant()]));
    let log = log_of(&mut tracker, "3 A>B INVITE 1 id=next sdp=4000");
    assert!(log.starts_with("3 1/1 opened"), "numbers begin where the caller says: {log}");
}

#[test]
fn deadlines_come_in_order_and_only_while_there_is_something_to_do() {
    let mut tracker = tracker(Limits::default());
    log_of(&mut tracker, "0 A>B INVITE 1 sdp=4000");
    log_of(&mut tracker, "1 B>A 486 INVITE 1");
    let mut log = String::new();
    let mut last = Timestamp(0);
    while let Some(deadline) = tracker.next_deadline() {
        assert!(deadline > last);
        last = deadline;
        tracker.tick(deadline, &mut |event| note(&mut log, &event));
    }
    assert_eq!(log, "6 1/1 - 192.0.2.1:4000\n1 1/1 ended: 486\n");
    assert_eq!(last, script::nanos(33.0));
}

#[test]
fn the_end_of_a_capture_ends_what_is_open() {
    let mut tracker = tracker(Limits::default());
    log_of(&mut tracker, "0 A>B INVITE 1 sdp=4000");
    let mut log = String::new();
    tracker.finish(Timestamp(2_000_000_000), &mut |event| note(&mut log, &event));
    assert_eq!(log, "2 1/1 - 192.0.2.1:4000\n2 1/1 ended: Finished\n");
}

proptest! {
    #[test]
    fn no_frame_makes_it_panic(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 0..10)
    ) {
        let mut tracker = tracker(Limits::default());
        for (n, frame) in frames.iter().enumerate() {
            tracker.feed(Kept::whole(Timestamp(n as u64), 0, LinkType::Ethernet, frame), &mut |_| {});
        }
        tracker.finish(Timestamp::MAX, &mut |_| {});
    }

    #[test]
    fn whatever_is_opened_is_closed_and_whatever_begins_ends(
        lines in proptest::collection::vec((0usize..14, 0u32..4, 0usize..3, 0u32..60), 0..40)
    ) {
        let messages = [
            "A>B INVITE", "A>B INVITE", "B>A 183 INVITE", "B>A 200 INVITE", "B>A 486 INVITE",
            "B>A 407 INVITE", "A>B ACK", "A>B CANCEL", "A>B BYE", "B>A 401 BYE", "A>P INVITE",
            "P>B INVITE", "A>B REGISTER", "B>A 200 REGISTER",
        ];
        let mut tracker = tracker(Limits::default());
        let mut open = std::collections::BTreeSet::new();
        let mut calls = std::collections::BTreeSet::new();
        let mut at = 0;
        let mut check = |event: Event<'_>| match event {
            Event::CallOpened { call, .. } => assert!(calls.insert(call)),
            Event::CallEnded { call, .. } => assert!(calls.remove(&call)),
            Event::MediaOpened { call, endpoint, .. } => {
                assert!(calls.contains(&call));
                open.insert((call, endpoint));
            }
            Event::MediaClosed { call, endpoint, .. } => assert!(open.remove(&(call, endpoint))),
            Event::Message { call, .. } => assert!(calls.contains(&call)),
            Event::Excluded { .. }
            | Event::Reassembled { .. }
            | Event::Late { .. }
            | Event::Body { .. } => {}
        };
        for (message, cseq, sdp, wait) in lines {
            at += wait;
            let sdp = ["", "sdp=4000", "sdp=4100 in"][sdp];
            feed(&mut tracker, &format!("{at} {} {cseq} {sdp}", messages[message]), &mut check);
        }
        tracker.finish(Timestamp::MAX, &mut check);
        assert!(open.is_empty() && calls.is_empty());
    }
}
