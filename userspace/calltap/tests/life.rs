//! The life of a warrant while the program runs: taken up, suspended, resumed, modified, revoked,
//! and each of these in the audit.
//!
//! The captures on a wire need root; without it they say so and pass.

mod capture;
mod desk;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use calltap::lab::CallPlan;
use capture::{Capture, conserved, laid};
use desk::{Desk, EVER, sum, tshark, words};
use serde_json::Value;

const ALICE: &str = "sip:alice@example.net";

/// Longer than the program takes to look at its warrants again.
const LOOK: Duration = Duration::from_millis(1_500);

/// `warrant suspend` or `resume`.
fn act(desk: &Desk, act: &str, file: &str, key: &str, reason: &str) {
    desk.fine(&["warrant", act, file, "--key", key, "--trust", "trust", "--reason", reason]);
}

/// Drafts, edits and signs the version after `file`.
fn next_version(desk: &Desk, liid: &str, file: &str, from: &str, to: &str) -> String {
    let next = file.replace(".toml", "-2.toml");
    desk.fine(&[
        "warrant",
        "new",
        "--liid",
        liid,
        "--authority-name",
        "court",
        "--reference",
        "test",
        "--jurisdiction",
        "BE",
        "--deliver",
        "iri-and-content",
        "--target",
        ALICE,
        "--not-before",
        EVER.0,
        "--not-after",
        EVER.1,
        "--supersedes",
        file,
        "--out",
        &next,
    ]);
    let text = fs::read_to_string(desk.path(&next)).unwrap();
    assert!(text.contains("version = 2") && text.contains(from), "{text}");
    fs::write(desk.path(&next), text.replace(from, to)).unwrap();
    desk.fine(&["warrant", "sign", &next, "--key", "keys/court.key"]);
    next
}

/// The events of one LIID's warrants, without those that repeat at every start.
fn events(desk: &Desk, liid: &str) -> Vec<String> {
    let events = desk.audit().into_iter();
    let of =
        events.filter(|(event, details)| event.starts_with("warrant-") && details["liid"] == liid);
    of.map(|(event, _)| event.trim_start_matches("warrant-").to_owned()).collect()
}

fn of_liid<'a>(found: &'a Value, liid: &str) -> Vec<&'a Value> {
    found["calls"].as_array().unwrap().iter().filter(|call| call["liid"] == liid).collect()
}

fn media(calls: &[&Value]) -> Vec<u64> {
    calls.iter().map(|call| call["cc_packets"].as_u64().unwrap()).collect()
}

