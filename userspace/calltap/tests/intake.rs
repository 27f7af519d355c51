//! What a worker says of its progress, and what it counts where nothing can be kept.

mod desk;

use std::net::SocketAddr;

use calltap::batch::Batch;
use calltap::content::{Binding, Command, Content};
use calltap::horizon::Progress;
use calltap::intake::{Intake, Open, Tally};
use calltap::pool::{Lent, Pool};
use calltap::recorder::Delivery;
use calltap_evidence::chunk::Chunk;
use calltap_proto::{CallKey, Timestamp};
use calltap_xdp::Reason;
use crossbeam::channel::{Receiver, bounded};
use desk::Desk;

const BEGUN: u64 = 1_700_000_000_000_000_000;

/// A worker's intake with so many chunks, in the middle of a call, and what comes out of it for the
/// recorder.
fn intake(chunks: usize) -> (Intake, Receiver<Delivery>) {
    let (intake, delivered, _) = between(chunks, 1);
    (intake, delivered)
}

/// One with so many batches too, and what comes out of it for the thread that follows calls.
fn between(chunks: usize, batches: usize) -> (Intake, Receiver<Delivery>, Receiver<Lent<Batch>>) {
    let desk = Desk::new();
    let binding =
        Binding { authority: desk.authority("L-1", 0), call: CallKey { warrant: 0, cin: 1 } };
    let ends: [SocketAddr; 2] = ["192.0.2.1:4000", "192.0.2.2:5000"].map(|it| it.parse().unwrap());
    let mut content = Content::default();
    for end in ends {
        content.apply(Command::Open(end, binding));
    }
    content.witnessed(ends[0], ends[1]);
    let (signalling, shown) = bounded(batches);
    let (recorder, delivered) = bounded(64);
    let intake = Intake {
        interface: 0,
        signalling,
        batches: Pool::new(batches, Batch::default),
        recorder,
        chunks: Pool::new(chunks, || Chunk::with_capacity(4096)),
        recorded: Progress::default(),
        shown: Progress::default(),
        content,
        tally: Tally::default(),
        open: Open::default(),
    };
    (intake, delivered, shown)
}

/// 20 ms of G.711 from the one end to the other.
fn frame() -> Vec<u8> {
    let mut frame = vec![0xff; 214];
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    frame[14..24].copy_from_slice(&[0x45, 0, 0, 200, 0, 0, 0x40, 0, 64, 17]);
    frame[26..34].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
    frame[34..38].copy_from_slice(&[0x0f, 0xa0, 0x13, 0x88]);
    frame[38..42].copy_from_slice(&[0, 180, 0, 0]);
    frame[42..44].copy_from_slice(&[0x80, 0]);
    frame
}

fn take(intake: &mut Intake, at_ns: u64) {
    intake.take(Reason::Endpoint as u32, Timestamp(BEGUN + at_ns), &frame());
}

fn recorded(intake: &Intake) -> u64 {
    Progress::of_all(std::slice::from_ref(&intake.recorded)).0.saturating_sub(BEGUN)
}

#[test]
fn a_workers_word_covers_what_it_handed_over_and_nothing_in_its_hands() {
    let (mut intake, delivered) = intake(4);
    intake.drained(Timestamp(BEGUN + 5));
    intake.hand_over(false);
    assert_eq!(recorded(&intake), 5, "nothing is in its hands");
    take(&mut intake, 10);
    intake.drained(Timestamp(BEGUN + 20));
    intake.hand_over(false);
    assert_eq!((recorded(&intake), delivered.len()), (5, 0), "a record is");
    intake.hand_over(true);
    assert_eq!((recorded(&intake), delivered.len()), (20, 1));
    // A chunk that is full goes before the record that it has no room for.
    for at_ns in 21..40 {
        take(&mut intake, at_ns);
    }
    assert_eq!(delivered.len(), 2);
    let (_, Delivery::Chunk(full)) = (delivered.recv(), delivered.recv().unwrap()) else {
        panic!("a note from a worker");
    };
    let last = full.records().last().unwrap().at_ns() - BEGUN;
    assert_eq!(recorded(&intake), last);
}

