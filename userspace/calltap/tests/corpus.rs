//! `calltap replay` over captures that nobody here made.
//!
//! `CALLTAP_CORPUS` names the folder: captures in subfolders, and in `truth/*.json` what tshark
//! saw in those that have calls. Where it is unset the tests say so and pass.

mod desk;
mod foreign;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use desk::{Desk, EVER, tshark, words};
use foreign::{captures, corpus, hosts};
use serde_json::Value;

/// Captures where calltap and tshark count otherwise, and why. One that comes out equal must leave
/// this table; the tests of `calltap_proto` explain each packet.
const EXPLAINED: &[(&str, &str)] = &[(
    "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
    "fuzzed: messages with damaged start lines, no SIP to tshark, are kept and flagged; a Call-ID \
     with a NUL in it is another one; other users' registrations are not the target's",
)];

#[test]
fn every_capture_is_replayed_or_refused_with_its_name_and_an_offset() {
    let Some(corpus) = corpus() else { return };
    let desk = Desk::new();
    let (mut replayed, mut damaged) = (0, 0);
    for capture in captures(&corpus) {
        let _ = fs::remove_dir_all(desk.path("evidence"));
        let hosts = hosts(&capture);
        let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
        let warrant = desk.warrant("ALL", &hosts, EVER);
        let began = Instant::now();
        let mut command = desk.command();
        command.args(["replay", "--json", "--warrant", &warrant, "--trust", "trust"]);
        let output = command.args(["--evidence", "evidence"]).arg(&capture).output().unwrap();
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        let name = capture.display().to_string();
        assert!(began.elapsed() < Duration::from_secs(120), "{name} takes too long");
        match output.status.code() {
            Some(0) => replayed += 1,
            Some(1 | 2) => {
                assert!(says.contains(&name) && says.contains("offset "), "{name}: {says}");
                damaged += 1;
            }
            other => panic!("{name}: {other:?}: {}", words(&output)),
        }
        if output.status.code() != Some(2) {
            conserved(&serde_json::from_slice(&output.stdout).expect("JSON"), &name);
            desk.fine(&["verify", "evidence", "--trust", "trust"]);
        }
    }
    println!("{replayed} replayed, {damaged} damaged or foreign");
    assert!(replayed > 120, "{replayed}");
}

#[test]
fn a_callers_warrant_yields_exactly_what_tshark_saw_of_his_calls() {
    compare("from_uri");
}

#[test]
fn a_called_partys_warrant_yields_exactly_what_tshark_saw_of_his_calls() {
    compare("to_uri");
}

/// Replays each capture with calls under a warrant on each of the parties that this field of the
/// truth names, and counts the frames of each of their calls.
fn compare(party: &str) {
    let Some(corpus) = corpus() else { return };
    let (mut compared, mut differing) = (0, BTreeSet::new());
    for truth in truths(&corpus) {
        let file = truth["file"].as_str().unwrap_or_default();
        let mut parties: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for call in truth["calls"].as_array().into_iter().flatten() {
            parties.entry(call[party].as_str().unwrap_or_default()).or_default().push(call);
        }
        // In fuzzed captures some URIs name nobody, and then nobody can order their interception.
        parties.retain(|uri, _| calltap_proto::target::parse(uri).is_ok());
        for (uri, calls) in parties.into_iter().take(8) {
            let desk = Desk::new();
            let warrant = desk.warrant("PARTY", &[uri], EVER);
            let found = desk.replay(&corpus.join(file), &warrant, &[]);
            conserved(&found, file);
            decodes(&desk, &found, file);
            for call in calls {
                let kept = found["calls"].as_array().unwrap().iter();
                let kept = kept.filter(|it| it["call_id"] == call["call_id"]);
                let kept: Vec<_> = kept.map(|it| it["iri_packets"].clone()).collect();
                // tshark counts the frame that completes a message; the evidence has each that
                // forms part of one, so that it is whole (RFC 791 §3.2, RFC 3261 §18.3).
                let equal = kept == [call["sip_frames"].clone()]
                    || kept == [Value::from(frames_of(&corpus.join(file), &call["call_id"]))];
                if !equal {
                    println!("{file}: {uri}: {}: {kept:?}", call["call_id"]);
                    differing.insert(file.to_owned());
                }
                compared += 1;
            }
        }
    }
    println!("{compared} calls compared");
    assert!(compared > 1000, "{compared}");
    let explained: BTreeSet<_> = EXPLAINED.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(differing, explained);
}

