//! A call as a text, a message a line, and its events as a text.
//!
//! ```text
//! 0 A>B INVITE 1 sdp=4000
//! 2.5 B>A 200 INVITE 1 sdp=5000
//! ```
//!
//! Time in seconds, the hop, method or status and method, CSeq, and options: `sdp=PORT` (at the
//! sender's host) or `sdp=ADDRESS:PORT`, `a=` attributes parted by `|` with `_` for blanks, `tag=`
//! for the callee's and `ftag=` for the caller's, `in` for a request within the dialog, `by=B` for
//! one that B made, `id=` for another Call-ID, `from=` for another caller, `to=` for another
//! callee, `h=` for further header
//! fields written as attributes are, `branch=` and `expires=` for what they are.

use std::fmt::Write;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::event::{Cause, Event, Kept};
use crate::packet::LinkType;
use crate::target;
use crate::time::Timestamp;
use crate::warrant::{Side, Warrant};
use crate::{Joins, Limits, Tracker, made};

/// Alice is the target; her proxy is P, Bob and Carol are called, X is a stranger to them all.
const HOSTS: [(char, &str); 5] = [
    ('A', "192.0.2.1"),
    ('B', "198.51.100.2"),
    ('C', "203.0.113.3"),
    ('P', "192.0.2.100"),
    ('X', "203.0.113.66"),
];

pub(super) fn warrant() -> Warrant {
    Warrant::on(1, Vec::from([target::parse("sip:alice@example.net").unwrap()]))
}

/// The events of a script under one warrant.
pub(super) fn events(script: &str) -> String {
    events_under(&[warrant()], script)
}

pub(super) fn events_under(warrants: &[Warrant], script: &str) -> String {
    events_joined(warrants, Joins::default(), script)
}

pub(super) fn events_joined(warrants: &[Warrant], joins: Joins, script: &str) -> String {
    let mut tracker = Tracker::new(Limits::default());
    tracker.set_warrants(warrants.to_vec());
    tracker.set_joins(joins);
    let mut log = String::new();
    let mut last = 0.0;
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let message = message(line);
        last = message.seconds;
        let frame = made::udp(&message.from, &message.to, message.text.as_bytes());
        let sink = &mut |event: Event<'_>| note(&mut log, &event);
        tracker.feed(Kept::whole(nanos(last), 0, LinkType::Ethernet, &frame), sink);
    }
    tracker.finish(nanos(last + 86_400.0 * 2.0), &mut |event| note(&mut log, &event));
    log
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
pub(super) fn nanos(seconds: f64) -> Timestamp {
    Timestamp((seconds * 1e9) as u64)
}

pub(super) struct Scripted {
    seconds: f64,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) text: String,
}

/// A message from a line of a script.
pub(super) fn message(line: &str) -> Scripted {
    let mut words = line.split_whitespace();
    let seconds = words.next().and_then(|word| word.parse().ok()).expect("a time");
    let hop: Vec<char> = words.next().expect("a hop").chars().collect();
    let host = |name| HOSTS.iter().find(|(host, _)| *host == name).expect("a host").1;
    let (from, towards) = (host(hop[0]), host(hop[2]));
    let first = words.next().expect("a method or status");
    let status = first.parse::<u16>().ok();
    let method = if status.is_some() { words.next().expect("a method") } else { first };
    let cseq = words.next().expect("a CSeq");
    let options: Vec<_> = words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
    let option = |name: &str| options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);

    let callee = format!(";tag={}", option("tag").unwrap_or("b"));
    let known = option("in").is_some() || option("by").is_some() || status.is_some_and(|s| s > 100);
    let (caller, tag) = (option("from").unwrap_or("alice"), option("ftag").unwrap_or("a"));
    let alice = format!("<sip:{caller}@example.net>;tag={tag}");
    let to = option("to").unwrap_or("bob");
    let bob = format!("<sip:{to}@example.org>{}", if known { &callee } else { "" });
    let (caller, called) = if option("by").is_some() { (bob, alice) } else { (alice, bob) };
    let start = match status {
        Some(status) => format!("SIP/2.0 {status} Said"),
        None => format!("{method} sip:{to}@example.org SIP/2.0"),
    };
    let body = option("sdp").map_or(String::new(), |sdp| description(sdp, from, option("a")));
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let expires = option("expires").map_or(String::new(), |e| format!("Expires: {e}\r\n"));
    let via = option("branch")
        .map_or(String::new(), |b| format!("Via: SIP/2.0/UDP {from};branch={b}\r\n"));
    let fields: String = option("h").map_or(String::new(), |fields| {
        fields.split('|').map(|field| field.replace('_', " ") + "\r\n").collect()
    });
    let text = format!(
        "{start}\r\n{fields}{via}From: {caller}\r\nTo: {called}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
         {expires}{kind}Content-Length: {}\r\n\r\n{body}",
        option("id").unwrap_or("1"),
        body.len()
    );
    Scripted { seconds, from: format!("{from}:5060"), to: format!("{towards}:5060"), text }
}

