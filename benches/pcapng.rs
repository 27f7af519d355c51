//! How fast does a kept frame become an encoded pcapng block?
//!
//! This is the one copy of a packet between the socket's memory and the file: into a chunk of
//! 1 MiB, which is emptied when it is full, as the recorder does.
//! 60 bytes is Ethernet's shortest frame, 214 is 20 ms of G.711, 1514 is the longest of MTU 1500.

use std::hint::black_box;

use calltap_bench::desk::Desk;
use calltap_evidence::chunk::Chunk;
use calltap_evidence::record::{Kind, Record};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Within the warrant's window.
const NOW_NS: u64 = 1_700_000_000_000_000_000;

fn encode(c: &mut Criterion) {
    let authority = Desk::lay().authority();
    let mut group = c.benchmark_group("pcapng/encode");
    for length in [60_u32, 214, 1514] {
        let frame = vec![0x55; length as usize];
        let record = |at_ns, frame| {
            Record::new(&authority, at_ns, 1, Kind::Content, 0, frame, length, None, None)
                .expect("within the window")
        };
        let mut chunk = Chunk::default();
        chunk.try_push(&record(NOW_NS, &frame)).expect("room");
        let encoded = chunk.record(0).expect("a record");
        assert_eq!((encoded.at_ns(), encoded.frame()), (NOW_NS, frame.as_slice()));
        let mut at_ns = NOW_NS;
        group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: length.into() });
        group.bench_function(format!("{length} bytes"), |b| {
            b.iter(|| {
                at_ns += 1;
                let record = record(at_ns, black_box(&frame));
                if chunk.try_push(&record).is_err() {
                    chunk.clear();
                    chunk.try_push(&record).expect("an empty chunk has room");
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = calltap_bench::criterion();
    targets = encode
}
criterion_main!(benches);
