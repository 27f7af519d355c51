//! How fast is signalling read, and a whole call followed?
//!
//! Every call at a mirror port costs this, a stranger's as well as a target's: the stranger's is
//! read to find out that it is one.

use std::hint::black_box;

use calltap_bench::call::{Call, tracker};
use calltap_proto::packet::LinkType;
use calltap_proto::sip::Message;
use calltap_proto::{Event, Kept, Timestamp, sdp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Calls that take turns.
const CALLS: u32 = 256;

/// Between the beginnings of two calls: long enough that the one before is over and forgotten.
const CALL_NS: u64 = 3_600_000_000_000;

fn parse(c: &mut Criterion) {
    let [invite, ..] = Call::of_target(1).messages();
    let message = Message::parse(invite.as_bytes()).expect("a SIP message");
    assert_eq!((message.method(), message.flaw), (&b"INVITE"[..], None));
    let description = message.description().expect("a session description");
    assert_eq!(sdp::scan(description).media.len(), 1);

    let mut group = c.benchmark_group("sip");
    group.throughput(whole(1, invite.len()));
    group.bench_function("parse an INVITE", |b| {
        b.iter(|| Message::parse(black_box(invite.as_bytes())));
    });
    group.throughput(whole(1, description.len()));
    group.bench_function("scan its session description", |b| {
        b.iter(|| sdp::scan(black_box(description)));
    });
    group.finish();
}

/// How many events of each kind there were.
#[derive(Debug, Default, PartialEq, Eq)]
struct Events {
    opened: u64,
    messages: u64,
    media: u64,
    ended: u64,
}

impl Events {
    fn count(&mut self, event: &Event<'_>) {
        match event {
            Event::CallOpened { .. } => self.opened += 1,
            Event::Message { .. } => self.messages += 1,
            Event::MediaOpened { .. } => self.media += 1,
            Event::CallEnded { .. } => self.ended += 1,
            _ => {}
        }
    }
}

fn follow(c: &mut Criterion) {
    let mut group = c.benchmark_group("tracker");
    for (name, kept) in [("a target's call", 1), ("a stranger's call", 0)] {
        let call = if kept == 1 { Call::of_target } else { Call::of_stranger };
        let calls: Vec<_> = (0..CALLS).map(|number| call(number).signalling()).collect();
        let bytes = calls[0].iter().map(Vec::len).sum();
        let mut tracker = tracker();
        let (mut now_ns, mut fed, mut events) = (0, 0, Events::default());
        let mut turn = calls.iter().cycle();
        group.throughput(whole(6, bytes));
        group.bench_function(name, |b| {
            b.iter(|| {
                now_ns += CALL_NS;
                fed += 1;
                for frame in turn.next().expect("a call") {
                    let at = Timestamp(now_ns);
                    let kept = Kept::whole(at, 0, LinkType::Ethernet, black_box(frame));
                    tracker.feed(kept, &mut |event| events.count(&event));
                }
            });
        });
        tracker.finish(Timestamp(now_ns + CALL_NS), &mut |event| events.count(&event));
        // RTP and RTCP of both sides.
        let expected = [1, 6, 4, 1].map(|each| each * fed * kept);
        let [opened, messages, media, ended] = expected;
        assert_eq!(events, Events { opened, messages, media, ended }, "{fed} calls, {name}");
    }
    group.finish();
}

fn whole(elements: u64, bytes: usize) -> Throughput {
    Throughput::ElementsAndBytes { elements, bytes: bytes as u64 }
}

criterion_group! {
    name = benches;
    config = calltap_bench::criterion();
    targets = parse, follow
}
criterion_main!(benches);
