//! Fragments in every order, twice, overlapping, and too many.

use super::*;
use crate::event::Flaw;
use crate::made;
use crate::packet::{self, Body, LinkType};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const V4: [&str; 2] = ["192.0.2.1:4000", "198.51.100.2:5060"];
const V6: [&str; 2] = ["[2001:db8::1]:4000", "[2001:db8::2]:5060"];

fn text() -> Vec<u8> {
    (0u8..=255).cycle().take(1000).collect()
}

fn kept(at: u64, bytes: &[u8]) -> Kept<'_> {
    Kept::whole(Timestamp(at), 0, LinkType::Ethernet, bytes)
}

/// Feeds a fragment and remembers what it completes as a stranger's.
fn feed(fragments: &mut Fragments, at: u64, frame: &[u8]) -> Option<Assembled> {
    let packet = packet::parse(LinkType::Ethernet, frame).expect("a packet");
    let Body::Fragment(fragment) = packet.body else { panic!("a fragment") };
    let kept = kept(at, frame);
    match fragments.feed(kept.at, &[kept], &packet, &fragment) {
        Fed::Whole(whole) => {
            let given = Given { owners: vec![], ends: whole.hosts() };
            fragments.remember(whole.key, kept.at, true, given);
            Some(whole)
        }
        Fed::Waits | Fed::Behind(_) => None,
    }
}

/// The UDP payload of what the frames give, and how many frames it has.
fn reassembled(frames: &[Vec<u8>]) -> Vec<(Vec<u8>, usize, bool)> {
    let mut fragments = Fragments::new(&Limits::default());
    let wholes = frames.iter().filter_map(|frame| feed(&mut fragments, 0, frame));
    let conflict = |whole: &Assembled| whole.flaw == Some(Flaw::Overlap);
    wholes.map(|whole| (payload(&whole), whole.frames.len(), conflict(&whole))).collect()
}

