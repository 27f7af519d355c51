//! What a session writes: names, numbers, contents, as this crate and as Wireshark read them.

use std::fs;
use std::time::Duration;

use calltap_evidence::lines::LostLine;
use calltap_evidence::loss::{Loss, NIC};
use calltap_evidence::session::Rotation;
use calltap_evidence::store::{Error, Store};
use calltap_evidence::verify::State;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::{Block, PcapNgReader};

use crate::fixture::{Court, SECOND, START_NS, close_call, invite, rtp, run};

const EACH_SECOND: Rotation =
    Rotation { duration: Some(Duration::from_secs(1)), filesize_kb: None };

/// One call of `packets` packets of RTP, 20 ms apart.
fn call(store: &mut Store, court: &Court, packets: u16) {
    let warrant = court.warrant("L1");
    let cin = store.admit(&warrant, 1).unwrap();
    invite(store, &warrant, 1, cin, START_NS);
    for n in 0..packets {
        rtp(store, &warrant, 1, cin, START_NS + u64::from(n + 1) * SECOND / 50, n);
    }
    close_call(store, 1, cin);
}

#[test]
fn a_session_without_a_warrant_leaves_no_volume() {
    let court = Court::new();
    let summary = court.store(Rotation::default()).close();
    assert!(summary.volumes.is_empty() && summary.errors.is_empty());
    court.assert_whole();
}

#[test]
fn a_volume_opens_in_wireshark_without_a_warning() {
    let court = Court::new();
    let mut store = court.store(EACH_SECOND);
    call(&mut store, &court, 120);
    let summary = store.close();
    assert_eq!(summary.errors.len(), 0, "{:?}", summary.errors);
    let names: Vec<_> = summary.volumes.iter().map(|volume| volume.file.as_str()).collect();
    assert_eq!(
        names,
        [
            "L1_00001_20261123T160400Z.pcapng",
            "L1_00002_20261123T160401Z.pcapng",
            "L1_00003_20261123T160402Z.pcapng"
        ]
    );
    let mut rtp_seen = 0;
    for volume in &summary.volumes {
        let path = court.root().join(volume.path());
        let path = path.to_str().unwrap();
        let frames = run("tshark", &["-r", path, "-T", "fields", "-e", "_ws.col.Protocol"]);
        let frames: Vec<_> = frames.lines().collect();
        assert_eq!(frames.len() as u64, volume.packets + volume.carried);
        assert_eq!(
            frames.iter().filter(|protocol| **protocol == "RTP").count() as u64,
            volume.content
        );
        rtp_seen += volume.content;
        let comments = run(
            "tshark",
            &["-r", path, "-Y", "frame.comment", "-T", "fields", "-e", "frame.comment"],
        );
        let repeated =
            comments.lines().filter(|line| line.contains("repeated from L1_00001_")).count();
        assert_eq!(repeated as u64, volume.carried);
        assert!(comments.lines().all(|line| line.starts_with("calltap LIID=L1 CIN=1 IRI")));
    }
    assert_eq!(rtp_seen, 120);
    assert_eq!(summary.volumes.iter().map(|volume| volume.carried).collect::<Vec<_>>(), [0, 1, 1]);
    assert_eq!(summary.calls[0].volumes, names);
    assert_eq!((summary.calls[0].iri_packets, summary.calls[0].cc_packets), (1, 120));
    court.assert_whole();
}

#[test]
fn capinfos_and_pcap_file_read_what_was_said_about_the_capture() {
    let court = Court::new();
    let mut store = court.store(Rotation::default());
    call(&mut store, &court, 3);
    for (place, frames) in [(NIC, 2), ("ring-full", 7)] {
        let (interface, queue) = (Some(0), None);
        let (from_ns, to_ns) = (START_NS, START_NS + SECOND);
        store.note_loss(&Loss { place, frames, from_ns, to_ns, interface, queue });
    }
    let summary = store.close();
    let path = court.root().join(summary.volumes[0].path());
    let out = run("capinfos", &[path.to_str().unwrap()]);
    for fact in [
        "LIID=L1; authority=court; reference=2026/555; volume=1; previous=none; clock=CLOCK_BOOTTIME",
        "Capture application: calltap 0.1.0",
        "Name = mirror0",
        "Description = xdp native, copy",
        "Filter string = warranted calls",
        "Time precision = nanoseconds",
        summary.volumes[0].sha256.as_str(),
    ] {
        assert!(out.contains(fact), "{fact} not in\n{out}");
    }
    let mut reader = PcapNgReader::new(fs::File::open(&path).unwrap()).unwrap();
    let (mut times, mut counted) = (Vec::new(), Vec::<Vec<_>>::new());
    while let Some(block) = reader.next_block() {
        match block.unwrap().0 {
            Block::EnhancedPacket(packet) => times.push(packet.timestamp.as_nanos()),
            Block::InterfaceStatistics(statistics) => {
                counted.push(
                    statistics.options.into_iter().skip(2).map(|it| it.into_owned()).collect(),
                );
            }
            _ => {}
        }
    }
    assert_eq!(times, [0, 1, 2, 3].map(|n| u128::from(START_NS + n * SECOND / 50)));
    let counts = |if_drop, os_drop, packets| {
        vec![
            InterfaceStatisticsOption::IsbIfDrop(if_drop),
            InterfaceStatisticsOption::IsbOsDrop(os_drop),
            InterfaceStatisticsOption::IsbUsrDeliv(packets),
        ]
    };
    assert_eq!(counted, [counts(2, 7, 4), counts(0, 0, 0)]);
}

