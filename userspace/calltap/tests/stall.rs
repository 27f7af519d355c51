//! A disk that takes nothing for a while, under the real program and real traffic: what the chunks
//! hold is kept, what is more is shed, content before signalling, and every loss is named.
//!
//! The disk is an ext4 in a file of its own, and stalls by fsfreeze(8). It needs root; without it
//! these tests say so and pass.

mod capture;
mod desk;
mod disk;
mod phone;

use std::fs::{self, File};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::Duration;

use capture::{Capture, conserved, count, lost};
use desk::{Desk, EVER, sum, tshark, words};
use disk::Disk;
use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::Block;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use phone::{PACKET, Phone};
use serde_json::Value;

/// Packets of media that the chunks of two workers hold: 64 of 1 MiB.
const POOL: u64 = (64 << 20) / (PACKET as u64 + 42 + 32 + 6);

/// One at a time, as each sends ten thousand packets a second.
static TURN: Mutex<()> = Mutex::new(());

/// What a run printed over whose disk so many packets went while it stalled.
struct Stalled {
    desk: Desk,
    found: Value,
    messages: u64,
    packets: u64,
    _disk: Disk,
    _turn: MutexGuard<'static, ()>,
}

/// A call, of which `packets` come while the disk takes nothing, and a thousand before and after.
fn stalled(packets: u64) -> Option<Stalled> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let network = phone::lay(&[("fsfreeze", "util-linux"), ("mkfs.ext4", "e2fsprogs")])?;
    let desk = Desk::new();
    desk.warrant("STALL", &["sip:alice@example.net"], EVER);
    let disk = Disk::mount(&desk, 512);
    let command = network.command("tap", env!("CARGO_BIN_EXE_calltap"));
    let capture = Capture::start(&desk, command, "cap0", &[]);
    let (messages, sent) = thread::scope(|scope| {
        let talk = scope.spawn(|| {
            let mut phone = Phone::of(&network);
            phone.place_call();
            phone.talk(1_000);
            sleep(Duration::from_secs(1));
            disk.stall();
            phone.talk(packets);
            // Who asks is answered all the same.
            let status = desk.run(&["status", "evidence", "--json"]);
            assert!(!status.stdout.is_empty(), "{}", words(&status));
            disk.go_on();
            // A second in which nothing is lost, so that gaps of this one are not of the next.
            sleep(Duration::from_secs(3));
            phone.talk(1_000);
            (phone.messages, phone.packets)
        });
        talk.join().unwrap()
    });
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    conserved(&found, count(&found, "seen"));
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
    Some(Stalled { desk, found, messages, packets: sent, _disk: disk, _turn: turn })
}

/// The volumes hold, as tshark reads them, every message, all packets but `lost`, and in the order
/// of their arrival.
fn kept_but(stalled: &Stalled, lost: u64) {
    let Stalled { desk, found, messages, packets, .. } = stalled;
    let volumes = desk.volumes("evidence");
    let read = |filter: &str, field: &str| -> Vec<String> {
        let fields = volumes.iter().flat_map(|volume| tshark(volume, filter, &[field]));
        fields.map(|mut it| it.swap_remove(0)).collect()
    };
    assert_eq!(read("sip", "frame.number").len() as u64, *messages, "signalling is kept: {found}");
    assert_eq!(read("udp.dstport == 20000", "frame.number").len() as u64, packets - lost);
    assert_eq!(sum(&found["volumes"], "packets"), messages + packets - lost);
    assert_eq!(count(found, "delivered"), messages + packets - lost, "{found}");
    let times: Vec<f64> =
        read("frame", "frame.time_epoch").iter().map(|it| it.parse().unwrap()).collect();
    assert!(times.is_sorted(), "file order is time order");
}

#[test]
fn a_disk_that_stalls_for_less_than_the_chunks_hold_loses_nothing() {
    let Some(stalled) = stalled(POOL * 8 / 10) else { return };
    assert_eq!(lost(&stalled.found), 0, "{}", stalled.found);
    kept_but(&stalled, 0);
}

#[test]
fn a_disk_that_stalls_for_longer_costs_content_alone_and_the_files_say_how_much_and_when() {
    let Some(stalled) = stalled(POOL * 3 / 2) else { return };
    let Stalled { desk, found, packets, .. } = &stalled;
    let shed = found["frames"]["lost"]["recorder_behind"].as_u64().unwrap();
    assert!(shed > 0 && shed < POOL * 7 / 10, "{shed} of {packets}: {found}");
    assert_eq!(lost(found), shed, "content, and at that place alone: {found}");
    kept_but(&stalled, shed);

    // From the files alone: the manifest by second and queue, and the volumes' own statistics.
    let manifest = fs::read_to_string(desk.path("evidence/STALL/manifest.jsonl")).unwrap();
    let lines: Vec<Value> =
        manifest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let entries: Vec<&Value> =
        lines.iter().filter_map(|line| line["lost"].as_array()).flatten().collect();
    assert_eq!(entries.iter().filter_map(|it| it["frames"].as_u64()).sum::<u64>(), shed);
    for entry in entries {
        assert_eq!(
            (&entry["place"], &entry["interface"]),
            (&"recorder_behind".into(), &"cap0".into())
        );
        assert!(entry["queue"].is_u64(), "{entry}");
        assert!(entry["from"].as_str() < entry["to"].as_str(), "{entry}");
    }
    let mut dropped = 0;
    for volume in desk.volumes("evidence") {
        let mut reader = PcapNgReader::new(File::open(&volume).unwrap()).unwrap();
        while let Some(block) = reader.next_block() {
            let (Block::InterfaceStatistics(statistics), _) = block.unwrap() else { continue };
            dropped += statistics.options.iter().fold(0, |sum, option| match option {
                InterfaceStatisticsOption::IsbOsDrop(frames) => sum + frames,
                InterfaceStatisticsOption::IsbIfDrop(frames) => sum + frames,
                _ => sum,
            });
        }
    }
    assert_eq!(dropped, shed, "what the interface statistics say");

    // The call's own line lays none of it to the network.
    let calls = found["calls"].as_array().unwrap();
    let streams: Vec<&Value> =
        calls.iter().flat_map(|call| call["streams"].as_array().unwrap()).collect();
    let told = |field: &str| streams.iter().filter_map(|it| it[field].as_u64()).sum::<u64>();
    assert_eq!((told("lost"), told("lost_unknown")), (shed, shed), "{streams:?}");
}
