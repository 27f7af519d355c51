//! Evidence that is sealed to the recipient whom the warrant names: nobody else can read it, whatever
//! becomes of its writer, and the recipient gets what the manifest says.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use calltap_evidence::lines::{CallLine, VolumeLine};
use calltap_evidence::session::Rotation;
use calltap_evidence::store::Store;
use calltap_evidence::verify::State;
use calltap_evidence::warrant::Warrant;
use calltap_evidence::{opened, read};
use serde_json::Value;

use crate::fixture::{Court, SECOND, START_NS, close_call, files, invite, rtp, run};

const EACH_SECOND: Rotation =
    Rotation { duration: Some(Duration::from_secs(1)), filesize_kb: None };

/// A call of `packets` packets, ten milliseconds apart.
fn call(store: &mut Store, warrant: &Warrant, cin: u32, packets: u16) {
    invite(store, warrant, 1, cin, START_NS);
    for n in 0..packets {
        rtp(store, warrant, 1, cin, START_NS + u64::from(n) * SECOND / 100, n);
    }
}

/// Opens every volume; gives its line and its pcapng.
fn open(court: &Court) -> Vec<(VolumeLine, Vec<u8>)> {
    let identity = court.identity();
    let lines = read::sealed(&court.root(), "L1").unwrap().into_iter();
    lines
        .map(|line| {
            let (path, sealed) = (court.root().join(line.path()), line.sealed.clone().unwrap());
            let mut plain = Vec::new();
            let found = opened::volume(&path, &sealed, &identity, &mut plain).unwrap();
            assert_eq!(Some(found), sealed.plain, "{}", line.file);
            (line, plain)
        })
        .collect()
}

/// How many packets of RTP tshark sees in a pcapng.
fn rtp_in(court: &Court, plain: &[u8]) -> u64 {
    let path = court.path("opened.pcapng");
    fs::write(&path, plain).unwrap();
    let path = path.to_str().unwrap();
    let protocols = run("tshark", &["-r", path, "-T", "fields", "-e", "_ws.col.Protocol"]);
    protocols.lines().filter(|protocol| *protocol == "RTP").count() as u64
}

/// Neither what was said nor who said it stands in any file but the warrant.
fn assert_unreadable(root: &Path) {
    for path in files(root).iter().filter(|path| !path.to_string_lossy().contains("warrant")) {
        let bytes = fs::read(path).unwrap();
        for secret in
            [[0xd5; 16].as_slice(), b"INVITE", b"alice@example.net", b"call-1@", b"192.0.2.1"]
        {
            let found = bytes.windows(secret.len()).any(|it| it == secret);
            assert!(!found, "{} holds {secret:?}", path.display());
        }
    }
}

#[test]
fn sealed_evidence_verifies_without_the_key_and_opens_with_it_alone() {
    let court = Court::new();
    let warrant = court.warrant_to("L1", &court.identity().recipient());
    let mut store = court.store(EACH_SECOND);
    store.admit(&warrant, 1).unwrap();
    call(&mut store, &warrant, 1, 450);
    assert!(store.flush().is_empty());
    assert_unreadable(&court.root());
    close_call(&mut store, 1, 1);
    assert!(store.close().errors.is_empty());
    court.assert_whole();
    assert_unreadable(&court.root());

    let volumes = open(&court);
    assert_eq!(volumes.len(), 5);
    let seen: u64 = volumes.iter().map(|(_, plain)| rtp_in(&court, plain)).sum();
    assert_eq!(seen, 450);
    for (line, plain) in &volumes {
        assert!(line.file.ends_with(".pcapng.age"));
        let age = Command::new("age")
            .args(["-d", "-i"])
            .args([court.path("identity"), court.root().join(line.path())])
            .output()
            .unwrap();
        assert!(age.status.success() && age.stdout == *plain, "{:?}", age.stderr);
    }
    let calls = fs::read_to_string(court.root().join("L1/calls.jsonl")).unwrap();
    let line: CallLine = serde_json::from_str(&calls).unwrap();
    assert_eq!((line.iri_packets, line.cc_packets, line.volumes.len()), (1, 450, 5));
    let opened: Value =
        serde_json::from_slice(&opened::call(&line, &court.identity()).unwrap()).unwrap();
    assert_eq!(opened["matched"]["target"], "sip:alice@example.net");
    let other = Court::new();
    assert!(opened::call(&line, &other.identity()).is_err());
}

