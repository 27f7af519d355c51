//! `calltap evidence audio`: held, sample for sample, against a decoder of another making.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::desk::{Desk, EVER, tshark, words};
use super::{foreign, replayed};

/// ITU-T G.711 §3 in another language: segments and steps as the recommendation has them, with
/// magnitudes of 13 (A) and 14 (µ) bits brought to 16.
const DECODER: &str = r"
import sys
def a_law(byte):
    byte ^= 0x55
    segment, step = byte >> 4 & 7, byte & 15
    value = 2 * step + 1 if segment == 0 else (2 * step + 33) << (segment - 1)
    return (value if byte & 0x80 else -value) << 3
def mu_law(byte):
    byte ^= 0xff
    segment, step = byte >> 4 & 7, byte & 15
    value = ((2 * step + 33) << segment) - 33
    return (-value if byte & 0x80 else value) << 2
law = {'0': mu_law, '8': a_law}
for line in sys.stdin:
    payload_type, payload = line.split()
    print(*(law[payload_type](byte) for byte in bytes.fromhex(payload)))
";

/// Both channels of a WAV, left first.
fn wav(path: &Path) -> [Vec<i16>; 2] {
    let mut reader = hound::WavReader::open(path).expect("a WAV");
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, 8000, 16));
    let samples: Vec<i16> = reader.samples().map(|it| it.expect("a sample")).collect();
    [0, 1].map(|side| samples.iter().skip(side).step_by(2).copied().collect())
}

