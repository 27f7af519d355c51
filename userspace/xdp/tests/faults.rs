//! Faults made on purpose: each moves its own counter by what was lost, and no other.

#![allow(unsafe_code, reason = "namespaces and packet sockets are raw system calls")]
#![allow(dead_code, reason = "not every test needs all of the frames and the wire")]

mod frames;
mod wire;

use std::time::{Duration, Instant};

use calltap_xdp::{AttachWish, Counter, Filter, Frame, Geometry, LoadOptions, Socket};
use wire::{Wire, in_namespace};

const TARGET: &str = "192.0.2.1:16384";
const PEER: &str = "198.51.100.2:20000";

/// What was lost, by place.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lost {
    no_socket: u64,
    no_metadata: u64,
    rx_ring_full: u64,
    rx_dropped: u64,
    too_long: u64,
    fill_ring_empty: u64,
    bad_descriptors: u64,
}

/// A filter at the far end that keeps the target's media, over sockets of these sizes.
struct Rig {
    wire: Wire,
    filter: Filter,
    sockets: Vec<Socket>,
    sent: u64,
}

impl Rig {
    fn new(geometry: Geometry, wish: AttachWish) -> Self {
        let wire = Wire::lay();
        wire::ip("link set near mtu 3000");
        wire::ip("link set far mtu 3000");
        let mut filter = Filter::load(LoadOptions::default()).expect("the program loads");
        let sockets = wire.sockets(geometry);
        sockets.iter().for_each(|socket| filter.register(socket).expect("registered"));
        filter.attach(&wire.far, wish).expect("attached");
        filter.set_signalling_deadline(u64::MAX);
        filter.open_endpoint(TARGET.parse().unwrap(), u64::MAX).expect("opened");
        Self { wire, filter, sockets, sent: 0 }
    }

    /// Sends media, each frame once the one before has been counted, so that veth drops none.
    fn send(&mut self, frames: u64, payload: usize) {
        let datagram = frames::datagram(TARGET, PEER, &vec![0; payload]);
        let packet = frames::ipv4(TARGET, PEER, &[], None, &datagram);
        let frame = frames::ethernet(frames::ELSEWHERE, 0x0800, &packet);
        for _ in 0..frames {
            self.wire.send(&frame);
            self.sent += 1;
            let deadline = Instant::now() + Duration::from_secs(2);
            while self.filter.counters().expect("counters").seen() < self.sent {
                assert!(Instant::now() < deadline, "frame {} never came", self.sent);
                std::thread::yield_now();
            }
        }
        // The frame is counted before the kernel hands it to the socket.
        std::thread::sleep(Duration::from_millis(20));
    }

    fn take(&mut self) -> Vec<Vec<Frame>> {
        let take = |socket: &mut Socket| {
            let mut frames = Vec::new();
            while socket.receive(&mut frames, 64) > 0 {}
            frames
        };
        self.sockets.iter_mut().map(take).collect()
    }

    /// Everything lost so far; `received` frames and these are all that was sent.
    fn lost(&self, received: u64) -> Lost {
        let counters = self.filter.counters().expect("counters");
        let mut lost = Lost {
            no_socket: counters.get(Counter::LostNoSocket),
            no_metadata: counters.get(Counter::LostNoMetadata),
            ..Lost::default()
        };
        for socket in &self.sockets {
            let told = socket.statistics().expect("statistics");
            lost.rx_ring_full += told.rx_ring_full;
            lost.rx_dropped += told.rx_dropped;
            lost.too_long += told.too_long;
            lost.fill_ring_empty += told.fill_ring_empty;
            lost.bad_descriptors += told.bad_descriptors;
        }
        let sum = lost.no_socket + lost.rx_ring_full + lost.rx_dropped + lost.bad_descriptors;
        assert_eq!((counters.seen(), received + sum), (self.sent, self.sent), "{lost:?}");
        lost
    }
}

fn count(frames: &[Vec<Frame>]) -> u64 {
    frames.iter().map(|frames| frames.len() as u64).sum()
}

