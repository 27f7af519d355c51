//! Set-up and input that cannot work: each says what is wrong and how to mend it, and loses
//! nothing.

mod desk;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use desk::{Desk, EVER, words};

const ALICE: &str = "sip:alice@example.net";

fn calls() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/calls.pcapng")
}

fn replay(desk: &Desk, capture: &Path) -> Output {
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    let mut command = desk.command();
    command.arg("replay").arg(capture).args(["--warrant", &warrant, "--trust", "trust"]);
    command.args(["--evidence", "evidence", "--json"]).output().unwrap()
}

/// Runs a shell line as the user `nobody`, with the program on hand as `calltap`.
fn as_nobody(desk: &Desk, line: &str) -> Option<Output> {
    if !is_root() {
        println!("SKIPPED: only root can become another user");
        return None;
    }
    // The build directory may be closed to others, and so may the desk.
    // Copied by another process: a child that a test beside this one starts would hold the copy open
    // for writing for a moment, and the kernel executes no such file (ETXTBSY).
    let mut copying = Command::new("cp");
    copying.arg(env!("CARGO_BIN_EXE_calltap")).arg(desk.path("calltap"));
    assert!(copying.status().unwrap().success());
    fs::copy(calls(), desk.path("calls.pcapng")).unwrap();
    for open in [desk.path("."), desk.path("state")] {
        fs::create_dir_all(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let mut command = Command::new("setpriv");
    desk.at_desk(&mut command);
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", line]);
    Some(command.output().expect("setpriv (util-linux)"))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}

#[test]
fn a_capture_cut_short_gives_what_stands_ahead_of_the_cut() {
    let desk = Desk::new();
    let whole = fs::read(calls()).unwrap();
    fs::write(desk.path("cut.pcapng"), &whole[..whole.len() / 2 + 1]).unwrap();
    let output = replay(&desk, &desk.path("cut.pcapng"));
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let says = words(&output);
    assert!(says.contains("cut.pcapng") && says.contains("offset"), "{says}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["frames"]["seen"].as_u64().unwrap() > 400, "{found}");
    assert!(!found["volumes"].as_array().unwrap().is_empty(), "{found}");
    desk.fine(&["verify", "evidence"]);
}

#[test]
fn an_input_that_is_no_capture_is_refused_before_anything_is_written() {
    let desk = Desk::new();
    fs::write(desk.path("text.pcap"), "not a capture at all").unwrap();
    fs::write(desk.path("empty.pcap"), "").unwrap();
    fs::write(desk.path("packed.pcap.gz"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
    for (name, mend) in [
        ("text.pcap", "no pcap or pcapng"),
        ("empty.pcap", "empty"),
        ("packed.pcap.gz", "gunzip"),
        ("trust", "is a directory"),
        ("absent.pcap", "No such file"),
    ] {
        let output = replay(&desk, &desk.path(name));
        assert_eq!(output.status.code(), Some(2), "{name}: {}", words(&output));
        assert!(
            words(&output).contains(name) && words(&output).contains(mend),
            "{}",
            words(&output)
        );
        assert!(!desk.path("evidence").exists(), "{name}");
    }
}

#[test]
fn a_refused_warrant_does_not_stop_the_others() {
    let desk = Desk::new();
    let good = desk.warrant("GOOD", &[ALICE], EVER);
    let bad = desk.draft("BAD", &[ALICE], EVER);
    let mut command = desk.command();
    command.arg("replay").arg(calls()).args(["--warrant", &good, "--warrant", &bad]);
    let output = command.args(["--trust", "trust", "--evidence", "evidence", "--json"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["calls"].as_array().unwrap().len(), 2, "{found}");
    assert!(!desk.path("evidence/BAD").exists());
}

#[test]
fn two_captures_on_the_same_ports_are_two_calls_without_a_packet_of_the_strangers() {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    let mut command = desk.command();
    command.arg("replay").arg(calls()).arg(calls().with_file_name("calls-tcp.pcapng"));
    command.args(["--warrant", &warrant, "--trust", "trust", "--evidence", "evidence", "--json"]);
    let output = command.output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let media = |it: &serde_json::Value| it["cc_packets"].as_u64().unwrap();
    let media: Vec<_> = found["calls"].as_array().unwrap().iter().map(media).collect();
    assert_eq!(media, [200, 200, 100], "{found}");
}

#[test]
fn evidence_of_a_node_that_the_trust_store_does_not_know_is_not_whole() {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    desk.replay(&calls(), &warrant, &[]);
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
    fs::copy(desk.path("keys/pretender.pub"), desk.path("trust/ghent.node.pub")).unwrap();
    let output = desk.run(&["verify", "evidence", "--trust", "trust"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert!(words(&output).contains("node.pub"), "{}", words(&output));
    fs::copy(desk.path("evidence/node.pub"), desk.path("trust/node.pub")).unwrap();
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn a_pipe_in_a_warrants_place_is_refused_and_not_waited_for() {
    let desk = Desk::new();
    assert!(Command::new("mkfifo").arg(desk.path("pipe.toml")).status().unwrap().success());
    let output = desk.run(&["warrant", "check", "pipe.toml", "--trust", "trust"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert!(words(&output).contains("refused: unreadable: "), "{}", words(&output));
}

#[test]
fn an_unknown_link_type_is_passed_over_by_name() {
    let desk = Desk::new();
    // A classic pcap of link type 105 (IEEE 802.11) with one frame.
    let mut capture = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    for word in [0x0004_0002_u32, 0, 0, 65535, 105, 1_700_000_000, 0, 4, 4, 0xdead_beef] {
        capture.extend(word.to_le_bytes());
    }
    fs::write(desk.path("radio.pcap"), capture).unwrap();
    let output = replay(&desk, &desk.path("radio.pcap"));
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(words(&output).contains("link type 105"), "{}", words(&output));
    assert!(words(&output).contains("\"seen\":1"), "{}", words(&output));
}

#[test]
fn an_evidence_path_that_is_a_file_is_refused_by_name() {
    let desk = Desk::new();
    fs::write(desk.path("evidence"), "a file").unwrap();
    let output = replay(&desk, &calls());
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains("evidence"), "{}", words(&output));
}

#[test]
fn a_full_disk_stops_the_warrant_loudly() {
    if !is_root() {
        println!("SKIPPED: only root can mount a small disk");
        return;
    }
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    fs::create_dir(desk.path("evidence")).unwrap();
    let line = format!(
        "mount -t tmpfs -o size=64k none evidence && \
         exec {} replay {} --warrant {warrant} --trust trust --evidence evidence --json",
        env!("CARGO_BIN_EXE_calltap"),
        calls().display()
    );
    let mut command = Command::new("unshare");
    desk.at_desk(&mut command);
    let output = command.args(["--mount", "sh", "-c", &line]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(says.contains("L-1") && says.contains("stopped") && says.contains("space"), "{says}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["frames"]["lost"]["disk"].as_u64().unwrap() > 0, "{found}");
}

#[test]
fn an_ordinary_user_can_replay_and_verify() {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    let line = format!(
        "./calltap replay calls.pcapng --warrant {warrant} --trust trust --evidence evidence && \
         ./calltap verify evidence --trust trust && \
         ./calltap warrant check {warrant} --trust trust"
    );
    let Some(output) = as_nobody(&desk, &line) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(words(&output).contains("evidence: whole"), "{}", words(&output));
}

#[test]
fn a_replay_that_cannot_be_confined_wholly_is_refused_where_that_is_required() {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    fs::write(desk.path("required.toml"), "confinement = \"required\"").unwrap();
    let line = format!(
        "ulimit -l 64; ./calltap replay calls.pcapng --warrant {warrant} --trust trust \
         --evidence evidence --config required.toml"
    );
    let Some(output) = as_nobody(&desk, &line) else { return };
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains("LimitMEMLOCK=infinity"), "{}", words(&output));
    assert!(!desk.path("evidence/audit.jsonl").exists());
}

#[test]
fn run_names_the_missing_capabilities() {
    let desk = Desk::new();
    let line = "./calltap run --interface lo --warrants warrants --trust trust --evidence evidence";
    let Some(output) = as_nobody(&desk, line) else { return };
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    for name in ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_BPF", "setcap"] {
        assert!(words(&output).contains(name), "{name}: {}", words(&output));
    }
}

#[test]
fn an_ordinary_users_demo_replays_a_capture_instead() {
    let desk = Desk::new();
    let Some(output) = as_nobody(&desk, "./calltap demo --out demo") else { return };
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    for said in ["A lab is not possible here", "400 of 400 media packets as RTP", "wireshark "] {
        assert!(words(&output).contains(said), "{said}: {}", words(&output));
    }
}

#[test]
fn an_interface_that_does_not_exist_is_refused_by_name() {
    if !is_root() {
        println!("SKIPPED: run looks at capabilities first, and this user has none");
        return;
    }
    let desk = Desk::new();
    let mut arguments = vec!["run", "--interface", "none0", "--warrants", "warrants"];
    arguments.extend(["--trust", "trust", "--evidence", "evidence"]);
    let output = desk.run(&arguments);
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains("no interface none0"), "{}", words(&output));
}

#[test]
fn settings_are_checked_by_line_and_key() {
    let desk = Desk::new();
    fs::write(desk.path("good.toml"), "grace = 4\n").unwrap();
    desk.fine(&["config", "check", "good.toml"]);
    fs::write(desk.path("bad.toml"), "grace = 4\nsignaling_ports = [5060]\n").unwrap();
    let output = desk.run(&["config", "check", "bad.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let said =
        "bad.toml: line 2: signaling_ports: no such setting; signalling_ports is the nearest";
    assert!(words(&output).contains(said), "{}", words(&output));
    assert_eq!(desk.run(&["config", "check", "none.toml"]).status.code(), Some(2));
}

#[test]
fn usage_errors_end_with_2() {
    let desk = Desk::new();
    for arguments in [&["replay"][..], &["run", "--for", "x"], &["verify"], &["fly"], &[]] {
        assert_eq!(desk.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(desk.run(&["verify", "nowhere"]).status.code(), Some(2));
}

/// `scripts/calltap.service`, by systemd's own measure from 0 (nothing exposed) to 10.
#[test]
fn the_unit_exposes_less_than_two_of_ten() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/calltap.service");
    let mut analyze = Command::new("systemd-analyze");
    let analyze = analyze.args(["security", "--offline=yes", "--no-pager", unit]).output();
    let Ok(output) = analyze else {
        println!("SKIPPED: there is no systemd-analyze");
        return;
    };
    let said = words(&output);
    let (_, level) = said.split_once("exposure level for calltap.service: ").expect(&said);
    let level: f64 = level.split_whitespace().next().unwrap().parse().unwrap();
    assert!(level < 2.0, "{said}");
}