fn description(sdp: &str, host: &str, attributes: Option<&str>) -> String {
    let (address, port) = sdp.rsplit_once(':').unwrap_or((host, sdp));
    let mut text = format!("v=0\r\nc=IN IP4 {address}\r\nm=audio {port} RTP/AVP 0\r\n");
    for attribute in attributes.unwrap_or_default().split('|').filter(|a| !a.is_empty()) {
        write!(text, "a={}\r\n", attribute.replace('_', " ")).unwrap();
    }
    text
}

/// An event as a line: time, call, what; RTCP endpoints are left out, being the next port.
pub(super) fn note(log: &mut String, event: &Event<'_>) {
    let second = |at: Timestamp| at.0 as f64 / 1e9;
    match event {
        Event::CallOpened { call, matched, at, joined, .. } => {
            let joined = joined.map_or(String::new(), |it| format!(" as {} is", it.cin));
            writeln!(log, "{} {call} opened by {}{joined}", second(*at), matched.header)
        }
        Event::Excluded { warrant, call, keep, at } => match call {
            Some(call) => writeln!(log, "{} {call} excluded: {keep:?}", second(*at)),
            None => writeln!(log, "{} excluded by {warrant}: {keep:?}", second(*at)),
        },
        Event::Message { call, at, start_line, flaw, .. } => {
            let start = String::from_utf8_lossy(start_line);
            let mut words = start.split(' ');
            let first = words.next().unwrap();
            let what = if first == "SIP/2.0" { words.next().unwrap() } else { first };
            let flaw = flaw.map_or(String::new(), |flaw| format!(" ({flaw})"));
            writeln!(log, "{} {call} {what}{flaw}", second(*at))
        }
        Event::MediaOpened { call, endpoint, at, kind, side, .. } => {
            if *kind == crate::MediaKind::Rtcp {
                return;
            }
            let side = if *side == Side::default() { String::new() } else { format!(" {side:?}") };
            writeln!(log, "{} {call} + {endpoint}{side}", second(*at))
        }
        Event::MediaClosed { call, endpoint, at } => {
            if endpoint.port() % 2 == 1 {
                return;
            }
            writeln!(log, "{} {call} - {endpoint}", second(*at))
        }
        Event::CallEnded { call, at, cause } => {
            let cause = match cause {
                Cause::Failed(status) => status.to_string(),
                cause => format!("{cause:?}"),
            };
            writeln!(log, "{} {call} ended: {cause}", second(*at))
        }
        Event::Reassembled { payload, .. } => writeln!(log, "reassembled {}", payload.len()),
        Event::Body { call, media_type, .. } => {
            writeln!(log, "{call} body {}", String::from_utf8_lossy(media_type))
        }
        Event::Late { calls, .. } => writeln!(log, "late of {calls:?}"),
    }
    .expect("room");
}

/// Compares texts line by line, whatever their indentation.
#[track_caller]
pub(super) fn expect(found: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect()
    };
    let (found, expected) = (lines(found), lines(expected));
    assert_eq!(found, expected, "\nfound:\n{}\n", found.join("\n"));
}
