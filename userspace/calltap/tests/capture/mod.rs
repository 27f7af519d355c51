//! The real program capturing on an interface in a namespace, and what it printed.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use calltap::lab::{self, Lab};
use serde_json::Value;

use crate::desk::Desk;

/// A lab, or plain words that there is none.
pub(crate) fn laid() -> Option<Lab> {
    let missing = lab::missing();
    if !missing.is_empty() {
        println!("SKIPPED: {}", missing.join("; "));
        return None;
    }
    Some(Lab::lay().expect("a lab"))
}

/// A running `calltap run --json`.
pub(crate) struct Capture {
    run: Child,
    log: std::thread::JoinHandle<String>,
}

impl Capture {
    /// Starts the program by `command`, and waits until it captures on `interface`.
    pub(crate) fn start(desk: &Desk, mut command: Command, interface: &str, more: &[&str]) -> Self {
        desk.at_desk(&mut command);
        command.args(["run", "--json", "--interface", interface]);
        command.args(["--warrants", "warrants", "--trust", "trust", "--evidence", "evidence"]);
        // It ends itself, should this process be killed first.
        command.args(["--for", "120"]);
        let mut run = command
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("calltap run");
        let mut log = BufReader::new(run.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains(calltap::run::CAPTURING) {
            assert!(log.read_line(&mut said).unwrap() > 0, "calltap run ended: {said}");
        }
        let log = std::thread::spawn(move || {
            log.lines().map_while(Result::ok).for_each(|line| said += &(line + "\n"));
            said
        });
        Self { run, log }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.run.id()
    }

    /// Sends it a signal, by its name with a hyphen.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.run.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Ends it; gives its exit code, what it printed, and its log.
    pub(crate) fn end(self, signal: &str) -> (Option<i32>, Value, String) {
        // The last frames are on their way through the mirror.
        sleep(Duration::from_millis(300));
        self.signal(signal);
        self.wait()
    }

    /// Waits until it ends by itself; gives the same.
    pub(crate) fn wait(self) -> (Option<i32>, Value, String) {
        let output = self.run.wait_with_output().unwrap();
        let log = self.log.join().unwrap();
        let printed = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), printed, log)
    }
}

/// A count of frames in what it printed.
pub(crate) fn count(found: &Value, field: &str) -> u64 {
    found["frames"][field].as_u64().unwrap_or_else(|| panic!("{field} in {found}"))
}

/// Frames lost, wherever.
pub(crate) fn lost(found: &Value) -> u64 {
    found["frames"]["lost"].as_object().unwrap().values().filter_map(Value::as_u64).sum()
}

/// Everything the filter saw is accounted for, and it saw everything that was sent.
pub(crate) fn conserved(found: &Value, sent: u64) {
    let parts = ["passed", "filtered", "delivered"].map(|field| count(found, field));
    assert_eq!(count(found, "seen"), parts.iter().sum::<u64>() + lost(found), "{found}");
    assert_eq!(count(found, "seen"), sent, "{found}");
}
