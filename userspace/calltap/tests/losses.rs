//! Each place of loss in a running capture: what is lost there is counted there to the frame, and
//! nowhere else.
//!
//! Of the places, `no_socket` and `frame_too_large` are made to lose in `calltap-xdp`'s tests
//! (faults.rs), `recorder_behind` in stall.rs, and `doubtful_media` in intake.rs, where time stands
//! still; no card can be made to lose, and what one has counted is held to the report of it in
//! cards.rs.
//! It needs root; without it these tests say so and pass.

mod capture;
mod desk;
mod disk;
mod phone;

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::Duration;

use calltap::lab::Namespaces;
use capture::{Capture, conserved, lost};
use desk::{Desk, EVER, sum, tshark};
use disk::Disk;
use phone::Phone;
use serde_json::Value;

/// One capture at a time: the networks have one name, and the machine is not to lose what a test
/// does not.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Long enough for what was sent to be taken.
const SETTLED: Duration = Duration::from_millis(300);

/// Captures a call of the phone's with so many frames a queue while it does what it is told; gives
/// the exit code and what was printed.
fn captured(
    network: &Namespaces,
    desk: &Desk,
    frames: u32,
    act: impl FnOnce(&mut Phone, &Capture) + Send,
) -> (Option<i32>, Value) {
    desk.warrant("LOSS", &["sip:alice@example.net"], EVER);
    fs::write(desk.path("calltap.toml"), format!("frames_per_queue = {frames}\n")).unwrap();
    let command = network.command("tap", env!("CARGO_BIN_EXE_calltap"));
    let capture = Capture::start(desk, command, "cap0", &["--config", "calltap.toml"]);
    let sent = thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let mut phone = Phone::of(network);
            phone.place_call();
            (0..20).for_each(|_| phone.speak());
            sleep(SETTLED);
            act(&mut phone, &capture);
            phone.messages + phone.packets
        });
        calling.join().unwrap()
    });
    let (code, found, _) = capture.end("-INT");
    conserved(&found, sent);
    (code, found)
}

/// What a program that stands still for a while, with so many frames a queue, loses of that.
fn frozen(frames: u32, send: impl FnOnce(&mut Phone) + Send) -> Option<Value> {
    let _turn = turn();
    let network = phone::lay(&[])?;
    let desk = Desk::new();
    let (code, found) = captured(&network, &desk, frames, |phone, capture| {
        capture.signal("-STOP");
        send(phone);
        capture.signal("-CONT");
        sleep(SETTLED);
        // What comes then is kept again.
        (0..20).for_each(|_| phone.speak());
    });
    assert_eq!(code, Some(0), "{found}");
    Some(found)
}

fn lost_there_alone(found: &Value, place: &str, frames: u64) {
    let there = found["frames"]["lost"][place].as_u64();
    assert_eq!((there, lost(found)), (Some(frames), frames), "{place}: {found}");
}

#[test]
fn media_that_a_ring_does_not_hold_is_lost_there_alone() {
    let media = |phone: &mut Phone| (0..700).for_each(|_| phone.speak());
    let Some(found) = frozen(1024, media) else { return };
    lost_there_alone(&found, "rx_ring_full", 700 - 512);
}

#[test]
fn signalling_that_its_ring_does_not_hold_is_lost_there_alone() {
    let messages = |phone: &mut Phone| (0..2_100).for_each(|_| phone.inform());
    let Some(found) = frozen(8192, messages) else { return };
    lost_there_alone(&found, "signalling_behind", 2_100 - 2_048);
}

#[test]
fn what_finds_no_frame_though_the_rings_have_room_is_lost_there_alone() {
    let messages = |phone: &mut Phone| (0..100).for_each(|_| phone.inform());
    let Some(found) = frozen(64, messages) else { return };
    lost_there_alone(&found, "fill_ring_empty", 100 - 64);
}

#[test]
fn what_a_full_disk_does_not_take_is_lost_there_alone_and_all_else_is_kept() {
    let _turn = turn();
    let Some(network) = phone::lay(&[("mkfs.ext4", "e2fsprogs")]) else { return };
    let desk = Desk::new();
    let _disk = Disk::mount(&desk, 16);
    let (code, found) = captured(&network, &desk, 8192, |phone, _| phone.talk(20_000));
    assert_eq!(code, Some(1), "{found}");
    let kept = sum(&found["volumes"], "packets");
    let there = found["frames"]["lost"]["disk"].as_u64().unwrap();
    assert!(there > 0 && kept > 1_000, "{found}");
    lost_there_alone(&found, "disk", there);
    let volumes = desk.volumes("evidence");
    let read = volumes.iter().map(|volume| tshark(volume, "frame", &["frame.number"]).len() as u64);
    assert_eq!(read.sum::<u64>(), kept, "{found}");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}
