//! What neither an intruder nor an operator of the running program can have kept: what no warrant
//! in force asks for.
//!
//! They need root; without it they say so and pass.

mod capture;
mod desk;

use std::fs;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use calltap::lab::{CallPlan, Lab};
use capture::{Capture, conserved, laid};
use desk::{Desk, EVER, tshark, words};

const ALICE: &str = "sip:alice@example.net";

fn start(desk: &Desk, lab: &Lab) -> Capture {
    let command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    Capture::start(desk, command, lab.tap_interface(), &[])
}

fn bpftool(arguments: &str) -> Option<Output> {
    Command::new("bpftool").args(arguments.split(' ')).output().ok()
}

fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.split_whitespace().skip_while(|it| *it != word).nth(1)
}

/// The id of a process's endpoint map.
fn endpoints(process: u32) -> String {
    map(process, "ENDPOINTS")
}

/// The id of a process's map of this name.
fn map(process: u32, name: &str) -> String {
    for info in fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap().flatten() {
        let info = fs::read_to_string(info.path()).unwrap_or_default();
        let Some(id) = info.lines().find_map(|line| line.strip_prefix("map_id:")) else { continue };
        let shown = bpftool(&format!("map show id {}", id.trim())).expect("bpftool");
        if after(&words(&shown), "name") == Some(name) {
            return id.trim().to_owned();
        }
    }
    panic!("process {process} has no map {name}");
}

#[test]
fn an_endpoint_opened_behind_the_daemons_back_is_closed_within_a_second_and_audited() {
    let Some(lab) = laid() else { return };
    if bpftool("version").is_none() {
        println!("SKIPPED: there is no bpftool");
        return;
    }
    let desk = Desk::new();
    desk.warrant("ATHENS", &[ALICE], EVER);
    let capture = start(&desk, &lab);
    let map = endpoints(capture.id());
    // 198.51.100.77:16384, for ever.
    let key = "00 00 00 00 00 00 00 00 00 00 ff ff c6 33 64 4d 40 00 00 00";
    let value = "ff ff ff ff ff ff ff 7f";
    let opened = bpftool(&format!("map update id {map} key hex {key} value hex {value}"));
    assert!(opened.as_ref().unwrap().status.success(), "{}", words(&opened.unwrap()));
    sleep(Duration::from_secs(1));
    let left = words(&bpftool(&format!("map dump id {map}")).unwrap());
    assert!(left.contains("Found 0 elements"), "{left}");

    let plan = CallPlan { target_calls: 1, stranger_calls: 1, seconds: 1, ..CallPlan::default() };
    lab.place_calls(&plan).unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    assert_eq!(found["altered"], 1, "{found}");
    assert_eq!(found["calls"].as_array().unwrap().len(), 1, "{found}");
    assert!(log.contains("ALARM: 198.51.100.77:16384 was open under no warrant"), "{log}");
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    let line = audit.lines().find(|line| line.contains("data-plane-altered")).expect("audited");
    assert!(line.contains("foreign-endpoint") && line.contains("198.51.100.77"), "{line}");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn a_prefix_put_in_and_a_program_taken_off_are_undone_within_a_second_and_audited() {
    let Some(lab) = laid() else { return };
    if bpftool("version").is_none() {
        println!("SKIPPED: there is no bpftool");
        return;
    }
    let desk = Desk::new();
    desk.warrant("ATHENS", &[ALICE], EVER);
    let capture = start(&desk, &lab);
    // 198.51.100.0/24, for ever: 120 bits of a mapped address.
    let prefixes = map(capture.id(), "PREFIXES");
    let key = "78 00 00 00 00 00 00 00 00 00 00 00 00 00 ff ff c6 33 64 00";
    let value = "ff ff ff ff ff ff ff 7f";
    let opened = bpftool(&format!("map update id {prefixes} key hex {key} value hex {value}"));
    assert!(opened.as_ref().unwrap().status.success(), "{}", words(&opened.unwrap()));
    sleep(Duration::from_secs(1));
    let left = words(&bpftool(&format!("map dump id {prefixes}")).unwrap());
    assert!(left.contains("Found 0 elements"), "{left}");
    // The program off the interface.
    let links = words(&bpftool("link show").unwrap());
    let fdinfo = fs::read_dir(format!("/proc/{}/fdinfo", capture.id())).unwrap().flatten();
    let link = fdinfo
        .filter_map(|info| fs::read_to_string(info.path()).ok())
        .find(|info| info.contains("link_type:\txdp"))
        .unwrap_or_else(|| panic!("no link: {links}"));
    let id = after(&link, "link_id:").unwrap().to_owned();
    let detached = bpftool(&format!("link detach id {id}")).unwrap();
    assert!(detached.status.success(), "{}", words(&detached));
    sleep(Duration::from_secs(1));
    let plan = CallPlan { target_calls: 1, stranger_calls: 1, seconds: 1, ..CallPlan::default() };
    lab.place_calls(&plan).unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    assert_eq!(found["altered"], 2, "{found} {log}");
    assert_eq!(found["calls"].as_array().unwrap().len(), 1, "it captures again: {found} {log}");
    let codes: Vec<_> = desk
        .audit()
        .into_iter()
        .filter(|(event, _)| event == "data-plane-altered")
        .map(|(_, details)| details["code"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes, ["foreign-prefix", "program-detached"]);
}

#[test]
fn what_a_suspended_warrant_had_opened_leaves_the_kernel_at_once() {
    let Some(lab) = laid() else { return };
    if bpftool("version").is_none() {
        println!("SKIPPED: there is no bpftool");
        return;
    }
    let desk = Desk::new();
    let operator = desk.operator("olga");
    let file = desk.warrant("RESTS", &[ALICE, "ip:203.0.113.0/28"], EVER);
    let capture = start(&desk, &lab);
    let dump = |name| words(&bpftool(&format!("map dump id {}", map(capture.id(), name))).unwrap());
    let plan = CallPlan { target_calls: 1, stranger_calls: 0, seconds: 6, ..CallPlan::default() };
    let calls = lab.begin_calls(&plan).unwrap();
    sleep(Duration::from_secs(2));
    assert!(!dump("ENDPOINTS").contains("Found 0"), "{}", dump("ENDPOINTS"));
    assert!(dump("PREFIXES").contains("Found 1 element"), "{}", dump("PREFIXES"));
    let suspend = ["warrant", "suspend", &file, "--key", &operator, "--trust", "trust"];
    desk.fine(&[&suspend[..], &["--reason", "a fault"]].concat());
    capture.signal("-HUP");
    sleep(Duration::from_millis(300));
    for name in ["ENDPOINTS", "PREFIXES"] {
        assert!(dump(name).contains("Found 0 elements"), "{}", dump(name));
    }
    calls.finish().unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    assert!(found["altered"].is_null(), "what the program does itself is no alarm: {found}");
}

#[test]
fn a_daemon_that_is_frozen_when_its_warrant_ends_has_kept_nothing_past_the_end() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(8);
    desk.warrant("FROZEN", &[ALICE], (EVER.0, &end.to_string()));
    let capture = start(&desk, &lab);
    let plan = CallPlan { target_calls: 2, stranger_calls: 0, seconds: 10, ..CallPlan::default() };
    let calls = lab.begin_calls(&plan).unwrap();
    while end.duration_since(jiff::Timestamp::now()) > jiff::SignedDuration::from_secs(2) {
        sleep(Duration::from_millis(50));
    }
    capture.signal("-STOP");
    calls.finish().unwrap();
    capture.signal("-CONT");
    let sent = lab.mirrored().unwrap().sent;
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    conserved(&found, sent);

    let end = end.as_millisecond() as f64 / 1000.0;
    let mut times = Vec::new();
    for volume in desk.volumes("evidence") {
        let packets = tshark(&volume, "rtp", &["frame.time_epoch"]);
        times.extend(packets.iter().map(|fields| fields[0].parse::<f64>().unwrap()));
    }
    let last = times.into_iter().fold(0.0, f64::max);
    assert!(last > end - 1.0, "the kernel went on until the end: {last}, {end}");
    assert!(last <= end + 0.01, "{last} is past {end}");
}

#[test]
fn a_killed_daemon_leaves_no_program_behind() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("KILLED", &[ALICE], EVER);
    let capture = start(&desk, &lab);
    let shown = || {
        let shown = lab.command_in_tap("ip").args(["-d", "link"]).output();
        words(&shown.expect("ip"))
    };
    assert!(shown().contains("prog/xdp"), "{}", shown());
    capture.signal("-KILL");
    capture.wait();
    assert!(!shown().contains("prog/xdp"), "{}", shown());
}

