//! Warrants executed on a real interface: sipp's calls on a network of namespaces (see
//! [`calltap::lab`] for its shape), captured by the real program.
//!
//! They need root; without it they say so and pass.

mod capture;
mod desk;

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use calltap::lab::{CallPlan, Lab, Transport};
use capture::{Capture, conserved, count, laid, lost};
use desk::{Desk, EVER, sum, tshark, words};
use serde_json::Value;

const ALICE: &str = "sip:alice@example.net";

/// `calltap run` at a lab's mirror port.
fn start(desk: &Desk, lab: &Lab, more: &[&str]) -> Capture {
    let command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    Capture::start(desk, command, lab.tap_interface(), more)
}

/// Every call's Call-ID, and whether the target is one of its parties, as tshark reads it.
fn parties(packets: &[Vec<String>]) -> BTreeMap<String, bool> {
    let mut calls = BTreeMap::new();
    for fields in packets {
        let [call_id, from, to, ..] = fields.as_slice() else { panic!("{fields:?}") };
        let target = [from, to].iter().any(|party| party.contains("<sip:alice@example.net>"));
        *calls.entry(call_id.clone()).or_default() |= target;
    }
    calls
}

const SIP: [&str; 4] = ["sip.Call-ID", "sip.From", "sip.To", "sdp.media.port"];

#[test]
fn of_twenty_calls_at_once_the_targets_five_are_kept_whole_and_nothing_of_the_others() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("WIRE", &[ALICE], EVER);
    let capture = start(&desk, &lab, &[]);
    let before = lab.mirrored().unwrap();
    let witness = lab.witness(&desk.path("witness.pcapng")).unwrap();
    let calls = lab.place_calls(&CallPlan::default()).unwrap();
    let witness = witness.stop().unwrap();
    let after = lab.mirrored().unwrap();
    let (code, found, log) = capture.end("-INT");

    assert_eq!(code, Some(0), "{found} {log}");
    assert_eq!(after.dropped, before.dropped, "the mirror itself lost frames");
    conserved(&found, after.sent);
    assert_eq!(lost(&found), 0, "{found}");
    let rtp = u64::from(2 * calls.rtp_packets_per_side);
    let strangers = u64::from(calls.calls - calls.target_calls);
    assert!(count(&found, "filtered") >= strangers * rtp, "{found}");

    // Calltap's own word for what it kept.
    let kept = &found["calls"];
    assert_eq!(kept.as_array().unwrap().len(), 5);
    assert_eq!(sum(kept, "cc_packets"), 5 * rtp);
    assert_eq!(sum(kept, "iri_packets"), 5 * 6);
    for call in kept.as_array().unwrap() {
        for stream in call["streams"].as_array().unwrap() {
            assert_eq!(stream["packets"], calls.rtp_packets_per_side, "{stream}");
            assert_eq!((&stream["lost"], &stream["duplicates"]), (&0.into(), &0.into()));
        }
    }

    // A second recorder's word for what there was, and tshark's for what is in the evidence.
    let [volume] = &desk.volumes("evidence")[..] else { panic!("one volume") };
    let there = tshark(&witness, "sip", &SIP);
    let here = tshark(volume, "sip", &SIP);
    let targets: BTreeSet<_> =
        parties(&there).into_iter().filter_map(|(call, target)| target.then_some(call)).collect();
    assert_eq!(targets.len(), 5);
    let of_targets = |packets: &[Vec<String>]| -> Vec<Vec<String>> {
        packets.iter().filter(|it| targets.contains(&it[0])).cloned().collect()
    };
    assert_eq!(here, of_targets(&there), "each message once, in order, and no other");
    let ports: BTreeSet<_> =
        of_targets(&there).iter().filter(|it| it.len() > 3).map(|it| it[3].clone()).collect();
    let fields = ["udp.srcport", "udp.dstport", "rtp.ssrc", "rtp.seq"];
    let mut expected = tshark(&witness, "rtp", &fields);
    expected.retain(|it| ports.contains(&it[0]) || ports.contains(&it[1]));
    let mut media = tshark(volume, "rtp", &fields);
    expected.sort();
    media.sort();
    assert_eq!(media, expected);
    assert_eq!(u64::try_from(media.len()).unwrap(), 5 * rtp);
    assert_eq!(tshark(volume, "!sip and !rtp", &["frame.number"]), Vec::<Vec<String>>::new());
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn every_volume_decodes_alone_after_rotation_in_mid_call() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("ROTATE", &[ALICE], EVER);
    let capture = start(&desk, &lab, &["-b", "duration:1"]);
    let plan = CallPlan { target_calls: 3, stranger_calls: 3, ..CallPlan::default() };
    let calls = lab.place_calls(&plan).unwrap();
    let (code, found, log) = capture.end("-TERM");
    assert_eq!(code, Some(0), "{found} {log}");
    let volumes = desk.volumes("evidence");
    assert!(volumes.len() >= 4, "{volumes:?}");
    let mut decoded = 0;
    for volume in &volumes {
        let strays = tshark(volume, "udp and !sip and !rtp", &["frame.number"]);
        assert!(strays.is_empty(), "{}: {strays:?} do not decode", volume.display());
        decoded += tshark(volume, "rtp", &["frame.number"]).len();
    }
    assert_eq!(decoded, usize::try_from(3 * 2 * calls.rtp_packets_per_side).unwrap());
    assert!(sum(&found["volumes"], "carried") > 0, "{found}");
    assert_eq!(sum(&found["volumes"], "packets"), sum(&found["calls"], "cc_packets") + 18);
    desk.fine(&["verify", "evidence"]);
}

