//! What does a packet of a target's media cost the recorder, from a worker's chunk to the file?
//!
//! All that its own thread does: the merge by time, the volume, and the statistics of the stream, in
//! CPU time of that thread, as what hashes and writes has threads of its own.
//! Filling the chunks is the worker's part and is not timed; every stream has begun.

use std::time::Duration;

use calltap::merge::Merge;
use calltap::pool::{Lent, Pool};
use calltap::recorder::Recorder;
use calltap_bench::desk::Desk;
use calltap_bench::talk::{NOW_NS, Talk, recorder};
use calltap_evidence::chunk::Chunk;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};

/// Somebody whose identity nobody kept.
const RECIPIENT: &str = "age10aqnd7cxzd0m7esc80a6mh87n7scvc872enwahlyrhjv4lxg0g6s00xmue";

/// Chunks in the recorder's hands at once.
const CHUNKS: usize = 4;

/// Has the recorder take so many packets; gives what that took of its thread.
fn take(recorder: &mut Recorder, talk: &mut Talk, pool: &Pool<Chunk>, packets: u64) -> Duration {
    let (mut left, mut spent) = (packets, Duration::ZERO);
    while left > 0 {
        let mut chunks: Vec<Lent<Chunk>> = Vec::new();
        while left > 0 && chunks.len() < CHUNKS {
            let mut chunk = pool.lend().expect("a chunk");
            left -= talk.fill(&mut chunk, left);
            chunks.push(chunk);
        }
        let begun = cpu_time();
        let mut merge = Merge::default();
        chunks.drain(..).for_each(|chunk| merge.push(chunk));
        merge.drain(u64::MAX, |run| {
            recorder.record_all(run.records(), |warrant| panic!("{warrant} stopped"));
        });
        spent += cpu_time() - begun;
    }
    spent
}

/// What this thread has had of a CPU.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("a time since the thread began")
}

fn record(c: &mut Criterion) {
    let mut group = c.benchmark_group("recorder/a media packet");
    group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: 214 });
    let recipient = || Some(RECIPIENT.parse().expect("a recipient"));
    for (name, calls, recipient) in [
        ("1 call", 1, None),
        ("100k calls", 100_000, None),
        ("1 call, sealed to a recipient", 1, recipient()),
        ("100k calls, sealed to a recipient", 100_000, recipient()),
    ] {
        let desk = Desk::lay_for(recipient);
        let mut recorder = recorder(&desk, calls);
        let mut talk = Talk::of(desk.authority(), calls);
        let pool = Pool::new(CHUNKS, Chunk::default);
        take(&mut recorder, &mut talk, &pool, 2 * u64::from(calls));
        group.bench_function(name, |b| {
            b.iter_custom(|packets| take(&mut recorder, &mut talk, &pool, packets));
        });
        let recorded = recorder.finish(NOW_NS);
        assert!(recorded.whole, "every packet was written");
        let counted: u64 = recorded.calls.iter().map(|call| call.cc_packets).sum();
        assert_eq!(counted, talk.packets());
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = calltap_bench::criterion();
    targets = record
}
criterion_main!(benches);
