//! Frames that no chunk holds (jumbo frames) over a real wire: put together, whole and once.

#![allow(unsafe_code, reason = "namespaces and packet sockets are raw system calls")]
#![allow(dead_code, reason = "not every test needs all of the frames and the wire")]

mod frames;
mod wire;

use std::time::{Duration, Instant};

use calltap_xdp::{
    AttachMode, AttachWish, Filter, Frame, Geometry, Interface, LoadOptions, Reason, Socket,
};
use wire::{Wire, in_namespace, receive};

const TARGET: &str = "192.0.2.1:16384";
const PEER: &str = "198.51.100.2:20000";
const PROXY: &str = "198.51.100.3:5060";

/// A frame whose every byte says where it stands, so that no part can be at another's place.
fn long(source: &str, destination: &str, payload: usize, seed: usize) -> Vec<u8> {
    let payload: Vec<_> = (0..payload)
        .map(|at| u8::try_from((at * 7 + at / 251 + seed) % 256).expect("a byte"))
        .collect();
    let datagram = frames::datagram(source, destination, &payload);
    frames::ethernet(
        frames::ELSEWHERE,
        0x0800,
        &frames::ipv4(source, destination, &[], None, &datagram),
    )
}

struct Rig {
    wire: Wire,
    filter: Filter,
    media: Vec<Socket>,
    signalling: Vec<Socket>,
    mode: AttachMode,
    sent: u64,
}

/// A filter at the far end of a wire of this MTU, which keeps the target's media.
fn rig(mtu: u32, wish: AttachWish, geometry: impl Fn(Geometry) -> Geometry) -> Rig {
    let mut wire = Wire::lay();
    wire::ip(&format!("link set near mtu {mtu}"));
    wire::ip(&format!("link set far mtu {mtu}"));
    wire.far = Interface::open("far").expect("far");
    let options =
        LoadOptions { multi_buffer: wire.far.has_long_frames(), ..LoadOptions::default() };
    let mut filter = Filter::load(options).expect("the program loads");
    let media = wire.sockets(geometry(Geometry::for_mtu(mtu).with_frames(512)));
    let signalling: Vec<_> =
        media.iter().map(|socket| socket.for_signalling(256).expect("a socket")).collect();
    media.iter().chain(&signalling).for_each(|it| filter.register(it).expect("registered"));
    let mode = filter.attach(&wire.far, wish).expect("attached");
    filter.set_signalling_ports(&[5060]);
    filter.set_signalling_deadline(u64::MAX);
    filter.open_endpoint(TARGET.parse().unwrap(), u64::MAX).expect("opened");
    Rig { wire, filter, media, signalling, mode, sent: 0 }
}

impl Rig {
    /// Sends a frame once the one before was seen, so that veth drops none.
    fn send(&mut self, frame: &[u8]) {
        self.wire.send(frame);
        self.sent += 1;
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.filter.counters().expect("counters").seen() < self.sent {
            assert!(Instant::now() < deadline, "frame {} never came", self.sent);
            std::thread::yield_now();
        }
    }

    fn lost(&self) -> (u64, u64, u64) {
        let all = self.media.iter().chain(&self.signalling);
        let told: Vec<_> = all.map(|it| it.statistics().expect("statistics")).collect();
        let sum = |of: fn(&calltap_xdp::Statistics) -> u64| told.iter().map(of).sum::<u64>();
        let bad = sum(|it| it.bad_descriptors);
        assert_eq!(bad, 0);
        (sum(|it| it.rx_dropped), sum(|it| it.too_long), sum(|it| it.rx_ring_full))
    }
}

#[test]
fn a_long_frame_arrives_whole_marked_and_once_in_either_mode() {
    for (wish, expected) in
        [(AttachWish::Native, AttachMode::Native), (AttachWish::Generic, AttachMode::Generic)]
    {
        in_namespace(move || {
            let mut rig = rig(9000, wish, |it| it);
            assert_eq!(rig.mode, expected);
            let media = long(TARGET, PEER, 8900, 1);
            let message = long(PEER, PROXY, 8900, 2);
            // The longest there is, and one of a hardware that carries 9,216 bytes is below.
            let longest = long(TARGET, PEER, 8972, 3);
            assert_eq!(longest.len(), 9014);
            for frame in [&media, &message, &longest, &long(PEER, PEER, 8900, 4)] {
                rig.send(frame);
            }
            let kept = receive(&mut rig.media, 2);
            assert!(kept.iter().all(|(mark, _)| mark.reason() == Some(Reason::Endpoint)));
            assert!(kept.iter().all(|(mark, _)| mark.arrival_ns > 0));
            let kept: Vec<_> = kept.into_iter().map(|(_, bytes)| bytes).collect();
            assert!(
                kept == [media, longest],
                "{:?}",
                kept.iter().map(Vec::len).collect::<Vec<_>>()
            );
            let heard = receive(&mut rig.signalling, 1);
            assert_eq!(heard.len(), 1);
            assert_eq!(heard[0].0.reason(), Some(Reason::Signalling));
            assert!(heard[0].1 == message);
            let counters = rig.filter.counters().unwrap();
            assert_eq!((counters.seen(), counters.kept(), counters.filtered()), (4, 3, 1));
            assert_eq!(rig.lost(), (0, 0, 0));
        });
    }
}

