//! What may not leave the program: identities by its logs, and strangers by its evidence.

mod desk;

use std::fs;
use std::path::Path;

use desk::{Desk, EVER, words};

const ALICE: &str = "sip:alice@example.net";

/// Whom the lab's calls are between, apart from the target.
const OTHERS: [&str; 3] = ["stranger", "neighbour", "friend"];

/// The target's calls among strangers'.
fn calls() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../pcaps/calls.pcapng"))
}

/// Everything that a replay logs, to the last detail.
fn log_of_replay(desk: &Desk, warrant: &str) -> String {
    let mut command = desk.command();
    command.env("RUST_LOG", "trace").arg("replay").arg(calls()).args(["--warrant", warrant]);
    let output = command.args(["--trust", "trust", "--evidence", "evidence"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    String::from_utf8(output.stderr).unwrap()
}

fn assert_names_nobody(text: &str) {
    for name in OTHERS.iter().chain(&["alice"]) {
        assert!(!text.contains(name), "{name} is named: {text}");
    }
}

#[test]
fn logs_and_audit_bear_no_identity() {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    assert_names_nobody(&log_of_replay(&desk, &warrant));
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    assert!(audit.contains("L-1"), "{audit}");
    assert_names_nobody(&audit);
}

#[test]
fn evidence_bears_no_byte_of_a_strangers_call() {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    desk.replay(calls(), &warrant, &[]);
    for path in desk.files("evidence") {
        let bytes = fs::read(&path).unwrap();
        for name in [b"stranger".as_slice(), b"neighbour"] {
            let found = bytes.windows(name.len()).any(|part| part == name);
            assert!(!found, "{} names a stranger", path.display());
        }
    }
}