#[test]
fn calls_over_tcp_are_followed_like_those_over_udp() {
    for transport in [Transport::Tcp, Transport::TcpTrunk] {
        let Some(lab) = laid() else { return };
        let desk = Desk::new();
        desk.warrant("TCP", &[ALICE], EVER);
        let capture = start(&desk, &lab, &[]);
        let plan = CallPlan {
            target_calls: 2,
            stranger_calls: 4,
            seconds: 2,
            transport,
            ..CallPlan::default()
        };
        let calls = lab.place_calls(&plan).unwrap();
        let (code, found, log) = capture.end("-INT");
        assert_eq!(code, Some(0), "{transport:?}: {found} {log}");
        assert_eq!(found["calls"].as_array().unwrap().len(), 2, "{transport:?}: {found}");
        let rtp = u64::from(2 * calls.rtp_packets_per_side);
        assert_eq!(sum(&found["calls"], "cc_packets"), 2 * rtp, "{transport:?}: {found}");
        let decoded: usize = desk
            .volumes("evidence")
            .iter()
            .map(|it| tshark(it, "rtp", &["frame.number"]).len())
            .sum();
        assert_eq!(u64::try_from(decoded).unwrap(), 2 * rtp, "{transport:?}");
    }
}

#[test]
fn a_target_with_a_hundred_calls_a_second_loses_no_signalling() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("BUSY", &[ALICE], EVER);
    let capture = start(&desk, &lab, &[]);
    let plan = CallPlan {
        target_calls: 150,
        stranger_calls: 0,
        seconds: 1,
        calls_per_second: 100,
        ..CallPlan::default()
    };
    lab.place_calls(&plan).unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(lost(&found), 0, "{}", found["frames"]);
    assert_eq!(found["calls"].as_array().unwrap().len(), 150);
    assert!(sum(&found["calls"], "iri_packets") >= 6 * 150);
}

#[test]
fn without_a_warrant_in_force_nothing_reaches_user_space() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.draft("UNSIGNED", &[ALICE], EVER);
    desk.warrant("ENDED", &[ALICE], ("2000-01-01T00:00:00Z", "2001-01-01T00:00:00Z"));
    desk.warrant("LATER", &[ALICE], ("2190-01-01T00:00:00Z", "2191-01-01T00:00:00Z"));
    let capture = start(&desk, &lab, &[]);
    let plan = CallPlan { target_calls: 2, stranger_calls: 1, seconds: 1, ..CallPlan::default() };
    lab.place_calls(&plan).unwrap();
    let sent = lab.mirrored().unwrap().sent;
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    for refusal in ["unsigned: ", "expired: "] {
        assert!(log.contains(refusal), "{refusal} in {log}");
    }
    conserved(&found, sent);
    assert_eq!((count(&found, "delivered"), count(&found, "filtered")), (0, sent));
    assert!(desk.volumes("evidence").is_empty());
}

