use std::fmt::Write as _;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::packet::LinkType;

/// Alice is behind a NAT, Bob is not; strangers send to Bob too.
const ALICE: &str = "10.0.0.5:4000";
const NAT: &str = "203.0.113.7:61234";
const BOB: &str = "198.51.100.2:5000";
const CAROL: &str = "192.0.2.9:7000";
const CALL: CallKey = CallKey { warrant: 1, cin: 1 };

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = Vec::from([0x80, 0]);
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x55; 20]);
    packet
}

/// A latch, and its decisions as words.
struct Bench {
    latch: Latch,
    said: String,
}

impl Bench {
    /// A call whose parties announce these, signalled for by these hosts.
    fn new(endpoints: &[&str], hosts: &[&str]) -> Self {
        let mut bench = Self { latch: Latch::new(LatchLimits::default()), said: String::new() };
        bench.call(CALL, endpoints, hosts);
        bench
    }

    fn call(&mut self, call: CallKey, endpoints: &[&str], hosts: &[&str]) {
        self.latch.begin(call, format!("{}", call.cin).as_bytes());
        hosts.iter().for_each(|host| self.latch.heard(call, host.parse().unwrap()));
        endpoints.iter().for_each(|endpoint| self.announce(call, endpoint));
    }

    fn announce(&mut self, call: CallKey, endpoint: &str) {
        let Self { latch, said } = self;
        let terms = MediaTerms::default();
        latch.open(call, at(endpoint), MediaKind::Rtp, &terms, &mut |it| note(said, &it));
    }

    fn packet(&mut self, ms: u64, source: &str, destination: &str, payload: &[u8]) {
        let when = Timestamp(ms * 1_000_000);
        let frame = [Kept::whole(when, 0, LinkType::Ethernet, payload)];
        let (source, destination) = (at(source), at(destination));
        let packet = Doubtful { at: when, source, destination, payload, frames: &frame };
        let Self { latch, said } = self;
        let calls: Vec<_> = latch.calls.keys().copied().collect();
        let mut claims = Vec::new();
        for call in calls {
            let known = |end| latch.calls[&call].endpoints.contains_key(&end);
            let sink = &mut |it: Decision<'_>| note(said, &it);
            let presumed = |end| known(end) && latch.calls[&call].endpoints[&end].presumed;
            match (known(source), known(destination)) {
                (true, true) if presumed(source) && presumed(destination) => {
                    claims.push((call, source.min(destination)));
                }
                (true, true) => latch.certain(call, &packet, sink),
                (true, false) => claims.push((call, source)),
                (false, true) => claims.push((call, destination)),
                _ => {}
            }
        }
        latch.doubtful(&claims, &packet, &mut |it| note(said, &it));
    }

    /// A packet each 20 ms, up to `to`.
    fn stream(&mut self, from: u64, to: u64, source: &str, destination: &str, ssrc: u32) {
        for ms in (from..to).step_by(20) {
            self.packet(ms, source, destination, &rtp(ssrc, u16::try_from(ms / 20).unwrap()));
        }
    }

    fn tick(&mut self, ms: u64) {
        let Self { latch, said } = self;
        latch.tick(Timestamp(ms * 1_000_000), &mut |it| note(said, &it));
    }
}

fn note(said: &mut String, decision: &Decision<'_>) {
    match decision {
        Decision::Learned { call, endpoint, peer, announced, frames } => {
            let how = if *announced { "announced" } else { "learned" };
            let (cin, frames) = (call.cin, frames.len());
            writeln!(said, "{cin}: {how} {peer} at {endpoint}, {frames} frames").unwrap();
        }
        Decision::Forgotten { call, endpoint, peer } => {
            writeln!(said, "{}: forgotten {peer} at {endpoint}", call.cin).unwrap();
        }
        Decision::Reopened { call, endpoint } => {
            writeln!(said, "{}: reopened {endpoint}", call.cin).unwrap();
        }
        Decision::Settled { call, endpoint } => {
            writeln!(said, "{}: settled {endpoint}", call.cin).unwrap();
        }
    }
}

#[test]
fn a_phone_behind_nat_is_learned_by_its_signalling_with_its_first_packet() {
    let mut bench = Bench::new(&[ALICE, BOB], &["203.0.113.7", "198.51.100.2"]);
    bench.stream(0, 100, NAT, BOB, 1);
    let learned = format!("1: learned {NAT} at {BOB}, 2 frames\n1: settled {BOB}\n");
    assert_eq!(bench.said, learned);
    assert_eq!(bench.latch.bytes, 0);
}

