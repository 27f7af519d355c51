//! What an investigator asks of evidence, asked of the real program.

mod audio;
mod confined;
mod copies;
#[path = "../desk/mod.rs"]
mod desk;
mod encodings;
mod encrypted;
mod export;
#[path = "../foreign/mod.rs"]
mod foreign;
mod hep;
#[path = "../hostile/mod.rs"]
mod hostile;
mod list;
#[allow(dead_code, reason = "the decoders' own tests use the rest of it")]
#[path = "../../src/evidence/audio/made.rs"]
mod made;
mod report;
mod show;
mod spoken;
mod unfinished;

use std::path::{Path, PathBuf};

use desk::{Desk, EVER};

const ALICE: &str = "sip:alice@example.net";

/// One of the project's own captures.
fn pcap(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps").join(name)
}

/// A desk with the evidence of one of the project's captures.
fn replayed(capture: &str, more: &[&str]) -> Desk {
    let desk = Desk::new();
    let warrant = desk.warrant("CASE-1", &[ALICE], EVER);
    desk.replay(&pcap(capture), &warrant, more);
    desk
}

/// Samples a second of a WAV, and both its channels, left first.
fn wav(path: &Path) -> (u32, [Vec<i16>; 2]) {
    let mut reader = hound::WavReader::open(path).expect("a WAV");
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.bits_per_sample), (2, 16));
    let samples: Vec<i16> = reader.samples().map(|it| it.expect("a sample")).collect();
    let side = |side| samples.iter().skip(side).step_by(2).copied().collect();
    (spec.sample_rate, [0, 1].map(side))
}
