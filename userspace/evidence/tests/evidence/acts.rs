//! Who did what, in every line of the audit; acts outside of any session; directories of before.

use std::fs;
use std::path::Path;

use calltap_evidence::act;
use calltap_evidence::keys::KeyPair;
use calltap_evidence::session::{Rotation, Session};
use calltap_evidence::store::{Error, Store};
use calltap_evidence::trust::Trust;
use calltap_evidence::verify::{State, verify};
use calltap_evidence::warrant::Code;
use calltap_evidence::who::Who;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::{Court, START_NS, close_call, invite};
use crate::tamper::copy;

fn session(court: &Court) {
    let warrant = court.warrant("L1");
    let mut store = court.store(Rotation::default());
    store.audit_settings("{}").unwrap();
    store.admit(&warrant, 1).unwrap();
    invite(&mut store, &warrant, 1, 1, START_NS);
    close_call(&mut store, 1, 1);
    assert!(store.close().errors.is_empty());
}

fn lines(root: &Path) -> Vec<Value> {
    let text = fs::read_to_string(root.join("audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn note(court: &Court) -> Result<(), Error> {
    act::record(&court.root(), &court.node, "evidence-verified", &[("state", "whole")])
}

#[test]
fn each_line_of_the_audit_says_who_did_it_and_when() {
    let court = Court::new();
    session(&court);
    note(&court).unwrap();
    let lines = lines(&court.root());
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    let expected = [
        "session-started",
        "configuration",
        "case-opened",
        "measure-figures",
        "session-stopped",
        "evidence-verified",
    ];
    assert_eq!(events, expected);
    let who = serde_json::to_value(Who::here()).unwrap();
    for line in lines {
        assert_eq!(line["by"], who, "{line}");
        assert!(line["at"].as_str().unwrap().ends_with('Z'), "{line}");
    }
}

#[test]
fn an_act_outside_of_any_session_leaves_the_evidence_whole() {
    let court = Court::new();
    session(&court);
    for _ in 0..2 {
        note(&court).unwrap();
        court.assert_whole();
    }
    let store = court.store(Rotation::default());
    assert_eq!(store.mended(), []);
    assert!(matches!(note(&court), Err(Error::Locked { .. })));
    store.close();
    court.assert_whole();
}

#[test]
fn no_act_is_recorded_where_a_session_was_interrupted_or_a_line_was_changed() {
    let court = Court::new();
    session(&court);
    drop(court.store(Rotation::default()));
    let audit = court.root().join("audit.jsonl");
    assert!(matches!(note(&court), Err(Error::Unmended { .. })));
    court.store(Rotation::default()).close();

    fs::write(&audit, fs::read_to_string(&audit).unwrap().replacen("\"uid\"", "\"uie\"", 1))
        .unwrap();
    let changed = fs::read(&audit).unwrap();
    assert!(matches!(note(&court), Err(Error::Tampered { .. })));
    assert_eq!(fs::read(&audit).unwrap(), changed);
}

#[test]
fn what_the_audit_has_as_expired_is_not_executed_again_whatever_the_clock_says() {
    let court = Court::new();
    let warrant = court.warrant("L1");
    let trust = Trust::open(&court.path("trust")).unwrap();
    let mut store = court.store(Rotation::default());
    assert!(store.standing(&warrant, &trust).is_ok());
    store.admit(&warrant, 1).unwrap();
    store.activated(&warrant).unwrap();
    store.expired(&warrant).unwrap();
    store.close();
    // The clock is set back: by it, the warrant is in force.
    assert!(warrant.in_force(START_NS).is_ok());
    let mut store = court.store(Rotation::default());
    let refusal = store.standing(&warrant, &trust).unwrap_err();
    assert_eq!(refusal.code(), Code::Expired);
    store.refused(&refusal).unwrap();
    store.close();
    let lines = lines(&court.root());
    let refused = lines.iter().find(|line| line["event"] == "warrant-refused").unwrap();
    assert_eq!(refused["details"]["code"], "expired");
    assert_eq!(refused["details"]["warrant_sha256"], warrant.sha256());
    let ends = lines.iter().filter(|line| line["event"] == "warrant-expired").count();
    assert_eq!(ends, 1);
    court.assert_whole();
}

#[test]
fn nobody_records_an_act_with_another_nodes_key() {
    let court = Court::new();
    session(&court);
    let other = KeyPair::generate().unwrap();
    assert!(!act::is_node(&court.root(), &other));
    let refused = act::record(&court.root(), &other, "evidence-verified", &[]);
    assert!(matches!(refused, Err(Error::OtherNode { .. })));
}

/// A directory that a version wrote whose audit did not say who.
fn earlier() -> (TempDir, KeyPair, Trust) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evidence/earlier");
    let dir = TempDir::new().unwrap();
    copy(&data.join("evidence"), dir.path());
    let node = KeyPair::load(&data.join("node.key")).unwrap();
    (dir, node, Trust::open(&data.join("trust")).unwrap())
}

#[test]
fn a_directory_of_an_earlier_version_is_whole_and_goes_on() {
    let (dir, node, trust) = earlier();
    assert!(!fs::read_to_string(dir.path().join("audit.jsonl")).unwrap().contains("\"by\""));
    let is_whole = || verify(dir.path(), Some(&trust)).unwrap().state == State::Whole;
    assert!(is_whole());
    act::record(dir.path(), &node, "evidence-verified", &[]).unwrap();
    assert!(is_whole());
    let store = Store::open(dir.path(), node, Session::default(), Rotation::default()).unwrap();
    assert_eq!(store.mended(), []);
    store.close();
    assert!(is_whole());
}
