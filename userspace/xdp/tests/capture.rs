//! Frames over a real wire: what is delivered, how it is marked, and that none goes missing.

#![allow(unsafe_code, reason = "namespaces and packet sockets are raw system calls")]

mod frames;
mod wire;

use std::time::{Duration, Instant};

use calltap_xdp::{
    AttachMode, AttachWish, BindMode, Counter, Filter, Geometry, LoadOptions, Reason, Socket, clock,
};
use wire::{Wire, in_namespace, receive};

const TARGET: &str = "192.0.2.1:16384";
const PEER: &str = "198.51.100.2:20000";

const SMALL: Geometry =
    Geometry { frames: 512, chunk_bytes: 2048, receive_ring: 256, longest_frame: 0 };

/// A filter attached to the far end, with a socket on each queue and a warrant in force.
fn capture(wire: &Wire, wish: AttachWish, geometry: Geometry) -> (Filter, Vec<Socket>, AttachMode) {
    let mut filter = Filter::load(LoadOptions::default()).expect("the program loads");
    let sockets = wire.sockets(geometry);
    for socket in &sockets {
        filter.register(socket).expect("registered");
    }
    let mode = filter.attach(&wire.far, wish).expect("attached");
    filter.set_signalling_ports(&[5060]);
    filter.set_signalling_deadline(u64::MAX);
    (filter, sockets, mode)
}

fn open(filter: &mut Filter, endpoint: &str, not_after_ns: u64) {
    filter.open_endpoint(endpoint.parse().unwrap(), not_after_ns).expect("opened");
}

#[test]
fn nothing_is_delivered_while_no_warrant_is_in_force() {
    in_namespace(|| {
        let wire = Wire::lay();
        let (mut filter, mut sockets, _) = capture(&wire, AttachWish::Auto, SMALL);
        open(&mut filter, TARGET, u64::MAX);
        filter.set_signalling_deadline(0);
        for frame in [frames::udp(PEER, "198.51.100.3:5060"), frames::udp(TARGET, PEER)] {
            wire.send(&frame);
        }
        assert!(receive(&mut sockets, 1).is_empty());
        let counters = filter.counters().unwrap();
        assert_eq!((counters.seen(), counters.get(Counter::FilteredNoWarrant)), (2, 2));
    });
}

#[test]
fn signalling_arrives_whole_and_marked_in_either_mode() {
    for (wish, expected) in
        [(AttachWish::Native, AttachMode::Native), (AttachWish::Generic, AttachMode::Generic)]
    {
        in_namespace(move || {
            let wire = Wire::lay();
            let (_filter, mut sockets, mode) = capture(&wire, wish, SMALL);
            assert_eq!((mode, sockets[0].mode()), (expected, BindMode::Copy));
            let sent = frames::udp(PEER, "198.51.100.3:5060");
            let before = clock::boot_ns();
            wire.send(&sent);
            let received = receive(&mut sockets, 1);
            let [(mark, bytes)] = &received[..] else { panic!("{received:?}") };
            assert_eq!(*bytes, sent);
            assert_eq!(mark.reason(), Some(Reason::Signalling));
            assert!(before <= mark.arrival_ns && mark.arrival_ns <= clock::boot_ns());
            assert!(mark.queue < wire.far.queues());
        });
    }
}

#[test]
fn an_endpoint_is_delivered_both_ways_until_it_closes_or_ends() {
    in_namespace(|| {
        let wire = Wire::lay();
        let (mut filter, mut sockets, _) = capture(&wire, AttachWish::Auto, SMALL);
        let both = [frames::udp(TARGET, PEER), frames::udp(PEER, TARGET)];
        let mut delivered = || {
            both.iter().for_each(|frame| wire.send(frame));
            let received = receive(&mut sockets, 2);
            assert!(received.iter().all(|(mark, _)| mark.reason() == Some(Reason::Endpoint)));
            received.len()
        };
        assert_eq!(delivered(), 0, "not open yet");
        open(&mut filter, TARGET, clock::boot_ns() + 60_000_000_000);
        assert_eq!(delivered(), 2, "open");
        filter.close_endpoint(TARGET.parse().unwrap()).expect("closed");
        assert_eq!(delivered(), 0, "closed");
        open(&mut filter, TARGET, clock::boot_ns() + 50_000_000);
        assert_eq!(delivered(), 2, "open again");
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(delivered(), 0, "past its deadline, with nobody closing it");
    });
}

