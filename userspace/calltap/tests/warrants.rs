//! A warrant is refused with a code of its own for each fault, and then captures nothing.

mod desk;

use std::fs;
use std::path::Path;

use desk::{Desk, EVER, words};

const ALICE: &str = "sip:alice@example.net";

/// Checks the warrant, and replays a capture that is full of its target's calls under it.
fn refused(desk: &Desk, files: &[&str], code: &str) {
    let mut arguments = vec!["warrant", "check"];
    arguments.extend(files);
    arguments.extend(["--trust", "trust"]);
    let output = desk.run(&arguments);
    assert_eq!(output.status.code(), Some(1), "{code}: {}", words(&output));
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(says.contains(&format!("refused: {code}: ")), "{code}: {says}");
    if matches!(code, "expired" | "not-yet-in-force") {
        return;
    }
    let mut command = desk.command();
    command.arg("replay").arg(calls());
    for file in files {
        command.args(["--warrant", file]);
    }
    let output = command.args(["--trust", "trust", "--evidence", "evidence"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{code}: {}", words(&output));
    assert!(!desk.path("evidence").exists(), "{code}: a refused warrant leaves no byte");
}

fn calls() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../pcaps/calls.pcapng"))
}

fn edit(desk: &Desk, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(desk.path(file)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(desk.path(file), text.replace(from, to)).unwrap();
}

fn sign(desk: &Desk, file: &str, key: &str) {
    desk.fine(&["warrant", "sign", file, "--key", key]);
}

#[test]
fn a_signed_warrant_in_force_is_accepted() {
    let desk = Desk::new();
    let file = desk.warrant("L-1", &[ALICE, "tel:+3225550100", "ip:192.0.2.0/28"], EVER);
    let says = desk.fine(&["warrant", "check", &file, "--trust", "trust"]);
    assert!(says.contains("valid and in force") && says.contains("L-1"), "{says}");
}

#[test]
fn an_unsigned_warrant_is_refused() {
    let desk = Desk::new();
    let file = desk.draft("L-1", &[ALICE], EVER);
    refused(&desk, &[&file], "unsigned");
}

#[test]
fn a_warrant_changed_after_signing_is_refused() {
    let desk = Desk::new();
    let file = desk.warrant("L-1", &[ALICE], EVER);
    edit(&desk, &file, "alice", "bob");
    refused(&desk, &[&file], "bad-signature");
}

#[test]
fn a_warrant_of_an_unknown_authority_is_refused() {
    let desk = Desk::new();
    let file = desk.draft("L-1", &[ALICE], EVER);
    sign(&desk, &file, "keys/pretender.key");
    refused(&desk, &[&file], "unknown-authority");
}

#[test]
fn a_nodes_key_orders_nothing_though_it_is_trusted_for_evidence() {
    let desk = Desk::new();
    let file = desk.draft("L-1", &[ALICE], EVER);
    sign(&desk, &file, "keys/pretender.key");
    for name in ["node.pub", "ghent.node.pub"] {
        fs::copy(desk.path("keys/pretender.pub"), desk.path("trust").join(name)).unwrap();
        refused(&desk, &[&file], "unknown-authority");
    }
    assert_eq!(desk.run(&["authority", "new", "node", "--out", "keys"]).status.code(), Some(2));
}

#[test]
fn a_warrant_is_refused_before_and_after_its_window() {
    let desk = Desk::new();
    let window = ("2199-01-01T00:00:00Z", "2200-01-01T00:00:00Z");
    refused(&desk, &[&desk.warrant("L-1", &[ALICE], window)], "not-yet-in-force");
    let window = ("1999-01-01T00:00:00Z", "2000-01-01T00:00:00Z");
    refused(&desk, &[&desk.warrant("L-2", &[ALICE], window)], "expired");
}

#[test]
fn a_window_that_ends_before_it_begins_is_refused() {
    let desk = Desk::new();
    refused(&desk, &[&desk.warrant("L-1", &[ALICE], (EVER.1, EVER.0))], "window-inverted");
}

#[test]
fn a_warrant_without_a_target_is_refused() {
    let desk = Desk::new();
    refused(&desk, &[&desk.warrant("L-1", &[], EVER)], "no-target");
}

#[test]
fn a_target_that_names_nobody_is_refused() {
    for target in ["alice", "sip:", "tel:alice", "ip:192.0.2.999", "sip:*@*", "ip:0.0.0.0/99"] {
        let desk = Desk::new();
        refused(&desk, &[&desk.warrant("L-1", &[target], EVER)], "bad-target");
    }
}

#[test]
fn a_field_that_would_not_be_obeyed_is_refused() {
    let desk = Desk::new();
    let file = desk.draft("L-1", &[ALICE], EVER);
    edit(&desk, &file, "liid = ", "expires = \"never\"\nliid = ");
    sign(&desk, &file, "keys/court.key");
    refused(&desk, &[&file], "unknown-field");
}

#[test]
fn two_warrants_with_one_liid_are_both_refused() {
    let desk = Desk::new();
    let first = desk.warrant("L-1", &[ALICE], EVER);
    fs::copy(desk.path(&first), desk.path("copy.toml")).unwrap();
    fs::copy(desk.path("warrants/L-1.toml.minisig"), desk.path("copy.toml.minisig")).unwrap();
    refused(&desk, &[&first, "copy.toml"], "duplicate-liid");
}

#[test]
fn a_warrant_of_ten_megabytes_is_refused() {
    let desk = Desk::new();
    let file = desk.warrant("L-1", &[ALICE], EVER);
    fs::write(desk.path(&file), vec![b'#'; 10_000_000]).unwrap();
    refused(&desk, &[&file], "too-large");
}

#[test]
fn a_liid_that_is_a_path_is_refused() {
    let desk = Desk::new();
    let file = desk.draft("L-1", &[ALICE], EVER);
    edit(&desk, &file, "\"L-1\"", "\"../L-1\"");
    sign(&desk, &file, "keys/court.key");
    refused(&desk, &[&file], "bad-liid");
}

#[test]
fn a_signature_of_the_minisign_program_is_as_good() {
    let desk = Desk::new();
    let file = desk.draft("L-1", &[ALICE], EVER);
    let signed = std::process::Command::new("minisign")
        .args(["-S", "-s", "keys/court.key", "-m", &file])
        .current_dir(desk.path("."))
        .output()
        .expect("minisign runs: scripts/setup installs it");
    assert!(signed.status.success(), "{}", words(&signed));
    desk.fine(&["warrant", "check", &file, "--trust", "trust"]);
    let verified = std::process::Command::new("minisign")
        .args(["-V", "-p", "keys/court.pub", "-m", &file])
        .current_dir(desk.path("."))
        .output()
        .expect("minisign runs");
    assert!(verified.status.success(), "{}", words(&verified));
}
