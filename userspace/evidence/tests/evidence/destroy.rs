//! Evidence that was destroyed is told from evidence that is missing, by a certificate that stays.

use std::fs;

use calltap_evidence::destroy::{Error, destroy};
use calltap_evidence::session::Rotation;
use calltap_evidence::store;
use calltap_evidence::verify::State;
use serde_json::Value;

use crate::fixture::{Court, START_NS, close_call, files, invite, rtp};
use crate::script::by_script;
use crate::tamper::copy;

const REASON: &str = "the time set by law is over";

/// Two LIIDs with a call each.
fn two() -> Court {
    let court = Court::new();
    let warrants = [court.warrant("L1"), court.warrant("L2")];
    let mut store = court.store(Rotation::default());
    for (id, warrant) in (0..).zip(&warrants) {
        store.admit(warrant, id).unwrap();
        invite(&mut store, warrant, id, 1, START_NS);
        rtp(&mut store, warrant, id, 1, START_NS + 1, 1);
        close_call(&mut store, id, 1);
    }
    store.close();
    court
}

fn last_audit_line(court: &Court) -> Value {
    let audit = fs::read_to_string(court.root().join("audit.jsonl")).unwrap();
    serde_json::from_str(audit.lines().last().unwrap()).unwrap()
}

#[test]
fn what_was_destroyed_is_gone_and_its_certificate_says_what_it_was() {
    let court = two();
    let before: Vec<_> = files(&court.root().join("L1"));
    let gone = destroy(&court.root(), &court.node, "L1", REASON).unwrap();
    assert!(!court.root().join("L1").exists());
    assert_eq!((gone.packets, gone.calls, gone.files.len()), (2, 1, before.len() - 1));
    let report = court.verify();
    assert_eq!(report.state, State::Whole, "{:?}", report.breaks);
    assert_eq!((report.destroyed, report.counts.cases), (vec![gone], 1));
    assert_eq!(by_script(&court, &court.root()).0, "whole");

    let line = last_audit_line(&court);
    assert_eq!(line["event"], "evidence-destroyed");
    assert_eq!(
        (&line["details"]["liid"], &line["details"]["reason"]),
        (&"L1".into(), &REASON.into())
    );
    assert!(line["by"]["uid"].is_u64() && line["at"].is_string(), "{line}");
    let names: Vec<_> =
        line["destroyed"]["files"].as_array().unwrap().iter().map(|file| &file["file"]).collect();
    for name in [
        "L1_00001_20261123T160400Z.pcapng",
        "warrant.toml",
        "warrant.toml.minisig",
        "manifest.jsonl",
        "calls.jsonl",
    ] {
        assert!(names.contains(&&name.into()), "{name} {names:?}");
    }
    let audit = fs::read_to_string(court.root().join("audit.jsonl")).unwrap();
    for identity in ["alice", "3225550100", "call-1@"] {
        assert!(!audit.contains(identity), "the audit keeps no identity: {identity}");
    }
    let mut store = court.store(Rotation::default());
    let again = store.admit(&court.warrant("L1"), 1);
    assert!(matches!(again, Err(store::Error::Destroyed { .. })), "{again:?}");
    store.admit(&court.warrant("L2"), 2).unwrap();
    store.close();
    court.assert_whole();
}

#[test]
fn a_destruction_that_was_not_ended_is_told_and_the_next_session_ends_it() {
    let court = two();
    copy(&court.root().join("L1"), &court.path("copy"));
    destroy(&court.root(), &court.node, "L1", REASON).unwrap();
    copy(&court.path("copy"), &court.root().join("L1"));
    fs::remove_file(court.root().join("L1/warrant.toml")).unwrap();
    assert_eq!(court.verify().state, State::Interrupted);
    assert_eq!(by_script(&court, &court.root()).0, "interrupted");
    let store = court.store(Rotation::default());
    assert!(store.mended()[0].to_string().contains("its destruction was ended"));
    store.close();
    assert!(!court.root().join("L1").exists());
    court.assert_whole();
}

#[test]
fn nothing_is_destroyed_while_it_is_open_interrupted_altered_or_unknown() {
    let court = two();
    let refused = |liid: &str| destroy(&court.root(), &court.node, liid, REASON).unwrap_err();
    for liid in ["L3", "..", "", "audit.jsonl", "L1/../L2"] {
        assert!(matches!(refused(liid), Error::Unknown(_)), "{liid}");
    }
    let store = court.store(Rotation::default());
    assert!(matches!(refused("L1"), Error::NotWhole("open")));
    drop(store);
    assert!(matches!(refused("L1"), Error::NotWhole("interrupted")));
    court.store(Rotation::default()).close();
    let other = Court::new();
    let foreign = destroy(&court.root(), &other.node, "L1", REASON);
    assert!(matches!(foreign, Err(Error::Store(store::Error::OtherNode { .. }))), "{foreign:?}");
    fs::write(court.root().join("L2/warrant.toml"), "liid").unwrap();
    assert!(matches!(refused("L1"), Error::NotWhole("tampered")));
    assert!(court.root().join("L1").exists());
}

#[test]
fn evidence_that_is_missing_without_a_certificate_is_tampered_with() {
    let court = two();
    let audit = fs::read(court.root().join("audit.jsonl")).unwrap();
    let checkpoint = fs::read(court.root().join("checkpoint.json")).unwrap();
    destroy(&court.root(), &court.node, "L1", REASON).unwrap();
    fs::write(court.root().join("audit.jsonl"), audit).unwrap();
    fs::write(court.root().join("checkpoint.json"), checkpoint).unwrap();
    assert_eq!(court.verify().state, State::Tampered);
    assert_eq!(by_script(&court, &court.root()).0, "tampered");
}
