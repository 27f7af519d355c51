//! A running capture asked how it stands, over real calls in a lab.
//!
//! They need root; without it they say so and pass.

mod capture;
mod desk;

use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use calltap::lab::{CallPlan, Lab};
use capture::{Capture, laid};
use desk::{Desk, EVER, words};
use serde_json::Value;

const ALICE: &str = "sip:alice@example.net";

/// Whatever of a call's parties could stand in what is shown.
const IDENTITIES: [&str; 4] = ["alice", "friend", "example.net", "192.0.2."];

fn start(desk: &Desk, lab: &Lab, more: &[&str]) -> Capture {
    let command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    Capture::start(desk, command, lab.tap_interface(), more)
}

/// What `calltap status --json` says, and its exit code.
fn status(desk: &Desk) -> (Option<i32>, Value) {
    let output = desk.run(&["status", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in IDENTITIES {
        assert!(!text.contains(name), "{name} is in {text}");
    }
    (
        output.status.code(),
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}", words(&output))),
    )
}

/// What a program that `q` ends shows on a terminal of 80 columns and 24 lines; it must end well.
fn on_a_terminal(desk: &Desk, line: &str) -> String {
    let program = env!("CARGO_BIN_EXE_calltap");
    let line = line.replacen("calltap", program, 1);
    let mut script = Command::new("script");
    desk.at_desk(&mut script);
    script.args(["-qefc", &format!("stty cols 80 rows 24; {line}"), "/dev/null"]);
    let mut script = script
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script (bsdutils)");
    sleep(Duration::from_millis(2500));
    script.stdin.take().unwrap().write_all(b"q").unwrap();
    let output = script.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn warrant<'a>(found: &'a Value, liid: &str) -> &'a Value {
    let mut all = found["warrants"].as_array().unwrap().iter();
    all.find(|it| it["liid"] == liid).unwrap_or_else(|| panic!("{liid} in {found}"))
}

#[test]
fn a_running_capture_says_how_it_stands_and_names_nobody() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("LIVE", &[ALICE], EVER);
    desk.warrant("LATER", &[ALICE], ("2190-01-01T00:00:00Z", "2191-01-01T00:00:00Z"));
    let up = lab.command_in_tap("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(up.success());
    std::fs::write(desk.path("calltap.toml"), "grace = 1\n").unwrap();
    let capture = start(&desk, &lab, &["--config", "calltap.toml", "--metrics", "127.0.0.1:9464"]);
    let plan = CallPlan { seconds: 9, ..CallPlan::default() };
    let calls = lab.begin_calls(&plan).unwrap();
    sleep(Duration::from_millis(4500));
    let (code, found) = status(&desk);
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(found["process"], capture.id());
    let live = warrant(&found, "LIVE");
    assert_eq!((&live["state"], &live["live"]), (&"executed".into(), &5.into()), "{found}");
    assert!(live["packets_per_s"].as_f64().unwrap() > 300.0, "{live}");
    assert_eq!(warrant(&found, "LATER")["state"], "waiting");
    assert!(found["rates"]["filtered"].as_f64().unwrap() > 900.0, "{found}");
    assert!(found["trigger"]["count"].as_u64().unwrap() >= 5, "{found}");
    let [interface] = &found["interfaces"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!(
        (&interface["name"], interface["queues"].as_array().unwrap().len()),
        (&"cap0".into(), 2)
    );
    assert!(interface["bits_per_s"].as_f64().unwrap() > 1e6, "{interface}");
    assert!(found["disk"]["free"].as_u64().unwrap() > 0);

    let screen = on_a_terminal(&desk, "calltap top");
    for part in ["until media is open", "cap0:", "LIVE", "executed", "no alarms"] {
        assert!(screen.contains(part), "{part} in {screen}");
    }

    calls.finish().unwrap();
    // At rest, the figures are those of the end.
    let begun = Instant::now();
    while warrant(&status(&desk).1, "LIVE")["calls"] != 5 && begun.elapsed().as_secs() < 60 {
        sleep(Duration::from_millis(500));
    }
    sleep(Duration::from_millis(2500));
    let (_, found) = status(&desk);
    let shown = words(&desk.run(&["status"]));
    assert!(shown.contains("LIVE executed: 0 calls live, 5 ended"), "{shown}");
    let url = "http://127.0.0.1:9464/metrics";
    let metrics = words(&lab.command_in_tap("curl").args(["-sSi", url]).output().unwrap());
    assert!(metrics.contains("content-type: application/openmetrics-text"), "{metrics}");
    let seen = format!("\ncalltap_frames_seen_total {}\n", found["frames"]["seen"]);
    assert!(metrics.contains(&seen), "{seen} in {metrics}");
    assert!(metrics.contains("\ncalltap_calls_total{liid=\"LIVE\"} 5\n"), "{metrics}");
    for name in IDENTITIES {
        assert!(!metrics.contains(name), "{name} is in {metrics}");
    }
    let sockets = desk.files("runtime");
    let [socket] = &sockets[..] else { panic!("{sockets:?}") };
    let metadata = socket.metadata().unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let (code, ended, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{ended} {log}");
    assert_eq!(found["frames"], ended["frames"]);
    assert_eq!(found["signalling"], ended["signalling"]);
    assert_eq!(found["trigger"]["count"], ended["trigger_us"]["count"]);
    // A chunk is held for twenty milliseconds, where so little comes.
    assert!(ended["staged_us"]["p50"].as_f64().unwrap() > 10_000.0, "{}", ended["staged_us"]);
    assert_eq!(desk.files("runtime"), Vec::<std::path::PathBuf>::new());
    let output = desk.run(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("no capture"), "{}", words(&output));
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn a_warrant_that_is_refused_or_removed_is_an_alarm_or_stopped_and_of_two_captures_one_is_named() {
    let (Some(lab), Some(other_lab)) = (laid(), laid()) else { return };
    let desk = Desk::new();
    let file = desk.warrant("GONE", &[ALICE], EVER);
    desk.draft("UNSIGNED", &[ALICE], EVER);
    let capture = start(&desk, &lab, &[]);
    let other_desk = Desk::new();
    // Both have the same runtime directory.
    std::fs::create_dir_all(other_desk.path("runtime")).unwrap();
    std::os::unix::fs::symlink(desk.path("runtime/calltap"), other_desk.path("runtime/calltap"))
        .unwrap();
    let other = start(&other_desk, &other_lab, &[]);
    sleep(Duration::from_millis(1500));
    let output = desk.run(&["status"]);
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains("name the evidence directory"), "{}", words(&output));
    let _ = other.end("-INT");

    std::fs::remove_file(desk.path(&file)).unwrap();
    sleep(Duration::from_millis(2500));
    let output = desk.run(&["status", "evidence", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let gone = warrant(&found, "GONE");
    assert_eq!((&gone["state"], &gone["code"]), (&"stopped".into(), &"removed".into()), "{found}");
    // What a file without a signature says is nobody's word, its LIID neither.
    assert_eq!(found["refused"], serde_json::json!({ "unsigned": 1 }), "{found}");
    assert_eq!(found["alarms"][0]["code"], "warrant-refused", "{found}");
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
}
