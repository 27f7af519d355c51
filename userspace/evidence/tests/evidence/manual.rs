//! The commands that `docs/evidence.md` gives for checking by hand do what it says.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use proptest::prelude::*;
use tempfile::TempDir;

use crate::tamper::{copy, evidence, mutate, mutation};

const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/evidence.md");

/// Runs the manual's script in `dir`.
fn by_hand(dir: &Path) -> Output {
    let text = fs::read_to_string(MANUAL).unwrap();
    let (_, script) = text.split_once("```sh\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let court = evidence();
    Command::new("sh")
        .args(["-euc", script])
        .current_dir(dir)
        .env("TRUST", court.path("trust"))
        .env("NODE", court.root().join("node.pub"))
        .output()
        .unwrap()
}

#[test]
fn the_manuals_commands_find_honest_evidence_whole() {
    let out = by_hand(&evidence().root());
    assert_eq!(String::from_utf8_lossy(&out.stdout), "whole\n", "{out:?}");
    assert!(out.status.success());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_manuals_commands_find_what_verification_finds(mutation in mutation()) {
        let dir = TempDir::new().unwrap();
        copy(&evidence().root(), dir.path());
        prop_assume!(!mutate(dir.path(), &mutation).is_empty());
        let out = by_hand(dir.path());
        prop_assert!(!out.status.success(), "{:?}", out);
    }
}