#[test]
fn fragments_follow_their_first_in_any_order() {
    in_namespace(|| {
        let wire = Wire::lay();
        let (mut filter, mut sockets, _) = capture(&wire, AttachWish::Auto, SMALL);
        open(&mut filter, TARGET, u64::MAX);
        let targets = frames::fragments(TARGET, PEER, 1);
        let strangers = frames::fragments("198.51.100.7:30000", PEER, 2);
        for place in [2, 0, 1] {
            wire.send(&targets[place]);
        }
        strangers.iter().for_each(|fragment| wire.send(fragment));
        let received = receive(&mut sockets, 3);
        assert_eq!(received.len(), 3);
        assert!(received.iter().all(|(mark, _)| mark.reason() == Some(Reason::Fragment)));
        let counters = filter.counters().unwrap();
        assert_eq!(counters.get(Counter::FilteredNotTarget), 1);
        assert_eq!(counters.get(Counter::FilteredFragment), 2);
    });
}

#[test]
fn tags_and_tagged_media_arrive_untouched() {
    in_namespace(|| {
        let wire = Wire::lay();
        let (mut filter, mut sockets, _) = capture(&wire, AttachWish::Auto, SMALL);
        open(&mut filter, TARGET, u64::MAX);
        let media = frames::udp(TARGET, PEER);
        let tagged = frames::tagged(0x88a8, &frames::tagged(0x8100, &media));
        wire.send(&tagged);
        let received = receive(&mut sockets, 1);
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].1, tagged);
    });
}

/// Frames sent, by what becomes of them: every third is a stranger's.
const SENT: u64 = 6000;

#[test]
fn every_frame_is_filtered_or_delivered_and_none_twice() {
    for wish in [AttachWish::Native, AttachWish::Generic] {
        in_namespace(move || {
            let wire = Wire::lay();
            let (mut filter, mut sockets, _) = capture(&wire, wish, SMALL);
            open(&mut filter, TARGET, u64::MAX);
            let (media, stranger) = (frames::udp(TARGET, PEER), frames::udp(PEER, PEER));
            let mut received = Vec::new();
            for number in 0..SENT {
                if number % 3 == 0 {
                    wire.send(&stranger);
                } else {
                    // The frame's last bytes number it.
                    let mut media = media.clone();
                    let at = media.len() - 8;
                    media[at..].copy_from_slice(&number.to_be_bytes());
                    wire.send(&media);
                }
                if number % 100 == 99 {
                    settle(&filter, number + 1);
                    received.extend(receive_now(&mut sockets));
                }
            }
            filter.detach();
            received.extend(receive(&mut sockets, 1));

            let counters = filter.counters().unwrap();
            assert_eq!(counters.seen(), SENT);
            assert_eq!(counters.seen(), counters.filtered() + counters.kept() + counters.lost());
            assert_eq!(counters.get(Counter::FilteredNotTarget), SENT / 3);
            assert_eq!(counters.get(Counter::KeptEndpoint), SENT - SENT / 3);
            assert_eq!(counters.kept(), received.len() as u64 + lost(&sockets));
            assert_eq!(lost(&sockets), 0);
            let mut numbers: Vec<_> = received
                .iter()
                .map(|(_, bytes)| u64::from_be_bytes(*bytes.last_chunk().unwrap()))
                .collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq((0..SENT).filter(|number| number % 3 != 0)));
        });
    }
}

#[test]
fn a_reader_that_sleeps_loses_what_its_rings_do_not_hold_and_the_sum_holds() {
    in_namespace(|| {
        let wire = Wire::lay();
        let geometry =
            Geometry { frames: 1024, chunk_bytes: 2048, receive_ring: 64, longest_frame: 0 };
        let (mut filter, mut sockets, _) = capture(&wire, AttachWish::Auto, geometry);
        open(&mut filter, TARGET, u64::MAX);
        let media = frames::udp(TARGET, PEER);
        for number in 0..500 {
            wire.send(&media);
            settle(&filter, number + 1);
        }
        filter.detach();
        let received = receive(&mut sockets, 1).len() as u64;
        let counters = filter.counters().unwrap();
        assert_eq!(counters.kept(), 500);
        assert_eq!(counters.kept(), received + lost(&sockets));
        let full: u64 =
            sockets.iter().map(|socket| socket.statistics().unwrap().rx_ring_full).sum();
        assert_eq!(full, lost(&sockets), "in no other place");
        assert!(full > 0);
    });
}

