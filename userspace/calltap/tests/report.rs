//! A year of orders as a script has them, and the report of it, made from the audit alone.

mod desk;

use std::fs;
use std::process::Command;

use calltap_evidence::keys::KeyPair;
use desk::{Desk, EVER, words};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Midnight of a day of the year, counted from 1, and so many seconds later, in RFC 3339.
fn at(day: i64, seconds: i64) -> String {
    let first: jiff::Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
    let span = jiff::SignedDuration::from_secs((day - 1) * 86_400 + seconds);
    format!("{:.9}", first + span)
}

/// An evidence directory of which there is nothing but its audit, written line by line in the past.
struct Audit<'a> {
    desk: &'a Desk,
    node: KeyPair,
    text: String,
    lines: u64,
    prev: String,
}

impl<'a> Audit<'a> {
    fn new(desk: &'a Desk) -> Self {
        let node = KeyPair::generate().unwrap();
        node.store(&desk.path("node"), "node").unwrap();
        fs::write(desk.path("settings.toml"), "node_key = \"node/node.key\"").unwrap();
        Self { desk, node, text: String::new(), lines: 0, prev: "0".repeat(64) }
    }

    fn signed(&self, object: &Value, comment: &str) -> String {
        let text = object.to_string();
        let signature = self.node.sign(format!("{text}\n").as_bytes(), comment).unwrap();
        let open = text.strip_suffix('}').unwrap();
        format!("{open},\"sig\":{}}}\n", serde_json::to_string(&signature).unwrap())
    }

    fn line(&mut self, at: String, event: &str, details: &[(&str, &str)]) {
        self.lines += 1;
        let details: serde_json::Map<_, _> =
            details.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        let object = json!({
            "ledger": "audit", "line": self.lines, "at": at, "event": event,
            "details": details, "by": {"uid": 555}, "prev": self.prev,
        });
        let line = self.signed(&object, &format!("audit line {}", self.lines));
        let hash = Sha256::digest(line.as_bytes());
        self.prev = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        self.text += &line;
    }

    fn write(self) {
        let checkpoint = json!({
            "checkpoint": "audit",
            "heads": {"audit": {"lines": self.lines, "sha256": self.prev}},
            "open": null, "boot": "",
        });
        let checkpoint = self.signed(&checkpoint, "checkpoint audit");
        let dir = self.desk.path("evidence");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("audit.jsonl"), &self.text).unwrap();
        fs::write(dir.join("checkpoint.json"), checkpoint).unwrap();
        fs::write(dir.join("node.pub"), self.node.public().to_text()).unwrap();
    }
}

