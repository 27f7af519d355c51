//! A target's calls through a real proxy and a real media relay, with phones behind NAT.
//!
//! They need root, kamailio, rtpengine, nftables and sipp; without they say so and pass.

#[path = "../capture/mod.rs"]
mod capture;
#[path = "../desk/mod.rs"]
mod desk;
mod exchange;
mod network;
mod program;
mod truth;

use std::collections::BTreeSet;
use std::process::Command;

use capture::{Capture, conserved, lost};
use desk::{Desk, EVER, tshark};
use exchange::Exchange;
use serde_json::Value;

fn capture_at(exchange: &Exchange, desk: &Desk) -> Capture {
    let command: Command = exchange.network.command(network::TAP, env!("CARGO_BIN_EXE_calltap"));
    Capture::start(desk, command, network::CAPTURE, &[])
}

#[test]
fn both_legs_of_a_targets_calls_through_proxy_and_relay_are_kept_and_nobody_elses() {
    let Some(exchange) = Exchange::open() else { return };
    let desk = Desk::new();
    desk.warrant("PEERS", &["sip:alice@example.net"], EVER);
    let capture = capture_at(&exchange, &desk);
    let witness = exchange.witness(&desk.path("witness.pcapng"));
    exchange.place(
        &["alice", "friend1", "neighbour1", "neighbour3"],
        &["friend0", "neighbour0", "neighbour2", "alice.stranger"],
        &[
            ("stranger0", "neighbour0"),
            ("alice", "friend0"),
            ("stranger1", "neighbour1"),
            ("alice", "friend1"),
            ("alice.stranger", "neighbour2"),
            ("friend2", "alice"),
            ("stranger3", "neighbour3"),
            ("stranger4", "alice.stranger"),
        ],
    );
    let witness = witness.stop().unwrap();
    let sent = exchange.network.transmitted(network::SWITCH, network::MIRROR).unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    assert_eq!(sent.dropped, 0, "the mirror itself lost frames");
    conserved(&found, sent.sent);
    assert_eq!(lost(&found), 0, "{found}");

    let calls = truth::calls(&witness);
    let targets: Vec<_> = calls.iter().filter(|(_, seen)| seen.target).collect();
    assert_eq!((calls.len(), targets.len()), (8 + 8, 1 + 3), "{calls:?}");
    let ids: Vec<_> = targets.iter().map(|(id, _)| format!("sip.Call-ID == \"{id}\"")).collect();
    let [volume] = &desk.volumes("evidence")[..] else { panic!("one volume") };
    let kept = truth::datagrams(volume, "sip");
    truth::same(&kept, &truth::datagrams(&witness, &ids.join(" or ")), "SIP on every hop");
    let ports: BTreeSet<_> = targets.iter().flat_map(|(_, seen)| seen.relayed.clone()).collect();
    let all = truth::datagrams(&witness, "!sip");
    let (expected, strangers): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|datagram| truth::is_relayed(datagram, &ports));
    truth::same(&truth::datagrams(volume, "!sip"), &expected, "media of both legs");
    // Two phones say 100 packets each, and the relay says them again, but for the few that come
    // before it knows where to.
    assert!(expected.len() > 3 * 4 * 95 && strangers.len() > 5 * 4 * 95, "{}", expected.len());
    assert_eq!(tshark(volume, "!udp", &["frame.number"]), Vec::<Vec<String>>::new());
    learned(&found);
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

/// The streams between the relay and a NAT are said to be learned, the others to be announced.
fn learned(found: &Value) {
    for call in found["calls"].as_array().unwrap() {
        for stream in call["streams"].as_array().unwrap() {
            let ends = [&stream["src"], &stream["dst"]].map(|end| end.as_str().unwrap());
            let is_nats =
                |end: &&str| ["192.0.2.7:", "192.0.2.8:"].iter().any(|it| end.starts_with(it));
            let how = if ends.iter().any(is_nats) { "learned" } else { "sdp-match" };
            assert_eq!(stream["association"], how, "{stream}");
        }
    }
}
