//! What the audit says of the program's own acts.

mod desk;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use desk::{Desk, EVER, words};
use serde_json::Value;

const ALICE: &str = "sip:alice@example.net";

fn calls() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../pcaps/calls.pcapng"))
}

/// A desk with the evidence of one replay.
fn replayed() -> Desk {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    desk.replay(calls(), &warrant, &[]);
    desk
}

fn audit(desk: &Desk) -> Vec<Value> {
    let text = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(desk: &Desk, name: &str) -> Vec<Value> {
    audit(desk).into_iter().filter(|line| line["event"] == name).collect()
}

#[test]
fn a_verification_on_the_node_is_recorded_and_one_elsewhere_says_that_it_is_not() {
    let desk = replayed();
    let verify = |more: &[&str]| {
        let printed = desk.fine(&[&["verify", "evidence", "--json"], more].concat());
        serde_json::from_str::<Value>(&printed).unwrap()
    };
    assert_eq!(verify(&[])["recorded"], true);
    assert_eq!(verify(&["--trust", "trust"])["recorded"], true);
    let recorded = events(&desk, "evidence-verified");
    assert_eq!(recorded.len(), 2);
    assert_eq!(recorded[0]["by"]["uid"], rustix::process::getuid().as_raw());
    assert_eq!(recorded[1]["details"]["trust"], "held against a trust store");

    // Who has no key of the node's, as on another machine, changes nothing.
    fs::write(desk.path("elsewhere.toml"), "node_key = \"no.key\"").unwrap();
    assert_eq!(verify(&["--config", "elsewhere.toml"])["recorded"], false);
    assert!(!desk.path("no.key").exists());
    let told = desk.run(&["verify", "evidence", "--config", "elsewhere.toml"]);
    assert!(words(&told).contains("recorded   nowhere"), "{}", words(&told));
    assert_eq!(events(&desk, "evidence-verified").len(), 2);
}

#[test]
fn the_settings_that_took_effect_are_in_the_audit() {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &[ALICE], EVER);
    fs::write(desk.path("settings.toml"), "grace = 7").unwrap();
    desk.replay(calls(), &warrant, &["--config", "settings.toml", "-b", "duration:60"]);
    let settings = &events(&desk, "configuration")[0]["details"]["settings"];
    let settings: Value = serde_json::from_str(settings.as_str().unwrap()).unwrap();
    assert_eq!(settings["grace"], 7);
    assert_eq!(settings["rotation"]["duration"], 60);
    assert_eq!(settings["signalling_ports"][0], 5060);
}

/// A witness that shares no code with the program, and what it needs; `None`, said, where there is
/// no Python or openssl.
struct Witness<'a> {
    desk: &'a Desk,
    vkey: String,
}