#[test]
fn a_warrant_that_ends_in_mid_call_keeps_nothing_after_its_end() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(7);
    desk.warrant("SHORT", &[ALICE], (EVER.0, &end.to_string()));
    let capture = start(&desk, &lab, &[]);
    let plan = CallPlan { target_calls: 2, stranger_calls: 0, seconds: 10, ..CallPlan::default() };
    let calls = lab.place_calls(&plan).unwrap();
    let sent = lab.mirrored().unwrap().sent;
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    conserved(&found, sent);
    let rtp = u64::from(2 * 2 * calls.rtp_packets_per_side);
    let kept = sum(&found["calls"], "cc_packets");
    assert!(kept > 0 && kept < rtp, "{kept} of {rtp}: {found}");
    assert!(count(&found, "filtered") >= rtp - kept - 16, "dropped in the kernel: {found}");
    let last = f64::from(u32::try_from(end.as_second()).unwrap() + 1);
    for volume in desk.volumes("evidence") {
        for packet in tshark(&volume, "frame", &["frame.time_epoch"]) {
            assert!(packet[0].parse::<f64>().unwrap() < last, "{packet:?} after {end}");
        }
    }
}

#[test]
fn each_warrant_gets_what_it_orders_of_one_and_the_same_call() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("ALL", &[ALICE], EVER);
    desk.warrant("FRIEND", &["sip:friend0@example.net"], EVER);
    desk.iri_only_warrant("IRI", &[ALICE]);
    desk.warrant("NETWORK", &["ip:192.0.2.20"], EVER);
    let capture = start(&desk, &lab, &[]);
    let plan = CallPlan { target_calls: 2, stranger_calls: 2, seconds: 1, ..CallPlan::default() };
    let calls = lab.place_calls(&plan).unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    let of = |liid: &str, field: &str| {
        let calls = found["calls"].as_array().unwrap().iter().filter(|it| it["liid"] == liid);
        calls.filter_map(|it| it[field].as_u64()).sum::<u64>()
    };
    let rtp = u64::from(2 * calls.rtp_packets_per_side);
    assert_eq!((of("ALL", "iri_packets"), of("ALL", "cc_packets")), (12, 2 * rtp), "{found}");
    assert_eq!((of("FRIEND", "iri_packets"), of("FRIEND", "cc_packets")), (6, rtp), "{found}");
    assert_eq!((of("IRI", "iri_packets"), of("IRI", "cc_packets")), (12, 0), "{found}");
    // The callee's address is in every call of this network.
    let network = (of("NETWORK", "iri_packets"), of("NETWORK", "cc_packets"));
    assert_eq!(network, (24, 4 * rtp), "{found}");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn a_killed_capture_keeps_all_but_its_last_second_and_says_that_it_was_interrupted() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("KILLED", &[ALICE], EVER);
    let capture = start(&desk, &lab, &[]);
    let witness = lab.witness(&desk.path("witness.pcapng")).unwrap();
    let plan = CallPlan { target_calls: 4, stranger_calls: 2, ..CallPlan::default() };
    let calls = lab.begin_calls(&plan).unwrap();
    sleep(Duration::from_millis(3500));
    let before = jiff::Timestamp::now();
    capture.signal("-KILL");
    capture.wait();
    calls.finish().unwrap();
    let witness = witness.stop().unwrap();

    // Interrupted is told from tampered, before anything is mended.
    let output = desk.run(&["verify", "evidence", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["state"], "interrupted", "{report}");

    // The next start salvages, and goes on.
    let capture = start(&desk, &lab, &[]);
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("interrupted"), "{log}");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
    let manifest = std::fs::read_to_string(desk.path("evidence/KILLED/manifest.jsonl")).unwrap();
    assert!(manifest.contains("\"interrupted\":true"), "{manifest}");

    // Every packet of the target's that is older than a flush interval is there.
    let horizon = (before.as_millisecond() - 1000) as f64 / 1000.0;
    let targets: BTreeSet<String> = tshark(&witness, "sip", &SIP)
        .iter()
        .filter(|it| it[1..3].iter().any(|party| party.contains("<sip:alice@example.net>")))
        .filter_map(|it| it.get(3).filter(|port| !port.is_empty()).cloned())
        .collect();
    let fields = ["frame.time_epoch", "udp.srcport", "udp.dstport", "rtp.ssrc", "rtp.seq"];
    let older: BTreeSet<_> = tshark(&witness, "rtp", &fields)
        .into_iter()
        .filter(|it| it[0].parse::<f64>().unwrap() < horizon)
        .filter(|it| targets.contains(&it[1]) || targets.contains(&it[2]))
        .map(|it| it[1..].to_vec())
        .collect();
    let kept: BTreeSet<_> = desk
        .volumes("evidence")
        .iter()
        .flat_map(|volume| tshark(volume, "rtp", &fields))
        .map(|it| it[1..].to_vec())
        .collect();
    assert!(older.len() > 100, "{}", older.len());
    assert!(older.is_subset(&kept), "missing: {:?}", older.difference(&kept).next());
}

