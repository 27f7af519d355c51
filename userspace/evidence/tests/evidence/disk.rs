//! A disk that takes no more stops the warrants whose evidence it was, loudly, and no other.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use calltap_evidence::session::Rotation;
use calltap_evidence::store::Error;
use calltap_evidence::verify::State;

use crate::fixture::{Court, SECOND, START_NS, close_call, invite, rtp, try_rtp};

/// Set in the child process of [`a_disk_that_is_full_stops_one_warrant_loudly`].
const LIMITED: &str = "CALLTAP_TEST_LIMITED";

/// The child: no file can grow beyond 64 KiB, and writing beyond fails as on a full disk.
fn limited(trust: &Path) {
    let court = Court::at(trust);
    let (long, short) = (court.warrant("L1"), court.warrant("L2"));
    let mut store = court.store(Rotation::default());
    store.admit(&long, 1).unwrap();
    store.admit(&short, 2).unwrap();
    invite(&mut store, &long, 1, 1, START_NS);
    invite(&mut store, &short, 2, 1, START_NS);
    let mut taken = 0;
    let error = loop {
        taken += 1;
        if let Err(error) =
            try_rtp(&mut store, &long, 1, 1, START_NS + u64::from(taken) * SECOND / 50, taken)
        {
            break error;
        }
        if let Some(error) = store.flush().pop() {
            break error;
        }
    };
    let text = error.to_string();
    assert!(matches!(error, Error::Write { .. }), "{text}");
    for part in ["LIID L1", "evidence/L1", "File too large"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(store.stopped().collect::<Vec<_>>(), ["L1"]);
    let next = try_rtp(&mut store, &long, 1, 1, START_NS + 999 * SECOND, 999);
    assert!(matches!(next, Err(Error::Stopped { .. })));
    rtp(&mut store, &short, 2, 1, START_NS + SECOND, 1);
    close_call(&mut store, 1, 1);
    let summary = store.close();
    assert!(summary.errors.is_empty(), "{:?}", summary.errors);
    let [cut, whole] = summary.volumes.as_slice() else { panic!("{:?}", summary.volumes) };
    assert_eq!((cut.reason.as_str(), cut.interrupted), ("failed", true));
    let lost = cut.losses["disk"];
    assert_eq!(cut.content + lost, u64::from(taken));
    assert_eq!(cut.losses["stopped"], 1);
    assert_eq!((whole.reason.as_str(), whole.content), ("end", 1));
    assert_eq!(summary.calls.len(), 1);
}

#[test]
fn a_disk_that_is_full_stops_one_warrant_loudly() {
    if let Ok(trust) = env::var(LIMITED) {
        return limited(Path::new(&trust));
    }
    let court = Court::new();
    court.node.store(court.dir.path(), "node").unwrap();
    // Ignoring SIGXFSZ lets write(2) fail with EFBIG; the unit of `ulimit -f` is 512 or 1024 bytes.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact \
                  disk::a_disk_that_is_full_stops_one_warrant_loudly";
    let out = Command::new("sh")
        .args(["-c", script])
        .arg(env::current_exe().unwrap())
        .env(LIMITED, court.dir.path())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    let audit = fs::read_to_string(court.root().join("audit.jsonl")).unwrap();
    assert!(
        audit.contains("\"event\":\"evidence-failed\",\"details\":{\"cause\":\"File too large"),
        "{audit}"
    );
    let report = court.verify();
    assert_eq!(report.state, State::Whole, "{:?}", report.breaks);
    assert!(report.notes.iter().any(|note| note.contains("not sealed by its writer (failed)")));
}

#[test]
fn a_directory_that_vanishes_stops_its_warrant_and_is_named_by_verification() {
    let court = Court::new();
    let (gone, stays) = (court.warrant("L1"), court.warrant("L2"));
    let mut store = court.store(Rotation::default());
    store.admit(&gone, 1).unwrap();
    store.admit(&stays, 2).unwrap();
    fs::rename(court.root().join("L1"), court.path("elsewhere")).unwrap();
    let error = try_rtp(&mut store, &gone, 1, 1, START_NS, 1).unwrap_err();
    assert!(matches!(error, Error::Write { ref liid, .. } if liid == "L1"), "{error}");
    rtp(&mut store, &stays, 2, 1, START_NS, 1);
    let summary = store.close();
    assert_eq!(summary.volumes.len(), 1);
    assert!(!summary.errors.is_empty());
    let audit = fs::read_to_string(court.root().join("audit.jsonl")).unwrap();
    assert!(audit.contains("\"lost stopped L1\":\"1\""), "{audit}");
    let report = court.verify();
    assert_eq!(report.first_break.unwrap().file, Path::new("L1"));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let court = Court::new();
    fs::write(court.root(), "a file").unwrap();
    let error = court.try_store(Rotation::default()).unwrap_err();
    assert!(error.to_string().starts_with(court.root().to_str().unwrap()), "{error}");
}
