//! `calltap doctor` on interfaces of its own making: what it names to be done mends what it found.
//!
//! They need root; without it they say so and pass.

mod desk;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use desk::{Desk, words};
use serde_json::Value;

/// A pair of interfaces in a network namespace, with the files of `/sys` that are about it, and then
/// a shell line there.
fn beside_a_pair(desk: &Desk, line: &str) -> Option<String> {
    if !calltap_xdp::missing_capabilities().is_empty() {
        println!("SKIPPED: only root can make interfaces");
        return None;
    }
    let line =
        format!("mount -t sysfs none /sys && ip link add near type veth peer name far && {line}");
    let mut command = Command::new("unshare");
    desk.at_desk(&mut command);
    let command = command.args(["--net", "--mount", "sh", "-c", &line]);
    let output = command.env("CALLTAP", env!("CARGO_BIN_EXE_calltap")).output().expect("unshare");
    assert!(output.status.success(), "{}", words(&output));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn mends(findings: &str) -> BTreeMap<String, String> {
    let findings: Vec<Value> = serde_json::from_str(findings).expect("a JSON array");
    let word = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    findings.iter().map(|it| (word(it, "what"), word(it, "mend"))).collect()
}

#[test]
fn what_doctor_says_is_to_be_done_mends_what_it_found() {
    let desk = Desk::new();
    let sick = "ip link set far mtu 1400 && ethtool -K far gro on >&2 && \
                { $CALLTAP doctor far --json || true; }";
    let Some(found) = beside_a_pair(&desk, sick) else { return };
    let found = mends(&found);
    for (what, command) in [
        ("far: link", "ip link set far up"),
        ("far: MTU", "ip link set far mtu 1500"),
        ("far: offloads", "ethtool -K far gro off rxvlan off"),
        ("far: IPv6", "sysctl -w net.ipv6.conf.far.disable_ipv6=1"),
    ] {
        assert_eq!(found[what], command);
    }
    let commands: Vec<_> = found
        .iter()
        .filter(|(what, mend)| what.starts_with("far") && !mend.is_empty())
        .map(|(_, mend)| mend.as_str())
        .collect();
    let well = format!(
        "{} >&2 && ip link set near up && $CALLTAP doctor far --json",
        commands.join(" >&2 && ")
    );
    let mended = mends(&beside_a_pair(&desk, &well).unwrap());
    for (what, mend) in mended.iter().filter(|(what, _)| what.starts_with("far")) {
        assert_eq!(mend, "", "{what}");
    }
}

#[test]
fn a_filter_that_runs_already_is_named_and_so_is_its_way_off() {
    let desk = Desk::new();
    desk.warrant("L-1", &["sip:alice@example.net"], desk::EVER);
    let line = "ip link set near up && ip link set far up && \
                { $CALLTAP run --interface far --warrants warrants --trust trust --evidence evidence \
                  --for 20 > log 2>&1 & } && \
                for tick in $(seq 100); do grep -q capturing log && break; sleep 0.1; done; \
                $CALLTAP doctor far --json; code=$?; kill $!; wait $!; test $code = 1";
    let Some(found) = beside_a_pair(&desk, line) else { return };
    assert_eq!(mends(&found)["far: other program"], "detach it with its own tool", "{found}");
}

/// libxdp's dispatcher, as its package has it.
fn dispatcher() -> PathBuf {
    let mut places = vec![PathBuf::from("/usr/lib64"), PathBuf::from("/usr/lib")];
    let below = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    places.extend(below);
    let mut objects = places.into_iter().map(|place| place.join("bpf/xdp-dispatcher.o"));
    objects.find(|object| object.exists()).expect("libxdp's dispatcher: scripts/setup installs it")
}

#[test]
fn a_capture_is_refused_beside_libxdps_dispatcher_and_runs_once_that_is_off_as_it_says() {
    let desk = Desk::new();
    desk.warrant("L-1", &["sip:alice@example.net"], desk::EVER);
    let object = dispatcher();
    let beside = format!(
        "ip link set near up && ip link set far up && \
         ip link set far xdpgeneric obj {} section xdp && \
         run() {{ $CALLTAP run --interface far --warrants warrants --trust trust \
           --evidence evidence --for 1; }}; \
         run >&2 2> refused; test $? = 2 && test ! -e evidence && \
         {{ $CALLTAP doctor far --json > sick.json; test $? = 1; }} && \
         ip -d link show far | grep -q xdp_dispatcher && \
         xdp-loader unload far --all >&2 && \
         run > run.log 2>&1 && $CALLTAP doctor far --json",
        object.display()
    );
    let Some(well) = beside_a_pair(&desk, &beside) else { return };
    let mend = "`xdp-loader unload far --all` takes that off";
    let refused = fs::read_to_string(desk.path("refused")).unwrap();
    assert!(refused.contains("xdp_dispatcher") && refused.contains(mend), "{refused}");
    let sick = fs::read_to_string(desk.path("sick.json")).unwrap();
    assert!(mends(&sick)["far: other program"].contains(mend), "{sick}");
    assert!(!mends(&well).contains_key("far: other program"), "{well}");
}

#[test]
fn the_disk_of_the_evidence_is_measured_where_it_is_named() {
    let desk = Desk::new();
    let output = desk.run(&["doctor", "lo", "--json", "--evidence", "trust"]);
    let found = String::from_utf8(output.stdout).unwrap();
    assert!(mends(&found).contains_key("evidence: speed"), "{found}");
    let output = desk.run(&["doctor", "lo", "--evidence", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("install -d -m 0700"), "{}", words(&output));
}