#[test]
fn a_flow_between_two_presumed_ends_is_learned_and_none_is_taken_for_announced() {
    let mut bench = Bench::new(&[ALICE, "192.168.1.9:5000"], &["203.0.113.7", "198.51.100.2"]);
    let near = "203.0.113.7:4000";
    for end in [near, BOB] {
        bench.latch.presume(CALL, at(end), MediaKind::Rtp, &MediaTerms::default());
    }
    bench.packet(0, near, BOB, &rtp(1, 1));
    assert_eq!(bench.said, "", "one packet may be anything");
    bench.packet(20, near, BOB, &rtp(1, 2));
    assert_eq!(bench.said, format!("1: learned {near} at {BOB}, 2 frames\n"));
    // Its host announces nothing for being presumed: what comes from there is still believed.
    bench.said.clear();
    bench.stream(40, 100, NAT, "192.168.1.9:5000", 2);
    assert!(bench.said.starts_with(&format!("1: learned {NAT}")), "{}", bench.said);
}

#[test]
fn an_address_nobody_signals_from_is_learned_once_the_announced_one_had_its_time() {
    let mut bench = Bench::new(&[ALICE, BOB], &["203.0.113.1", "198.51.100.2"]);
    bench.stream(0, 1_900, NAT, BOB, 1);
    assert_eq!(bench.said, "");
    bench.stream(1_900, 2_100, NAT, BOB, 1);
    assert!(bench.said.starts_with(&format!("1: learned {NAT} at {BOB}, 101 frames\n")));
}

#[test]
fn media_both_ways_is_learned_sooner() {
    let mut bench = Bench::new(&[ALICE, BOB], &["203.0.113.1", "198.51.100.2"]);
    for ms in (0..1_100).step_by(20) {
        bench.packet(ms, NAT, BOB, &rtp(1, u16::try_from(ms / 20).unwrap()));
        bench.packet(ms + 1, BOB, NAT, &rtp(2, u16::try_from(ms / 20).unwrap()));
    }
    assert!(
        bench.said.starts_with(&format!("1: learned {NAT} at {BOB}, 101 frames\n")),
        "{}",
        bench.said
    );
}

#[test]
fn strangers_at_an_answerers_port_are_let_go_as_soon_as_the_announced_peer_is_there() {
    let mut bench = Bench::new(&[CAROL, BOB], &["192.0.2.9", "198.51.100.2"]);
    bench.stream(0, 500, NAT, BOB, 9);
    bench.packet(501, CAROL, BOB, &rtp(1, 1));
    assert_eq!(bench.said, format!("1: settled {BOB}\n"));
    bench.stream(520, 20_000, NAT, BOB, 9);
    bench.tick(20_000);
    assert_eq!(bench.said, format!("1: settled {BOB}\n"));
    assert_eq!((bench.latch.bytes, bench.latch.frames_let_go()), (0, 25 + 974));
}

#[test]
fn who_sends_to_ever_more_peers_has_the_oldest_forgotten_and_learned_again_where_it_goes_on() {
    let mut bench = Bench::new(&[ALICE, BOB], &["203.0.113.7", "198.51.100.2"]);
    bench.packet(0, BOB, ALICE, &rtp(1, 1));
    let peer = |nth: u16| format!("100.64.{}.{}:9000", nth / 250, nth % 250);
    for nth in 0..1_000 {
        bench.packet(u64::from(nth), BOB, &peer(nth), &rtp(1, 2));
        bench.packet(u64::from(nth), BOB, &peer(nth), &rtp(1, 3));
    }
    let said = |what: &str| bench.said.lines().filter(|line| line.contains(what)).count();
    let most = LatchLimits::default().peers;
    assert_eq!((said("learned"), said("forgotten")), (1_000, 1_000 - most));
    assert!(bench.said.contains(&format!("forgotten {} at {BOB}", peer(0))));
    bench.said.clear();
    bench.stream(2_000, 2_100, BOB, &peer(0), 1);
    assert!(bench.said.contains(&format!("learned {} at {BOB}, 2 frames", peer(0))));
}

#[test]
fn a_thousand_foreign_flows_hide_nobody_and_are_never_learned() {
    let mut bench = Bench::new(&[ALICE, BOB], &["203.0.113.7", "198.51.100.2"]);
    for nth in 0_u16..1_000 {
        let stranger = format!("100.64.{}.{}:9000", nth / 250, nth % 250);
        bench.packet(u64::from(nth), &stranger, BOB, &rtp(u32::from(nth), nth));
    }
    bench.stream(1_000, 1_100, NAT, BOB, 1);
    let learned = format!("1: learned {NAT} at {BOB}, 2 frames\n1: settled {BOB}\n");
    assert_eq!(bench.said, learned);
    assert_eq!((bench.latch.bytes, bench.latch.frames_let_go()), (0, 1_000 + 3));
}