impl<'a> Witness<'a> {
    fn of(desk: &'a Desk) -> Option<Self> {
        let make = ["genpkey", "-algorithm", "ed25519", "-out", "witness.pem"];
        let mut openssl = Command::new("openssl");
        desk.at_desk(&mut openssl);
        let made = openssl.args(make).output().is_ok_and(|out| out.status.success());
        let python = Command::new("python3").arg("--version").output().is_ok();
        if !made || !python {
            println!("SKIPPED: the witness needs python3 and openssl");
            return None;
        }
        let vkey = desk.fine(&["audit", "key", "evidence"]).trim().to_owned();
        Some(Self { desk, vkey })
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/witness");
        let mut command = Command::new("python3");
        self.desk.at_desk(&mut command);
        command.arg(script).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn add(&self, request: &str) -> Output {
        self.run(&["add", "witness.state", &self.vkey, "witness.example/w", "witness.pem"], request)
    }

    fn included(&self, proof: &str, line: &str) -> bool {
        fs::write(self.desk.path("proof"), proof).unwrap();
        self.run(&["included", &self.vkey, "proof"], line).status.success()
    }
}

fn checkpoint(desk: &Desk, name: &str) {
    fs::write(desk.path(name), desk.fine(&["audit", "checkpoint", "evidence"])).unwrap();
}

#[test]
fn a_witness_of_another_make_follows_the_audit_as_it_grows() {
    let desk = replayed();
    let Some(witness) = Witness::of(&desk) else { return };
    let first = desk.fine(&["audit", "consistency", "evidence"]);
    let cosigned = witness.add(&first);
    assert!(cosigned.status.success(), "{}", words(&cosigned));
    for n in 0..9 {
        let name = format!("checkpoint-{n}");
        checkpoint(&desk, &name);
        // The cosignature of a witness stands beside the log's own.
        let cosignature = String::from_utf8(cosigned.stdout.clone()).unwrap();
        let note = fs::read_to_string(desk.path(&name)).unwrap() + &cosignature;
        fs::write(desk.path(&name), note).unwrap();
        desk.fine(&["verify", "evidence"]);
        let request = desk.fine(&["audit", "consistency", "evidence", "--from", &name]);
        let cosigned = witness.add(&request);
        assert!(cosigned.status.success(), "{n}: {}", words(&cosigned));
        assert!(!witness.add(&request).status.success(), "a request is good once");
    }
}

#[test]
fn each_line_is_proved_to_be_in_the_audit_and_no_other() {
    let desk = replayed();
    let Some(witness) = Witness::of(&desk) else { return };
    desk.fine(&["verify", "evidence"]);
    let text = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let proof = desk.fine(&["audit", "prove", "evidence", "--line", &format!("{number}")]);
        assert!(witness.included(&proof, line), "{number}");
        assert!(!witness.included(&proof, &line.replacen("uid", "uie", 1)), "{number}");
    }
    let beyond = desk.run(&["audit", "prove", "evidence", "--line", "99"]);
    assert_eq!(beyond.status.code(), Some(1));
}

/// The whole directory is put back to an earlier state and goes on from there: every file in it is
/// as it was written, and whoever kept a checkpoint sees it all the same.
#[test]
fn a_directory_put_back_to_an_earlier_state_is_found_by_an_earlier_checkpoint() {
    let desk = replayed();
    let copy = |from: &str, to: &str| {
        let _ = fs::remove_dir_all(desk.path(to));
        let copied = Command::new("cp").arg("-a").arg(desk.path(from)).arg(desk.path(to)).status();
        assert!(copied.unwrap().success());
    };
    copy("evidence", "earlier");
    desk.fine(&["verify", "evidence"]);
    checkpoint(&desk, "kept");
    desk.fine(&["audit", "consistency", "evidence", "--from", "kept"]);
    let refused = |why: &str| {
        let output = desk.run(&["audit", "consistency", "evidence", "--from", "kept"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(words(&output).contains(why), "{}", words(&output));
    };
    copy("earlier", "evidence");
    refused("lines are gone");
    for _ in 0..2 {
        desk.fine(&["verify", "evidence"]);
    }
    refused("not those that were signed for");

    // Nor does a checkpoint pass that the node has not signed.
    let forged = fs::read_to_string(desk.path("kept")).unwrap().replacen('\n', "\n1", 1);
    fs::write(desk.path("kept"), forged).unwrap();
    refused("no checkpoint that this node signed");
}

#[test]
fn tiles_hold_the_hash_of_each_line_and_none_of_its_words() {
    let desk = replayed();
    let checkpoint = desk.fine(&["audit", "checkpoint", "evidence", "--out", "log"]);
    assert_eq!(fs::read_to_string(desk.path("log/checkpoint")).unwrap(), checkpoint);
    let lines = audit(&desk).len();
    let tile = fs::read(desk.path(&format!("log/tile/0/000.p/{lines}"))).unwrap();
    assert_eq!(tile.len(), 32 * lines);
    assert_eq!(desk.files("log").len(), 2);
}
