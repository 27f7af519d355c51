//! On which processors the threads of a capture run, as the kernel says, and who runs the driver.
//!
//! It needs root, and most of it two processors; without them it says so and passes.

mod capture;
mod desk;

use std::collections::BTreeMap;
use std::fs;

use calltap::lab::{CallPlan, Lab};
use calltap::placement::{Machine, processors};
use capture::{Capture, conserved, laid, lost};
use desk::{Desk, EVER, sum};

const ALICE: &str = "sip:alice@example.net";

/// A capture with these settings, and the processors of each of its threads, by name.
fn placed(lab: &Lab, settings: &str) -> (Capture, Desk, BTreeMap<String, String>) {
    let desk = Desk::new();
    desk.warrant("PLACED", &[ALICE], EVER);
    fs::write(desk.path("calltap.toml"), settings).unwrap();
    let command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    let more = ["--config", "calltap.toml"];
    let capture = Capture::start(&desk, command, lab.tap_interface(), &more);
    let threads = fs::read_dir(format!("/proc/{}/task", capture.id())).unwrap();
    let of = |path: std::path::PathBuf| {
        let name = fs::read_to_string(path.join("comm")).unwrap().trim().to_owned();
        let status = fs::read_to_string(path.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        (name, line.unwrap().trim().to_owned())
    };
    let threads = threads.map(|thread| of(thread.unwrap().path())).collect();
    (capture, desk, threads)
}

/// Leaves the capture's interface one queue, so that one worker has it all.
fn one_queue(lab: &Lab) {
    let mut one = lab.command_in_tap("ethtool");
    assert!(one.args(["-L", lab.tap_interface(), "rx", "1"]).status().unwrap().success());
}

#[test]
fn a_worker_has_the_processor_it_was_given_and_no_other_thread_runs_there() {
    let Some(lab) = laid() else { return };
    let allowed = Machine::this().unwrap().allowed;
    let Some([first, second]) = allowed.iter().copied().collect::<Vec<_>>().first_chunk().copied()
    else {
        return println!("SKIPPED: there is one processor");
    };
    // One queue, so that a processor is left for the others.
    one_queue(&lab);
    let (capture, _desk, threads) = placed(&lab, &format!("worker_cpus = \"{first}\""));
    assert!(threads.len() > 4, "{threads:?}");
    assert_eq!(threads["worker-0"], first.to_string());
    for (name, cpus) in threads.iter().filter(|(name, _)| *name != "worker-0") {
        let cpus = processors(cpus).unwrap();
        assert!(cpus.contains(&second) && !cpus.contains(&first), "{name} on {cpus:?}");
    }
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(&format!("queue 0 on processor {first}, ")), "{log}");
}

#[test]
fn pinned_workers_lose_nothing_of_a_call() {
    let Some(lab) = laid() else { return };
    let allowed: Vec<_> = Machine::this().unwrap().allowed.iter().map(u32::to_string).collect();
    if allowed.len() < 2 {
        return println!("SKIPPED: there is one processor");
    }
    let settings = format!("worker_cpus = \"{}\"", allowed.join(","));
    let (capture, _desk, threads) = placed(&lab, &settings);
    assert_eq!((&threads["worker-0"], &threads["worker-1"]), (&allowed[0], &allowed[1]));
    let plan = CallPlan { target_calls: 1, stranger_calls: 0, seconds: 1, ..CallPlan::default() };
    lab.place_calls(&plan).unwrap();
    let (code, found, log) = capture.end("-INT");
    assert_eq!((code, lost(&found)), (Some(0), 0), "{log}");
    assert_eq!(found["calls"].as_array().unwrap().len(), 1);
}

#[test]
fn with_the_setting_off_every_thread_runs_where_the_process_may() {
    let Some(lab) = laid() else { return };
    let (capture, _desk, threads) = placed(&lab, "worker_cpus = \"off\"");
    let first = threads.values().next().unwrap();
    assert!(threads.values().all(|cpus| cpus == first), "{threads:?}");
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("placement: not pinned: worker_cpus is off"), "{log}");
}

/// Which of the two it is depends on the kernel: veth's driver can be polled before Linux 6.14.
#[test]
fn a_worker_that_is_to_poll_the_driver_says_whether_that_works_and_loses_nothing() {
    let Some(lab) = laid() else { return };
    one_queue(&lab);
    let (capture, _desk, _) = placed(&lab, "prefer_busy_poll = true");
    let plan = CallPlan { target_calls: 4, stranger_calls: 1, ..CallPlan::default() };
    let calls = lab.place_calls(&plan).unwrap();
    let sent = lab.mirrored().unwrap().sent;
    let (code, found, log) = capture.end("-INT");
    assert_eq!((code, lost(&found)), (Some(0), 0), "{log}");
    conserved(&found, sent);
    assert_eq!(sum(&found["calls"], "cc_packets"), u64::from(8 * calls.rtp_packets_per_side));
    assert!(log.contains("napi_defer_hard_irqs; echo 200000 >/sys/class/net/"), "{log}");
    let verdict = |word: &str| log.matches(&format!("busy polling {word} on queue 0")).count();
    assert_eq!(verdict("works") + verdict("does nothing"), 1, "{log}");
}
