//! What a writer that dies leaves is told apart from tampering, and the next session mends it.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use calltap_evidence::session::Rotation;
use calltap_evidence::store::Error;
use calltap_evidence::verify::State;
use serde_json::Value;

use crate::fixture::{Court, SECOND, START_NS, close_call, invite, rtp, run};

const PART: &str = "L1/L1_00002_20261123T160402Z.pcapng.part";
const SEALED: &str = "L1/L1_00002_20261123T160402Z.pcapng";
const EACH_SECOND: Rotation =
    Rotation { duration: Some(Duration::from_secs(1)), filesize_kb: None };

/// A session that died with one volume sealed, one open and flushed, and something in the buffer.
fn died() -> Court {
    let court = Court::new();
    let warrant = court.warrant("L1");
    let mut store = court.store(EACH_SECOND);
    store.admit(&warrant, 1).unwrap();
    invite(&mut store, &warrant, 1, 7, START_NS);
    close_call(&mut store, 1, 3);
    invite(&mut store, &warrant, 1, 8, START_NS + 2 * SECOND);
    for n in 0..10 {
        rtp(&mut store, &warrant, 1, 8, START_NS + 2 * SECOND + u64::from(n), n);
    }
    assert!(store.flush().is_empty());
    rtp(&mut store, &warrant, 1, 8, START_NS + 2 * SECOND + 99, 99);
    drop(store);
    court
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// The state before the next session, then a session that mends, then the state after it; gives
/// what was mended.
fn mend(court: &Court) -> Vec<String> {
    let before = court.verify();
    assert_eq!(before.state, State::Interrupted, "{:?}", before.breaks);
    assert!(!before.whole && before.first_break.is_some());
    let store = court.store(EACH_SECOND);
    let mended: Vec<_> = store.mended().iter().map(ToString::to_string).collect();
    assert!(!mended.is_empty());
    store.close();
    let after = court.verify();
    assert_eq!(after.state, State::Whole, "{:?}", after.breaks);
    let audit = fs::read_to_string(court.root().join("audit.jsonl")).unwrap();
    assert_eq!(audit.matches("\"event\":\"break\"").count(), mended.len());
    mended
}

fn refuses(court: &Court, file: &str) {
    let report = court.verify();
    assert_eq!(report.state, State::Tampered);
    let named: Vec<_> = report.breaks.iter().map(|found| found.file.clone()).collect();
    assert!(named.contains(&file.into()), "{named:?}");
    match court.try_store(EACH_SECOND).unwrap_err() {
        Error::Tampered { path, .. } => {
            assert_eq!(path, court.root().join(file.trim_end_matches(".part")))
        }
        other => panic!("{other}"),
    }
    assert_eq!(court.verify().state, State::Tampered);
}

#[test]
fn an_open_volume_is_sealed_as_interrupted_with_all_that_was_flushed() {
    let court = died();
    let mended = mend(&court);
    assert_eq!(mended.len(), 2, "{mended:?}");
    assert!(mended[0].contains("audit.jsonl: the last session was not ended"), "{mended:?}");
    assert!(mended[1].contains(SEALED), "{mended:?}");
    let path = court.root().join(SEALED);
    let frames =
        run("tshark", &["-r", path.to_str().unwrap(), "-T", "fields", "-e", "_ws.col.Protocol"]);
    assert_eq!(frames.lines().filter(|protocol| *protocol == "RTP").count(), 10);
    let manifest = fs::read_to_string(court.root().join("L1/manifest.jsonl")).unwrap();
    let line: Value = serde_json::from_str(manifest.lines().last().unwrap()).unwrap();
    assert_eq!(line["interrupted"], true);
    assert_eq!(
        (&line["iri"], &line["content"], &line["carried"]),
        (&1.into(), &10.into(), &1.into())
    );
    let mut store = court.store(EACH_SECOND);
    assert_eq!(store.admit(&court.warrant("L1"), 1).unwrap(), 9);
}

#[test]
fn a_volume_torn_in_mid_block_is_cut_after_its_last_whole_block() {
    let court = died();
    append(&court.root().join(PART), &[6, 0, 0, 0, 200, 0, 0, 0, 0, 0]);
    mend(&court);
}

#[test]
fn a_volume_renamed_and_not_yet_in_the_manifest_is_chained() {
    let court = died();
    fs::rename(court.root().join(PART), court.root().join(SEALED)).unwrap();
    mend(&court);
}

#[test]
fn a_torn_line_is_cut() {
    for ledger in ["audit.jsonl", "L1/manifest.jsonl", "L1/calls.jsonl"] {
        let court = died();
        append(&court.root().join(ledger), b"{\"ledger\":\"x\",\"li");
        let mended = mend(&court);
        assert!(
            mended.iter().any(|what| what.contains(ledger) && what.contains("torn")),
            "{mended:?}"
        );
    }
}

#[test]
fn a_checkpoint_that_lags_behind_signed_lines_is_caught_up() {
    for (dir, ledger) in [("", "audit.jsonl"), ("L1", "L1/manifest.jsonl")] {
        let court = Court::new();
        let warrant = court.warrant("L1");
        let mut store = court.store(EACH_SECOND);
        store.admit(&warrant, 1).unwrap();
        invite(&mut store, &warrant, 1, 1, START_NS);
        assert!(store.flush().is_empty());
        let checkpoint = court.root().join(dir).join("checkpoint.json");
        let old = fs::read(&checkpoint).unwrap();
        if dir.is_empty() {
            store.audit("note", &[]).unwrap();
        } else {
            assert!(store.tick(START_NS + 2 * SECOND).is_empty());
        }
        drop(store);
        fs::write(&checkpoint, old).unwrap();
        let mended = mend(&court);
        assert!(
            mended.iter().any(|what| what.contains(ledger) && what.contains("lagged")),
            "{mended:?}"
        );
    }
}

#[test]
fn what_was_written_ahead_of_its_line_is_removed() {
    let court = died();
    for dir in [court.root(), court.root().join("L1")] {
        fs::write(dir.join("checkpoint.json.tmp"), "{").unwrap();
    }
    fs::write(court.root().join("L1/warrant-0002.toml"), "liid").unwrap();
    fs::create_dir(court.root().join("L2")).unwrap();
    fs::write(court.root().join("L2/warrant.toml"), "liid").unwrap();
    mend(&court);
    assert!(!court.root().join("L2").exists());
}

#[test]
fn a_volume_that_no_checkpoint_names_is_never_sealed() {
    let court = died();
    let planted = "L1/L1_00003_20261123T160405Z.pcapng.part";
    fs::copy(court.root().join(PART), court.root().join(planted)).unwrap();
    let report = court.verify();
    assert_eq!(report.state, State::Tampered);
    assert_eq!(report.first_break.unwrap().file, Path::new(planted));
    assert!(matches!(court.try_store(EACH_SECOND), Err(Error::Tampered { .. })));
}

#[test]
fn a_byte_changed_or_cut_after_the_crash_is_no_crash() {
    for cut in [false, true] {
        let court = died();
        let path = court.root().join(PART);
        let mut bytes = fs::read(&path).unwrap();
        if cut {
            bytes.pop();
        } else {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        fs::write(&path, bytes).unwrap();
        refuses(&court, PART);
    }
}

#[test]
fn an_open_volume_that_was_removed_is_missed() {
    let court = died();
    fs::remove_file(court.root().join(PART)).unwrap();
    refuses(&court, SEALED);
}

/// Has the checkpoint say that it was written before the machine last started.
fn reboot(court: &Court) {
    let path = court.root().join("L1/checkpoint.json");
    let mut checkpoint: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    checkpoint["boot"] = "00000000-0000-0000-0000-000000000000".into();
    fs::write(&path, court.signed(&checkpoint, "checkpoint L1")).unwrap();
}

#[test]
fn what_a_loss_of_power_took_is_told_from_tampering_and_the_rest_is_sealed() {
    for kept in [0, 100, 1000] {
        let court = died();
        reboot(&court);
        OpenOptions::new()
            .write(true)
            .open(court.root().join(PART))
            .unwrap()
            .set_len(kept)
            .unwrap();
        let mended = mend(&court);
        let told = mended.iter().any(|what| what.contains("since the machine last started"));
        assert!(told, "{kept}: {mended:?}");
    }
    let court = died();
    reboot(&court);
    fs::remove_file(court.root().join(PART)).unwrap();
    let mended = mend(&court);
    assert!(mended.iter().any(|what| what.contains("written bytes are gone")), "{mended:?}");
}

/// Set in the child process of [`nothing_older_than_a_second_is_lost_to_kill_9`].
const VICTIM: &str = "CALLTAP_TEST_VICTIM";

/// The child: writes a packet each 200 us and says so.
fn victim(trust: &Path) -> ! {
    let court = Court::at(trust);
    let warrant = court.warrant("L1");
    let mut store = court.store(Rotation { duration: None, filesize_kb: Some(200) });
    let cin = store.admit(&warrant, 1).unwrap();
    let begun = Instant::now();
    let at_ns = START_NS + u64::from(cin) * 100 * SECOND;
    invite(&mut store, &warrant, 1, cin, at_ns);
    for (n, sequence) in (1..).zip((0..=u16::MAX).cycle()) {
        let at_ns = at_ns + n * SECOND / 5000;
        rtp(&mut store, &warrant, 1, cin, at_ns, sequence);
        assert!(store.tick(at_ns).is_empty());
        println!("at {} {n}", begun.elapsed().as_millis());
        thread::sleep(Duration::from_micros(200));
    }
    unreachable!()
}

#[test]
fn nothing_older_than_a_second_is_lost_to_kill_9() {
    if let Ok(trust) = env::var(VICTIM) {
        victim(Path::new(&trust));
    }
    let court = Court::new();
    court.node.store(court.dir.path(), "node").unwrap();
    let mut kept = 0;
    for round in 0..6_u64 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "crash::nothing_older_than_a_second_is_lost_to_kill_9",
                "--nocapture",
            ])
            .env(VICTIM, court.dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut written = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let until = 1300 + round * 97;
        for line in lines.by_ref() {
            let line = line.unwrap();
            let Some((elapsed, n)) = line.strip_prefix("at ").and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            written.push((elapsed.parse::<u64>().unwrap(), n.parse::<u64>().unwrap()));
            if written.last().unwrap().0 >= until {
                break;
            }
        }
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        let owed = written.iter().filter(|(elapsed, _)| elapsed + 1000 <= until).count() as u64;
        assert!(owed > 0);

        let before = court.verify();
        assert_eq!(before.state, State::Interrupted, "{:?}", before.breaks);
        let store = court.store(Rotation::default());
        assert!(!store.mended().is_empty());
        store.close();
        let report = court.verify();
        assert!(report.whole, "{:?}", report.breaks);
        assert!(report.counts.packets >= kept + owed, "round {round}");
        kept = report.counts.packets;
    }
}
