//! What does it cost to count an RTP packet to its stream, and does that grow with the streams?
//!
//! The streams take turns in no order, so that each packet finds its stream's figures where many
//! streams leave them: out of the caches.

use std::hint::black_box;
use std::net::SocketAddr;

use calltap_bench::{Random, frame};
use calltap_proto::Timestamp;
use calltap_proto::rtp::{Header, PayloadClocks, Streams};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const PACKET_NS: u64 = 20_000_000;

fn header(c: &mut Criterion) {
    let packets: Vec<_> = (0..256).map(|number| frame::rtp(number, 7)).collect();
    for (ssrc, packet) in (0..).zip(&packets) {
        let header = Header::parse(packet).expect("RTP");
        assert_eq!((header.ssrc, header.sequence, header.timestamp), (ssrc, 7, 1120));
    }
    let mut turn = packets.iter().cycle();
    let mut group = c.benchmark_group("rtp");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse a header", |b| {
        b.iter(|| Header::parse(black_box(turn.next().expect("a packet"))));
    });
    group.finish();
}

fn streams(c: &mut Criterion) {
    let clocks = PayloadClocks::default();
    let mut group = c.benchmark_group("rtp/count");
    group.throughput(Throughput::Elements(1));
    for (name, count) in [("1k streams", 1_000_u32), ("200k streams", 200_000)] {
        group.bench_function(name, |b| {
            let to = SocketAddr::from(([198, 51, 100, 1], 4000));
            let mut order: Vec<_> = (0..count).map(|ssrc| (frame::endpoint(ssrc), ssrc)).collect();
            let mut streams = Streams::with_limit(order.len());
            Random::default().shuffle(&mut order);
            let mut packet = frame::rtp(0, 0);
            let (mut sequence, mut turn, mut fed) = (0_u16, 0, 0_u64);
            b.iter(|| {
                let (from, ssrc) = order[turn];
                packet[2..4].copy_from_slice(&sequence.to_be_bytes());
                packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
                let at = Timestamp(PACKET_NS * u64::from(sequence));
                assert!(streams.feed(at, from, to, black_box(&packet), &clocks));
                fed += 1;
                turn += 1;
                if turn == order.len() {
                    turn = 0;
                    sequence = sequence.wrapping_add(1);
                }
            });
            let counted: u64 = streams.iter().map(|stream| stream.packets - stream.lost).sum();
            assert_eq!((counted, streams.beyond_limit()), (fed, 0));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = calltap_bench::criterion();
    targets = header, streams
}
criterion_main!(benches);
