//! Scenarios: what passes a mirror port, and exactly what of it a warrant may keep.
//!
//! Each file of `data/` is one, in a language that [`script`] explains.
//! Every scenario is replayed from a capture file; those that say `wire` are also sent over a veth
//! pair to `calltap run`, with the filter in the kernel, which needs root.

#![allow(unsafe_code, reason = "a namespace and a packet socket, from the tests of the filter")]

#[path = "../../../../ebpf/src/headers/tests/crafted.rs"]
mod crafted;
#[path = "../desk/mod.rs"]
mod desk;
mod frames;
mod message;
mod play;
mod script;
#[allow(dead_code, reason = "it also reads sockets")]
#[path = "../../../xdp/tests/wire/mod.rs"]
mod wire;

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use script::Script;

/// Name and script of each.
fn all() -> Vec<(String, Script)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/data");
    let mut scenarios = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().trim_end_matches(".txt").to_owned();
        // To run a few of them.
        if std::env::var("SCENARIO").is_ok_and(|wanted| !name.contains(&wanted)) {
            continue;
        }
        scenarios.push((name, Script::parse(&fs::read_to_string(entry.path()).unwrap())));
    }
    scenarios.sort_by(|a, b| a.0.cmp(&b.0));
    scenarios
}

/// Runs each scenario, two at a time, and tells of all that fail.
fn run(scenarios: Vec<(String, Script)>, play: fn(&Script) -> Result<(), String>) {
    let (count, queue) = (scenarios.len(), Mutex::new(scenarios));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop();
                    let Some((name, script)) = next else { break };
                    let played = std::panic::catch_unwind(|| play(&script));
                    let played = played.unwrap_or_else(|_| Err("panicked".to_owned()));
                    if let Err(why) = played {
                        failures.lock().unwrap().push(format!("{name}: {why}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    println!("{count} scenarios");
    assert!(failures.is_empty(), "{} of {count} fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_scenario_keeps_the_targets_packets_and_nobody_elses() {
    run(all(), play::replay);
}

#[test]
fn on_a_wire_too_the_targets_packets_are_kept_and_nobody_elses() {
    let mut scenarios = all();
    scenarios.retain(|(_, script)| script.wire);
    run(scenarios, play::on_a_wire);
}
