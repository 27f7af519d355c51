//! `calltap evidence show`: what a person reads of a call.

use serde_json::Value;

use super::desk::words;
use super::replayed;

#[test]
fn a_call_is_shown_with_its_ladder_its_streams_who_hung_up_and_where_it_is_kept() {
    let desk = replayed("calls.pcapng", &[]);
    let shown = desk.fine(&["evidence", "show", "CASE-1/1"]);
    for line in [
        "from       sip:alice@example.net\n",
        "began      2026-11-23 20:16:14 UTC\n",
        "ended      2026-11-23 20:16:17 UTC, after 0:02: bye\n",
        "hung up    sip:alice@example.net (BYE from 192.0.2.10)\n",
        "  0.000   1      │─────── INVITE +SDP ──────>│\n",
        "                 │ audio 192.0.2.10:20008    │\n",
        "  0.304   3      │<── 200 OK (INVITE) +SDP ──│\n",
        "  0.304          │<═══ G.711, 100 packets ═══│\n",
        "0 lost, jitter up to 1.4 ms, MOS 4.41\n",
        ", checked\n",
    ] {
        assert!(shown.contains(line), "{line:?} in\n{shown}");
    }
}

#[test]
fn messages_are_shown_in_full_on_demand() {
    let desk = replayed("calls-tcp.pcapng", &[]);
    let all = desk.fine(&["evidence", "show", "1", "--sip"]);
    assert_eq!(all.matches("\n--- CASE-1/1 message ").count() + 1, 6, "{all}");
    let one = desk.fine(&["evidence", "show", "1", "--sip", "1"]);
    assert!(one.contains("\nINVITE sip:") && one.contains("\nm=audio "), "{one}");
    let output = desk.run(&["evidence", "show", "1", "--sip", "7"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("has 6 messages, and no 7"), "{}", words(&output));
    let json = desk.fine(&["evidence", "show", "1", "--json", "--sip"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let labels: Vec<_> =
        json["messages"].as_array().unwrap().iter().map(|it| it["label"].clone()).collect();
    let expected = [
        "INVITE +SDP",
        "180 Ringing (INVITE)",
        "200 OK (INVITE) +SDP",
        "ACK",
        "BYE",
        "200 OK (BYE)",
    ];
    assert_eq!(labels, expected);
    assert!(json["messages"][0]["text"].as_str().unwrap().starts_with("INVITE sip:"));
}