#[test]
fn a_running_capture_follows_its_warrants_and_loses_nothing_of_an_unchanged_one() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    let operator = desk.operator("olga");
    desk.warrant("STEADY", &[ALICE], EVER);
    let command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    let capture = Capture::start(&desk, command, lab.tap_interface(), &[]);
    let plan =
        |seconds| CallPlan { target_calls: 1, stranger_calls: 1, seconds, ..CallPlan::default() };
    let mut expected = Vec::new();

    // A new warrant begins.
    let file = desk.warrant("LATER", &[ALICE], EVER);
    sleep(LOOK);
    let calls = lab.begin_calls(&plan(5)).unwrap();
    sleep(Duration::from_secs(2));
    act(&desk, "suspend", &file, &operator, "a fault in the line");
    sleep(LOOK);
    expected.push(u64::from(2 * calls.finish().unwrap().rtp_packets_per_side));

    // It is resumed, by a signal at once.
    act(&desk, "resume", &file, &operator, "mended");
    capture.signal("-HUP");
    sleep(Duration::from_millis(300));
    expected.push(u64::from(2 * lab.place_calls(&plan(1)).unwrap().rtp_packets_per_side));

    // In the midst of a call the court takes the content back.
    let calls = lab.begin_calls(&plan(5)).unwrap();
    sleep(Duration::from_secs(2));
    let file = next_version(
        &desk,
        "LATER",
        &file,
        "deliver = \"iri-and-content\"",
        "deliver = \"iri-only\"",
    );
    sleep(LOOK);
    expected.push(u64::from(2 * calls.finish().unwrap().rtp_packets_per_side));

    // And then the whole.
    desk.fine(&["warrant", "revoke", &file, "--key", "keys/court.key", "--reason", "acquitted"]);
    sleep(LOOK);
    expected.push(u64::from(2 * lab.place_calls(&plan(1)).unwrap().rtp_packets_per_side));
    let sent = lab.mirrored().unwrap().sent;
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    conserved(&found, sent);

    assert_eq!(media(&of_liid(&found, "STEADY")), expected, "{found}");
    let later = of_liid(&found, "LATER");
    let cins: Vec<_> = later.iter().map(|call| call["cin"].as_u64().unwrap()).collect();
    // The call that went on while it was suspended is met again by its BYE, if that came after.
    assert!(cins.is_sorted_by(|a, b| a < b) && (3..=4).contains(&cins.len()), "{found}");
    let kept = media(&later);
    let (cut, whole, reduced) = (kept[0], expected[1], kept[kept.len() - 1]);
    assert!(cut > expected[0] / 5 && cut < expected[0] * 4 / 5, "{cut} of {expected:?}");
    assert!(kept.contains(&whole), "{kept:?} {expected:?}");
    assert!(
        reduced > expected[2] / 5 && reduced < expected[2] * 4 / 5,
        "{reduced} of {expected:?}"
    );
    assert_eq!(later[later.len() - 1]["iri_packets"], 6, "signalling went on: {found}");
    assert_eq!(later[0]["cause"], "warrant-ended", "{found}");

    let events = events(&desk, "LATER");
    let expected = [
        "received",
        "activated",
        "suspended",
        "refused",
        "resumed",
        "received",
        "modified",
        "activated",
        "received",
        "refused",
        "revoked",
        "refused",
    ];
    assert_eq!(
        events.iter().filter(|it| *it != "refused" && *it != "received").collect::<Vec<_>>(),
        expected.iter().filter(|it| **it != "refused" && **it != "received").collect::<Vec<_>>(),
        "{events:?}"
    );
    for (event, name, value) in [
        ("warrant-suspended", "reason", "a fault in the line"),
        ("warrant-suspended", "signer", "olga"),
        ("warrant-revoked", "reason", "acquitted"),
        ("warrant-revoked", "role", "authority"),
    ] {
        let audit = desk.audit();
        let line = audit.iter().find(|(it, _)| it == event).expect(event);
        assert_eq!(line.1[name], value, "{line:?}");
    }
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

fn calls() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../pcaps/calls.pcapng"))
}

/// Replays under these warrants; gives the exit code, what was printed, and the log.
fn replay(desk: &Desk, files: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = desk.command();
    command.arg("replay").arg(calls());
    for file in files {
        command.args(["--warrant", file]);
    }
    command.args(["--trust", "trust", "--evidence", "evidence", "--json"]);
    let output = command.output().unwrap();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), printed, words(&output))
}

