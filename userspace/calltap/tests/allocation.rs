//! A media packet costs a worker no allocation, from the ring to the recorder's channel.

use std::net::SocketAddr;

use calltap::batch::Batch;
use calltap::content::{Binding, Command, Content};
use calltap::horizon::Progress;
use calltap::intake::{Intake, Open, Tally};
use calltap::pool::Pool;
use calltap::recorder::Delivery;
use calltap_evidence::chunk::Chunk;
use calltap_proto::{CallKey, Timestamp};
use calltap_xdp::Reason;
use crossbeam::channel::bounded;

mod desk;

use desk::Desk;

/// A G.711 RTP packet from 192.0.2.1:4000 to 192.0.2.2:5000, in Ethernet.
fn frame(sequence: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, 0, 200, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend([0x0f, 0xa0, 0x13, 0x88, 0, 180, 0, 0]);
    frame.extend([0x80, 0]);
    frame.extend(sequence.to_be_bytes());
    frame.extend([0; 8]);
    frame.extend([0x55; 160]);
    frame
}

#[test]
fn a_media_packet_allocates_nothing() {
    let desk = Desk::new();
    let call = CallKey { warrant: 0, cin: 1 };
    let binding = Binding { authority: desk.authority("L-1", 0), call };
    let mut content = Content::default();
    for endpoint in ["192.0.2.1:4000", "192.0.2.2:5000"] {
        content.apply(Command::Open(endpoint.parse::<SocketAddr>().unwrap(), binding));
    }
    let (signalling, _heard) = bounded(4);
    let (recorder, delivered) = bounded(64);
    let mut intake = Intake {
        interface: 0,
        signalling,
        batches: Pool::new(4, Batch::default),
        recorder,
        chunks: Pool::new(4, Chunk::default),
        recorded: Progress::default(),
        shown: Progress::default(),
        content,
        tally: Tally::default(),
        open: Open::default(),
    };
    let frames: Vec<_> = (0..1000).map(frame).collect();
    let mut records = 0;
    let mut round = |intake: &mut Intake| {
        for (place, frame) in (0_u64..).zip(&frames) {
            intake.take(
                Reason::Endpoint as u32,
                Timestamp(1_700_000_000_000_000_000 + place),
                frame,
            );
            intake.hand_over(false);
        }
        for delivery in delivered.try_iter() {
            // Dropping the chunk gives it back to the pool.
            let Delivery::Chunk(chunk) = delivery else { panic!("a note from a worker") };
            records += chunk.len();
        }
    };
    // The first rounds fill the pools' chunks once, which may grow their index.
    (0..50).for_each(|_| round(&mut intake));
    let allocated = allocation_counter::measure(|| (0..50).for_each(|_| round(&mut intake)));
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
    let expected = Tally { received: 100_000, ..Tally::default() };
    assert_eq!(intake.tally, expected);
    intake.hand_over(true);
    for delivery in delivered.try_iter() {
        let Delivery::Chunk(chunk) = delivery else { panic!("a note from a worker") };
        records += chunk.len();
    }
    assert_eq!(records, 100_000, "each packet became one record");
}
