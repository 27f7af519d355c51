//! Captures made by others, compared with what tshark recorded of them.
//!
//! `CALLTAP_CORPUS` names the folder: captures in subfolders, `truth/*.json` beside them.
//! Each capture is followed under one warrant for each caller that tshark saw, and again under one for
//! each called party; then SIP messages a Call-ID and packets an RTP stream announced by SDP must be
//! the same.
//! Where they are not, the difference stands in `corpus/known.rs` with its reason; one that is
//! gone must leave that table.

#[path = "corpus/capture.rs"]
mod capture;
#[path = "corpus/known.rs"]
mod known;
#[path = "corpus/truth.rs"]
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use calltap_proto::media::MediaTable;
use calltap_proto::packet::{self, Body, LinkType};
use calltap_proto::rtp::{PayloadClocks, Streams};
use calltap_proto::{CallKey, Event, Kept, Limits, Timestamp, Tracker, Warrant, target};

use capture::Frame;
use truth::{Party, Truth};

#[test]
fn warrants_on_callers_give_what_tshark_saw_of_every_capture() {
    compare(Party::Caller);
}

#[test]
fn warrants_on_called_parties_give_what_tshark_saw_of_every_capture() {
    compare(Party::Called);
}

/// Follows each capture with calls under warrants on these parties, and holds it against the truth.
fn compare(party: Party) {
    let Some(folder) = corpus() else { return };
    let mut found = BTreeSet::new();
    let mut compared = 0;
    for truth in truth::all(&folder) {
        if truth.calls.is_empty() {
            continue;
        }
        compared += 1;
        let frames = capture::frames(&folder.join(&truth.file)).expect("a readable capture");
        let seen = follow(&frames, &truth.parties(party));
        for difference in differences(&truth, party, &seen) {
            found.insert((truth.file.clone(), difference));
        }
        println!("{}: {} calls, {} streams", truth.file, truth.calls.len(), seen.streams.len());
    }
    let known: BTreeSet<_> =
        known::of(party).map(|(file, what)| (file.to_owned(), what.to_owned())).collect();
    for (file, what) in found.difference(&known) {
        println!("NEW: {file:?}, {what:?}");
    }
    for (file, what) in known.difference(&found) {
        println!("GONE: {file:?}, {what:?}");
    }
    assert!(compared > 30, "only {compared} captures with calls");
    assert_eq!(found, known);
}

#[test]
fn no_capture_makes_it_panic_or_leaves_a_call_open() {
    let Some(folder) = corpus() else { return };
    let everybody = ["ip:0.0.0.0/1", "ip:128.0.0.0/1", "ip:::/1", "ip:8000::/1"];
    let warrant =
        Warrant::on(1, everybody.iter().map(|text| target::parse(text).expect(text)).collect());
    let (mut files, mut frames) = (0, 0);
    for path in capture::files(&folder) {
        // A damaged file ends where the damage is; what stands ahead of it is fed.
        let Ok(capture) = capture::frames(&path) else { continue };
        let mut tracker = Tracker::new(Limits::default());
        tracker.set_warrants(vec![warrant.clone()]);
        let mut open = BTreeSet::new();
        let mut note = |event: Event<'_>| match event {
            Event::CallOpened { call, .. } => assert!(open.insert(call)),
            Event::CallEnded { call, .. } => assert!(open.remove(&call)),
            _ => {}
        };
        for frame in &capture {
            tracker.feed(Kept::whole(frame.at, 0, frame.link, &frame.bytes), &mut note);
        }
        tracker.finish(Timestamp::MAX, &mut note);
        assert!(open.is_empty(), "{}", path.display());
        files += 1;
        frames += capture.len();
    }
    println!("{files} files, {frames} frames");
    assert!(files > 100);
}

#[test]
fn every_torture_message_is_kept() {
    let Some(folder) = corpus() else { return };
    let warrant = Warrant::on(1, vec![target::parse("ip:192.0.2.1").expect("a target")]);
    let (mut messages, mut flawed) = (0, 0);
    for set in ["rfc4475", "rfc5118", "kamailio"] {
        for path in capture::all_files(&folder.join("sip-torture").join(set)) {
            let message = std::fs::read(&path).expect("a message");
            let mut tracker = Tracker::new(Limits::default());
            tracker.set_warrants(vec![warrant.clone()]);
            let mut kept = Vec::new();
            let frame = capture::udp(&message);
            tracker.feed(Kept::whole(Timestamp(0), 0, LinkType::Raw, &frame), &mut |event| {
                if let Event::Message { flaw, .. } = event {
                    kept.push(flaw);
                }
            });
            let [flaw] = kept[..] else { panic!("{}: {kept:?}", path.display()) };
            if let Some(flaw) = flaw {
                println!("{}: {flaw}", path.display());
                flawed += 1;
            }
            messages += 1;
        }
    }
    println!("{messages} messages, {flawed} flawed");
    assert!(messages > 40);
}