/// When, what, and the details.
type Event = (String, String, Vec<(&'static str, String)>);

/// 60 orders, one begun every sixth day: each is received at midnight, activated an hour later, and
/// ordered for 30 days. Every third is about a person of whom there is an earlier one; every fifth is
/// urgent; of ten, one is revoked on its tenth day, which is noticed half a minute later, and one is
/// suspended for two days. One application in four is refused besides.
const ORDERS: i64 = 60;

fn script(audit: &mut Audit<'_>) {
    let mut events: Vec<Event> = Vec::new();
    for n in 0..ORDERS {
        let day = 1 + 6 * n;
        let (liid, sha256) = (format!("Y-{n}"), format!("{n:064}"));
        let named = |more: Vec<(&'static str, String)>| {
            let mut details = vec![("liid", liid.clone()), ("warrant_sha256", sha256.clone())];
            details.extend(more);
            details
        };
        let until = at(day + 30, 0);
        let country = if n % 4 == 0 { "NL" } else { "BE" };
        let deliver = if n % 2 == 0 { "iri-only" } else { "iri-and-content" };
        let offence = if n % 3 == 0 { "fraud" } else { "drugs" };
        events.push((
            at(day, 0),
            "warrant-received".into(),
            named(vec![
                ("authority", if n % 2 == 0 { "court" } else { "prosecutor" }.into()),
                ("jurisdiction", country.into()),
                ("deliver", deliver.into()),
                ("identifiers", "sip 1, tel 2".into()),
                ("urgent", (n % 5 == 0).to_string()),
                ("offence_class", offence.into()),
                ("not_before", at(day, 0)),
                ("not_after", until.clone()),
            ]),
        ));
        events.push((at(day, 3600), "warrant-activated".into(), named(vec![])));
        match n % 10 {
            3 => events.push((
                at(day + 10, 30),
                "warrant-revoked".into(),
                named(vec![("signed_at", at(day + 10, 0))]),
            )),
            6 => {
                events.push((at(day + 5, 0), "warrant-suspended".into(), named(vec![])));
                events.push((at(day + 7, 0), "warrant-resumed".into(), named(vec![])));
                events.push((at(day + 30, 1), "warrant-expired".into(), named(vec![])));
            }
            _ => events.push((at(day + 30, 1), "warrant-expired".into(), named(vec![]))),
        }
        if n % 4 == 1 {
            let refused = vec![("liid", "?".to_owned()), ("code", "bad-signature".to_owned())];
            events.push((at(day, 60), "warrant-refused".into(), refused));
        }
        // Cumulative: told in the middle and, higher, at the end.
        let person = if n % 3 == 2 { n - 1 } else { n };
        for (after, calls) in [(8, 4), (9, 10)] {
            let details = vec![
                ("liid", liid.clone()),
                ("persons", format!("{person:016x}")),
                ("calls", calls.to_string()),
                ("calls_with_content", (calls / 2).to_string()),
                ("calls_encrypted", "1".to_owned()),
                ("packets", (calls * 100).to_string()),
                ("bytes", (calls * 20_000).to_string()),
                ("streams none", calls.to_string()),
                ("streams dtls-srtp", "2".to_owned()),
            ];
            events.push((at(day + after, 0), "measure-figures".into(), details));
        }
        events.push((
            at(day + 9, 1),
            "frames-counted".into(),
            vec![
                ("seen", "1000000".into()),
                ("filtered", "990000".into()),
                ("delivered", "9993".into()),
                ("lost disk", "7".into()),
            ],
        ));
    }
    events.push((
        at(200, 5),
        "error-reported".into(),
        vec![("class", "over-collection".into()), ("reason", "one day too long".into())],
    ));
    events.push((
        at(210, 5),
        "data-plane-altered".into(),
        vec![("code", "foreign-endpoint".into())],
    ));
    events.push((at(220, 5), "evidence-destroyed".into(), vec![("liid", "Y-1".into())]));
    events.sort();
    for (at, event, details) in &events {
        let details: Vec<_> = details.iter().map(|(name, text)| (*name, text.as_str())).collect();
        audit.line(at.clone(), event, &details);
    }
}

fn report(desk: &Desk, more: &[&str]) -> String {
    let arguments = ["report", "evidence", "--from", "2025-01-01", "--to", "2026-01-01"];
    desk.fine(&[&arguments[..], more].concat())
}

fn within(expected: f64, found: &Value) -> bool {
    (found.as_f64().unwrap() - expected).abs() < 0.011
}

#[test]
fn a_scripted_year_is_reported_from_the_audit_alone() {
    let desk = Desk::new();
    let mut audit = Audit::new(&desk);
    script(&mut audit);
    audit.write();
    assert_eq!(desk.files("evidence").len(), 3, "there is no evidence");
    let found: Value = serde_json::from_str(&report(&desk, &["--json"])).unwrap();

    // What the script has, in its own arithmetic: what still runs at the end of the year is cut.
    let within_year = |day: i64| day <= 365;
    let begun: Vec<i64> = (0..ORDERS).filter(|n| within_year(1 + 6 * n)).collect();
    let of = |test: &dyn Fn(i64) -> bool| begun.iter().filter(|n| test(**n)).count();
    let revoked = |n: i64| n % 10 == 3;
    let warrants = &found["warrants"];
    assert_eq!(warrants["received"], 60);
    assert_eq!(warrants["activated"], 60);
    assert_eq!(warrants["urgent"], 12);
    assert_eq!(warrants["refused"], 15);
    assert_eq!(warrants["revoked"], of(&|n| revoked(n) && within_year(11 + 6 * n)));
    assert_eq!(warrants["expired"], of(&|n| !revoked(n) && within_year(31 + 6 * n)));
    assert_eq!(warrants["suspended"], of(&|n| n % 10 == 6 && within_year(6 + 6 * n)));
    assert_eq!(warrants["in_force_at_start"], 0);
    assert_eq!(
        warrants["in_force_at_end"],
        of(&|n| 1 + 6 * n + if revoked(n) { 10 } else { 30 } > 365)
    );
    assert_eq!(found["refused"], json!({"bad-signature": 15}));
    assert_eq!(found["authority"], json!({"court": 30, "prosecutor": 30}));
    assert_eq!(found["country"], json!({"BE": 45, "NL": 15}));
    assert_eq!(found["offence_class"], json!({"drugs": 40, "fraud": 20}));
    assert_eq!(found["delivery"], json!({"iri-and-content": 30, "iri-only": 30}));
    assert_eq!(found["identifier_kind"], json!({"sip": 60, "tel": 120}));
    assert_eq!(found["people"]["measures"], 60);
    assert_eq!(found["people"]["persons"], 40);
    assert_eq!(found["people"]["operators"], 1);
    assert_eq!(found["people"]["staff_who_acted"], 1);

    let hour = 1.0 / 24.0;
    let (mut ordered, mut active) = (0.0, 0.0);
    for n in &begun {
        let left = (366 - (1 + 6 * n)) as f64;
        ordered += left.min(30.0);
        let stopped = if revoked(*n) { 10.0 + 30.0 / 86_400.0 } else { 30.0 };
        active += left.min(stopped) - hour;
        if n % 10 == 6 {
            active -= (left - 5.0).clamp(0.0, 2.0);
        }
    }
    assert!(within(ordered, &found["days"]["ordered"]), "{ordered} {}", found["days"]);
    assert!(within(active, &found["days"]["active"]), "{active} {}", found["days"]);
    assert_eq!(found["times"]["receipt_to_activation_median"], 3600.0);
    assert_eq!(found["times"]["end_to_stop_longest"], 30.0);
    assert_eq!(found["times"]["end_to_stop_median"], 1.0);

    // Figures are told on the eighth and the ninth day of each order.
    let (eighth, ninth) = (of(&|n| within_year(9 + 6 * n)), of(&|n| within_year(10 + 6 * n)));
    let calls = 4 * eighth + 6 * ninth;
    assert_eq!(found["calls"]["calls"], calls);
    assert_eq!(found["calls"]["calls_with_content"], 2 * eighth + 3 * ninth);
    assert_eq!(found["packets"]["kept"], 100 * calls);
    assert_eq!(found["packets"]["seen"], 1_000_000 * ninth);
    assert_eq!(found["packets"]["dropped_in_kernel"], 990_000 * ninth);
    assert_eq!(found["losses"], json!({"disk": 7 * ninth}));
    assert_eq!(found["encryption"]["calls_encrypted"], eighth);
    assert_eq!(found["encryption"]["streams_dtls-srtp"], 2 * eighth);
    assert_eq!(found["encryption"]["streams_plain_text_prevented"], 2 * eighth);
    let errors = json!({"failure-to-cancel": 0, "over-collection": 1, "safeguards": 0, "wrong-identifier": 0});
    assert_eq!(found["errors"], errors);
    assert_eq!(found["alterations"], json!({"foreign-endpoint": 1}));
    assert_eq!(found["acts"]["destructions"], 1);

    // The same audit gives the same bytes; two halves add up to the year.
    assert_eq!(report(&desk, &["--json"]), report(&desk, &["--json"]));
    let half = |from: &str, to: &str| -> Value {
        let printed = desk.fine(&["report", "evidence", "--from", from, "--to", to, "--json"]);
        serde_json::from_str(&printed).unwrap()
    };
    let (first, second) = (half("2025-01-01", "2025-07-01"), half("2025-07-01", "2026-01-01"));
    for (table, row) in [("warrants", "received"), ("calls", "calls"), ("packets", "kept")] {
        let sum = first[table][row].as_u64().unwrap() + second[table][row].as_u64().unwrap();
        assert_eq!(found[table][row], sum, "{table} {row}");
    }

    // Small numbers can be left out; a line that is changed gives no report.
    let suppressed: Value =
        serde_json::from_str(&report(&desk, &["--json", "--suppress", "5"])).unwrap();
    assert_eq!(suppressed["errors"]["over-collection"], "<5");
    assert_eq!(suppressed["warrants"]["received"], 60);
    let path = desk.path("evidence/audit.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"fraud\"", "\"frauD\"", 1)).unwrap();
    let refused = desk.run(&["report", "evidence", "--from", "2025-01-01", "--to", "2026-01-01"]);
    assert_eq!(refused.status.code(), Some(2), "{}", words(&refused));
}

#[test]
fn a_replay_is_reported_in_each_format_and_signed() {
    let desk = Desk::new();
    let warrant = desk.warrant("L-1", &["sip:alice@example.net"], EVER);
    let calls = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pcaps/calls.pcapng");
    let summary = desk.replay(calls.as_ref(), &warrant, &[]);
    let of = |more: &[&str]| {
        let arguments = ["report", "evidence", "--from", "2020-01-01", "--to", "2100-01-01"];
        desk.fine(&[&arguments[..], more].concat())
    };
    let found: Value = serde_json::from_str(&of(&["--json"])).unwrap();
    assert_eq!(found["warrants"]["received"], 1);
    assert_eq!(found["calls"]["calls"], summary["calls"].as_array().unwrap().len());
    assert_eq!(found["packets"]["kept"], desk::sum(&summary["volumes"], "packets"));
    for (name, counter) in [("seen", "seen"), ("dropped_in_kernel", "filtered")] {
        assert_eq!(found["packets"][name], summary["frames"][counter], "{name}");
    }
    for text in [of(&[]), of(&["--html"]), of(&["--json"])] {
        assert!(!text.contains("alice"), "{text}");
    }
    assert!(of(&["--html"]).starts_with("<!DOCTYPE html>"));
    assert_eq!(of(&[]), of(&["--markdown"]));

    assert_eq!(of(&["--out", "report.md"]), "");
    assert_eq!(fs::read_to_string(desk.path("report.md")).unwrap(), of(&[]));
    let mut minisign = Command::new("minisign");
    desk.at_desk(&mut minisign);
    match minisign.args(["-Vm", "report.md", "-p", "evidence/node.pub"]).output() {
        Ok(output) => assert!(output.status.success(), "{}", words(&output)),
        Err(_) => println!("SKIPPED: there is no minisign"),
    }

    desk.fine(&[
        "audit",
        "error",
        "evidence",
        "--class",
        "wrong-identifier",
        "--reason",
        "a digit",
    ]);
    let found: Value = serde_json::from_str(&of(&["--json"])).unwrap();
    assert_eq!(found["errors"]["wrong-identifier"], 1);
    desk.fine(&["verify", "evidence"]);
}