#[test]
fn a_manifest_line_names_the_program_that_the_kernel_runs() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("PROGRAM", &[ALICE], EVER);
    let capture = start(&desk, &lab);
    let of_process = fs::read_dir(format!("/proc/{}/fdinfo", capture.id())).unwrap();
    let tags: Vec<_> = of_process
        .flatten()
        .filter_map(|info| {
            let info = fs::read_to_string(info.path()).unwrap_or_default();
            info.lines()
                .find_map(|line| line.strip_prefix("prog_tag:").map(|tag| tag.trim().to_owned()))
        })
        .collect();
    let plan = CallPlan { target_calls: 1, stranger_calls: 0, seconds: 1, ..CallPlan::default() };
    lab.place_calls(&plan).unwrap();
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    let manifest = fs::read(desk.path("evidence/PROGRAM/manifest.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let tag = line["program"]["tag"].as_str().unwrap();
    assert!(tags.iter().any(|known| known == tag), "{line} {tags:?}");
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    assert!(
        audit.contains(r#""map-settings":"mode: mirror\nsignalling ports: 5060\nendpoints"#),
        "{audit}"
    );
    let now_ns = jiff::Timestamp::now().as_nanosecond();
    let boot_ns = i128::from(calltap_xdp::clock::boot_ns());
    let offset_ns = i128::from(line["clock"]["offset_ns"].as_i64().unwrap());
    assert!((now_ns - boot_ns - offset_ns).abs() < 1_000_000_000, "{line}");
}