#[test]
fn a_volume_is_sealed_when_it_reaches_its_size() {
    let court = Court::new();
    let mut store = court.store(Rotation { duration: None, filesize_kb: Some(4) });
    call(&mut store, &court, 60);
    let summary = store.close();
    assert!(summary.volumes.len() > 3);
    for volume in &summary.volumes[..summary.volumes.len() - 1] {
        assert!((4000..4800).contains(&volume.bytes), "{}", volume.bytes);
        assert_eq!(volume.reason, "filesize");
    }
    court.assert_whole();
}

#[test]
fn silence_does_not_keep_a_volume_open() {
    let court = Court::new();
    let mut store = court.store(EACH_SECOND);
    call(&mut store, &court, 1);
    assert!(store.tick(START_NS + 2 * SECOND).is_empty());
    let sealed = court.root().join("L1/L1_00001_20261123T160400Z.pcapng");
    assert!(sealed.exists());
    assert_eq!(store.close().volumes.len(), 1);
}

#[test]
fn media_in_the_grace_time_decodes_in_a_volume_begun_after_the_call() {
    let court = Court::new();
    let warrant = court.warrant("L1");
    let mut store = court.store(EACH_SECOND);
    store.admit(&warrant, 1).unwrap();
    invite(&mut store, &warrant, 1, 1, START_NS);
    rtp(&mut store, &warrant, 1, 1, START_NS + 3 * SECOND, 1);
    close_call(&mut store, 1, 1);
    invite(&mut store, &warrant, 1, 2, START_NS + 5 * SECOND);
    let carried: Vec<_> = store.close().volumes.iter().map(|volume| volume.carried).collect();
    assert_eq!(carried, [0, 1, 0]);
}

#[test]
fn a_retransmitted_description_is_repeated_once() {
    let court = Court::new();
    let warrant = court.warrant("L1");
    let mut store = court.store(EACH_SECOND);
    store.admit(&warrant, 1).unwrap();
    for n in 0..3 {
        invite(&mut store, &warrant, 1, 1, START_NS + n);
    }
    rtp(&mut store, &warrant, 1, 1, START_NS + 3 * SECOND, 1);
    let volumes = store.close().volumes;
    assert_eq!((volumes[0].iri, volumes[1].carried), (3, 1));
}

#[test]
fn numbers_go_on_in_the_next_session() {
    let court = Court::new();
    for session in 1..=3 {
        let mut store = court.store(Rotation::default());
        let warrant = court.warrant("L1");
        assert_eq!(store.admit(&warrant, 1).unwrap(), session);
        invite(&mut store, &warrant, 1, session, START_NS + u64::from(session) * SECOND);
        close_call(&mut store, 1, session);
        let summary = store.close();
        assert!(summary.volumes[0].file.starts_with(&format!("L1_0000{session}_")));
        assert_eq!((summary.volumes.len(), summary.calls.len()), (1, 1));
    }
    court.assert_whole();
}

#[test]
fn of_very_many_calls_that_end_at_once_each_flush_signs_a_thousand_and_the_end_the_rest() {
    let court = Court::new();
    let mut store = court.store(Rotation::default());
    store.admit(&court.warrant("L1"), 1).unwrap();
    (1..=3_500).for_each(|cin| close_call(&mut store, 1, cin));
    let lines = || fs::read_to_string(court.root().join("L1/calls.jsonl")).unwrap().lines().count();
    for signed in [1_000, 2_000] {
        assert!(store.flush().is_empty());
        assert_eq!(lines(), signed);
    }
    assert_eq!(store.close().calls.len(), 3_500);
    assert_eq!(lines(), 3_500);
    court.assert_whole();
}

