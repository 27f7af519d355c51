//! `scripts/verify-evidence`, which shares no code with this crate, says of every directory what
//! verification says of it.
//!
//! It takes a second for each: so a few in a hundred of the cases of `tamper` are tried each time,
//! and as many as `CALLTAP_CASES` says.

use std::env;
use std::path::Path;
use std::process::Command;

use calltap_evidence::session::Rotation;
use calltap_evidence::verify::verify;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::fixture::Court;
use crate::tamper::{copy, evidence, interrupted, mutate, mutation, session, shape};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/verify-evidence");

/// What the script says of a directory: the state, and what it found first.
pub(crate) fn by_script(court: &Court, dir: &Path) -> (String, String) {
    let mut command = Command::new(SCRIPT);
    command.arg(dir).arg(court.path("trust"));
    if dir != court.root() {
        command.arg(court.root().join("node.pub"));
    }
    let out = command.output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap().trim_end().to_owned();
    let code = if ["whole", "open"].contains(&said.as_str()) { 0 } else { 1 };
    let found = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{said} {found}");
    (said, found)
}

fn cases(few: u32) -> ProptestConfig {
    let cases = env::var("CALLTAP_CASES").map_or(few, |cases| cases.parse().unwrap());
    // A case that fails is told as it is: to make it smaller takes minutes.
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    }
}

#[test]
fn the_script_tells_the_four_states_apart() {
    let court = Court::new();
    let warrant = court.warrant("L1");
    let mut store = court.store(Rotation::default());
    store.admit(&warrant, 1).unwrap();
    assert_eq!(by_script(&court, &court.root()).0, "open");
    drop(store);
    let (said, found) = by_script(&court, &court.root());
    assert_eq!(said, "interrupted");
    assert!(found.contains("audit.jsonl"), "{found}");
    court.store(Rotation::default()).close();
    assert_eq!(by_script(&court, &court.root()).0, "whole");
    std::fs::remove_file(court.root().join("L1/warrant.toml")).unwrap();
    let (said, found) = by_script(&court, &court.root());
    assert_eq!(said, "tampered");
    assert!(found.contains("L1/warrant.toml"), "{found}");
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn the_script_finds_each_mutation_that_verification_finds(
        mutation in mutation(),
        died in any::<bool>(),
    ) {
        let (court, dir) = (evidence(), TempDir::new().unwrap());
        let from = if died { interrupted().path() } else { &court.root() };
        copy(from, dir.path());
        let changed = mutate(dir.path(), &mutation);
        prop_assume!(!changed.is_empty());
        let report = verify(dir.path(), Some(&court.trust)).unwrap();
        let (said, found) = by_script(court, dir.path());
        prop_assert_eq!(&said, report.state.as_str(), "{} {:?}", found, report.breaks);
        prop_assert!(!report.whole);
        let named = report.breaks.iter().map(|it| it.file.to_string_lossy().into_owned());
        prop_assert!(named.into_iter().any(|it| found.contains(&it)), "{} {:?}", found, report.breaks);
    }
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn the_script_takes_no_honest_run_for_a_changed_one(
        shapes in prop::collection::vec(shape(), 1..4),
    ) {
        let court = Court::new();
        for (number, shape) in (0..).zip(&shapes) {
            session(&court, number, shape);
            let (said, found) = by_script(&court, &court.root());
            prop_assert_eq!(said, if shape.died { "interrupted" } else { "whole" }, "{}", found);
        }
        court.store(Rotation::default()).close();
        prop_assert_eq!(by_script(&court, &court.root()).0, "whole");
    }
}
