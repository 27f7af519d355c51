//! Calls that no line tells of: while they go on, and after their writer has died.

use std::fs;

use calltap_evidence::chunk::Chunk;
use calltap_evidence::keys::KeyPair;
use calltap_evidence::record::{self, Kind, Record};
use calltap_evidence::session::{InterfaceFacts, Rotation, Session};
use calltap_evidence::store::Store;
use serde_json::Value;

use super::desk::{Desk, EVER};

const INVITE: &[u8] = b"INVITE sip:bob@example.org SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nCall-ID: open@192.0.2.1\r\n\
    From: <sip:alice@example.net>;tag=a\r\nTo: <sip:bob@example.org>\r\n\
    CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";

#[test]
fn a_call_without_a_line_is_told_as_open_while_its_writer_lives_and_as_interrupted_after() {
    let desk = Desk::new();
    let warrant = desk.load(&desk.warrant("CASE-1", &["sip:alice@example.net"], EVER));
    let open = || {
        let facts = InterfaceFacts {
            name: "mirror0".to_owned(),
            link_type: 1,
            snaplen: 0,
            filter: String::new(),
            mode: String::new(),
        };
        let session = Session { interfaces: vec![facts], ..Session::default() };
        fs::create_dir_all(desk.path("node")).unwrap();
        let node = KeyPair::load_or_generate(&desk.path("node/node.key")).unwrap();
        let mut store =
            Store::open(&desk.path("evidence"), node, session, Rotation::default()).unwrap();
        store.admit(&warrant, 0).unwrap();
        store
    };
    let mut store = open();
    let frame = frame();
    let comment = record::comment("CASE-1", 1, None);
    let at_ns = 1_795_449_840_000_000_000;
    let length = u32::try_from(frame.len()).unwrap();
    let record = Record::new(
        &warrant.authority(0),
        at_ns,
        1,
        Kind::Iri,
        0,
        &frame,
        length,
        Some(&comment),
        None,
    );
    let mut chunk = Chunk::default();
    chunk.try_push(&record.unwrap()).unwrap();
    for record in chunk.records() {
        store.append(&record).unwrap();
    }
    assert!(store.flush().is_empty());

    let told = listed(&desk);
    assert_eq!(told["state"], "open");
    assert_eq!(told["from"], "sip:alice@example.net");
    assert_eq!(told["call_id"], "open@192.0.2.1");
    assert_eq!(told["started"], "2026-11-23T16:04:00.000000000Z");
    assert_eq!((&told["ended"], &told["iri_packets"]), (&Value::Null, &1.into()));
    assert!(desk.fine(&["evidence", "list"]).contains("   open "));

    drop(store);
    assert_eq!(listed(&desk)["state"], "interrupted", "as its writer left it");
    open().close();
    assert_eq!(listed(&desk)["state"], "interrupted", "and once that is mended");
    assert!(desk.fine(&["evidence", "list"]).contains("    cut "));
}

fn listed(desk: &Desk) -> Value {
    let text = desk.fine(&["evidence", "list", "--json"]);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["calls"].as_array().unwrap().len(), 1, "{text}");
    found["calls"][0].clone()
}

/// The INVITE in Ethernet, IPv4 and UDP.
fn frame() -> Vec<u8> {
    let udp = u16::try_from(8 + INVITE.len()).unwrap().to_be_bytes();
    let ip = u16::try_from(28 + INVITE.len()).unwrap().to_be_bytes();
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, ip[0], ip[1], 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend([0x13, 0xc4, 0x13, 0xc4, udp[0], udp[1], 0, 0]);
    frame.extend_from_slice(INVITE);
    frame
}
