//! A program that dies and is started again: its warrants and the calls in progress go on, and what
//! it could not see is said.
//!
//! They need root; without it they say so and pass.

mod capture;
mod desk;

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use calltap::lab::{CallPlan, Lab};
use capture::{Capture, laid};
use desk::{Desk, EVER, tshark, words};
use serde_json::Value;

const ALICE: &str = "sip:alice@example.net";

fn start(desk: &Desk, lab: &Lab) -> Capture {
    let command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    Capture::start(desk, command, lab.tap_interface(), &[])
}

/// The lines of a LIID's calls.
fn ledger(desk: &Desk, liid: &str) -> Vec<Value> {
    let text = fs::read_to_string(desk.path(&format!("evidence/{liid}/calls.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Ends the program by `signal` in the midst of calls and starts it again; gives the ledger of
/// calls and what the second one printed.
fn interrupted(signal: &str) -> Option<(Desk, Vec<Value>, Value)> {
    let lab = laid()?;
    let desk = Desk::new();
    desk.warrant("GO-ON", &[ALICE], EVER);
    let capture = start(&desk, &lab);
    let plan = CallPlan { target_calls: 2, stranger_calls: 2, seconds: 9, ..CallPlan::default() };
    let calls = lab.begin_calls(&plan).unwrap();
    sleep(Duration::from_secs(3));
    capture.signal(signal);
    capture.wait();
    let capture = start(&desk, &lab);
    let sent = calls.finish().unwrap().rtp_packets_per_side;
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");

    let events = desk.audit();
    let (_, told) = events.iter().find(|(it, _)| it == "calls-resumed").expect("audited");
    assert_eq!((&told["resumed"], &told["lost"]), (&"1, 2".into(), &"".into()), "{told}");
    let lines = ledger(&desk, "GO-ON");
    let resumed: Vec<_> = lines.iter().filter(|line| !line["interrupted"].is_null()).collect();
    assert_eq!(resumed.len(), 2, "{lines:?}");
    for line in &resumed {
        assert_eq!(line["cause"], "bye", "{line}");
        let kept = line["cc_packets"].as_u64().unwrap();
        assert!(
            kept > u64::from(sent) / 2 && kept < u64::from(2 * sent),
            "{kept} of {sent}: {line}"
        );
        assert_eq!(line["iri_packets"], 2, "its BYE and the answer, and nothing again: {line}");
        let (from, until) = (&line["interrupted"]["from"], &line["interrupted"]["until"]);
        assert!(from.as_str() < until.as_str(), "{line}");
    }
    // The volume of the second session decodes alone, and has nothing of strangers.
    let volumes = desk.volumes("evidence");
    let last = volumes.last().unwrap();
    let rtp = tshark(last, "rtp", &["rtp.ssrc"]).len();
    let kept: u64 = resumed.iter().map(|line| line["cc_packets"].as_u64().unwrap()).sum();
    assert_eq!(u64::try_from(rtp).unwrap(), kept, "{last:?}");
    let strangers = tshark(last, "sip.From contains \"stranger\"", &["frame.number"]);
    assert_eq!(strangers, Vec::<Vec<String>>::new());
    let verified = desk.run(&["verify", "evidence", "--trust", "trust"]);
    assert!(verified.status.code() == Some(0), "{}", words(&verified));
    Some((desk, lines, found))
}

#[test]
fn calls_go_on_after_the_program_was_killed() {
    let Some((_desk, lines, _)) = interrupted("-KILL") else { return };
    assert_eq!(lines.len(), 2, "one line a call: {lines:?}");
    let cins: Vec<_> = lines.iter().map(|line| line["cin"].as_u64().unwrap()).collect();
    assert!(cins == [1, 2] || cins == [2, 1], "{cins:?}");
}

#[test]
fn calls_go_on_after_the_program_was_stopped_in_order() {
    let Some((_desk, lines, found)) = interrupted("-TERM") else { return };
    let ended = lines.iter().filter(|line| line["cause"] == "capture-ended").count();
    assert_eq!((lines.len(), ended), (4, 2), "{lines:?}");
    assert_eq!(found["calls"].as_array().unwrap().len(), 2, "{found}");
}

#[test]
fn a_call_that_ended_while_nobody_looked_keeps_nothing_open_for_others() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("OVER", &[ALICE], EVER);
    let capture = start(&desk, &lab);
    let plan = CallPlan { target_calls: 1, stranger_calls: 0, seconds: 3, ..CallPlan::default() };
    let calls = lab.begin_calls(&plan).unwrap();
    sleep(Duration::from_secs(2));
    capture.signal("-KILL");
    capture.wait();
    calls.finish().unwrap();
    let capture = start(&desk, &lab);
    // Strangers talk on the ports that the target has left.
    let plan = CallPlan { target_calls: 0, stranger_calls: 3, seconds: 2, ..CallPlan::default() };
    lab.place_calls(&plan).unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    let lines = ledger(&desk, "OVER");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&line["iri_packets"], &line["cc_packets"]), (&0.into(), &0.into()), "{line}");
    assert_eq!(line["cause"], "capture-ended", "its end was not seen: {line}");
    assert!(!line["interrupted"].is_null(), "{line}");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn a_daemon_killed_before_its_warrant_ends_has_kept_nothing_past_the_end_nor_does_the_next() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(6);
    desk.warrant("KILLED", &[ALICE], (EVER.0, &end.to_string()));
    let capture = start(&desk, &lab);
    let plan = CallPlan { target_calls: 2, stranger_calls: 0, seconds: 9, ..CallPlan::default() };
    let calls = lab.begin_calls(&plan).unwrap();
    sleep(Duration::from_secs(2));
    capture.signal("-KILL");
    capture.wait();
    let capture = start(&desk, &lab);
    calls.finish().unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    let end = end.as_nanosecond() as f64 / 1e9;
    let mut times = Vec::new();
    for volume in desk.volumes("evidence") {
        let packets = tshark(&volume, "frame", &["frame.time_epoch"]);
        times.extend(packets.iter().map(|fields| fields[0].parse::<f64>().unwrap()));
    }
    let last = times.into_iter().fold(0.0, f64::max);
    assert!(last > end - 1.0, "the next one went on until the end: {last}, {end}");
    assert!(last <= end + 0.01, "{last} is past {end}");
    let expired = desk.audit().iter().filter(|(event, _)| event == "warrant-expired").count();
    assert_eq!(expired, 1);
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn a_clock_that_is_not_the_kernels_extends_nothing() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("SHIFTED", &[ALICE], EVER);
    for shift in ["86400", "-86400"] {
        let mut command = lab.command_in_tap("unshare");
        desk.at_desk(&mut command);
        command.args(["--time", "--fork", "--boottime", shift, env!("CARGO_BIN_EXE_calltap")]);
        command.args(["run", "--interface", lab.tap_interface(), "--warrants", "warrants"]);
        command.args(["--trust", "trust", "--evidence", "evidence", "--for", "1"]);
        let output = command.output().unwrap();
        let says = words(&output);
        if says.contains("unshare:") {
            println!("SKIPPED: no clock can be shifted by {shift} s here: {says}");
            continue;
        }
        assert_eq!(output.status.code(), Some(2), "{says}");
        assert!(says.contains("time namespace"), "{says}");
        assert!(!desk.path("evidence").exists());
    }
}