/// The packets of a stream by another decoder: time stamp and samples, in order of time stamps,
/// each once; those of other encodings left out.
fn decoded(capture: &Path, stream: &Value) -> Vec<(u32, Vec<i16>)> {
    let (src, dst) = (stream["src"].as_str().unwrap(), stream["dst"].as_str().unwrap());
    let port = |end: &str| end.rsplit(':').next().unwrap().to_owned();
    let filter = format!(
        "rtp.ssrc == {} and udp.srcport == {} and udp.dstport == {}",
        stream["ssrc"].as_str().unwrap(),
        port(src),
        port(dst)
    );
    let mut packets = tshark(capture, &filter, &["rtp.timestamp", "rtp.p_type", "rtp.payload"]);
    packets.retain(|it| matches!(&*it[1], "0" | "8") && !it[2].is_empty());
    let number = |it: &Vec<String>| it[0].parse::<u32>().expect("a time stamp");
    let first = packets.first().map_or(0, number);
    packets.sort_by_key(|it| number(it).wrapping_sub(first).cast_signed());
    packets.dedup_by_key(|it| it[0].clone());
    let line = |it: &Vec<String>| format!("{} {}\n", it[1], it[2].replace(':', ""));
    let path = capture.with_extension("payloads");
    fs::write(&path, packets.iter().map(line).collect::<String>()).unwrap();
    let input = fs::File::open(&path).unwrap();
    let output = Command::new("python3").args(["-c", DECODER]).stdin(input).output();
    let output = output.expect("python3 runs");
    assert!(output.status.success(), "{}", words(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let samples = |line: &str| line.split(' ').map(|it| it.parse().expect("a sample")).collect();
    packets.iter().map(number).zip(text.lines().map(samples)).collect()
}

/// Whether every packet's samples stand in `side`, one packet after the other: by their time stamps,
/// and anew further on where a stream began its time stamps anew.
fn holds(side: &[i16], packets: &[(u32, Vec<i16>)]) -> bool {
    let mut anchor: Option<(u32, usize)> = None;
    let mut done = 0;
    packets.iter().all(|(timestamp, samples)| {
        let is_at = |at: usize| side.get(at..at + samples.len()) == Some(samples);
        let expected = anchor.map(|(first, at)| at + timestamp.wrapping_sub(first) as usize);
        let at =
            expected.filter(|at| is_at(*at)).or_else(|| (done..side.len()).find(|at| is_at(*at)));
        if let Some(at) = at {
            (anchor, done) = (Some((*timestamp, at)), at + samples.len());
        }
        at.is_some()
    })
}

#[test]
fn both_parties_are_heard_on_their_sides_as_another_decoder_hears_them() {
    for capture in ["calls.pcapng", "calls-tcp.pcapng"] {
        let desk = replayed(capture, &[]);
        desk.fine(&["evidence", "export", "1", "--out", "copy.pcapng"]);
        let said = desk.fine(&["evidence", "audio", "1", "--out", "call.wav"]);
        assert!(said.contains("\nleft       sip:alice@example.net, "), "{said}");
        let sides = wav(&desk.path("call.wav"));
        let shown = desk.fine(&["evidence", "show", "1", "--json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let caller = shown["messages"][0]["src"].as_str().unwrap().split(':').next().unwrap();
        let streams = shown["call"]["streams"].as_array().unwrap();
        assert_eq!(streams.len(), 2);
        for stream in streams {
            let packets = decoded(&desk.path("copy.pcapng"), stream);
            assert!(
                packets.len() >= 50 && packets.iter().all(|(_, it)| it.iter().any(|it| *it != 0))
            );
            let side = usize::from(!stream["src"].as_str().unwrap().starts_with(caller));
            assert!(holds(&sides[side], &packets), "{capture}: {stream}");
            // And nothing else: what is around them is silence.
            let sounds = packets.iter().map(|(_, it)| it.iter().filter(|it| **it != 0).count());
            let heard = sides[side].iter().filter(|it| **it != 0).count();
            assert_eq!(heard, sounds.sum::<usize>());
        }
        let output = desk.run(&["evidence", "audio", "1", "--out", "call.wav"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(words(&output).contains("call.wav is there already"));
        desk.fine(&["verify", "evidence"]);
    }
}

#[test]
fn a_call_of_which_nothing_can_be_heard_leaves_no_file() {
    let desk = Desk::new();
    let warrant = desk.iri_only_warrant("CASE-1", &[super::ALICE]);
    desk.replay(&super::pcap("calls.pcapng"), &warrant, &[]);
    let output = desk.run(&["evidence", "audio", "1", "--out", "call.wav"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("nothing of call CASE-1/1 can be heard"), "{}", words(&output));
    assert!(!desk.path("call.wav").exists());
}

#[test]
fn g711_calls_of_the_corpus_are_heard_as_another_decoder_hears_them() {
    let Some(corpus) = foreign::corpus() else { return };
    let mut truths: Vec<_> =
        fs::read_dir(corpus.join("truth")).unwrap().map(|it| it.unwrap().path()).collect();
    truths.sort();
    let (mut equal, mut wrong) = (0, Vec::new());
    for truth in truths {
        let truth: Value = serde_json::from_slice(&fs::read(&truth).unwrap()).unwrap();
        let file = truth["file"].as_str().unwrap_or_default().to_owned();
        let parties = truth["calls"].as_array().into_iter().flatten();
        let mut parties: Vec<_> = parties.filter_map(|call| call["from_uri"].as_str()).collect();
        parties.retain(|uri| calltap_proto::target::parse(uri).is_ok());
        parties.dedup();
        parties.truncate(8);
        if parties.is_empty() {
            continue;
        }
        let desk = Desk::new();
        let warrant = desk.warrant("PARTY", &parties, EVER);
        let found = desk.replay(&corpus.join(&file), &warrant, &[]);
        for call in found["calls"].as_array().unwrap() {
            let streams: Vec<_> = call["streams"].as_array().unwrap().iter().collect();
            let clear = |it: &&&Value| {
                it["encryption"] == "none" && matches!(it["payload_type"].as_u64(), Some(0 | 8))
            };
            if !streams.iter().any(|it| clear(&it)) {
                continue;
            }
            let name = format!("PARTY/{}", call["cin"]);
            desk.fine(&["evidence", "export", &name, "--out", "copy.pcapng"]);
            let said = desk.fine(&["evidence", "audio", &name, "--out", "call.wav"]);
            let sides = wav(&desk.path("call.wav"));
            for stream in streams.iter().filter(clear) {
                let flow = format!("{} -> {}", stream["src"], stream["dst"]).replace('"', "");
                // Of two hops one is heard.
                let packets = decoded(&desk.path("copy.pcapng"), stream);
                if packets.is_empty() || said.contains(&format!("not heard  {flow}")) {
                    continue;
                }
                match sides.iter().any(|side| holds(side, &packets)) {
                    true => equal += 1,
                    false => wrong.push(format!("{file} {name}: {}", stream["src"])),
                }
            }
            for file in ["copy.pcapng", "call.wav"] {
                fs::remove_file(desk.path(file)).unwrap();
            }
        }
    }
    println!("{equal} streams are equal");
    assert!(wrong.is_empty(), "{equal} are equal, and not:\n{}", wrong.join("\n"));
    assert!(equal >= 12, "{equal}");
}
