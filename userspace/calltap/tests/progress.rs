//! Progress of long work is shown to who sits at a terminal, and to nobody else.

mod desk;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::Command;

use desk::{Desk, EVER, words};

/// A capture of 80 MB, none of which is anybody's.
fn large(desk: &Desk) {
    let file = File::create(desk.path("large.pcap")).unwrap();
    let mut out = BufWriter::with_capacity(1 << 20, file);
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        out.write_all(&word.to_le_bytes()).unwrap();
    }
    let frame = [0; 60_000];
    for number in 0..1_334_u32 {
        for word in [1_700_000_000 + number, 0, 60_000, 60_000] {
            out.write_all(&word.to_le_bytes()).unwrap();
        }
        out.write_all(&frame).unwrap();
    }
    out.flush().unwrap();
}

#[test]
fn a_long_replay_shows_rate_and_time_left_at_a_terminal_alone() {
    let desk = Desk::new();
    large(&desk);
    let warrant = desk.warrant("L-1", &["sip:alice@example.net"], EVER);
    let line = format!(
        "{} replay large.pcap --warrant {warrant} --trust trust --evidence",
        env!("CARGO_BIN_EXE_calltap")
    );
    let mut quiet = Command::new("sh");
    desk.at_desk(&mut quiet);
    let quiet = quiet.args(["-c", &format!("{line} a")]).output().unwrap();
    assert!(quiet.status.success() && !words(&quiet).contains("replaying"), "{}", words(&quiet));

    // script(1) of util-linux gives it a terminal.
    let mut shown = Command::new("script");
    desk.at_desk(&mut shown);
    let shown = shown.args(["-qec", &format!("{line} b"), "/dev/null"]).output();
    let shown = shown.expect("script (util-linux)");
    let said = words(&shown);
    assert!(shown.status.success(), "{said}");
    for word in ["replaying", "/s, ", " left"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
