//! `calltap evidence export`: one call as one file, held against tshark with its defaults.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::desk::{Desk, tshark, words};
use super::replayed;

fn listed(desk: &Desk) -> Vec<Value> {
    let found = desk.fine(&["evidence", "list", "--json"]);
    let found: Value = serde_json::from_str(&found).expect("JSON");
    found["calls"].as_array().expect("calls").clone()
}

fn name(call: &Value) -> String {
    format!("{}/{}", call["liid"].as_str().unwrap(), call["cin"])
}

/// The call's line, as `show --json` has it.
fn line(desk: &Desk, name: &str) -> Value {
    let shown = desk.fine(&["evidence", "show", name, "--json"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    shown["call"].clone()
}

/// RTP packets that a call's line counts.
pub(crate) fn rtp_packets(line: &Value) -> usize {
    let streams = line["streams"].as_array().unwrap().iter();
    let rtp = streams.filter(|stream| stream["kind"].is_null());
    rtp.map(|it| usize::try_from(it["packets"].as_u64().unwrap()).unwrap()).sum()
}

#[test]
fn each_call_of_the_projects_captures_decodes_alone_as_its_line_counts_it() {
    for capture in ["calls.pcapng", "calls-tcp.pcapng"] {
        // Volumes of a second, so that calls span several, and the later ones begin in their middle.
        for rotation in [&[][..], &["-b", "duration:1"]] {
            let desk = replayed(capture, rotation);
            for call in listed(&desk) {
                let name = name(&call);
                desk.fine(&["evidence", "export", &name, "--out", "copy.pcapng"]);
                let line = line(&desk, &name);
                let copy = desk.path("copy.pcapng");
                let sip = tshark(&copy, "sip", &["sip.Call-ID", "frame.comment"]);
                assert_eq!(sip.len(), 6, "{capture} {name}");
                assert!(sip.iter().all(|it| it[0] == line["call_id"].as_str().unwrap()));
                let liid_and_cin = format!("CIN={} IRI", call["cin"]);
                assert!(sip.iter().all(|it| it[1].ends_with(&liid_and_cin)), "comments are kept");
                let rtp = tshark(&copy, "rtp.version == 2", &["frame.number"]).len();
                assert_eq!(rtp, rtp_packets(&line), "{capture} {name}");
                assert!(tshark(&copy, "_ws.malformed", &["frame.number"]).is_empty());

                desk.fine(&["evidence", "export", &name, "--out", "copy.pcap", "--format", "pcap"]);
                let copy = desk.path("copy.pcap");
                assert_eq!(
                    tshark(&copy, "sip or rtp.version == 2", &["frame.number"]).len(),
                    6 + rtp
                );
                for copy in ["copy.pcapng", "copy.pcap"] {
                    fs::remove_file(desk.path(copy)).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_copy_says_at_its_head_whence_it_is_and_the_audit_that_it_was_made() {
    let desk = replayed("calls.pcapng", &[]);
    let said = desk.fine(&["evidence", "export", "1", "--out", "copy.pcapng"]);
    let hash = said.lines().find_map(|line| line.strip_prefix("sha256     ")).expect("a hash");
    assert_eq!(sha256(&desk.path("copy.pcapng")), hash);
    let head = fs::read(desk.path("copy.pcapng")).unwrap();
    let head = String::from_utf8_lossy(&head[..1000]).into_owned();
    assert!(head.contains("of call CASE-1/1: no original evidence"), "{head}");
    let [volume] = desk.volumes("evidence").try_into().unwrap();
    assert!(head.contains(&format!(" sha256 {}", sha256(&volume))), "{head}");
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    let last: Value = serde_json::from_str(audit.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "evidence-exported");
    assert_eq!(last["details"]["call"], "CASE-1/1");
    assert_eq!(last["details"]["sha256"], hash);
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn a_copy_names_the_addresses_of_its_parties() {
    let desk = replayed("calls.pcapng", &[]);
    desk.fine(&["evidence", "export", "1", "--out", "copy.pcapng"]);
    let mut hosts = std::process::Command::new("tshark");
    hosts.args(["-r"]).arg(desk.path("copy.pcapng")).args(["-q", "-z", "hosts"]);
    let hosts = words(&hosts.output().expect("tshark"));
    for named in ["192.0.2.10\talice@example.net", "192.0.2.20\tfriend0@example.net"] {
        assert!(hosts.lines().any(|line| line == named), "{named} in {hosts}");
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_is_put_into_the_evidence() {
    let desk = replayed("calls.pcapng", &[]);
    fs::write(desk.path("there"), "mine").unwrap();
    for (out, says) in [
        ("there", "there is there already"),
        ("evidence/copy.pcapng", "would lie in the evidence"),
        ("evidence/CASE-1/copy.pcapng", "would lie in the evidence"),
        ("nowhere/copy.pcapng", "nowhere: No such file"),
    ] {
        let output = desk.run(&["evidence", "export", "1", "--out", out]);
        assert_eq!(output.status.code(), Some(2));
        assert!(words(&output).contains(says), "{out}: {}", words(&output));
    }
    assert_eq!(fs::read_to_string(desk.path("there")).unwrap(), "mine");
    desk.fine(&["verify", "evidence"]);
}

#[test]
fn an_altered_volume_is_not_copied_and_nothing_is_left() {
    let desk = replayed("calls.pcapng", &[]);
    let [volume] = desk.volumes("evidence").try_into().unwrap();
    let mut bytes = fs::read(&volume).unwrap();
    let end = bytes.len() - 200;
    bytes[end] ^= 1;
    fs::write(&volume, bytes).unwrap();
    let output = desk.run(&["evidence", "export", "1", "--out", "copy.pcapng"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert!(words(&output).contains("it is not as it was sealed"), "{}", words(&output));
    assert!(!desk.path("copy.pcapng").exists());
}

#[test]
fn a_call_is_named_by_liid_and_number_by_number_or_by_call_id() {
    let desk = replayed("calls.pcapng", &[]);
    for name in ["CASE-1/1", "1", "3-24365@192.0.2.10"] {
        desk.fine(&["evidence", "export", name, "--out", "copy.pcapng"]);
        fs::remove_file(desk.path("copy.pcapng")).unwrap();
    }
    for name in ["CASE-1/3", "CASE-2/1", "7", "nobody@example.net", "\u{1b}[2J"] {
        let output = desk.run(&["evidence", "export", name, "--out", "copy.pcapng"]);
        assert_eq!(output.status.code(), Some(2));
        let says = words(&output);
        assert!(says.contains("calltap evidence list names them"), "{says}");
        assert!(!says.contains('\u{1b}'), "{says:?}");
    }
}

fn sha256(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum").arg(path).output().expect("sha256sum");
    words(&output).split(' ').next().unwrap_or_default().to_owned()
}