#[test]
fn what_comes_while_the_recorder_has_every_chunk_is_counted_to_the_frame() {
    let (mut intake, delivered) = intake(2);
    assert!(!intake.is_stuck());
    let mut taken = 0;
    while !intake.is_stuck() && taken < 100 {
        take(&mut intake, taken);
        taken += 1;
    }
    // Those two chunks hold are kept, and the last was the first to find none.
    intake.lose(7);
    take(&mut intake, taken);
    let held: Vec<_> = delivered.try_iter().collect();
    let kept: usize = held
        .iter()
        .map(|delivery| match delivery {
            Delivery::Chunk(chunk) => chunk.len(),
            _ => panic!("a note from a worker"),
        })
        .sum();
    assert_eq!(held.len(), 2);
    let received = taken + 8;
    let lost_content = received - kept as u64;
    assert_eq!(intake.tally, Tally { received, lost_content, ..Tally::default() });
    assert_eq!(lost_content, 9);
    drop(held);
    assert!(!intake.is_stuck(), "it goes on by itself");
    take(&mut intake, taken + 1);
    assert_eq!(intake.tally.lost_content, 9);
}

fn frames(batches: &[Lent<Batch>]) -> u64 {
    batches.iter().map(|batch| batch.len() as u64).sum()
}

#[test]
fn what_finds_no_batch_is_counted_to_the_frame() {
    let (mut intake, delivered, shown) = between(1, 2);
    let fragment = |intake: &mut Intake| {
        intake.take(Reason::Fragment as u32, Timestamp(BEGUN), &frame());
        intake.tally
    };
    let mut taken = 1;
    while fragment(&mut intake).lost_signalling == 0 && taken < 10_000 {
        taken += 1;
    }
    (0..7).for_each(|_| _ = fragment(&mut intake));
    let batches: Vec<_> = shown.try_iter().collect();
    let (received, lost_signalling) = (taken + 7, 8);
    assert_eq!(intake.tally, Tally { received, lost_signalling, ..Tally::default() });
    assert_eq!((batches.len(), frames(&batches)), (2, received - lost_signalling));
    drop(batches);
    assert_eq!(fragment(&mut intake).lost_signalling, 8, "it goes on by itself");
    assert!(delivered.is_empty());
}

/// Media that comes to the one end from an address that no message named: anybody's, perhaps.
fn doubtful() -> Vec<u8> {
    let mut frame = frame();
    frame[26..34].copy_from_slice(&[198, 51, 100, 9, 192, 0, 2, 1]);
    frame[36..38].copy_from_slice(&[0x0f, 0xa0]);
    frame
}

/// Takes in so many of them at a time, of which each full batch is taken away when `free`; gives how
/// many were shown.
fn doubt(flow: &mut (Intake, Receiver<Lent<Batch>>), at_ns: u64, packets: u64, free: bool) -> u64 {
    let (intake, shown) = flow;
    let mut seen = 0;
    for _ in 0..packets {
        intake.take(Reason::Endpoint as u32, Timestamp(BEGUN + at_ns), &doubtful());
        if free {
            seen += frames(&shown.try_iter().collect::<Vec<_>>());
        }
    }
    intake.hand_over(true);
    seen + if free { frames(&shown.try_iter().collect::<Vec<_>>()) } else { 0 }
}

#[test]
fn of_packets_that_may_be_anybodys_those_past_five_thousand_a_second_are_counted_as_doubtful() {
    let (intake, delivered, shown) = between(1, 2);
    let mut flow = (intake, shown);
    let lost = |received, lost_doubtful| Tally { received, lost_doubtful, ..Tally::default() };
    assert_eq!(doubt(&mut flow, 0, 5_000, true), 5_000);
    assert_eq!(flow.0.tally, lost(5_000, 0));
    assert_eq!(doubt(&mut flow, 999_999_999, 7, true), 0);
    assert_eq!(flow.0.tally, lost(5_007, 7));
    assert_eq!(doubt(&mut flow, 1_000_000_000, 5_001, true), 5_000, "it goes on by itself");
    assert_eq!(flow.0.tally, lost(10_008, 8));
    // What is known to be the call's is kept all the while.
    take(&mut flow.0, 1_000_000_000);
    assert_eq!(flow.0.tally, lost(10_009, 8));
    flow.0.hand_over(true);
    assert_eq!(delivered.len(), 1);
}

#[test]
fn packets_that_may_be_anybodys_leave_half_of_the_batches_to_signalling() {
    let (intake, _delivered, shown) = between(1, 4);
    let mut flow = (intake, shown);
    doubt(&mut flow, 0, 4_000, false);
    let held: Vec<_> = flow.1.try_iter().collect();
    assert_eq!(held.len(), 3, "the third was begun while two were free");
    let lost_doubtful = 4_000 - frames(&held);
    assert!(lost_doubtful > 0);
    assert_eq!(flow.0.tally, Tally { received: 4_000, lost_doubtful, ..Tally::default() });
    // Signalling finds room.
    flow.0.take(Reason::Fragment as u32, Timestamp(BEGUN), &frame());
    assert_eq!(flow.0.tally.lost_signalling, 0);
}
