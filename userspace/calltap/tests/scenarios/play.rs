//! A scenario played: replayed from a file or sent over a wire, and its evidence held against it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calltap::capture::CaptureFile;
use calltap_ebpf::headers::Stop;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use serde_json::Value;

use crate::desk::{Desk, EVER, tshark, words};
use crate::frames::{Frame, frames};
use crate::script::{Options, Script};
use crate::wire::{Wire, in_namespace};

/// When a replayed scenario begins.
const START_NS: u64 = 1_800_000_000_000_000_000;

/// Replays a scenario.
pub(crate) fn replay(script: &Script) -> Result<(), String> {
    let desk = desk(script);
    let frames = frames(script, START_NS);
    write(&desk.path("traffic.pcapng"), &frames);
    let mut command = desk.command();
    command.args(["replay", "traffic.pcapng", "--json", "--trust", "trust"]);
    command.args(["--evidence", "evidence", "--config", "config.toml"]);
    for number in 0..script.warrants.len() {
        command.args(["--warrant", &format!("warrants/W{number}.toml")]);
    }
    let output = command.output().expect("calltap runs");
    if output.status.code() != Some(0) {
        return Err(words(&output));
    }
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    hold(script, &desk, &frames, &found)
}

/// Sends a scenario over a wire, in its own time.
pub(crate) fn on_a_wire(script: &Script) -> Result<(), String> {
    let desk = Arc::new(desk(script));
    let frames = Arc::new(frames(script, 0));
    let (tell, told) = std::sync::mpsc::channel();
    {
        let (desk, frames) = (Arc::clone(&desk), Arc::clone(&frames));
        in_namespace(move || {
            let _ = tell.send(send(&desk, &frames));
        });
    }
    // Without the privilege nothing was sent, and the reason was printed.
    let Ok(output) = told.recv() else { return Ok(()) };
    if output.status.code() != Some(0) {
        return Err(words(&output));
    }
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    hold(script, &desk, &frames, &found)
}

