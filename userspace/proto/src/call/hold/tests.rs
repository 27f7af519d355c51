//! What is held, for how long, and what is left of it.

use super::*;
use proptest::prelude::*;
use std::time::Duration;

fn hold(bytes: usize, messages: usize) -> Hold {
    let mut limits = Limits::default();
    (limits.hold_bytes, limits.hold_messages) = (bytes, messages);
    Hold::new(&limits)
}

fn keep(hold: &mut Hold, at: u64, text: &[u8], names: &[u64]) {
    let at = Timestamp(at);
    let path = Path {
        source: "192.0.2.1:5060".parse().unwrap(),
        destination: "192.0.2.2:5060".parse().unwrap(),
    };
    let whole = [b"frame ahead ", text].concat();
    let kept = Kept::whole(at, 7, LinkType::Ethernet, &whole);
    let arrival = Arrival { bytes: &whole[12..], path, first: at, at, flaw: None };
    hold.keep(&arrival, &Frames::Own(&[kept]), names);
}

#[test]
fn messages_of_a_name_come_back_once_with_their_frames_the_oldest_first() {
    let mut hold = hold(1 << 20, 100);
    for (at, text, names) in
        [(1, "one", &[5, 9][..]), (2, "two", &[6]), (3, "three", &[5]), (4, "four", &[9, 5])]
    {
        keep(&mut hold, at, text.as_bytes(), names);
    }
    let found = hold.take(5, |bytes, _| bytes != b"three");
    let texts: Vec<_> = found.iter().map(|early| &early.bytes[..]).collect();
    assert_eq!(texts, [&b"one"[..], b"four"]);
    assert_eq!(found[0].frames[0].kept().bytes, b"frame ahead one");
    assert_eq!(found[0].frames[0].kept().interface, 7);
    assert_eq!(hold.take(5, |_, _| true).len(), 1);
    assert!(hold.take(9, |_, _| true).is_empty());
}

#[test]
fn what_leaves_the_hold_is_overwritten() {
    let mut hold = hold(1 << 20, 100);
    keep(&mut hold, 0, b"a stranger's words", &[1]);
    keep(&mut hold, 1_000_000_000, b"others", &[2]);
    hold.expire(Timestamp(1_999_999_999));
    assert_eq!(hold.take(1, |_, _| false).len() + hold.places.len(), 2);
    hold.expire(Timestamp(2_000_000_000));
    assert!(!hold.bytes.windows(5).any(|part| part == b"words"));
    hold.clear();
    assert!(hold.bytes.iter().all(|&byte| byte == 0));
    assert!(hold.newest.is_empty() && hold.frames.is_empty());
}

#[test]
fn beyond_its_bounds_the_oldest_is_overwritten_and_counted() {
    let mut hold = hold(1 << 20, 3);
    (0..5).for_each(|at| keep(&mut hold, at, b"text", &[at + 1]));
    assert_eq!((hold.places.len(), hold.overwritten), (3, 2));
    assert!(hold.take(1, |_, _| true).is_empty());
    assert_eq!(hold.take(3, |_, _| true).len(), 1);
}

#[test]
fn a_message_that_fills_a_part_of_the_ring_is_not_held() {
    let mut hold = hold(100, 10);
    keep(&mut hold, 0, &[b'x'; 50], &[1]);
    assert_eq!((hold.places.len(), hold.overwritten), (0, 1));
}

proptest! {
    #[test]
    fn every_message_held_is_as_it_was_and_the_bounds_hold(
        steps in proptest::collection::vec((0u64..5, 1usize..80, any::<u8>(), any::<bool>()), 0..200)
    ) {
        let mut hold = hold(700, 12);
        let mut at = 0;
        for (name, len, byte, pass) in steps {
            at += 100_000_000;
            if pass {
                hold.expire(Timestamp(at));
            }
            keep(&mut hold, at, &std::vec![byte; len], &[name + 1]);
            prop_assert!(hold.bytes.len() <= 700 && hold.places.len() <= 12);
            for name in 1..6 {
                hold.each(name, |bytes| assert!(bytes.windows(2).all(|pair| pair[0] == pair[1])));
            }
            let newest = hold.take(name + 1, |bytes, _| bytes == std::vec![byte; len]);
            prop_assert!(!newest.is_empty());
            let frame = newest[0].frames[0].kept().bytes;
            prop_assert!(frame.starts_with(b"frame ahead ") && frame.len() == len + 12);
        }
        hold.expire(Timestamp(at).after(Duration::from_secs(2)));
        prop_assert!(hold.places.is_empty() && hold.bytes.iter().all(|&byte| byte == 0));
    }
}
