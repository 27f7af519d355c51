//! Keys pressed, and packets of them lost, repeated and out of order.

use super::*;

/// What a packet says: milliseconds, marker, sequence, time stamp, code, end, units.
type Said = (u64, bool, u16, u32, u8, bool, u16);

fn feed(events: &mut Events, ssrc: u8, said: &[Said]) {
    let mut clocks = PayloadClocks::new();
    clocks.map(101, b"telephone-event", 8000);
    let (from, to) = ("192.0.2.1:4000".parse().unwrap(), "198.51.100.2:5000".parse().unwrap());
    for &(at_ms, marker, sequence, timestamp, code, end, units) in said {
        let mut packet = Vec::from([0x80, u8::from(marker) << 7 | 101]);
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, ssrc, code, u8::from(end) << 7 | 10]);
        packet.extend(units.to_be_bytes());
        events.feed(Timestamp(at_ms * 1_000_000), from, to, &packet, &clocks);
    }
}

/// Milliseconds of the beginning, code, milliseconds of duration.
fn heard(said: &[Said]) -> Vec<(u64, u8, u64)> {
    let mut events = Events::default();
    feed(&mut events, 7, said);
    let digits = events.digits().into_iter();
    digits.map(|it| (it.at.0 / 1_000_000, it.code, it.duration_ms)).collect()
}

const FIVE: [Said; 6] = [
    (0, true, 1, 1000, 5, false, 160),
    (20, false, 2, 1000, 5, false, 320),
    (40, false, 3, 1000, 5, false, 480),
    (60, false, 4, 1000, 5, true, 800),
    (61, false, 5, 1000, 5, true, 800),
    (62, false, 6, 1000, 5, true, 800),
];

#[test]
fn three_copies_of_the_end_are_one_key() {
    assert_eq!(heard(&FIVE), [(0, 5, 100)]);
}

#[test]
fn the_same_key_again_is_another() {
    let mut said = Vec::from(FIVE);
    said.extend(FIVE.map(|(at, marker, sequence, _, code, end, units)| {
        (at + 300, marker, sequence + 6, 3400, code, end, units)
    }));
    // A late copy of the first one's end.
    said.push((700, false, 6, 1000, 5, true, 800));
    assert_eq!(heard(&said), [(0, 5, 100), (300, 5, 100)]);
}

#[test]
fn a_lost_end_ends_with_the_next_key_or_with_the_call() {
    let mut said = Vec::from(&FIVE[..3]);
    said.push((500, false, 20, 5000, 11, false, 160));
    assert_eq!(heard(&said), [(0, 5, 60), (500, 11, 20)]);
}

#[test]
fn packets_in_any_order_are_the_same_key() {
    for first in 0..FIVE.len() {
        let mut said = FIVE;
        said.rotate_left(first);
        let [(_, 5, 100)] = heard(&said)[..] else { panic!("from {first}: {:?}", heard(&said)) };
    }
}

#[test]
fn a_key_held_down_for_longer_than_a_segment_is_one() {
    let said = [
        (0, true, 1, 1000, 1, false, 160),
        (8180, false, 2, 1000, 1, false, 0xffff),
        (8200, false, 3, 1000 + 0xffff, 1, false, 160),
        (9000, false, 4, 1000 + 0xffff, 1, true, 6400),
    ];
    assert_eq!(heard(&said), [(0, 1, 8992)]);
    // A marker says that it is a new one.
    let mut pressed_again = said;
    pressed_again[2].1 = true;
    assert_eq!(heard(&pressed_again), [(0, 1, 8192), (8200, 1, 800)]);
}

#[test]
fn time_stamps_wrap() {
    let wrap = |(at, marker, sequence, _, code, end, units)| {
        (at, marker, sequence, u32::MAX - 100, code, end, units)
    };
    let mut said = Vec::from(FIVE.map(wrap));
    said.push((400, true, 9, 3000, 6, true, 400));
    assert_eq!(heard(&said), [(0, 5, 100), (400, 6, 50)]);
}

#[test]
fn what_is_longer_than_an_event_is_none() {
    let mut clocks = PayloadClocks::new();
    clocks.map(101, b"telephone-event", 8000);
    let end = "192.0.2.1:4000".parse().unwrap();
    let mut events = Events::default();
    let mut packet = Vec::from([0x80, 101, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 5, 0, 0, 160]);
    packet.extend([0xaa; 10]);
    events.feed(Timestamp(0), end, end, &packet, &clocks);
    // Another payload type, even if it is as long.
    events.feed(
        Timestamp(0),
        end,
        end,
        &[0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 5, 0, 0, 9],
        &clocks,
    );
    assert!(events.digits().is_empty());
}

#[test]
fn a_flood_of_events_is_bounded() {
    let mut events = Events::default();
    for number in 0..5000 {
        feed(&mut events, 7, &[(u64::from(number), true, 1, number * 8000, 1, true, 160)]);
    }
    for ssrc in 0..=255 {
        feed(&mut events, ssrc, &[(9000, true, 1, 0, 1, true, 160)]);
    }
    assert_eq!(events.digits().len(), MAX_EVENTS + MAX_STREAMS);
}
