//! Whose a media packet is, by its two ends.

mod desk;

use std::net::SocketAddr;

use calltap::content::{Binding, Command, Content, Doubt, Network, Seen};
use calltap_evidence::chunk::Chunk;
use calltap_proto::CallKey;
use desk::Desk;

const ALICE: &str = "192.0.2.1:4000";
const BOB: &str = "192.0.2.2:5000";
const CAROL: &str = "192.0.2.3:6000";

fn at(endpoint: &str) -> SocketAddr {
    endpoint.parse().unwrap()
}

/// The calls, as warrant and CIN, that get a packet.
fn kept(content: &Content, source: &str, destination: &str) -> Vec<(u32, u32)> {
    judged(content, source, destination).0
}

fn judged(content: &Content, source: &str, destination: &str) -> (Vec<(u32, u32)>, Doubt) {
    let mut chunk = Chunk::default();
    let seen =
        Seen { at_ns: 1_700_000_000_000_000_000, interface: 0, original_len: 1, frame: b"x" };
    let each = |record| chunk.try_push(&record).unwrap();
    let doubt = content.keep(seen, at(source), at(destination), each);
    (chunk.records().map(|record| (record.warrant(), record.cin())).collect(), doubt)
}

fn content(desk: &Desk, bindings: &[(&str, u32, u32)]) -> Content {
    let mut content = Content::default();
    let authorities = [desk.authority("L-0", 0), desk.authority("L-1", 1)];
    for &(endpoint, warrant, cin) in bindings {
        let authority = authorities[warrant as usize];
        let binding = Binding { authority, call: CallKey { warrant, cin } };
        content.apply(Command::Open(at(endpoint), binding));
    }
    content
}

#[test]
fn a_packet_between_announced_ends_is_kept_and_the_first_is_shown() {
    let mut content = content(&Desk::new(), &[(ALICE, 0, 1), (BOB, 0, 1)]);
    assert_eq!(judged(&content, ALICE, BOB), (vec![(0, 1)], Doubt::Witness));
    content.witnessed(at(ALICE), at(BOB));
    assert_eq!(judged(&content, ALICE, BOB), (vec![(0, 1)], Doubt::None));
    assert_eq!(judged(&content, BOB, ALICE), (vec![(0, 1)], Doubt::Witness), "the other way");
}

#[test]
fn one_announced_end_leaves_a_doubt_until_the_other_is_learned() {
    let call = CallKey { warrant: 0, cin: 1 };
    let mut content = content(&Desk::new(), &[(ALICE, 0, 1)]);
    for (source, destination) in [(ALICE, BOB), (BOB, ALICE)] {
        assert_eq!(judged(&content, source, destination), (vec![], Doubt::Undecided));
    }
    content.apply(Command::Pin(at(ALICE), at(BOB), call));
    content.apply(Command::Settle(at(ALICE), call));
    assert_eq!(judged(&content, ALICE, BOB), (vec![(0, 1)], Doubt::None));
    assert_eq!(judged(&content, BOB, ALICE), (vec![(0, 1)], Doubt::None));
    assert_eq!(judged(&content, CAROL, ALICE), (vec![], Doubt::None), "a stranger");
    assert_eq!(judged(&content, BOB, CAROL), (vec![], Doubt::None));
    content.apply(Command::Unpin(at(ALICE), at(BOB), call));
    assert_eq!(judged(&content, BOB, ALICE), (vec![], Doubt::None), "forgotten");
    content.apply(Command::Pin(at(ALICE), at(BOB), call));
    content.apply(Command::Close(at(ALICE), call));
    assert_eq!(judged(&content, BOB, ALICE), (vec![], Doubt::None));
}

#[test]
fn calls_that_share_an_answerers_port_are_told_apart_by_their_other_end() {
    let ends = [(ALICE, 0, 1), (BOB, 0, 1), (CAROL, 0, 2), (BOB, 0, 2)];
    let content = content(&Desk::new(), &ends);
    assert_eq!(kept(&content, ALICE, BOB), [(0, 1)]);
    assert_eq!(kept(&content, BOB, CAROL), [(0, 2)]);
}

#[test]
fn a_warrant_gets_a_frame_once_though_two_of_its_calls_share_the_ends() {
    let ends = [(ALICE, 0, 1), (BOB, 0, 1), (ALICE, 0, 2), (BOB, 0, 2)];
    let shared = content(&Desk::new(), &ends);
    assert_eq!(kept(&shared, ALICE, BOB), [(0, 1)]);
}

#[test]
fn two_warrants_for_one_call_get_a_record_each() {
    let ends = [(ALICE, 0, 1), (BOB, 0, 1), (ALICE, 1, 7), (BOB, 1, 7)];
    let content = content(&Desk::new(), &ends);
    assert_eq!(kept(&content, ALICE, BOB), [(0, 1), (1, 7)]);
}

#[test]
fn what_is_closed_or_forgotten_is_kept_no_more() {
    let desk = Desk::new();
    let ends = [(ALICE, 0, 1), (BOB, 0, 1), (ALICE, 1, 2), (BOB, 1, 2)];
    let mut content = content(&desk, &ends);
    content.apply(Command::Close(at(ALICE), CallKey { warrant: 0, cin: 1 }));
    assert_eq!(kept(&content, ALICE, BOB), [(1, 2)]);
    content.apply(Command::Forget(1));
    assert!(kept(&content, ALICE, BOB).is_empty());
    assert_eq!(content.until_ns(at(ALICE)), None);
}

#[test]
fn a_network_gets_what_another_warrants_call_explains() {
    let desk = Desk::new();
    let mut content = content(&desk, &[(ALICE, 0, 1), (BOB, 0, 1), (BOB, 1, 2)]);
    let network = Network { address: "192.0.2.0".parse().unwrap(), length: 30 };
    let call = CallKey { warrant: 1, cin: 1 };
    let binding = Binding { authority: desk.authority("L-2", 1), call };
    content.apply(Command::OpenNetwork(network, binding));
    assert_eq!(kept(&content, ALICE, BOB), [(0, 1), (1, 1)]);
}

#[test]
fn a_network_gets_what_no_call_of_its_warrant_explains() {
    let desk = Desk::new();
    let mut content = content(&desk, &[(ALICE, 0, 3), (CAROL, 0, 3)]);
    let network = Network { address: "192.0.2.0".parse().unwrap(), length: 30 };
    let call = CallKey { warrant: 0, cin: 1 };
    let binding = Binding { authority: desk.authority("L-2", 0), call };
    content.apply(Command::OpenNetwork(network, binding));
    assert_eq!(kept(&content, ALICE, CAROL), [(0, 3)]);
    assert_eq!(kept(&content, ALICE, "198.51.100.1:9"), [(0, 1)], "whatever call it is of");
    assert_eq!(kept(&content, BOB, "198.51.100.1:9"), [(0, 1)]);
    assert!(kept(&content, "192.0.2.4:1", "198.51.100.1:9").is_empty());
}