#[test]
fn two_flows_of_equal_standing_are_both_nobodys() {
    let mut bench = Bench::new(&[ALICE, BOB], &["203.0.113.1", "198.51.100.2"]);
    for ms in (0..10_000).step_by(20) {
        bench.packet(ms, NAT, BOB, &rtp(1, u16::try_from(ms / 20).unwrap()));
        bench.packet(ms, CAROL, BOB, &rtp(2, u16::try_from(ms / 20).unwrap()));
        bench.tick(ms);
    }
    assert_eq!(bench.said, "");
    bench.tick(20_000);
    assert_eq!(bench.latch.bytes, 0);
}

#[test]
fn calls_that_share_an_answerers_port_each_learn_their_own_caller() {
    let mut bench = Bench::new(&[ALICE, BOB], &["203.0.113.7", "198.51.100.2"]);
    let second = CallKey { warrant: 1, cin: 2 };
    bench.call(second, &["10.0.0.6:4000", BOB], &["192.0.2.9", "198.51.100.2"]);
    bench.stream(0, 100, NAT, BOB, 1);
    bench.stream(0, 100, CAROL, BOB, 2);
    let learned = format!(
        "1: learned {NAT} at {BOB}, 2 frames\n1: settled {BOB}\n\
         2: learned {CAROL} at {BOB}, 2 frames\n2: settled {BOB}\n"
    );
    assert_eq!(bench.said, learned);
    assert_eq!(bench.latch.bytes, 0);
}

#[test]
fn early_media_is_given_out_when_the_answer_names_its_sender() {
    let mut bench = Bench::new(&[CAROL], &["192.0.2.9", "198.51.100.2"]);
    bench.packet(0, BOB, CAROL, &rtp(1, 1));
    bench.announce(CALL, BOB);
    assert_eq!(bench.said, format!("1: announced {BOB} at {CAROL}, 1 frames\n"));
}

#[test]
fn a_new_description_opens_the_question_anew() {
    let mut bench = Bench::new(&[ALICE, BOB], &["203.0.113.7", "198.51.100.2"]);
    bench.stream(0, 100, NAT, BOB, 1);
    bench.said.clear();
    bench.stream(100, 200, "203.0.113.7:7777", BOB, 1);
    assert_eq!(bench.said, "", "settled");
    bench.announce(CALL, "10.0.0.5:4002");
    assert_eq!(bench.said, format!("1: reopened {BOB}\n"));
    bench.said.clear();
    bench.stream(200, 300, "203.0.113.7:7777", BOB, 1);
    assert!(bench.said.starts_with("1: learned 203.0.113.7:7777"), "{}", bench.said);
}

#[test]
fn an_ice_check_that_bears_the_calls_fragment_is_believed() {
    let mut bench = Bench::new(&[ALICE], &["203.0.113.1", "198.51.100.2"]);
    let terms = MediaTerms { ufrag: Some((*b"9uB6").into()), ..MediaTerms::default() };
    bench.latch.open(CALL, at(BOB), MediaKind::Rtp, &terms, &mut |_| {});
    let mut check = Vec::from([0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42]);
    check.extend([7; 12]);
    check.extend([0, 6, 0, 9]);
    check.extend(b"9uB6:peer\0\0\0");
    bench.packet(0, NAT, BOB, &check);
    bench.stream(20, 100, NAT, BOB, 1);
    assert!(bench.said.starts_with(&format!("1: learned {NAT} at {BOB}, 3 frames\n")));
}

#[test]
fn what_waits_is_decided_when_the_call_is_over() {
    let mut bench = Bench::new(&[CAROL, BOB], &["192.0.2.9", "198.51.100.2"]);
    bench.stream(0, 1_020, NAT, BOB, 1);
    bench.stream(0, 500, "100.64.0.1:9", CAROL, 1);
    let Bench { latch, said } = &mut bench;
    for endpoint in [BOB, CAROL] {
        latch.close(CALL, at(endpoint), &mut |it| note(said, &it));
    }
    let learned = format!("1: learned {NAT} at {BOB}, 51 frames\n1: settled {BOB}\n");
    assert_eq!(*said, learned, "what was there for half a second may be anybody's");
    latch.end(CALL);
    assert_eq!(latch.bytes, 0);
}

#[test]
fn a_flood_of_flows_stays_within_its_bounds() {
    let limits = LatchLimits { bytes: 100_000, frames: 16, ..LatchLimits::default() };
    let mut bench = Bench::new(&[ALICE, BOB], &["203.0.113.7", "198.51.100.2"]);
    bench.latch.limits = limits;
    for nth in 0_u32..50_000 {
        let stranger = format!("100.{}.{}.7:9000", nth % 200, nth / 200);
        bench.packet(u64::from(nth) / 100, &stranger, BOB, &rtp(nth, 1));
        assert!(bench.latch.bytes <= 100_000 + 2_000);
    }
}
