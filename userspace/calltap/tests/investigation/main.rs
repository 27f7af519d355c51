//! What an investigator asks of evidence, asked of the real program.

mod audio;
mod copies;
#[path = "../desk/mod.rs"]
mod desk;
mod export;
#[path = "../foreign/mod.rs"]
mod foreign;
mod hep;
#[path = "../hostile/mod.rs"]
mod hostile;
mod list;
mod report;
mod show;
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
