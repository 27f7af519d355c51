//! `calltap evidence list`, over evidence of captures and over ledgers of many calls.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use calltap_evidence::lines::{CallLine, StreamLine};
use serde_json::Value;

use super::desk::{Desk, words};
use super::{ALICE, replayed};

fn listed(desk: &Desk, more: &[&str]) -> Vec<Value> {
    let arguments = [&["evidence", "list", "evidence", "--json"], more].concat();
    let found: Value = serde_json::from_str(&desk.fine(&arguments)).expect("JSON");
    found["calls"].as_array().expect("calls").clone()
}

#[test]
fn the_calls_of_a_capture_are_listed_with_who_when_and_how_well() {
    let desk = replayed("calls.pcapng", &[]);
    let calls = listed(&desk, &[]);
    assert_eq!(calls.len(), 2);
    let first = &calls[0];
    for (field, expected) in [
        ("liid", Value::from("CASE-1")),
        ("cin", 1.into()),
        ("from", ALICE.into()),
        ("target", ALICE.into()),
        ("state", "ended".into()),
        ("cause", "bye".into()),
        ("streams", 2.into()),
        ("iri_packets", 6.into()),
        ("cc_packets", 200.into()),
        ("lost", 0.into()),
        ("encryption", vec!["none"].into()),
    ] {
        assert_eq!(first[field], expected, "{field}");
    }
    assert!(first["mos"].as_f64().unwrap() > 4.0 && first["duration_s"].as_f64().unwrap() > 2.0);
    let table = desk.fine(&["evidence", "list"]);
    assert!(table.contains("CASE-1/1 2026-11-23 20:16:14"), "{table}");
    assert!(table.contains(" alice@example.net "), "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
}

#[test]
fn calls_are_chosen_by_time_party_call_id_and_liid() {
    let desk = replayed("calls.pcapng", &[]);
    let call_id = listed(&desk, &[])[1]["call_id"].as_str().unwrap().to_owned();
    let cases: [(&[&str], usize); 10] = [
        (&["--from", "2026-11-23"], 2),
        (&["--to", "2026-11-23"], 2),
        (&["--from", "2026-11-24"], 0),
        (&["--to", "2026-11-23T20:16:14Z"], 0),
        (&["--from", "2026-11-23T20:16:16", "--to", "2026-11-23T20:16:16"], 2),
        (&["--party", "ALICE"], 2),
        (&["--party", "friend1"], 1),
        (&["--party", "nobody"], 0),
        (&["--call-id", &call_id], 1),
        (&["--liid", "CASE-1"], 2),
    ];
    for (filter, expected) in cases {
        assert_eq!(listed(&desk, filter).len(), expected, "{filter:?}");
    }
    for (wrong, says) in [
        (["--from", "noon"], "\"noon\" is no time: write 2026-11-23"),
        (["--liid", "CASE-2"], "has no LIID CASE-2"),
    ] {
        let output = desk.run(&[&["evidence", "list"], &wrong[..]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(words(&output).contains(says), "{}", words(&output));
    }
    let output = desk.run(&["evidence", "list", "trust"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("trust is no evidence directory"), "{}", words(&output));
}

#[test]
fn whoever_reads_the_first_line_only_is_no_error() {
    let desk = desk_of(&(1..=2000).map(call).collect::<Vec<_>>());
    let pipe = format!("{} evidence list | head -1; echo ${{PIPESTATUS[0]}}", program());
    let output = shell(&desk, &pipe);
    assert!(output.ends_with("\n0\n") && output.starts_with("CALL "), "{output}");
}

#[test]
fn names_from_the_network_cannot_draw_on_the_terminal() {
    let names = ["\u{1b}]0;owned\u{7}", "\u{9b}2J", "\u{202e}ecila", "a\nCASE-1/9 forged", "👩‍👩‍👧"];
    let calls: Vec<_> = (1..)
        .zip(names)
        .map(|(cin, name)| CallLine { from: format!("sip:{name}@example.net"), ..call(cin) })
        .collect();
    let desk = desk_of(&calls);
    for json in [&["--json"][..], &[]] {
        let text = desk.fine(&[&["evidence", "list"], json].concat());
        let hostile = |c: char| c != '\n' && calltap::evidence::inert::is_hostile(c);
        assert!(!text.contains(hostile), "{text:?}");
        assert_eq!(text.lines().count(), names.len() + usize::from(json.is_empty()), "{text}");
        assert!(text.contains("👩‍👩‍👧@example.net"), "{text}");
    }
    let listed = listed(&desk, &[]);
    let told: Vec<_> = listed.iter().map(|call| call["from"].as_str().unwrap()).collect();
    assert!(told.contains(&"sip:\u{1b}]0;owned\u{7}@example.net"), "JSON means what was sent");
}

#[test]
fn a_call_that_went_on_after_its_end_is_listed_once() {
    let part = |started: &str| CallLine { started: started.to_owned(), ..call(1) };
    let desk = desk_of(&[part("2026-11-23T16:05:00Z"), call(2), part("2026-11-23T16:30:00Z")]);
    let calls = listed(&desk, &[]);
    assert_eq!(calls.len(), 2);
    let first = calls.iter().find(|call| call["cin"] == 1).unwrap();
    assert_eq!(first["started"], "2026-11-23T16:05:00.000000000Z");
    assert_eq!((&first["iri_packets"], &first["streams"]), (&12.into(), &2.into()));
}

#[test]
fn a_large_ledger_is_indexed_outside_the_evidence_and_the_index_follows_it() {
    let mut calls: Vec<_> = (1..=20_000).map(call).collect();
    let desk = desk_of(&calls);
    let plain = desk.fine(&["evidence", "list", "--no-index"]);
    assert!(desk.files("cache").is_empty(), "--no-index leaves nothing");
    assert_eq!(desk.fine(&["evidence", "list"]), plain);
    let [index] = desk.files("cache").try_into().expect("one index");
    let first = fs::read(&index).unwrap();
    assert_eq!(desk.fine(&["evidence", "list"]), plain, "from the index");

    calls.push(call(20_001));
    write_ledger(&desk, &calls);
    assert_eq!(listed(&desk, &[]).len(), 20_001, "what was added is read behind it");
    assert_eq!(fs::read(&index).unwrap(), first, "a little more is not worth writing it anew");

    calls.iter_mut().for_each(|call| call.cause = "timed-out".to_owned());
    write_ledger(&desk, &calls);
    assert!(listed(&desk, &[]).iter().all(|call| call["cause"] == "timed-out"), "it is made anew");

    fs::write(&index, b"calltap index 1\nrubbish").unwrap();
    assert_eq!(listed(&desk, &[]).len(), 20_001, "a torn index is made anew");

    fs::rename(desk.path("evidence"), desk.path("moved")).unwrap();
    desk.fine(&["evidence", "list", "moved"]);
    let [moved] = desk.files("cache").try_into().expect("that of the ledger that is gone, too");
    assert_ne!(moved, index);
}

#[test]
fn what_is_sealed_is_listed_as_that_and_names_nobody() {
    let sealed = |cin| CallLine {
        liid: "CASE-1".to_owned(),
        cin,
        iri_packets: 6,
        cc_packets: 200,
        sealed: Some("YWdl".to_owned()),
        ..CallLine::default()
    };
    let desk = desk_of(&[sealed(1), call(2)]);
    let calls = listed(&desk, &[]);
    assert_eq!((&calls[0]["state"], &calls[0]["started"]), (&"sealed".into(), &Value::Null));
    assert_eq!((&calls[0]["cc_packets"], &calls[1]["state"]), (&200.into(), &"ended".into()));
    let table = desk.fine(&["evidence", "list"]);
    let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..5], ["CASE-1/1", "sealed", "-", "-", "-"], "{table}");
}

#[test]
fn the_index_is_forgotten_ahead_of_what_it_is_of() {
    let desk = desk_of(&(1..=20_000).map(call).collect::<Vec<_>>());
    desk.fine(&["evidence", "list"]);
    assert_eq!(desk.files("cache").len(), 1);
    desk.fine(&["authority", "new", "ours", "--out", "state/calltap"]);
    fs::rename(desk.path("state/calltap/ours.key"), desk.path("state/calltap/node.key")).unwrap();
    // Nothing here verifies, so nothing of it is destroyed; the index is made again at any time.
    let output = desk.run(&["evidence", "destroy", "CASE-1", "--reason", "over"]);
    assert!(words(&output).contains("nothing was destroyed"), "{}", words(&output));
    assert!(!output.status.success());
    assert!(desk.path("evidence/CASE-1/calls.jsonl").exists());
    assert!(desk.files("cache").is_empty());
}

/// Evidence as far as a listing looks at it: a ledger of calls, unsigned.
fn desk_of(calls: &[CallLine]) -> Desk {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("evidence/CASE-1")).unwrap();
    for file in ["node.pub", "audit.jsonl", "CASE-1/manifest.jsonl"] {
        fs::write(desk.path("evidence").join(file), "").unwrap();
    }
    write_ledger(&desk, calls);
    desk
}

fn write_ledger(desk: &Desk, calls: &[CallLine]) {
    let path = desk.path("evidence/CASE-1/calls.jsonl");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path).unwrap();
    let mut out = std::io::BufWriter::new(file);
    for call in calls {
        serde_json::to_writer(&mut out, call).unwrap();
        out.write_all(b"\n").unwrap();
    }
}

fn call(cin: u32) -> CallLine {
    let stream = StreamLine {
        encryption: "none".to_owned(),
        src: "192.0.2.1:4000".to_owned(),
        dst: "192.0.2.2:4000".to_owned(),
        mos: Some(4.4),
        ..StreamLine::default()
    };
    CallLine {
        liid: "CASE-1".to_owned(),
        cin,
        call_id: format!("{cin}@192.0.2.1"),
        from: ALICE.to_owned(),
        to: format!("sip:friend{cin}@example.net"),
        started: format!("2026-11-23T16:{:02}:{:02}.000000001Z", cin / 60 % 60, cin % 60),
        ended: format!("2026-11-23T17:{:02}:{:02}.000000001Z", cin / 60 % 60, cin % 60),
        cause: "bye".to_owned(),
        iri_packets: 6,
        streams: vec![stream],
        ..CallLine::default()
    }
}

fn program() -> &'static str {
    env!("CARGO_BIN_EXE_calltap")
}

fn shell(desk: &Desk, script: &str) -> String {
    let mut command = std::process::Command::new("bash");
    desk.at_desk(&mut command);
    let output = command.args(["-c", script]).output().expect("bash");
    words(&output)
}