#[test]
fn a_second_filter_on_the_interface_is_refused_by_name() {
    let Some(lab) = laid() else { return };
    let (desk, other) = (Desk::new(), Desk::new());
    let capture = start(&desk, &lab, &[]);
    let mut second = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    other.at_desk(&mut second);
    second.args(["run", "--interface", lab.tap_interface(), "--for", "2"]);
    second.args(["--warrants", "warrants", "--trust", "trust", "--evidence", "evidence"]);
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains(lab.tap_interface()), "{}", words(&output));
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "the first goes on as if nothing were: {log}");
}

#[test]
fn a_map_that_is_full_is_told_and_audited_and_signalling_is_kept_whole() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("FULL", &[ALICE], EVER);
    std::fs::write(desk.path("small.toml"), "max_endpoints = 16\n").unwrap();
    let capture = start(&desk, &lab, &["--config", "small.toml"]);
    let plan = CallPlan { target_calls: 8, stranger_calls: 0, seconds: 2, ..CallPlan::default() };
    let placed = lab.place_calls(&plan).unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(1), "{found} {log}");
    assert!(log.contains("all 16 media endpoints are open: start with a larger limit"), "{log}");
    let audit = std::fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    assert!(audit.contains(r#""event":"media-not-opened""#), "{audit}");
    let calls = found["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 8, "{found}");
    assert!(calls.iter().all(|call| call["iri_packets"] == calls[0]["iri_packets"]), "{found}");
    assert!(calls.iter().all(|call| call["cause"] == "bye"), "{found}");
    let rtp = 8 * 2 * u64::from(placed.rtp_packets_per_side);
    assert!(sum(&found["calls"], "cc_packets") < rtp, "{found}");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn a_link_that_was_down_for_a_while_goes_on() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("FLAP", &[ALICE], EVER);
    let capture = start(&desk, &lab, &[]);
    for state in ["down", "up"] {
        let mut set = lab.command_in_tap("ip");
        assert!(set.args(["link", "set", lab.tap_interface(), state]).status().unwrap().success());
        sleep(Duration::from_millis(500));
    }
    let plan = CallPlan { target_calls: 1, stranger_calls: 0, seconds: 1, ..CallPlan::default() };
    lab.place_calls(&plan).unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    assert_eq!(sum(&found["calls"], "cc_packets"), 100, "{found} {log}");
}

#[test]
fn an_interface_that_goes_away_ends_the_run_and_loses_nothing() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("GONE", &[ALICE], EVER);
    let capture = start(&desk, &lab, &[]);
    let plan = CallPlan { target_calls: 2, stranger_calls: 0, seconds: 1, ..CallPlan::default() };
    lab.place_calls(&plan).unwrap();
    sleep(Duration::from_millis(300));
    let gone = lab.command_in_tap("ip").args(["link", "del", lab.tap_interface()]).status();
    assert!(gone.unwrap().success());
    let (code, found, log) = capture.wait();
    assert_eq!(code, Some(1), "{found} {log}");
    assert!(log.contains(lab.tap_interface()), "{log}");
    assert_eq!(sum(&found["calls"], "cc_packets"), 2 * 2 * 50, "{found} {log}");
    desk.fine(&["verify", "evidence"]);
}
