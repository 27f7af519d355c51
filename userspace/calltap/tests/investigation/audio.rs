//! `calltap evidence audio`: held, sample for sample, against a decoder of another making.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::desk::{Desk, EVER, tshark, words};
use super::made::hex;
use super::{foreign, replayed, wav};

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
    let is_g722 = stream["payload_type"] == 9;
    let law = |payload_type: &str| matches!(payload_type, "0" | "8");
    packets.retain(|it| if is_g722 { it[1] == "9" } else { law(&it[1]) } && !it[2].is_empty());
    let number = |it: &Vec<String>| it[0].parse::<u32>().expect("a time stamp");
    let first = packets.first().map_or(0, number);
    packets.sort_by_key(|it| number(it).wrapping_sub(first).cast_signed());
    packets.dedup_by_key(|it| it[0].clone());
    let line = |it: &Vec<String>| format!("{} {}\n", it[1], it[2].replace(':', ""));
    if is_g722 {
        let payloads = packets.iter().map(|it| it[2].replace(':', ""));
        return packets.iter().map(number).zip(g722(capture, payloads.collect())).collect();
    }
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

/// The samples of each payload by ffmpeg; of none without it.
fn g722(capture: &Path, payloads: Vec<String>) -> Vec<Vec<i16>> {
    let path = capture.with_extension("g722");
    fs::write(&path, hex(&payloads.concat())).unwrap();
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-f", "g722", "-i"]).arg(path).args(["-f", "s16le", "-"]);
    let Ok(output) = command.output() else {
        println!("SKIPPED: there is no ffmpeg");
        return Vec::new();
    };
    assert!(output.status.success(), "{}", words(&output));
    let mut samples = output.stdout.chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]]));
    payloads.iter().map(|it| samples.by_ref().take(it.len()).collect()).collect()
}

/// Whether every packet's samples stand in `side`, one packet after the other: by their time stamps,
/// of which a unit is `each` samples, and anew further on where a stream began its time stamps anew.
fn holds(side: &[i16], each: usize, packets: &[(u32, Vec<i16>)]) -> bool {
    let mut anchor: Option<(u32, usize)> = None;
    let mut done = 0;
    packets.iter().all(|(timestamp, samples)| {
        let is_at = |at: usize| side.get(at..at + samples.len()) == Some(samples);
        let expected = anchor.map(|(first, at)| at + timestamp.wrapping_sub(first) as usize * each);
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
        let (rate, sides) = wav(&desk.path("call.wav"));
        assert_eq!(rate, 8000);
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
            assert!(holds(&sides[side], 1, &packets), "{capture}: {stream}");
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
fn calls_of_the_corpus_are_heard_as_another_decoder_hears_them() {
    let Some(corpus) = foreign::corpus() else { return };
    let (mut equal, mut wrong) = (0, Vec::new());
    for truth in foreign::truths(&corpus) {
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
                it["encryption"] == "none" && matches!(it["payload_type"].as_u64(), Some(0 | 8 | 9))
            };
            if !streams.iter().any(|it| clear(&it)) {
                continue;
            }
            let name = format!("PARTY/{}", call["cin"]);
            desk.fine(&["evidence", "export", &name, "--out", "copy.pcapng"]);
            let said = desk.fine(&["evidence", "audio", &name, "--out", "call.wav"]);
            let (rate, sides) = wav(&desk.path("call.wav"));
            for stream in streams.iter().filter(clear) {
                let flow = format!("{} -> {}", stream["src"], stream["dst"]).replace('"', "");
                // Of two hops one is heard.
                let mut packets = decoded(&desk.path("copy.pcapng"), stream);
                // A source that begins anew within its last packet is heard from there on.
                let is_next = |it: &&Value| {
                    (&it["src"], &it["dst"]) == (&stream["src"], &stream["dst"])
                        && it["first"].as_str() > stream["first"].as_str()
                };
                if streams.iter().any(is_next) {
                    packets.pop();
                }
                if packets.is_empty() || said.contains(&format!("not heard  {flow}")) {
                    continue;
                }
                let is_g722 = stream["payload_type"] == 9;
                // Between the samples of a lower rate stand others.
                let (each, apart) = if is_g722 { (2, 1) } else { (1, rate as usize / 8000) };
                let side = |side: &Vec<i16>| side.iter().step_by(apart).copied().collect();
                let sides: [Vec<i16>; 2] = sides.each_ref().map(side);
                match sides.iter().any(|side| holds(side, each, &packets)) {
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
