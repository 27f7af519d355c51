//! A manifest line says what its volume is and how it was taken, and old lines hold as they did.

use std::fs;

use calltap_evidence::session::Rotation;
use calltap_evidence::verify::{Break, State};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fixture::{Court, SECOND, START_NS, invite, rtp};

const FILES: [&str; 2] = ["L1/manifest.jsonl", "L1/checkpoint.json"];

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A session whose one volume was sealed by its duration, before its writer died.
fn sealed() -> Court {
    let court = Court::new();
    let warrant = court.warrant("L1");
    let mut store = court.store(Rotation { duration: None, filesize_kb: Some(200) });
    store.admit(&warrant, 1).unwrap();
    invite(&mut store, &warrant, 1, 1, START_NS);
    for n in 0..1000 {
        rtp(&mut store, &warrant, 1, 1, START_NS + u64::from(n), n);
    }
    assert!(store.tick(START_NS + SECOND).is_empty());
    drop(store);
    court
}

fn manifest(court: &Court) -> Value {
    serde_json::from_slice(&fs::read(court.root().join(FILES[0])).unwrap()).unwrap()
}

/// Has the node sign another manifest line, and a checkpoint that fits it.
fn rewrite(court: &Court, edit: impl FnOnce(&mut Value)) {
    let mut line = manifest(court);
    edit(&mut line);
    let line = court.signed(&line, "L1/manifest line 1");
    let path = court.root().join(FILES[1]);
    let mut checkpoint: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    checkpoint["heads"]["manifest"]["sha256"] = hex(line.as_bytes()).into();
    fs::write(&path, court.signed(&checkpoint, "checkpoint L1")).unwrap();
    fs::write(court.root().join(FILES[0]), line).unwrap();
}

#[test]
fn a_manifest_line_says_how_its_volume_was_taken() {
    let court = sealed();
    let line = manifest(&court);
    assert_eq!(
        line["clock"],
        json!({
            "source": "CLOCK_BOOTTIME, offset known to 1 us",
            "offset_ns": 1_795_000_000_000_000_000_i64,
            "uncertainty_ns": 1000,
        })
    );
    assert_eq!(
        line["program"],
        json!({
            "tag": "0123456789abcdef",
            "sha256": hex(b"object"),
            "settings_sha256": hex(b"mode: mirror\n"),
        })
    );
    assert_eq!(line["modes"][0], "mirror0: xdp native, copy");
    assert_eq!(line["warrant_sha256"], hex(&fs::read(court.path("L1.toml")).unwrap()));
    assert_eq!(
        (&line["node"], &line["tool"]),
        (&court.node.public().id().into(), &"calltap 0.1.0".into())
    );
    let audit = fs::read_to_string(court.root().join("audit.jsonl")).unwrap();
    assert!(audit.contains(r#""map-settings":"mode: mirror\n""#), "{audit}");
}

/// RFC 6962 §2.1, word for word.
fn root(pieces: &[&[u8]]) -> Vec<u8> {
    if let [piece] = pieces {
        return Sha256::new_with_prefix([0]).chain_update(piece).finalize().to_vec();
    }
    let (left, right) = pieces.split_at(pieces.len().next_power_of_two() / 2);
    Sha256::new_with_prefix([1])
        .chain_update(root(left))
        .chain_update(root(right))
        .finalize()
        .to_vec()
}

#[test]
fn a_piece_of_a_volume_can_be_proven_without_the_others() {
    let court = sealed();
    let line = manifest(&court);
    let volume = fs::read(court.root().join("L1").join(line["file"].as_str().unwrap())).unwrap();
    let pieces: Vec<_> = volume.chunks(65_536).collect();
    assert_eq!(pieces.len(), 4);
    // What the other side has: the second piece, the first one's hash, and that of the other half.
    let beside = [root(&pieces[..1]), root(&pieces[2..])];
    let own = Sha256::new_with_prefix([0]).chain_update(pieces[1]).finalize();
    let left = Sha256::new_with_prefix([1]).chain_update(&beside[0]).chain_update(own).finalize();
    let all = Sha256::new_with_prefix([1]).chain_update(left).chain_update(&beside[1]).finalize();
    let all: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(line["merkle"], all);
}

#[test]
fn lines_of_before_there_were_these_fields_hold_and_go_on() {
    let court = sealed();
    rewrite(&court, |line| {
        for name in ["merkle", "clock", "program"] {
            line.as_object_mut().unwrap().remove(name).unwrap();
        }
    });
    let report = court.verify();
    assert_eq!(report.state, State::Interrupted, "{:?}", report.breaks);
    assert!(report.breaks.iter().all(|found| !found.file.ends_with("manifest.jsonl")));
    court.store(Rotation::default()).close();
    assert_eq!(court.verify().state, State::Whole);
}

#[test]
fn a_merkle_root_that_is_not_its_volumes_is_named_though_the_node_signed_it() {
    let court = sealed();
    rewrite(&court, |line| line["merkle"] = hex(b"another volume").into());
    let report = court.verify();
    assert_eq!(report.state, State::Tampered);
    let Some(Break { file, what, .. }) = report.first_break else { panic!() };
    assert!(file.starts_with("L1") && what.contains("Merkle root"), "{what}");
}