/// The sender stays on one processor, so that its frames come by one queue.
fn pinned(test: impl FnOnce() + Send + 'static) {
    in_namespace(|| {
        let mut one = rustix::thread::CpuSet::new();
        one.set(0);
        rustix::thread::sched_setaffinity(None, &one).expect("pinned");
        test();
    });
}

const RING: u32 = 64;

#[test]
fn a_frozen_reader_loses_exactly_what_exceeds_its_ring() {
    for (frames, lost) in [(1, 0), (63, 0), (64, 0), (65, 1), (300, 236)] {
        pinned(move || {
            let geometry =
                Geometry { frames: 1024, chunk_bytes: 2048, receive_ring: RING, longest_frame: 0 };
            let mut rig = Rig::new(geometry, AttachWish::Native);
            rig.send(frames, 160);
            let received = count(&rig.take());
            assert_eq!(received, frames - lost);
            assert_eq!(rig.lost(received), Lost { rx_ring_full: lost, ..Lost::default() });
        });
    }
}

#[test]
fn a_starved_fill_ring_loses_exactly_what_exceeds_the_chunks() {
    pinned(|| {
        let geometry =
            Geometry { frames: 64, chunk_bytes: 2048, receive_ring: 256, longest_frame: 0 };
        let mut rig = Rig::new(geometry, AttachWish::Native);
        rig.send(100, 160);
        let kept = rig.take();
        assert_eq!(count(&kept), 64);
        let expected = Lost { rx_dropped: 36, fill_ring_empty: 36, ..Lost::default() };
        assert_eq!(rig.lost(64), expected);
        for (socket, kept) in rig.sockets.iter_mut().zip(kept) {
            socket.release(kept);
        }
        rig.send(10, 160);
        assert_eq!(count(&rig.take()), 10, "it recovers by itself");
        assert_eq!(rig.lost(74), expected);
    });
}

#[test]
fn a_queue_without_a_socket_loses_its_frames_in_the_filter_alone() {
    pinned(|| {
        let geometry =
            Geometry { frames: 512, chunk_bytes: 2048, receive_ring: 256, longest_frame: 0 };
        let wire = Wire::lay();
        let mut filter = Filter::load(LoadOptions::default()).expect("the program loads");
        filter.attach(&wire.far, AttachWish::Native).expect("attached");
        filter.set_signalling_deadline(u64::MAX);
        filter.open_endpoint(TARGET.parse().unwrap(), u64::MAX).expect("opened");
        // Native XDP runs on veth though no queue has a socket.
        let mut rig = Rig { wire, filter, sockets: Vec::new(), sent: 0 };
        rig.send(17, 160);
        assert_eq!(rig.lost(0), Lost { no_socket: 17, ..Lost::default() });
        rig.sockets = rig.wire.sockets(geometry);
        for socket in &rig.sockets {
            rig.filter.register(socket).expect("registered");
        }
        rig.send(5, 160);
        assert_eq!(count(&rig.take()), 5);
        assert_eq!(rig.lost(5), Lost { no_socket: 17, ..Lost::default() });
    });
}

#[test]
fn a_socket_that_is_closed_loses_its_queues_frames_in_the_filter_alone() {
    pinned(|| {
        let geometry =
            Geometry { frames: 512, chunk_bytes: 2048, receive_ring: 256, longest_frame: 0 };
        let mut rig = Rig::new(geometry, AttachWish::Native);
        rig.send(9, 160);
        assert_eq!(count(&rig.take()), 9);
        rig.sockets.clear();
        rig.send(11, 160);
        assert_eq!(rig.lost(9), Lost { no_socket: 11, ..Lost::default() });
    });
}

#[test]
fn frames_longer_than_a_chunk_are_lost_at_the_socket_alone() {
    pinned(|| {
        let geometry =
            Geometry { frames: 512, chunk_bytes: 2048, receive_ring: 256, longest_frame: 0 };
        let mut rig = Rig::new(geometry, AttachWish::Generic);
        rig.send(7, 1900);
        rig.send(3, 160);
        assert_eq!(count(&rig.take()), 3);
        assert_eq!(rig.lost(3), Lost { rx_dropped: 7, too_long: 7, ..Lost::default() });
    });
}
