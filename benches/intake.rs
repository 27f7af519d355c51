//! What does a packet of a target's media cost a worker, from the ring to the recorder's chunk?
//!
//! All of it but the ring: headers, the bindings of both ends, the record, the encoded copy, and a
//! hand-over every 64 frames, as after every burst of the ring.

use calltap::batch::Batch;
use calltap::content::{Binding, Command, Content};
use calltap::horizon::Progress;
use calltap::intake::{Intake, Open, Tally};
use calltap::pool::Pool;
use calltap::recorder::Delivery;
use calltap_bench::Random;
use calltap_bench::desk::Desk;
use calltap_bench::frame::{endpoint, rtp, udp};
use calltap_evidence::chunk::Chunk;
use calltap_proto::{CallKey, Timestamp};
use calltap_xdp::Reason;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam::channel::{Receiver, bounded};

const BURST: u64 = 64;

/// Flows that take turns, where there are so many.
const FLOWS: usize = 4_096;

/// Within the warrant's window.
const NOW_NS: u64 = 1_700_000_000_000_000_000;

/// A worker's intake that listens to `content`, and the recorder's end of it.
fn intake(content: Content) -> (Intake, Receiver<Delivery>) {
    // Nothing of a target's media is signalling.
    let (signalling, _) = bounded(1);
    let (recorder, delivered) = bounded(64);
    let intake = Intake {
        interface: 0,
        signalling,
        batches: Pool::new(1, Batch::default),
        recorder,
        chunks: Pool::new(4, Chunk::default),
        recorded: Progress::default(),
        shown: Progress::default(),
        content,
        tally: Tally::default(),
        open: Open::default(),
    };
    (intake, delivered)
}

/// The records in what was handed over; dropping a chunk gives it back to the pool.
fn records(delivered: &Receiver<Delivery>) -> u64 {
    let count = |delivery| match delivery {
        Delivery::Chunk(chunk) => chunk.len() as u64,
        Delivery::Note(_) | Delivery::Change(_) | Delivery::Settings(_) => 0,
    };
    delivered.try_iter().map(count).sum()
}

fn media(c: &mut Criterion) {
    let authority = Desk::lay().authority();
    let mut group = c.benchmark_group("intake/a media packet");
    group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: 214 });
    for (name, calls) in [("1 call", 1), ("100k calls", 100_000)] {
        let mut content = Content::default();
        let mut frames = Vec::new();
        for cin in 1..=calls {
            let binding = Binding { authority, call: CallKey { warrant: 0, cin } };
            let (caller, callee) = (endpoint(2 * cin), endpoint(2 * cin + 1));
            content.apply(Command::Open(caller, binding));
            content.apply(Command::Open(callee, binding));
            frames.push(udp(caller, callee, &rtp(cin, 0)));
        }
        Random::default().shuffle(&mut frames);
        frames.truncate(FLOWS);
        let (mut intake, delivered) = intake(content);
        let (mut taken, mut recorded) = (0, 0);
        let mut turn = frames.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                taken += 1;
                let frame = turn.next().expect("a frame");
                intake.take(Reason::Endpoint as u32, Timestamp(NOW_NS + taken), frame);
                if taken % BURST == 0 {
                    intake.hand_over(false);
                    recorded += records(&delivered);
                }
            });
        });
        intake.hand_over(true);
        recorded += records(&delivered);
        assert_eq!(intake.tally, Tally { received: taken, ..Tally::default() });
        assert_eq!(recorded, taken, "each packet became one record");
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = calltap_bench::criterion();
    targets = media
}
criterion_main!(benches);