#[test]
fn frames_of_9216_bytes_are_kept_whole() {
    in_namespace(|| {
        let mut rig = rig(9202, AttachWish::Native, |it| it);
        let frame = long(TARGET, PEER, 9216 - 42, 1);
        assert_eq!(frame.len(), 9216);
        rig.send(&frame);
        let kept = receive(&mut rig.media, 1);
        assert!(kept.len() == 1 && kept[0].1 == frame);
    });
}

#[test]
fn long_and_short_frames_are_told_apart_over_every_border_of_a_batch() {
    in_namespace(|| {
        // Chunks that a long frame needs five of, and batches of every small size.
        let mut rig = rig(9000, AttachWish::Native, |it| Geometry { chunk_bytes: 2048, ..it });
        let mut sent = Vec::new();
        for round in 0..400_usize {
            let payload = [8900, 160, 1700, 1780, 3600, 8900, 40][round % 7];
            let frame = long(TARGET, PEER, payload, round);
            rig.send(&frame);
            sent.push(frame);
            if round % 8 == 7 {
                for socket in &mut rig.media {
                    let mut frames: Vec<Frame> = Vec::new();
                    let limit = 1 + round % 5;
                    while socket.receive(&mut frames, limit) > 0 {
                        for frame in std::mem::take(&mut frames) {
                            let bytes = socket.bytes(&frame);
                            let at = sent.iter().position(|it| it == bytes);
                            drop(sent.remove(at.expect("a frame that was sent, and once")));
                            socket.release([frame]);
                        }
                    }
                }
            }
        }
        assert_eq!(sent.len(), 0, "all arrived");
        assert_eq!(rig.filter.counters().unwrap().kept(), 400);
        assert_eq!(rig.lost(), (0, 0, 0));
    });
}

#[test]
fn a_frame_longer_than_the_mtu_told_is_counted_as_too_long_and_harms_no_other() {
    in_namespace(|| {
        let mut rig = rig(9000, AttachWish::Native, |it| Geometry { longest_frame: 5000, ..it });
        let (longer, fine) = (long(TARGET, PEER, 6000, 1), long(TARGET, PEER, 4500, 2));
        for _ in 0..200 {
            rig.send(&longer);
            rig.send(&fine);
            let kept = receive_now(&mut rig.media);
            assert!(kept.iter().all(|it| *it == fine));
        }
        assert_eq!(rig.lost(), (200, 200, 0));
        assert_eq!(rig.filter.counters().unwrap().kept(), 400);
    });
}

#[test]
fn a_sleeping_reader_loses_whole_long_frames_and_the_sum_holds() {
    in_namespace(|| {
        let mut rig = rig(9000, AttachWish::Native, |it| Geometry { receive_ring: 64, ..it });
        let frame = long(TARGET, PEER, 8900, 1);
        for _ in 0..100 {
            rig.send(&frame);
        }
        std::thread::sleep(Duration::from_millis(20));
        let kept = receive_now(&mut rig.media);
        assert!(kept.iter().all(|it| *it == frame));
        let (dropped, too_long, ring_full) = rig.lost();
        assert_eq!((dropped, too_long), (0, 0));
        assert_eq!(kept.len() as u64 + ring_full, 100);
        assert!(ring_full > 0);
    });
}

/// What is there, without waiting for more than the kernel's hand-over.
fn receive_now(sockets: &mut [Socket]) -> Vec<Vec<u8>> {
    let mut received = Vec::new();
    for socket in sockets {
        wire::drain(socket, &mut received);
    }
    received.into_iter().map(|(_, bytes)| bytes).collect()
}