#[test]
fn a_reader_that_keeps_its_frames_starves_the_kernel_and_recovers() {
    in_namespace(|| {
        let wire = Wire::lay();
        let geometry =
            Geometry { frames: 64, chunk_bytes: 2048, receive_ring: 256, longest_frame: 0 };
        let (mut filter, mut sockets, _) = capture(&wire, AttachWish::Auto, geometry);
        open(&mut filter, TARGET, u64::MAX);
        let media = frames::udp(TARGET, PEER);
        (0..200).for_each(|_| wire.send(&media));
        std::thread::sleep(Duration::from_millis(20));
        let mut kept: Vec<Vec<_>> = sockets.iter().map(|_| Vec::new()).collect();
        for (socket, kept) in sockets.iter_mut().zip(&mut kept) {
            socket.receive(kept, usize::MAX);
        }
        let delivered: usize = kept.iter().map(Vec::len).sum();
        let lost_to_hunger = lost(&sockets);
        assert_eq!(delivered as u64 + lost_to_hunger, 200);
        assert!(lost_to_hunger > 0);

        for (socket, kept) in sockets.iter_mut().zip(kept) {
            socket.release(kept);
        }
        for _ in 0..10 {
            (0..10).for_each(|_| wire.send(&media));
            assert_eq!(receive(&mut sockets, 10).len(), 10);
        }
        assert_eq!(lost(&sockets), lost_to_hunger);
    });
}

#[test]
fn a_frame_longer_than_its_chunk_is_counted_by_the_socket() {
    in_namespace(|| {
        let wire = Wire::lay();
        wire::ip("link set near mtu 3000");
        wire::ip("link set far mtu 3000");
        let (mut filter, mut sockets, _) = capture(&wire, AttachWish::Generic, SMALL);
        open(&mut filter, TARGET, u64::MAX);
        let datagram = frames::datagram(TARGET, PEER, &[0; 1900]);
        let packet = frames::ipv4(TARGET, PEER, &[], None, &datagram);
        wire.send(&frames::ethernet(frames::ELSEWHERE, 0x0800, &packet));
        assert!(receive(&mut sockets, 1).is_empty());
        assert_eq!((filter.counters().unwrap().kept(), lost(&sockets)), (1, 1));
        let dropped: u64 =
            sockets.iter().map(|socket| socket.statistics().unwrap().rx_dropped).sum();
        assert_eq!(dropped, 1);
    });
}

#[test]
fn signalling_and_fragments_have_a_socket_of_their_own_and_its_chunks_go_round() {
    for wish in [AttachWish::Native, AttachWish::Generic] {
        in_namespace(move || {
            let wire = Wire::lay();
            // Fewer chunks than frames sent: none may be lost on its way back to the kernel.
            let geometry =
                Geometry { frames: 64, chunk_bytes: 2048, receive_ring: 64, longest_frame: 0 };
            let (mut filter, mut media, _) = capture(&wire, wish, geometry);
            let mut signalling: Vec<_> =
                media.iter().map(|socket| socket.for_signalling(64).expect("a socket")).collect();
            signalling.iter().for_each(|socket| filter.register(socket).expect("registered"));
            open(&mut filter, TARGET, u64::MAX);
            let [first, second, third] = &frames::fragments(TARGET, PEER, 1)[..] else { panic!() };
            let message = frames::udp(PEER, "198.51.100.3:5060");
            for _ in 0..100 {
                wire.send(&frames::udp(TARGET, PEER));
                [&message, first, second, third].into_iter().for_each(|frame| wire.send(frame));
                let heard = receive(&mut signalling, 4);
                let reasons: Vec<_> = heard.iter().map(|(mark, _)| mark.reason()).collect();
                let fragment = Some(Reason::Fragment);
                assert_eq!(reasons, [Some(Reason::Signalling), fragment, fragment, fragment]);
                assert_eq!(heard[0].1, message);
                let kept = receive(&mut media, 1);
                assert_eq!(kept.len(), 1);
                assert_eq!(kept[0].0.reason(), Some(Reason::Endpoint));
            }
            assert_eq!(lost(&media) + lost(&signalling), 0);
            assert_eq!(filter.counters().unwrap().kept(), 500);
        });
    }
}

/// Waits until the program has seen `count` frames: veth itself drops what it cannot queue.
fn settle(filter: &Filter, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while filter.counters().expect("counters").seen() < count && Instant::now() < deadline {
        std::thread::yield_now();
    }
}

/// What is there, without waiting for more.
fn receive_now(sockets: &mut [Socket]) -> Vec<wire::Received> {
    let mut received = Vec::new();
    sockets.iter_mut().for_each(|socket| wire::drain(socket, &mut received));
    received
}

fn lost(sockets: &[Socket]) -> u64 {
    sockets.iter().map(|socket| socket.statistics().expect("statistics").lost()).sum()
}