/// The folder, or plain words that there is none.
fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("CALLTAP_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: CALLTAP_CORPUS names no folder of captures");
    }
    folder
}

/// What was kept of a capture.
#[derive(Default)]
struct Seen {
    /// SIP messages by warrant and Call-ID.
    messages: BTreeMap<(u32, String), u64>,
    /// RTP packets by source, destination and SSRC.
    streams: BTreeMap<(String, String, u32), u64>,
}

/// Follows a capture under a warrant for each of these URIs.
fn follow(frames: &[Frame], targets: &BTreeSet<&str>) -> Seen {
    let mut tracker = Tracker::new(Limits::default());
    tracker.set_warrants(
        (0u32..)
            .zip(targets)
            .map(|(id, uri)| Warrant::on(id, target::parse(uri).into_iter().collect()))
            .collect(),
    );
    let mut seen = Seen::default();
    let mut call_ids: BTreeMap<CallKey, String> = BTreeMap::new();
    let mut media: MediaTable<CallKey> = MediaTable::new();
    let mut streams = Streams::with_limit(10_000);
    for frame in frames {
        let mut note = |event: Event<'_>| match event {
            Event::CallOpened { call, call_id, .. } => {
                call_ids.insert(call, String::from_utf8_lossy(call_id).into_owned());
            }
            Event::Message { call, .. } => {
                let call_id = call_ids.get(&call).cloned().unwrap_or_default();
                *seen.messages.entry((call.warrant, call_id)).or_default() += 1;
            }
            Event::MediaOpened { call, endpoint, .. } => media.open(endpoint, call),
            Event::MediaClosed { call, endpoint, .. } => {
                media.close(endpoint, |bound| *bound == call);
            }
            _ => {}
        };
        tracker.feed(Kept::whole(frame.at, 0, frame.link, &frame.bytes), &mut note);
        if let Some(Body::Udp(datagram)) = parse(frame.link, &frame.bytes) {
            let (from, to) = (datagram.source, datagram.destination);
            if media.lookup(from, to).next().is_some() {
                streams.feed(frame.at, from, to, datagram.payload, &PayloadClocks::new());
            }
        }
    }
    for stream in streams.iter() {
        let key = (stream.source.to_string(), stream.destination.to_string(), stream.ssrc);
        *seen.streams.entry(key).or_default() += stream.packets;
    }
    seen
}

fn parse(link: LinkType, frame: &[u8]) -> Option<Body<'_>> {
    packet::parse(link, frame).ok().map(|packet| packet.body)
}

fn differences(truth: &Truth, party: Party, seen: &Seen) -> Vec<String> {
    let mut differences = Vec::new();
    let warrants: BTreeMap<_, u32> = truth.parties(party).into_iter().zip(0..).collect();
    for call in &truth.calls {
        let key = (warrants[call.uri(party)], call.call_id.clone());
        let have = seen.messages.get(&key).copied().unwrap_or(0);
        if have != call.sip_messages {
            let want = call.sip_messages;
            let call_id: String = call.call_id.chars().take(40).collect();
            differences.push(format!("call {call_id}: {have} messages of {want}"));
        }
    }
    let mut expected: BTreeMap<_, u64> = BTreeMap::new();
    for stream in &truth.streams {
        let key = (stream.source.clone(), stream.destination.clone(), stream.ssrc);
        *expected.entry(key).or_default() += stream.packets;
    }
    let keys: BTreeSet<_> = expected.keys().chain(seen.streams.keys()).collect();
    for key in keys {
        let want = expected.get(key).copied().unwrap_or(0);
        let have = seen.streams.get(key).copied().unwrap_or(0);
        if have != want {
            let (from, to, ssrc) = key;
            differences.push(format!("stream {from} {to} {ssrc:#x}: {have} packets of {want}"));
        }
    }
    differences
}