fn payload(whole: &Assembled) -> Vec<u8> {
    let packet = whole.packet.as_deref().expect("what is there");
    match packet::parse(LinkType::Raw, packet).expect("a packet").body {
        Body::Udp(datagram) => datagram.payload.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn permutations(frames: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    if frames.len() < 2 {
        return vec![frames.to_vec()];
    }
    (0..frames.len())
        .flat_map(|first| {
            let mut rest = frames.to_vec();
            let first = rest.remove(first);
            permutations(&rest).into_iter().map(move |mut order| {
                order.insert(0, first.clone());
                order
            })
        })
        .collect()
}

#[test]
fn fragments_in_every_order_give_the_same_datagram() {
    for [from, to] in [V4, V6] {
        for cuts in [&[0, 400, 1008][..], &[0, 8, 400, 800, 1008], &[0, 8, 16, 400, 800, 960, 1008]]
        {
            let frames = made::fragments(from, to, &text(), cuts);
            for order in permutations(&frames) {
                assert_eq!(reassembled(&order), [(text(), frames.len(), false)]);
            }
        }
    }
}

#[test]
fn duplicates_are_kept_and_change_nothing() {
    let frames = made::fragments(V4[0], V4[1], &text(), &[0, 400, 1008]);
    let order = [&frames[1], &frames[1], &frames[0], &frames[0]].map(Clone::clone);
    assert_eq!(reassembled(&order), [(text(), 3, false)]);
}

#[test]
fn overlapping_fragments_that_differ_are_flagged_and_the_first_wins() {
    let (from, to) = (V4[0].parse().unwrap(), V4[1].parse().unwrap());
    let mut frames = made::fragments(V4[0], V4[1], &text(), &[0, 400, 1008]);
    frames.insert(1, made::fragment(from, to, 392, true, &[0xee; 16]));
    let [(payload, 3, true)] = &reassembled(&frames)[..] else { panic!() };
    let mut expected = text();
    expected[392..400].fill(0xee); // Behind the first fragment's end nothing had been said.
    assert_eq!(*payload, expected);
}

#[test]
fn one_identification_to_two_destinations_is_two_datagrams() {
    let one = made::fragments(V4[0], V4[1], &[1; 100], &[0, 56, 108]);
    let other = made::fragments(V4[0], "203.0.113.9:5060", &[2; 100], &[0, 56, 108]);
    let order = [&one[0], &other[1], &other[0], &one[1]].map(Clone::clone);
    let found = reassembled(&order);
    assert_eq!(found, [(vec![2; 100], 2, false), (vec![1; 100], 2, false)]);
}

#[test]
fn a_late_duplicate_does_not_mix_with_the_next_datagram() {
    let mut fragments = Fragments::new(&Limits::default());
    let first = made::fragments(V4[0], V4[1], &[1; 100], &[0, 56, 108]);
    let next = made::fragments(V4[0], V4[1], &[2; 100], &[0, 56, 108]);
    assert!(feed(&mut fragments, 0, &first[0]).is_none());
    assert!(feed(&mut fragments, 1, &first[1]).is_some());
    assert!(feed(&mut fragments, 2, &first[1]).is_none());
    assert_eq!((fragments.repeated, fragments.late), (1, 0));
    let later = 2_000_000_000;
    assert!(feed(&mut fragments, later, &next[0]).is_none());
    let whole = feed(&mut fragments, later, &next[1]).expect("the next datagram");
    assert_eq!(payload(&whole), [2; 100]);
}

#[test]
fn a_flood_of_first_halves_stays_within_its_bounds() {
    let limits = Limits { datagrams: 10, datagram_bytes: 4000, ..Limits::default() };
    let mut fragments = Fragments::new(&limits);
    for port in 0u8..=255 {
        let from = std::format!("192.0.2.{port}:4000");
        let half = made::fragments(&from, V4[1], &text(), &[0, 400, 1008]).remove(0);
        assert!(feed(&mut fragments, u64::from(port), &half).is_none());
        while fragments.give_up(Timestamp(u64::from(port)), |_| false).is_some() {}
        assert!(fragments.datagrams.len() <= 10 && fragments.bytes <= 4000);
        assert_eq!(fragments.datagrams.len(), fragments.by_worth.len());
        assert_eq!(fragments.datagrams.len(), fragments.by_due.len());
    }
    assert!(fragments.given_up >= 246);
    while fragments.give_up(Timestamp(60_000_000_000), |_| false).is_some() {}
    assert_eq!((fragments.datagrams.len(), fragments.bytes), (0, 0));
}

#[test]
fn a_flood_crowds_out_strangers_and_targets_last() {
    let limits = Limits { datagrams: 10, ..Limits::default() };
    let mut fragments = Fragments::new(&limits);
    let is_target = |text: &[u8]| text.contains(&0xaa);
    let target = made::fragments(V4[0], V4[1], &[0xaa; 100], &[0, 56, 108]);
    assert!(feed(&mut fragments, 0, &target[0]).is_none());
    for port in 10u8..=255 {
        let from = std::format!("192.0.2.{port}:4000");
        let half = made::fragments(&from, V4[1], &[0; 100], &[0, 56, 108]).remove(0);
        assert!(feed(&mut fragments, 1, &half).is_none());
        while fragments.give_up(Timestamp(1), is_target).is_some() {}
        assert!(fragments.datagrams.len() <= 10);
    }
    assert_eq!(payload(&feed(&mut fragments, 2, &target[1]).expect("whole")), [0xaa; 100]);
}

#[test]
fn what_is_given_up_is_there_up_to_its_first_gap() {
    let frames = made::fragments(V4[0], V4[1], &text(), &[0, 400, 800, 1008]);
    let mut fragments = Fragments::new(&Limits::default());
    for place in [2, 0] {
        assert!(feed(&mut fragments, 0, &frames[place]).is_none());
    }
    // It may be media, which is waited for no longer than its endpoint stays open.
    assert!(fragments.give_up(Timestamp(4_999_999_999), |_| false).is_none());
    let cut = fragments.give_up(Timestamp(5_000_000_000), |_| false).expect("what there is");
    assert_eq!((payload(&cut), cut.frames.len()), (text()[..392].to_vec(), 2));
    assert_eq!(cut.flaw, Some(Flaw::FragmentsMissing));
    // Without the first fragment nobody can tell what it was.
    assert!(feed(&mut fragments, 0, &frames[1]).is_none());
    assert!(fragments.give_up(Timestamp(29_000_000_000), |_| false).is_none());
    let cut = fragments.give_up(Timestamp(30_000_000_000), |_| false).expect("a frame");
    assert_eq!((cut.packet, cut.frames.len(), fragments.given_up), (None, 1, 2));
}

#[test]
fn fragments_that_end_nowhere_or_beyond_are_no_datagram() {
    let (from, to) = (V4[0].parse().unwrap(), V4[1].parse().unwrap());
    let mut fragments = Fragments::new(&Limits::default());
    let beyond = made::fragment(from, to, 65_528, false, &[0; 64]);
    assert!(feed(&mut fragments, 0, &beyond).is_none());
    let ends_before = made::fragment(from, to, 8, false, &[0; 8]);
    assert!(feed(&mut fragments, 0, &ends_before).is_none());
}

proptest! {
    #[test]
    fn any_order_and_duplication_gives_the_same_datagram(
        cuts in proptest::collection::btree_set(1usize..126, 0..12),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let cuts: Vec<usize> = [0].into_iter().chain(cuts.iter().map(|c| c * 8)).chain([1008]).collect();
        let frames = made::fragments(V6[0], V6[1], &text(), &cuts);
        let mut shuffled: Vec<_> = order.iter().map(|at| at.get(&frames).clone()).collect();
        shuffled.extend(frames);
        if cuts.len() > 2 {
            let found = reassembled(&shuffled);
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].0, &text());
            prop_assert!(!found[0].2);
        }
    }
}