fn send(desk: &Desk, frames: &[Frame]) -> std::process::Output {
    let wire = Wire::lay();
    let mut command = desk.command();
    command.args(["run", "--json", "--interface", "far", "--warrants", "warrants"]);
    command.args(["--trust", "trust", "--evidence", "evidence", "--config", "config.toml"]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("calltap");
    let mut log = BufReader::new(run.stderr.take().expect("piped"));
    let mut said = String::new();
    while !said.contains(calltap::run::CAPTURING) {
        assert!(log.read_line(&mut said).expect("a log") > 0, "calltap run ended: {said}");
    }
    let log = std::thread::spawn(move || log.lines().map_while(Result::ok).collect::<Vec<_>>());
    let start = Instant::now();
    for frame in frames {
        let due = Duration::from_nanos(frame.at_ns);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        wire.send(&frame.bytes);
    }
    std::thread::sleep(Duration::from_millis(300));
    let id = run.id().to_string();
    std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill");
    let output = run.wait_with_output().expect("an end");
    let _ = log.join();
    output
}

fn desk(script: &Script) -> Desk {
    let desk = Desk::new();
    for (number, (target, content)) in script.warrants.iter().enumerate() {
        let file = desk.draft(&format!("W{number}"), &[target], EVER);
        let path = desk.path(&file);
        let mut text = fs::read_to_string(&path).expect("a draft") + &script.order;
        if !content {
            text = text.replace("\"iri-and-content\"\n", "\"iri-only\"\n");
        }
        fs::write(&path, text).expect("a draft");
        desk.fine(&["warrant", "sign", &file, "--key", "keys/court.key"]);
    }
    fs::write(desk.path("config.toml"), &script.config).expect("settings");
    desk
}

/// Holds what was found against what the scenario says.
fn hold(script: &Script, desk: &Desk, frames: &[Frame], found: &Value) -> Result<(), String> {
    let counted = &found["frames"];
    let lost: u64 =
        counted["lost"].as_object().expect("lost").values().filter_map(Value::as_u64).sum();
    let parts = ["passed", "filtered", "delivered"].map(|name| counted[name].as_u64().expect(name));
    let seen = counted["seen"].as_u64().expect("seen");
    if seen != parts.iter().sum::<u64>() + lost || seen != frames.len() as u64 || lost > 0 {
        return Err(format!("{} frames sent, {counted}", frames.len()));
    }
    let mut wanted: BTreeMap<&[u8], i64> = BTreeMap::new();
    for frame in frames.iter().filter(|frame| frame.kept) {
        *wanted.entry(&frame.bytes).or_default() += 1;
    }
    // Where several warrants are executed, `expect` says what each has.
    for number in 0..script.warrants.len() {
        let mut balance = wanted.clone();
        let kept = kept(desk, &format!("evidence/W{number}"));
        let whole = script.warrants[number].1 && script.order.is_empty();
        for frame in &kept {
            // What the warrant does not order is overwritten.
            let came = |it: &&&[u8]| !whole && is_masked(it, frame);
            let frame = wanted.keys().find(came).copied().unwrap_or(frame);
            *balance.entry(frame).or_default() -= 1;
        }
        // What a volume repeats at its head was kept before.
        let volumes = found["volumes"].as_array().into_iter().flatten();
        let ours = volumes.filter(|it| it["liid"] == *format!("W{number}"));
        let mut carried: i64 = ours.filter_map(|it| it["carried"].as_i64()).sum();
        for (_, count) in balance.iter_mut().filter(|(frame, _)| wanted.contains_key(*frame)) {
            let repeated = (-*count).clamp(0, carried);
            *count += repeated;
            carried -= repeated;
        }
        let missing: Vec<_> = balance.iter().filter(|(_, count)| **count > 0).collect();
        let beyond: Vec<_> = balance.iter().filter(|(_, count)| **count < 0).collect();
        let one = script.warrants.len() == 1 && script.warrants[0].1;
        if !beyond.is_empty() || (one && !missing.is_empty()) {
            let told = |list: &[(&&[u8], &i64)]| {
                list.iter().take(4).map(|(bytes, _)| tell(bytes)).collect::<Vec<_>>().join("\n    ")
            };
            return Err(format!(
                "W{number}: {} frames kept; {} missing:\n    {}\n  {} beyond:\n    {}\n  {}",
                kept.len(),
                missing.len(),
                told(&missing),
                beyond.len(),
                told(&beyond),
                found["calls"]
            ));
        }
    }
    if !found["volumes"].as_array().expect("volumes").is_empty() {
        desk.fine(&["verify", "evidence", "--trust", "trust"]);
    }
    nowhere(script, desk)?;
    audited(script, desk)?;
    for (name, wanted) in &script.counted.0 {
        let counted = &found["signalling"][name];
        if counted.as_u64() != wanted.parse().ok() {
            return Err(format!("{name} is {counted}, not {wanted}: {}", found["signalling"]));
        }
    }
    let calls = found["calls"].as_array().expect("calls");
    for (name, fields) in &script.expected {
        let liid = fields.get("liid").unwrap_or("W0");
        let call = calls.iter().find(|it| it["call_id"] == **name && it["liid"] == *liid);
        if fields.has("absent") {
            if let Some(call) = call {
                return Err(format!("{name}: {call}"));
            }
            continue;
        }
        let call = call.ok_or_else(|| format!("no call {name} of {liid} in {calls:?}"))?;
        expect(call, fields)?;
        if let Some(wanted) = fields.get("comment") {
            commented(desk, liid, wanted)?;
        }
    }
    Ok(())
}

/// What must not be kept is in no file of the evidence.
fn nowhere(script: &Script, desk: &Desk) -> Result<(), String> {
    for path in desk.files("evidence") {
        let bytes = fs::read(&path).expect("a file");
        let has = |canary: &&Vec<u8>| bytes.windows(canary.len()).any(|part| part == **canary);
        if let Some(canary) = script.canaries.iter().find(has) {
            return Err(format!("{} in {}", String::from_utf8_lossy(canary), path.display()));
        }
    }
    Ok(())
}

/// The audit has each line that the scenario says.
fn audited(script: &Script, desk: &Desk) -> Result<(), String> {
    for (event, details) in &script.audited {
        let audit = desk.audit();
        let has = |found: &Value| details.0.iter().all(|(name, wanted)| found[name] == **wanted);
        if !audit.iter().any(|(name, found)| name == event && has(found)) {
            return Err(format!("no {event} with {details:?} in {audit:#?}"));
        }
    }
    Ok(())
}

/// Some packet of a warrant's has a comment with these words.
fn commented(desk: &Desk, liid: &str, wanted: &str) -> Result<(), String> {
    let mut comments = Vec::new();
    for volume in desk.volumes(&format!("evidence/{liid}")) {
        comments.extend(tshark(&volume, "frame.comment", &["frame.comment"]).concat());
    }
    if comments.iter().any(|comment| comment.contains(wanted)) {
        return Ok(());
    }
    Err(format!("no comment {wanted:?} in {comments:#?}"))
}

/// Whether `kept` is `came` with some bytes overwritten.
fn is_masked(came: &[u8], kept: &[u8]) -> bool {
    let same = |(came, kept): (&u8, &u8)| came == kept || *kept == calltap_proto::minimise::FILLER;
    came.len() == kept.len() && came.iter().zip(kept).all(same)
}

/// The frames in all volumes of a directory.
fn kept(desk: &Desk, directory: &str) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for volume in desk.volumes(directory) {
        let mut file = CaptureFile::open(&volume).expect("a volume");
        while let Some(frame) = file.next_frame().expect("a whole volume") {
            frames.push(frame.bytes.to_vec());
        }
    }
    frames
}

