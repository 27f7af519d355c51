//! `calltap doctor`: what this kernel, interface and user can do, and what is missing.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use calltap_xdp::{Filter, Interface, LoadOptions};
use serde::Serialize;

use crate::{Outcome, cli, lab};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    /// What was looked at.
    what: String,
    /// Whether capturing works with it as it is.
    fine: bool,
    /// What was found.
    found: String,
    /// What to do about it; empty where it is fine.
    mend: String,
}

impl Finding {
    fn fine(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), fine: true, found: found.into(), mend: String::new() }
    }

    fn lacking(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), fine: false, found: found.into(), mend: mend.into() }
    }
}

/// Looks at the machine and prints what was found; exit code 1 where capturing would fail.
///
/// # Errors
/// An interface that does not exist.
pub fn doctor(arguments: &cli::Doctor) -> anyhow::Result<Outcome> {
    let mut findings = vec![kernel(), type_information(), capabilities(), program()];
    let names = match &arguments.interface {
        Some(name) => vec![name.clone()],
        None => interface_names(),
    };
    for name in names {
        findings.extend(interface(&Interface::open(&name)?, arguments.interface.is_some()));
    }
    let fine = findings.iter().all(|finding| finding.fine);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &findings)?;
        writeln!(out)?;
    } else {
        for Finding { what, fine, found, mend } in &findings {
            writeln!(out, "{} {what:<22} {found}", if *fine { "ok  " } else { "MEND" })?;
            if !mend.is_empty() {
                writeln!(out, "     {:<22} -> {mend}", "")?;
            }
        }
        for program in lab::missing() {
            writeln!(out, "note {:<22} {program}", "calltap demo")?;
        }
    }
    Ok(if fine { Outcome::Fine } else { Outcome::NotFine })
}

/// AF_XDP with need-wakeup came with 5.4, bpf_link for XDP with 5.9, and the boot clock for
/// programs with 5.8: older kernels cannot run the filter.
fn kernel() -> Finding {
    let release = read("/proc/sys/kernel/osrelease");
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 9) {
        Finding::fine("kernel", release)
    } else {
        Finding::lacking("kernel", release, "the filter needs Linux 5.9 or later")
    }
}

fn type_information() -> Finding {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        Finding::fine("BTF", "/sys/kernel/btf/vmlinux")
    } else {
        Finding::fine("BTF", "absent: not needed, but bpftool shows less")
    }
}

fn capabilities() -> Finding {
    let missing = calltap_xdp::missing_capabilities();
    if missing.is_empty() {
        return Finding::fine("capabilities", "all that `calltap run` needs");
    }
    let names = missing.join(",").to_lowercase();
    Finding::lacking(
        "capabilities",
        format!("missing {}", missing.join(", ")),
        format!("run as root, or: setcap {names}+ep $(command -v calltap)"),
    )
}

/// Loads the filter for real and lets it go again: nothing is attached.
fn program() -> Finding {
    match Filter::load(LoadOptions { max_endpoints: 1024 }) {
        Ok(_) => Finding::fine("XDP program", "passes this kernel's verifier"),
        Err(cause) => Finding::lacking("XDP program", "does not load", cause.to_string()),
    }
}

/// An interface that was not asked for may be down: nothing says that it is to be used.
fn interface(interface: &Interface, asked_for: bool) -> Vec<Finding> {
    let name = interface.name();
    let facts = format!(
        "driver {}, {} receive queues, MTU {}",
        interface.driver(),
        interface.queues(),
        interface.mtu()
    );
    let mut findings = vec![Finding::fine(name, facts)];
    let state = read(&format!("/sys/class/net/{name}/operstate"));
    if state == "down" && asked_for {
        let mend = format!("ip link set {name} up");
        findings.push(Finding::lacking(format!("{name}: link"), "down", mend));
    }
    if crate::wire::carries_default_route(name) {
        findings.push(Finding::fine(
            format!("{name}: route"),
            "carries the default route: no mirror port; only mode = \"host\" works here",
        ));
    }
    findings
}

/// Every interface but loopback, which no mirror port is.
fn interface_names() -> Vec<String> {
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name != "lo").collect();
    names.sort();
    names
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
