//! `calltap evidence export` of the calls of every capture of the corpus: each copy is whole, and
//! tshark, with its defaults, counts in it what the call's line counts.
//!
//! Copies with media are read by tshark one by one. Copies of signalling alone are read some hundreds
//! at a time where a capture has many calls, each as an interface of its own of one file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::desk::{Desk, EVER, tshark, words};
use super::export::rtp_packets;
use super::foreign;

/// Captures with a call that tshark counts otherwise in its copy than its line does, and why; the
/// tests of `corpus` explain what is kept of each.
const EXPLAINED: &[(&str, &str)] = &[
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "fuzzed: messages with damaged start lines, no SIP to tshark, are kept and flagged",
    ),
    (
        "ims-volte/open5gs-open5gs__volte.pcapng",
        "fragments that were seen inside of a tunnel and outside: in the copy tshark puts together \
         both, in the capture one",
    ),
    (
        "srtp-webrtc-ice/ntop-nDPI__stun.pcap",
        "media that no signalling tells of, which tshark takes for RTP by the STUN ahead of it: its \
         line has it among its flows, and not as a stream",
    ),
];

/// Where a capture has more calls than this, copies of signalling alone are read together.
const MANY: usize = 20;

/// Copies of signalling that tshark reads at once.
const AT_ONCE: usize = 250;

/// One capture has more than a thousand calls that differ in their numbers alone: of a capture with
/// more than this, every tenth is copied.
const SAMPLED: usize = 500;

/// What tshark sees in a copy: frames in which a message of the call is complete, and RTP packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    sip: u64,
    rtp: usize,
}

#[test]
fn each_call_of_the_corpus_is_copied_whole_and_decodes_as_its_line_counts_it() {
    let Some(corpus) = foreign::corpus() else { return };
    let truths = truths(&corpus);
    let (mut calls, mut differing) = (0, BTreeSet::new());
    for capture in foreign::captures(&corpus) {
        let file = capture.strip_prefix(&corpus).unwrap().display().to_string();
        let desk = Desk::new();
        let Some(found) = replayed(&desk, &capture, truths.get(&file)) else { continue };
        let lines = found["calls"].as_array().unwrap();
        let step = if lines.len() > SAMPLED { 10 } else { 1 };
        let lines: Vec<_> = lines.iter().step_by(step).collect();
        for (line, seen) in copied(&desk, &lines) {
            calls += 1;
            let expected =
                Seen { sip: signalling(line, truths.get(&file)), rtp: rtp_packets(line) };
            if seen != expected {
                println!("{file} {}: {seen:?}, and by its line {expected:?}", line["cin"]);
                differing.insert(file.clone());
            }
        }
    }
    println!("{calls} calls copied");
    assert!(calls > 700, "{calls}");
    let explained: BTreeSet<_> = EXPLAINED.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(differing, explained);
}

/// Replays a capture under a warrant for the parties of the calls that are known to be in it, or, where
/// none are known, for its most frequent addresses; none where it is no capture that can be read.
fn replayed(desk: &Desk, capture: &Path, truth: Option<&Value>) -> Option<Value> {
    let calls = truth.and_then(|truth| truth["calls"].as_array()).into_iter().flatten();
    let parties = calls.flat_map(|call| [call["from_uri"].as_str(), call["to_uri"].as_str()]);
    // In fuzzed captures some URIs name nobody.
    let parties = parties.flatten().filter(|uri| calltap_proto::target::parse(uri).is_ok());
    let mut targets: BTreeSet<String> = parties.map(str::to_owned).collect();
    if targets.is_empty() {
        targets = foreign::hosts(capture).into_iter().collect();
    }
    assert!(targets.len() <= 100, "more parties than a warrant may name");
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let warrant = desk.warrant("PARTY", &targets, EVER);
    let mut command = desk.command();
    command.args(["replay", "--json", "--warrant", &warrant, "--trust", "trust"]);
    // Volumes of five seconds, so that calls span several.
    command.args(["--evidence", "evidence", "-b", "duration:5"]);
    let output = command.arg(capture).output().expect("calltap runs");
    // What comes ahead of the damage in a damaged capture is evidence like any other.
    let found = serde_json::from_slice(&output.stdout);
    (output.status.code() != Some(2)).then(|| found.expect("a JSON object"))
}

/// Copies each of these calls; gives each with what tshark sees in its copy.
fn copied<'a>(desk: &Desk, lines: &[&'a Value]) -> Vec<(&'a Value, Seen)> {
    let mut all = Vec::new();
    let (alone, together): (Vec<_>, Vec<_>) = lines.iter().copied().partition(|line| {
        lines.len() <= MANY || line["streams"].as_array().is_none_or(|it| !it.is_empty())
    });
    for lines in alone.chunks(1).chain(together.chunks(AT_ONCE)) {
        let copies: Vec<_> = lines.iter().map(|line| copy(desk, line)).collect();
        all.extend(lines.iter().copied().zip(seen(desk, &copies, lines)));
        copies.iter().for_each(|copy| fs::remove_file(copy).unwrap());
    }
    all
}

/// The copy of a call, which must be whole: where it holds less than its line counts, the exit code
/// says so.
fn copy(desk: &Desk, line: &Value) -> PathBuf {
    let (name, out) = (format!("PARTY/{}", line["cin"]), format!("{}.pcapng", line["cin"]));
    desk.fine(&["evidence", "export", &name, "--out", &out]);
    desk.path(&out)
}

/// What tshark sees in copies, of one alone or of several that hold signalling.
fn seen(desk: &Desk, copies: &[PathBuf], lines: &[&Value]) -> Vec<Seen> {
    let merged = desk.path("merged");
    let file = match copies {
        [alone] => alone,
        several => {
            let mut merge = Command::new("mergecap");
            merge.args(["-I", "none", "-w"]).arg(&merged).args(several);
            let output = merge.output().expect("mergecap runs: scripts/setup installs it");
            assert!(output.status.success(), "{}", words(&output));
            &merged
        }
    };
    let fields = ["frame.interface_id", "sip.Call-ID", "rtp.version"];
    let mut counts = vec![Seen::default(); copies.len()];
    for frame in tshark(file, "sip or rtp.version == 2", &fields) {
        let number = if copies.len() == 1 { 0 } else { frame[0].parse().expect("a number") };
        let call_id = lines[number]["call_id"].as_str().unwrap();
        let is_rtp = frame[2].contains('2');
        let is_its_own =
            if call_id.is_empty() { frame[1].is_empty() } else { frame[1].contains(call_id) };
        counts[number].sip += u64::from(!is_rtp && is_its_own);
        counts[number].rtp += usize::from(is_rtp);
    }
    counts
}

/// How many frames complete a message of the call: as tshark saw in the capture, where it is known to
/// have the call, and else as many as its line counts.
fn signalling(line: &Value, truth: Option<&Value>) -> u64 {
    let known = truth.and_then(|truth| truth["calls"].as_array()).into_iter().flatten();
    let known = known.filter(|call| call["call_id"] == line["call_id"]);
    let stated: u64 = known.filter_map(|call| call["sip_frames"].as_u64()).sum();
    if stated > 0 { stated } else { line["iri_packets"].as_u64().unwrap() }
}

/// What tshark saw in captures, by their names.
fn truths(corpus: &Path) -> BTreeMap<String, Value> {
    let truths = foreign::truths(corpus).into_iter();
    truths.map(|it| (it["file"].as_str().unwrap_or_default().to_owned(), it)).collect()
}