#[test]
fn calls_that_ended_under_a_version_are_sealed_to_whom_it_names_and_not_the_next() {
    let court = Court::new();
    let mut store = court.store(Rotation::default());
    store.admit(&court.warrant_to("L1", &court.identity().recipient()), 1).unwrap();
    (1..=1_500).for_each(|cin| close_call(&mut store, 1, cin));
    store.modify(&court.warrant("L1"), 1).unwrap();
    close_call(&mut store, 1, 1_501);
    assert!(store.close().errors.is_empty());
    court.assert_whole();
    let calls = fs::read_to_string(court.root().join("L1/calls.jsonl")).unwrap();
    let in_clear: Vec<_> = calls.lines().map(|line| line.contains("@example.net")).collect();
    assert_eq!(in_clear, [vec![false; 1_500], vec![true]].concat());
}

#[test]
fn a_crash_loses_nothing_that_was_flushed_and_is_mended_without_the_key() {
    // Less than a chunk, a little more than one, and some.
    for packets in [3, 280, 900] {
        let court = Court::new();
        let warrant = court.warrant_to("L1", &court.identity().recipient());
        let mut store = court.store(Rotation::default());
        store.admit(&warrant, 1).unwrap();
        call(&mut store, &warrant, 1, packets);
        assert!(store.flush().is_empty());
        // Enough to fill chunks that no checkpoint vouches for.
        for n in 0..2000 {
            rtp(&mut store, &warrant, 1, 1, START_NS + 20 * SECOND, n);
        }
        drop(store);
        let before = court.verify();
        assert_eq!(before.state, State::Interrupted, "{:?}", before.breaks);
        assert_unreadable(&court.root());
        let store = court.store(Rotation::default());
        assert_eq!(store.mended().len(), 2, "{:?}", store.mended());
        store.close();
        court.assert_whole();
        assert_unreadable(&court.root());
        let volumes = open(&court);
        let (line, plain) = &volumes[0];
        assert_eq!((volumes.len(), line.interrupted, line.iri), (1, true, 1));
        assert_eq!(line.content, u64::from(packets));
        assert_eq!(rtp_in(&court, plain), u64::from(packets));
        assert_eq!(line.last_cin, 1);
    }
}

#[test]
fn what_a_loss_of_power_left_of_a_sealed_volume_is_kept_and_counted_as_lost() {
    let court = Court::new();
    let warrant = court.warrant_to("L1", &court.identity().recipient());
    let mut store = court.store(Rotation::default());
    store.admit(&warrant, 1).unwrap();
    call(&mut store, &warrant, 1, 900);
    assert!(store.flush().is_empty());
    drop(store);
    let checkpoint = court.root().join("L1/checkpoint.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&checkpoint).unwrap()).unwrap();
    value["boot"] = "00000000-0000-0000-0000-000000000000".into();
    fs::write(&checkpoint, court.signed(&value, "checkpoint L1")).unwrap();
    let part = files(&court.root()).into_iter().find(|path| path.extension().unwrap() == "part");
    let file = fs::OpenOptions::new().write(true).open(part.unwrap()).unwrap();
    file.set_len(100_000).unwrap();
    court.store(Rotation::default()).close();
    court.assert_whole();
    let line = read::sealed(&court.root(), "L1").unwrap().remove(0);
    assert_eq!((line.packets, line.losses["power"]), (0, 901));
    let sealed = line.sealed.clone().unwrap();
    assert_eq!(sealed.plain, None);
    let mut plain = Vec::new();
    opened::volume(&court.root().join(line.path()), &sealed, &court.identity(), &mut plain)
        .unwrap();
    let path = court.path("opened.pcapng");
    fs::write(&path, plain).unwrap();
    let mut reader = read::VolumeReader::open(&path).unwrap();
    let mut packets = 0;
    while reader.next_packet().unwrap().is_some() {
        packets += 1;
    }
    assert!(packets > 200, "what is whole can be read: {packets}");
}
