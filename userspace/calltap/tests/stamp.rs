//! Time stamps of the audit, by an authority that `openssl ts` makes here.

mod desk;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use desk::{Desk, EVER, words};
use serde_json::Value;

/// A time stamping authority with a certificate that signs itself, and a desk with evidence.
fn desk() -> Desk {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &["sip:alice@example.net"], EVER);
    let calls = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/calls.pcapng");
    desk.replay(&calls, &warrant, &[]);
    let settings = "[req]\ndistinguished_name = name\nx509_extensions = extensions\nprompt = no\n\
        [name]\nCN = A clock outside\n\
        [extensions]\nextendedKeyUsage = critical,timeStamping\nkeyUsage = digitalSignature\n\
        [tsa]\ndefault_tsa = tsa_settings\n\
        [tsa_settings]\nserial = serial\nsigner_cert = tsa.pem\nsigner_key = tsa.key\n\
        signer_digest = sha256\ndefault_policy = 1.2.3.4\ndigests = sha256\n";
    fs::write(desk.path("tsa.cnf"), settings).unwrap();
    fs::write(desk.path("serial"), "01").unwrap();
    let made =
        "req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.pem -config tsa.cnf -days 2";
    assert!(openssl(&desk, made).status.success());
    desk
}

fn openssl(desk: &Desk, arguments: &str) -> Output {
    let mut command = Command::new("openssl");
    desk.at_desk(&mut command);
    command.args(arguments.split(' ')).output().expect("openssl")
}

fn answer(desk: &Desk) {
    let made = openssl(
        desk,
        "ts -reply -config tsa.cnf -section tsa_settings -queryfile request -out reply",
    );
    assert!(made.status.success(), "{}", words(&made));
}

fn last(desk: &Desk) -> Value {
    let text = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn by_script(desk: &Desk) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/verify-evidence");
    let output = Command::new(script).arg(desk.path("evidence")).output().unwrap();
    words(&output)
}

#[test]
fn the_audit_bears_a_time_stamp_that_openssl_holds_against_its_authority() {
    let desk = desk();
    desk.fine(&["audit", "stamp", "evidence", "--query", "request"]);
    answer(&desk);
    let printed = desk.fine(&["audit", "stamp", "evidence", "--reply", "reply"]);
    assert!(printed.starts_with("stamped  20"), "{printed}");
    let line = last(&desk);
    assert_eq!(line["event"], "time-stamped");
    // As docs/evidence.md has it.
    let script = "jq -r .details.token line | base64 -d > token && \
        openssl ts -verify -digest $(jq -r .prev line) -in token -token_in -CAfile tsa.pem";
    fs::write(desk.path("line"), line.to_string()).unwrap();
    let mut shell = Command::new("sh");
    desk.at_desk(&mut shell);
    let verified = shell.args(["-c", script]).output().unwrap();
    assert!(words(&verified).contains("Verification: OK"), "{}", words(&verified));
    let whole = desk.fine(&["verify", "evidence", "--trust", "trust"]);
    assert!(whole.contains("1 time stamps in the audit"), "{whole}");
    assert!(by_script(&desk).starts_with("whole"), "{}", by_script(&desk));
}

#[test]
fn a_reply_that_is_none_or_over_something_else_is_audited_and_borne_by_no_line() {
    let desk = desk();
    let refused = |cause: &str| {
        let output = desk.run(&["audit", "stamp", "evidence", "--reply", "reply"]);
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        let line = last(&desk);
        assert_eq!(line["event"], "time-stamp-failed");
        let said = line["details"]["cause"].as_str().unwrap();
        assert!(said.contains(cause), "{said}");
    };
    fs::write(desk.path("reply"), "no reply").unwrap();
    refused("no reply of a time stamping authority");
    // The audit has grown since that was asked for.
    desk.fine(&["audit", "stamp", "evidence", "--query", "request"]);
    answer(&desk);
    desk.fine(&["verify", "evidence"]);
    refused("over another hash");
    // The authority does not know the algorithm.
    desk.fine(&["audit", "stamp", "evidence", "--query", "request"]);
    let mut request = fs::read(desk.path("request")).unwrap();
    request[19] = 9;
    fs::write(desk.path("request"), request).unwrap();
    answer(&desk);
    refused("refused");
    let output = desk.run(&["audit", "stamp", "evidence", "--failed", "nobody answers"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(last(&desk)["details"]["cause"], "nobody answers");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
    assert!(by_script(&desk).starts_with("whole"));
    let report =
        desk.fine(&["report", "evidence", "--from", "2026-01-01", "--to", "2100-01-01", "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["acts"]["time_stamps_failed"], 4, "{report}");
}

#[test]
fn nothing_is_asked_for_or_taken_in_at_once() {
    let desk = Desk::new();
    let output = desk.run(&["audit", "stamp", "evidence"]);
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
}