#[test]
fn a_revocation_that_is_taken_away_brings_nothing_back() {
    let desk = Desk::new();
    let file = desk.warrant("L-1", &[ALICE], EVER);
    let other = desk.warrant("L-2", &["sip:nobody@example.org"], EVER);
    assert_eq!(replay(&desk, &[&file, &other]).0, Some(0));
    desk.fine(&["warrant", "revoke", &file, "--key", "keys/court.key", "--reason", "over"]);
    let (code, found, log) = replay(&desk, &[&file, &other]);
    assert_eq!((code, found["calls"].as_array().unwrap().len()), (Some(1), 0), "{log}");
    fs::remove_file(desk.path(&format!("{file}.revocation"))).unwrap();
    let (code, found, log) = replay(&desk, &[&file, &other]);
    assert_eq!((code, found["calls"].as_array().unwrap().len()), (Some(1), 0), "{log}");
    assert!(log.contains("refused: revoked: "), "{log}");
    assert_eq!(events(&desk, "L-1"), ["received", "activated", "revoked", "refused", "refused"]);
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn a_suspension_lasts_until_a_signed_line_ends_it() {
    let desk = Desk::new();
    let operator = desk.operator("olga");
    let file = desk.warrant("L-1", &[ALICE], EVER);
    let other = desk.warrant("L-2", &["sip:nobody@example.org"], EVER);
    act(&desk, "suspend", &file, &operator, "why");
    assert_eq!(replay(&desk, &[&file, &other]).0, Some(1));
    let acts = desk.path(&format!("{file}.acts"));
    let signed = fs::read(&acts).unwrap();
    fs::remove_file(&acts).unwrap();
    let (code, _, log) = replay(&desk, &[&file, &other]);
    assert!(code == Some(1) && log.contains("refused: suspended: "), "{log}");
    fs::write(&acts, signed).unwrap();
    act(&desk, "resume", &file, &operator, "mended");
    let (code, found, log) = replay(&desk, &[&file, &other]);
    assert_eq!((code, found["calls"].as_array().unwrap().len()), (Some(0), 2), "{log}");
}

#[test]
fn what_the_authority_suspended_no_operator_resumes() {
    let desk = Desk::new();
    let operator = desk.operator("olga");
    let file = desk.warrant("L-1", &[ALICE], EVER);
    act(&desk, "suspend", &file, "keys/court.key", "appeal");
    act(&desk, "resume", &file, &operator, "I would");
    let check = ["warrant", "check", &file, "--trust", "trust"];
    assert!(words(&desk.run(&check)).contains("refused: suspended: "));
    act(&desk, "resume", &file, "keys/court.key", "dismissed");
    desk.fine(&check);
}

#[test]
fn a_warrant_that_two_must_activate_takes_two_who_enter_it_right() {
    let desk = Desk::new();
    let (olga, piet) = (desk.operator("olga"), desk.operator("piet"));
    fs::write(desk.path("trust/trust.toml"), "[authority.court]\ntwo_person = true\n").unwrap();
    let file = desk.warrant("L-1", &[ALICE, "tel:+3225550123"], EVER);
    let activate = |key: &str, targets: [&str; 2]| {
        let mut arguments = vec!["warrant", "activate", &file, "--key", key, "--trust", "trust"];
        targets.iter().for_each(|target| arguments.extend(["--target", target]));
        desk.run(&arguments)
    };
    let check = ["warrant", "check", &file, "--trust", "trust"];
    let right = ["tel:+32-2-555-01-23", ALICE];
    assert_eq!(activate(&olga, right).status.code(), Some(0));
    assert_eq!(activate(&olga, right).status.code(), Some(0), "once more is once");
    assert!(words(&desk.run(&check)).contains("refused: not-activated: "));
    // Two digits the wrong way round, and one identifier for two.
    for wrong in [["tel:+3225550132", ALICE], [ALICE, ALICE]] {
        let output = activate(&piet, wrong);
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        let says = words(&output);
        assert!(says.contains("identifier-mismatch") && !says.contains("555"), "{says}");
    }
    assert!(words(&desk.run(&check)).contains("refused: not-activated: "));
    assert_eq!(activate("keys/court.key", right).status.code(), Some(2), "no operator");
    assert_eq!(activate(&piet, right).status.code(), Some(0));
    desk.fine(&check);
    assert_eq!(replay(&desk, &[&file]).0, Some(0));
    let audit = desk.audit();
    let (_, details) = audit.iter().find(|(event, _)| event == "warrant-activated").unwrap();
    let operators = details["operators"].as_str().unwrap();
    assert!(operators.contains("olga ") && operators.contains("piet "), "{operators}");
}

#[test]
fn a_dry_run_says_by_rule_what_would_match_and_names_and_keeps_nothing() {
    let desk = Desk::new();
    let file = desk.warrant("L-1", &["tel:+3225550123", ALICE], EVER);
    fs::write(desk.path("trust/trust.toml"), "[authority.court]\ntwo_person = true\n").unwrap();
    let before = desk.files(".");
    let mut command = desk.command();
    command.args(["warrant", "dry-run", &file]).arg(calls()).args(["--trust", "trust", "--json"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    for name in ["alice", "friend", "stranger", "example.net", "192.0.2", "198.51.100"] {
        assert!(!words(&output).contains(name), "{}", words(&output));
    }
    assert_eq!(desk.files("."), before, "no file was made");
    let dry: Value = serde_json::from_slice(&output.stdout).unwrap();
    fs::write(desk.path("trust/trust.toml"), "").unwrap();
    let found = desk.replay(calls(), &file, &[]);
    let rules = &dry["rules"];
    assert!(rules.as_array().unwrap().iter().all(|rule| rule["target"] == 2), "{dry}");
    assert_eq!(sum(rules, "calls"), found["calls"].as_array().unwrap().len() as u64, "{dry}");
    assert_eq!(sum(rules, "messages"), sum(&found["calls"], "iri_packets"), "{dry}");
    assert_eq!(sum(rules, "media"), sum(&found["calls"], "cc_packets"), "{dry}");
    // Nobody searches a capture for whom he likes.
    let draft = desk.draft("L-2", &[ALICE], EVER);
    let mut command = desk.command();
    command.args(["warrant", "dry-run", &draft]).arg(calls()).args(["--trust", "trust"]);
    let output = command.output().unwrap();
    assert!(words(&output).contains("refused: unsigned: "), "{}", words(&output));
}

#[test]
fn a_change_is_a_new_version_and_never_an_edit() {
    let desk = Desk::new();
    let file = desk.warrant("L-1", &[ALICE], EVER);
    assert_eq!(replay(&desk, &[&file]).0, Some(0));
    // Another text under the same LIID, though the court signed it.
    let first = fs::read_to_string(desk.path(&file)).unwrap();
    fs::write(desk.path("edited.toml"), first.replace("\"test\"", "\"other\"")).unwrap();
    desk.fine(&["warrant", "sign", "edited.toml", "--key", "keys/court.key"]);
    let (code, _, log) = replay(&desk, &["edited.toml"]);
    assert!(code == Some(1) && log.contains("refused: not-a-successor: "), "{log}");
    // The next version takes its place, and does not give it back.
    let second =
        next_version(&desk, "L-1", &file, "reference = \"test\"", "reference = \"second\"");
    let (code, found, log) = replay(&desk, &[&file, &second]);
    assert_eq!(code, Some(1), "the first is refused: {log}");
    assert!(
        log.contains("refused: superseded: ") && sum(&found["calls"], "cc_packets") > 0,
        "{log}"
    );
    let (code, _, log) = replay(&desk, &[&file]);
    assert!(code == Some(1) && log.contains("refused: superseded: "), "{log}");
    let volumes = desk.volumes("evidence");
    let comment =
        |volume: &Path| format!("{:?}", tshark(volume, "frame.number == 1", &["frame.comment"]));
    assert_eq!(volumes.len(), 2, "{}", comment(&volumes[0]));
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn another_authority_takes_no_warrants_place() {
    let desk = Desk::new();
    desk.fine(&["authority", "new", "parquet", "--out", "keys"]);
    fs::copy(desk.path("keys/parquet.pub"), desk.path("trust/parquet.pub")).unwrap();
    let first = desk.warrant("L-1", &[ALICE], EVER);
    let second =
        next_version(&desk, "L-1", &first, "authority = \"court\"", "authority = \"parquet\"");
    desk.fine(&["warrant", "sign", &second, "--key", "keys/parquet.key"]);
    let check = desk.run(&["warrant", "check", &first, &second, "--trust", "trust"]);
    assert_eq!(words(&check).matches("refused: duplicate-liid: ").count(), 2, "{}", words(&check));
}

#[test]
fn an_authority_changes_its_key_without_a_gap() {
    let desk = Desk::new();
    desk.fine(&["authority", "new", "court-2027", "--out", "keys"]);
    fs::copy(desk.path("keys/court-2027.pub"), desk.path("trust/court-2027.pub")).unwrap();
    fs::write(
        desk.path("trust/trust.toml"),
        "[authority.court]\nname = \"Court of First Instance\"\n\
         [[authority.court.keys]]\nfile = \"court.pub\"\nvalid_until = 2026-12-31T23:59:59Z\n\
         [[authority.court.keys]]\nfile = \"court-2027.pub\"\nvalid_from = 2026-12-01T00:00:00Z\n",
    )
    .unwrap();
    let check = |file: &str| desk.run(&["warrant", "check", file, "--trust", "trust"]);
    let old = desk.warrant("L-1", &[ALICE], EVER);
    let output = check(&old);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(words(&output).contains("Court of First Instance"), "{}", words(&output));
    let late = desk.warrant("L-2", &[ALICE], ("2027-01-01T00:00:00Z", EVER.1));
    assert!(words(&check(&late)).contains("refused: key-expired: "));
    let file = desk.draft("L-3", &[ALICE], ("2027-01-01T00:00:00Z", EVER.1));
    desk.fine(&["warrant", "sign", &file, "--key", "keys/court-2027.key"]);
    assert!(words(&check(&file)).contains("refused: not-yet-in-force: "));
    // The new key revokes what the old one ordered.
    desk.fine(&["warrant", "revoke", &old, "--key", "keys/court-2027.key", "--reason", "over"]);
    assert!(words(&check(&old)).contains("refused: revoked: "));
}

#[test]
fn settings_read_again_in_the_midst_of_a_call_lose_none_of_it() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("STEADY", &[ALICE], EVER);
    let settings = desk.path("settings/calltap.toml");
    fs::create_dir(desk.path("settings")).unwrap();
    // As an editor does: another file in its place.
    let write = |text: &str| {
        fs::write(settings.with_extension("new"), text).unwrap();
        fs::rename(settings.with_extension("new"), &settings).unwrap();
    };
    write("grace = 5\n");
    let command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    let more = ["--config", "settings/calltap.toml"];
    let capture = Capture::start(&desk, command, lab.tap_interface(), &more);
    let plan = CallPlan { target_calls: 1, stranger_calls: 1, seconds: 4, ..CallPlan::default() };
    let calls = lab.begin_calls(&plan).unwrap();
    sleep(Duration::from_secs(1));
    write("grace = 6\nsignalling_ports = [5062]\n[rotation]\nduration = 1\n");
    capture.signal("-HUP");
    sleep(Duration::from_secs(1));
    write("grace = 7\nsignaling_ports = []\n");
    capture.signal("-HUP");
    let expected = u64::from(2 * calls.finish().unwrap().rtp_packets_per_side);
    let sent = lab.mirrored().unwrap().sent;
    let (code, found, log) = capture.end("-INT");

    assert_eq!(code, Some(0), "{found} {log}");
    conserved(&found, sent);
    assert_eq!(media(&of_liid(&found, "STEADY")), [expected], "{found}");
    assert!(found["volumes"].as_array().unwrap().len() > 1, "cut anew: {found}");
    assert!(log.contains("signalling_ports: with the next start"), "{log}");
    assert!(log.contains("the settings go on as they were"), "{log}");
    assert!(log.contains("line 2: signaling_ports"), "{log}");
    let audit = desk.audit();
    let reloaded: Vec<_> = audit.iter().filter(|(event, _)| event == "settings-reloaded").collect();
    let [(_, details)] = reloaded.as_slice() else { panic!("{audit:?}") };
    assert_eq!(details["grace"], "5 -> 6");
    assert_eq!(details["rotation.duration"], "3600 -> 1");
    assert_eq!(details["with the next start"], "signalling_ports");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}
