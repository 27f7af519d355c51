//! A disk that takes nothing for a while, under the real program and real traffic: what the chunks
//! hold is kept, what is more is shed, content before signalling, and every loss is named.
//!
//! The disk is an ext4 in a file of its own, and stalls by fsfreeze(8). It needs root; without it
//! these tests say so and pass.

mod capture;
mod desk;

use std::fs::{self, File};
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use calltap::lab::{self, Namespaces};
use capture::{Capture, conserved, count, lost};
use desk::{Desk, EVER, sum, tshark, words};
use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::Block;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

const ALICE: (&str, u16) = ("192.0.2.10", 16384);
const BOB: (&str, u16) = ("192.0.2.20", 20000);

/// Bytes of a packet of media, RTP header first: as large as the link takes, to fill chunks soon.
const PACKET: usize = 1400;

/// Packets of media that the chunks of two workers hold: 64 of 1 MiB.
const POOL: u64 = (64 << 20) / (PACKET as u64 + 42 + 32 + 6);

/// Streams of the call, so that none misses more than a receiver takes for one (RFC 3550 A.1).
const STREAMS: u64 = 20;

/// A file system that stalls, mounted where the evidence goes.
struct Disk(PathBuf);

impl Disk {
    fn mount(desk: &Desk) -> Self {
        let (image, at) = (desk.path("disk.ext4"), desk.path("evidence"));
        File::create(&image).unwrap().set_len(512 << 20).unwrap();
        fs::create_dir(&at).unwrap();
        run(Command::new("mkfs.ext4").arg("-q").arg(&image));
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at));
        fs::remove_dir(at.join("lost+found")).unwrap();
        Self(at)
    }

    fn stall(&self) {
        run(Command::new("fsfreeze").arg("-f").arg(&self.0));
    }

    fn go_on(&self) {
        run(Command::new("fsfreeze").arg("-u").arg(&self.0));
    }
}

impl Drop for Disk {
    /// A test that failed may have left it stalled, and whoever writes there with it.
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.0).output();
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", words(&output));
}

/// A phone on a link whose far end is the capture interface.
fn lay() -> Option<Namespaces> {
    let tools = [("ip", "iproute2"), ("fsfreeze", "util-linux"), ("mkfs.ext4", "e2fsprogs")];
    let missing = lab::missing_for(&tools);
    if !missing.is_empty() {
        println!("SKIPPED: {}", missing.join("; "));
        return None;
    }
    let network =
        Namespaces::make(&format!("{}-9", std::process::id()), &["phone", "tap"]).unwrap();
    network.link(("phone", "sip0"), ("tap", "cap0"), 2).unwrap();
    network.ip("tap", "link set cap0 arp off up").unwrap();
    network.address("phone", "sip0", &format!("{}/24", ALICE.0)).unwrap();
    let bob = format!("neigh add {} lladdr 02:00:00:00:00:02 dev sip0", BOB.0);
    network.ip("phone", &bob).unwrap();
    Some(network)
}

/// What the phone sends: one call of the target's.
struct Phone {
    sip: UdpSocket,
    rtp: UdpSocket,
    messages: u64,
    packets: u64,
}

impl Phone {
    fn place_call(&mut self) {
        self.say("INVITE sip:bob@example.net SIP/2.0", "1 INVITE", Some(ALICE));
        self.say("SIP/2.0 200 OK", "1 INVITE", Some(BOB));
        sleep(Duration::from_millis(100));
    }

    fn say(&mut self, start: &str, cseq: &str, media: Option<(&str, u16)>) {
        let sdp = media.map_or_else(String::new, |(address, port)| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
                 m=audio {port} RTP/AVP 0\r\n"
            )
        });
        let message = format!(
            "{start}\r\nVia: SIP/2.0/UDP {}:5060;branch=z9hG4bK{}\r\n\
             From: <sip:alice@example.net>;tag=a\r\nTo: <sip:bob@example.net>;tag=b\r\n\
             Call-ID: stall@example.net\r\nCSeq: {cseq}\r\nContact: <sip:alice@{}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            ALICE.0,
            cseq.replace(' ', ""),
            ALICE.0,
            sdp.len(),
        );
        self.sip.send_to(message.as_bytes(), (BOB.0, 5060)).unwrap();
        self.messages += 1;
    }

    /// Sends media at ten thousand packets a second, and with every hundredth a message.
    fn talk(&mut self, packets: u64) {
        let begun = Instant::now();
        let mut packet = [0x55; PACKET];
        packet[..2].copy_from_slice(&[0x80, 0]);
        for number in 1..=packets {
            let (sequence, source) = (self.packets / STREAMS, self.packets % STREAMS);
            let sequence = u32::try_from(sequence).unwrap();
            packet[2..4].copy_from_slice(&sequence.to_be_bytes()[2..]);
            packet[4..8].copy_from_slice(&(sequence * 160).to_be_bytes());
            packet[11] = u8::try_from(source).unwrap();
            self.rtp.send_to(&packet, BOB).unwrap();
            self.packets += 1;
            if number % 100 == 0 {
                let cseq = format!("{} INFO", self.messages);
                self.say("INFO sip:bob@192.0.2.20 SIP/2.0", &cseq, None);
            }
            sleep((Duration::from_micros(100 * number)).saturating_sub(begun.elapsed()));
        }
    }
}

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
    let network = lay()?;
    let desk = Desk::new();
    desk.warrant("STALL", &["sip:alice@example.net"], EVER);
    let disk = Disk::mount(&desk);
    let command = network.command("tap", env!("CARGO_BIN_EXE_calltap"));
    let capture = Capture::start(&desk, command, "cap0", &[]);
    let namespace = PathBuf::from("/run/netns").join(network.namespace("phone"));
    let (messages, sent) = thread::scope(|scope| {
        let talk = scope.spawn(|| {
            let namespace = File::open(namespace).unwrap();
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let socket = |port| UdpSocket::bind((ALICE.0, port)).unwrap();
            let (sip, rtp) = (socket(5060), socket(ALICE.1));
            let mut phone = Phone { sip, rtp, messages: 0, packets: 0 };
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