#[test]
fn a_new_version_of_a_warrant_stands_beside_the_old_one() {
    let court = Court::new();
    let mut store = court.store(Rotation::default());
    store.admit(&court.warrant("L1"), 1).unwrap();
    store.close();
    // Signing again gives another signature over the same text.
    let mut store = court.store(Rotation::default());
    store.admit(&court.warrant("L1"), 1).unwrap();
    store.close();
    assert!(court.root().join("L1/warrant.toml").exists());
    assert!(court.root().join("L1/warrant-0002.toml").exists());
    court.assert_whole();
}

#[test]
fn losses_reach_the_next_manifest_line_of_each_case() {
    let court = Court::new();
    let mut store = court.store(EACH_SECOND);
    let (one, two) = (court.warrant("L1"), court.warrant("L2"));
    store.admit(&one, 1).unwrap();
    store.admit(&two, 2).unwrap();
    invite(&mut store, &one, 1, 1, START_NS);
    invite(&mut store, &two, 2, 1, START_NS);
    let ring = Loss {
        place: "ring-full",
        frames: 7,
        from_ns: START_NS,
        to_ns: START_NS + SECOND,
        interface: Some(0),
        queue: Some(3),
    };
    store.note_loss(&ring);
    store.note_loss(&Loss { place: "no-socket", frames: 0, ..ring });
    invite(&mut store, &one, 1, 2, START_NS + 2 * SECOND);
    let summary = store.close();
    let losses: Vec<_> =
        summary.volumes.iter().map(|volume| volume.losses.get("ring-full")).collect();
    assert_eq!(losses, [Some(&7), None, Some(&7)]);
    assert!(summary.volumes.iter().all(|volume| !volume.losses.contains_key("no-socket")));
    let [LostLine { from, to, place, interface, queue, frames }] = &summary.volumes[0].lost[..]
    else {
        panic!("{:?}", summary.volumes[0].lost);
    };
    assert_eq!((place.as_str(), *frames, *queue), ("ring-full", 7, Some(3)));
    assert_eq!(interface.as_deref(), Some("mirror0"));
    assert!(from < to, "{from} {to}");
    assert!(summary.volumes[1].lost.is_empty(), "each loss stands in one line");
    let after = court.root().join(summary.volumes[1].path());
    let comments =
        run("tshark", &["-r", after.to_str().unwrap(), "-Tfields", "-e", "frame.comment"]);
    assert_eq!(comments.matches("; calltap GAP: 7 frames lost at ring-full from ").count(), 1);
    court.assert_whole();
}

#[test]
fn a_second_writer_is_refused_and_verification_says_open() {
    let court = Court::new();
    let mut store = court.store(EACH_SECOND);
    call(&mut store, &court, 120);
    assert!(store.flush().is_empty());
    assert!(matches!(court.try_store(EACH_SECOND), Err(Error::Locked { .. })));
    let report = court.verify();
    assert_eq!((report.whole, report.state), (true, State::Open), "{:?}", report.breaks);
    assert_eq!(report.counts.volumes, 2);
    store.close();
    let report = court.verify();
    assert_eq!((report.whole, report.state), (true, State::Whole));
    assert_eq!((report.counts.volumes, report.counts.packets, report.counts.calls), (3, 121, 1));
}

#[test]
fn a_directory_with_something_else_in_it_is_refused() {
    let court = Court::new();
    fs::create_dir(court.root()).unwrap();
    fs::write(court.root().join("thesis.txt"), "mine").unwrap();
    let error = court.try_store(EACH_SECOND).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert_eq!(fs::read_dir(court.root()).unwrap().count(), 1);
}

#[test]
fn a_file_system_of_its_own_will_do() {
    let court = Court::new();
    fs::create_dir_all(court.root().join("lost+found")).unwrap();
    court.store(EACH_SECOND).close();
    assert_eq!(court.verify().state, State::Whole);
    fs::write(court.root().join("lost+found/#12"), "found by fsck").unwrap();
    assert_eq!(court.verify().state, State::Tampered);
}

#[test]
fn another_nodes_directory_is_refused() {
    let court = Court::new();
    court.store(EACH_SECOND).close();
    let other = Court { node: calltap_evidence::keys::KeyPair::generate().unwrap(), ..court };
    let error = other.try_store(EACH_SECOND).unwrap_err();
    assert!(matches!(error, Error::OtherNode { .. }), "{error}");
}