/// How many frames formed the messages of a call, by what tshark says each was put together of, and
/// how many brought a part of one again.
fn frames_of(capture: &Path, call_id: &Value) -> usize {
    let fields = ["frame.number", "ip.fragment", "ipv6.fragment", "tcp.segment", "sip.Call-ID"];
    let seen = tshark(capture, "sip or ip.fragment or ipv6.fragment or tcp.segment", &fields);
    let call_id = call_id.as_str().unwrap_or_default();
    let parts = |number: &str| -> Vec<&str> {
        let of = seen.iter().filter(|fields| fields[0] == number);
        of.flat_map(|fields| fields[1..4].iter().flat_map(|list| list.split(','))).collect()
    };
    let mut frames = BTreeSet::new();
    let messages = seen.iter().filter(|fields| fields[4].contains(call_id));
    let mut waiting: Vec<&str> = messages.map(|fields| fields[0].as_str()).collect();
    while let Some(number) = waiting.pop() {
        // A part may be put together in its turn: a fragment in a tunnel that was fragmented.
        if !number.is_empty() && frames.insert(number) {
            waiting.extend(parts(number));
        }
    }
    frames.len() + repeats(capture, &frames)
}

/// How many other frames bring TCP payload that one of these has, in the innermost packet: sent
/// again, or seen at another place.
fn repeats(capture: &Path, frames: &BTreeSet<&str>) -> usize {
    let fields = [
        "frame.number",
        "tcp.seq_raw",
        "tcp.len",
        "ip.src",
        "ipv6.src",
        "tcp.srcport",
        "tcp.dstport",
    ];
    let seen = tshark(capture, "tcp.len > 0", &fields);
    let innermost = |list: &str| list.rsplit(',').next().unwrap_or_default().to_owned();
    let place = |fields: &[String]| {
        let number = |text: &String| innermost(text).parse::<u64>().expect("a number");
        let start = number(&fields[1]);
        let ends: Vec<_> = fields[3..].iter().map(|text| innermost(text)).collect();
        (ends, start, start + number(&fields[2]))
    };
    let (ours, others): (Vec<_>, Vec<_>) =
        seen.iter().partition(|fields| frames.contains(&*fields[0]));
    let ours: Vec<_> = ours.into_iter().map(|fields| place(fields)).collect();
    let again = others.into_iter().map(|fields| place(fields)).filter(|(ends, start, end)| {
        ours.iter().any(|(of, from, to)| of == ends && from < end && to > start)
    });
    again.count()
}

/// Every frame is accounted for.
fn conserved(found: &Value, name: &str) {
    let frames = &found["frames"];
    let count = |field: &str| frames[field].as_u64().unwrap();
    let lost: u64 = frames["lost"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    let explained = count("passed") + count("filtered") + count("delivered") + lost;
    assert_eq!(count("seen"), explained, "{name}: {frames}");
}

/// A default tshark finds in the volumes the RTP packets that the calls' streams count.
fn decodes(desk: &Desk, found: &Value, name: &str) {
    let calls = found["calls"].as_array().into_iter().flatten();
    let streams = calls.flat_map(|call| call["streams"].as_array().into_iter().flatten());
    let counted: u64 = streams.filter_map(|stream| stream["packets"].as_u64()).sum();
    let seen: usize = desk
        .volumes("evidence")
        .iter()
        .map(|it| tshark(it, "rtp.version == 2", &["frame.number"]).len())
        .sum();
    assert_eq!(u64::try_from(seen).unwrap(), counted, "{name}");
}

fn truths(corpus: &Path) -> impl Iterator<Item = Value> {
    let truths = foreign::truths(corpus).into_iter();
    truths.filter(|truth| truth["calls"].as_array().is_some_and(|calls| !calls.is_empty()))
}