fn expect(call: &Value, fields: &Options) -> Result<(), String> {
    for (name, wanted) in &fields.0 {
        let found = match name.as_str() {
            "liid" | "comment" => continue,
            "header" => call["matched"]["header"].clone(),
            "target" => call["matched"]["target"].clone(),
            "iri" => call["iri_packets"].clone(),
            "cc" => call["cc_packets"].clone(),
            "streams" => call["streams"].as_array().map_or(0, Vec::len).into(),
            // A path: `streams.0.lost`.
            path => path.split('.').fold(call.clone(), |value, step| match step.parse::<usize>() {
                Ok(place) => value[place].clone(),
                Err(_) => value[step].clone(),
            }),
        };
        let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
        if text != *wanted {
            return Err(format!("{name} is {text}, not {wanted}: {call}"));
        }
    }
    Ok(())
}

/// A frame in words.
fn tell(bytes: &[u8]) -> String {
    let walked = calltap_proto::packet::walk(calltap_proto::packet::LinkType::Ethernet, bytes);
    let text = match walked {
        Ok(packet) => format!(
            "{}:{:?} to {}",
            std::net::IpAddr::from(packet.source),
            packet.ports,
            std::net::IpAddr::from(packet.destination)
        ),
        Err(Stop::NotIp) => "no IP".to_owned(),
        Err(stop) => format!("{stop:?}"),
    };
    let readable =
        String::from_utf8_lossy(&bytes[bytes.len().min(42)..]).chars().take(40).collect::<String>();
    format!("{text} {readable:?}")
}

fn write(path: &Path, frames: &[Frame]) {
    let mut writer = PcapNgWriter::new(fs::File::create(path).expect("a file")).expect("a capture");
    let interface = InterfaceDescriptionBlock {
        linktype: pcap_file::DataLink::ETHERNET,
        snaplen: 0,
        options: vec![InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO)],
    };
    writer.write_pcapng_block(interface).expect("an interface");
    for frame in frames {
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(frame.at_ns),
            original_len: u32::try_from(frame.bytes.len()).expect("a length"),
            data: frame.bytes.as_slice().into(),
            options: Vec::new(),
        };
        writer.write_pcapng_block(block).expect("a packet");
    }
}
