//! Streams with one impairment each; what they must show was computed apart from this code.

use super::*;
use proptest::prelude::*;
use std::vec;

const PACE_NS: u64 = 20_000_000;
const STEP: u32 = 160;

/// A packet to be fed: arrival in nanoseconds, payload type, sequence, timestamp, SSRC.
#[derive(Clone, Copy, Debug)]
struct Packet {
    at: u64,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

/// Five hundred PCMU packets, 20 ms apart, from these first numbers on.
fn clean(sequence: u16, timestamp: u32) -> Vec<Packet> {
    (0..500u16)
        .map(|n| Packet {
            at: 1_700_000_000_000_000_000 + u64::from(n) * PACE_NS,
            payload_type: 0,
            sequence: sequence.wrapping_add(n),
            timestamp: timestamp.wrapping_add(u32::from(n) * STEP),
            ssrc: 0xdecaf,
        })
        .collect()
}

/// What is counted, which is the same where ordinary packets take the short way.
fn measured(packets: &[Packet]) -> Vec<Stream> {
    let mut clocks = PayloadClocks::new();
    clocks.map(101, b"telephone-event", 8000);
    let (mut streams, mut shortened) = (Streams::default(), Streams::default());
    for packet in packets {
        let mut bytes = vec![0x80, packet.payload_type];
        bytes.extend(packet.sequence.to_be_bytes());
        bytes.extend(packet.timestamp.to_be_bytes());
        bytes.extend(packet.ssrc.to_be_bytes());
        let ends = ("192.0.2.1:4000".parse().unwrap(), "198.51.100.2:5000".parse().unwrap());
        let at = Timestamp(packet.at);
        assert!(streams.feed(at, ends.0, ends.1, &bytes, &clocks));
        assert!(
            shortened.feed_known(at, ends.0, ends.1, &bytes)
                || shortened.feed(at, ends.0, ends.1, &bytes, &clocks)
        );
    }
    let streams: Vec<_> = streams.iter().collect();
    assert_eq!(shortened.iter().collect::<Vec<_>>(), streams);
    streams
}

#[test]
fn an_ordinary_packet_is_known_until_something_else_is_announced() {
    let ends = ("192.0.2.1:4000".parse().unwrap(), "198.51.100.2:5000".parse().unwrap());
    let packet = |payload_type: u8| [0x80, payload_type, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
    let (clocks, mut streams) = (PayloadClocks::new(), Streams::default());
    let known =
        |streams: &mut Streams, it| streams.feed_known(Timestamp(0), ends.0, ends.1, &packet(it));
    assert!(!known(&mut streams, 0), "nothing is known of it");
    assert!(streams.feed(Timestamp(0), ends.0, ends.1, &packet(0), &clocks));
    assert!(known(&mut streams, 0) && !known(&mut streams, 13) && !known(&mut streams, 8));
    streams.look_again();
    assert!(!known(&mut streams, 0));
}

#[test]
fn many_streams_are_told_apart_as_few_are() {
    let ends = ("192.0.2.1:4000".parse().unwrap(), "198.51.100.2:5000".parse().unwrap());
    let (clocks, mut streams) = (PayloadClocks::new(), Streams::default());
    for round in 0..3 {
        for ssrc in 0..40 {
            let packet = [0x80, 0, 0, round, 0, 0, 0, 0, 0, 0, 0, ssrc];
            assert_eq!(streams.knows(ends.0, ends.1, &packet), round > 0);
            assert!(streams.feed(Timestamp(0), ends.0, ends.1, &packet, &clocks));
        }
    }
    let counted: Vec<_> = streams.iter().map(|it| (it.ssrc, it.packets)).collect();
    assert_eq!(counted, (0..40).map(|ssrc| (ssrc, 3)).collect::<Vec<_>>());
}

/// Packets, lost, duplicates, reordered; highest and mean jitter in ms to three digits.
#[track_caller]
fn check(packets: &[Packet], counts: [u64; 4], jitter_ms: [f64; 2]) {
    let [stream] = &measured(packets)[..] else { panic!("one stream") };
    let found = [stream.packets, stream.lost, stream.duplicates, stream.reordered];
    assert_eq!(found, counts);
    let found = [stream.max_jitter_ms, stream.mean_jitter_ms];
    for (found, expected) in found.iter().zip(jitter_ms) {
        assert!((found - expected).abs() < 0.001, "{found} is not {expected}");
    }
}

#[test]
fn a_clean_stream_has_no_loss_and_no_jitter() {
    check(&clean(1, 0), [500, 0, 0, 0], [0.0, 0.0]);
}

#[test]
fn wrapping_numbers_are_neither_loss_nor_jitter() {
    check(&clean(65_300, 0), [500, 0, 0, 0], [0.0, 0.0]);
    check(&clean(1, u32::MAX - 40_000), [500, 0, 0, 0], [0.0, 0.0]);
}

#[test]
fn one_lost_in_ten_is_fifty_of_five_hundred() {
    let kept: Vec<_> = clean(1, 0).into_iter().filter(|packet| packet.sequence % 10 != 5).collect();
    check(&kept, [450, 50, 0, 0], [0.0, 0.0]);
}

#[test]
fn duplicates_are_no_negative_loss() {
    let mut packets = clean(1, 0);
    for n in (0..10).rev() {
        let again = Packet { at: packets[n * 50 + 7].at + 200_000, ..packets[n * 50 + 7] };
        packets.insert(n * 50 + 8, again);
    }
    check(&packets, [510, 0, 10, 0], [0.0, 0.0]);
}

#[test]
fn swapped_neighbours_are_reordered_not_lost() {
    // tshark 4.0.17: mean 1.577 ms, highest 4.886 ms.
    let mut packets = clean(1, 0);
    for n in 0..10 {
        let (first, second) = (packets[n * 50 + 20], packets[n * 50 + 21]);
        packets[n * 50 + 20] = Packet { at: first.at, ..second };
        packets[n * 50 + 21] = Packet { at: second.at, ..first };
    }
    check(&packets, [500, 0, 0, 10], [4.8863, 1.5775]);
}

#[test]
fn a_delay_of_five_milliseconds_every_other_packet_approaches_five() {
    // J after n steps of |D| = 5 is 5 (1 - (15/16)^n); over 499 steps the mean is 4.8497.
    let mut packets = clean(1, 0);
    for packet in packets.iter_mut().filter(|packet| packet.sequence % 2 == 0) {
        packet.at += 5_000_000;
    }
    check(&packets, [500, 0, 0, 0], [5.0, 4.8497]);
}

#[test]
fn another_ssrc_is_another_stream() {
    let mut packets = clean(1, 0);
    for packet in &mut packets[250..] {
        packet.ssrc = 0xbeef;
        packet.sequence = packet.sequence.wrapping_add(40_000);
        packet.timestamp = packet.timestamp.wrapping_add(1 << 30);
    }
    let streams = measured(&packets);
    let counts: Vec<_> = streams.iter().map(|s| (s.packets, s.lost, s.max_jitter_ms)).collect();
    assert_eq!(counts, [(250, 0, 0.0), (250, 0, 0.0)]);
}

#[test]
fn telephone_events_and_comfort_noise_move_no_jitter() {
    for payload_type in [101, 13] {
        let mut packets = clean(1, 0);
        for n in 0..10 {
            let timestamp = packets[n * 50 + 10].timestamp;
            for packet in &mut packets[n * 50 + 10..n * 50 + 20] {
                (packet.payload_type, packet.timestamp) = (payload_type, timestamp);
            }
        }
        check(&packets, [500, 0, 0, 0], [0.0, 0.0]);
        assert_eq!(measured(&packets)[0].payload_type, 0);
        assert_eq!(measured(&packets[10..])[0].payload_type, 0, "the first that is paced");
    }
}

#[test]
fn an_unknown_clock_gives_no_jitter() {
    let mut packets = clean(1, 0);
    for (n, packet) in packets.iter_mut().enumerate() {
        packet.payload_type = 120;
        packet.at += (n as u64 % 3) * 3_000_000;
    }
    check(&packets, [500, 0, 0, 0], [0.0, 0.0]);
}

#[test]
fn a_sender_that_starts_anew_has_lost_nothing() {
    let mut packets = clean(1, 0);
    for packet in &mut packets[250..] {
        packet.sequence = packet.sequence.wrapping_add(30_000);
        packet.timestamp = packet.timestamp.wrapping_add(1 << 30);
    }
    check(&packets, [500, 0, 0, 0], [0.0, 0.0]);
}

#[test]
fn a_stray_packet_is_neither_loss_nor_a_new_start() {
    let mut packets = clean(1, 0);
    packets.insert(100, Packet { sequence: 30_000, timestamp: 1 << 30, ..packets[100] });
    check(&packets, [501, 0, 0, 0], [0.0, 0.0]);
}

#[test]
fn a_packet_from_before_the_first_is_late_not_a_loss_made_good_twice() {
    let mut packets = clean(1, 0);
    packets.swap(0, 3);
    let [stream] = &measured(&packets)[..] else { panic!() };
    assert_eq!((stream.packets, stream.lost, stream.duplicates, stream.reordered), (500, 0, 0, 3));
}

#[test]
fn more_ssrcs_than_there_is_room_for_are_counted() {
    let mut streams = Streams::with_limit(3);
    let end = "192.0.2.1:4000".parse().unwrap();
    for ssrc in 0..10u8 {
        let packet = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ssrc];
        assert!(streams.feed(Timestamp(0), end, end, &packet, &PayloadClocks::new()));
    }
    assert_eq!((streams.iter().count(), streams.beyond_limit()), (3, 7));
    assert!(!streams.feed(
        Timestamp(0),
        end,
        end,
        b"\x00\x01 a STUN request",
        &PayloadClocks::new()
    ));
}

proptest! {
    /// RFC 3550 A.8 as it stands there, in timestamp units.
    #[test]
    fn jitter_is_that_of_the_rfc(delays_us in proptest::collection::vec(0u64..40_000, 2..500)) {
        let mut packets = clean(1, 0);
        packets.truncate(delays_us.len());
        for (packet, delay) in packets.iter_mut().zip(&delays_us) {
            packet.at += delay * 1000;
        }
        let (mut transit, mut jitter, mut highest) = (None, 0.0f64, 0.0f64);
        for packet in &packets {
            let since = packet.at - 1_700_000_000_000_000_000;
            let arrival = since as f64 * 8000.0 / 1e9;
            let this = arrival - f64::from(packet.timestamp);
            if let Some(before) = transit.replace(this) {
                let d: f64 = this - before;
                jitter += (d.abs() - jitter) / 16.0;
                highest = highest.max(jitter);
            }
        }
        let stream = &measured(&packets)[0];
        prop_assert!((stream.max_jitter_ms - highest / 8.0).abs() < 0.001);
    }

    #[test]
    fn what_was_seen_and_what_was_not_adds_up(
        order in proptest::collection::vec(0usize..60, 1..200)
    ) {
        let packets: Vec<_> = order.iter().map(|&n| clean(65_500, 0)[n]).collect();
        let stream = &measured(&packets)[0];
        let distinct: std::collections::BTreeSet<_> = order.iter().collect();
        let span = order.iter().max().unwrap() - order.iter().min().unwrap() + 1;
        prop_assert_eq!(stream.packets, order.len() as u64);
        prop_assert_eq!(stream.duplicates, (order.len() - distinct.len()) as u64);
        prop_assert_eq!(stream.lost, (span - distinct.len()) as u64);
    }
}
