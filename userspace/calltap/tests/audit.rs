//! What the audit says of the program's own acts.

mod desk;

use std::fs;
use std::path::Path;

use desk::{Desk, EVER, words};
use serde_json::Value;

const ALICE: &str = "sip:alice@example.net";

fn calls() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../pcaps/calls.pcapng"))
}

/// A desk with the evidence of one replay.
fn replayed() -> Desk {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    desk.replay(calls(), &warrant, &[]);
    desk
}

fn audit(desk: &Desk) -> Vec<Value> {
    let text = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(desk: &Desk, name: &str) -> Vec<Value> {
    audit(desk).into_iter().filter(|line| line["event"] == name).collect()
}

#[test]
fn a_verification_on_the_node_is_recorded_and_one_elsewhere_says_that_it_is_not() {
    let desk = replayed();
    let verify = |more: &[&str]| {
        let printed = desk.fine(&[&["verify", "evidence", "--json"], more].concat());
        serde_json::from_str::<Value>(&printed).unwrap()
    };
    assert_eq!(verify(&[])["recorded"], true);
    assert_eq!(verify(&["--trust", "trust"])["recorded"], true);
    let recorded = events(&desk, "evidence-verified");
    assert_eq!(recorded.len(), 2);
    assert_eq!(recorded[0]["by"]["uid"], rustix::process::getuid().as_raw());
    assert_eq!(recorded[1]["details"]["trust"], "held against a trust store");

    // Who has no key of the node's, as on another machine, changes nothing.
    fs::write(desk.path("elsewhere.toml"), "node_key = \"no.key\"").unwrap();
    assert_eq!(verify(&["--config", "elsewhere.toml"])["recorded"], false);
    assert!(!desk.path("no.key").exists());
    let told = desk.run(&["verify", "evidence", "--config", "elsewhere.toml"]);
    assert!(words(&told).contains("recorded   nowhere"), "{}", words(&told));
    assert_eq!(events(&desk, "evidence-verified").len(), 2);
}

#[test]
fn the_settings_that_took_effect_are_in_the_audit() {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    fs::write(desk.path("settings.toml"), "grace = 7").unwrap();
    desk.replay(calls(), &warrant, &["--config", "settings.toml", "-b", "duration:60"]);
    let settings = &events(&desk, "configuration")[0]["details"]["settings"];
    let settings: Value = serde_json::from_str(settings.as_str().unwrap()).unwrap();
    assert_eq!(settings["grace"], 7);
    assert_eq!(settings["rotation"]["duration"], 60);
    assert_eq!(settings["signalling_ports"][0], 5060);
}
