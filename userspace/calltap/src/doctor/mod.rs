//! `calltap doctor`: what this machine, its interfaces, its disk and this user can do, and for each
//! shortcoming the command that mends it.

mod disk;
mod driver;
mod interrupts;
mod machine;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use calltap_xdp::Interface;
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
    /// What to do about it; empty where nothing is to be done.
    mend: String,
}

impl Finding {
    fn fine(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), fine: true, found: found.into(), mend: String::new() }
    }

    /// It works, and would be better otherwise.
    fn better(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), fine: true, found: found.into(), mend: mend.into() }
    }

    fn lacking(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), fine: false, found: found.into(), mend: mend.into() }
    }

    fn mark(&self) -> &'static str {
        match (self.fine, self.mend.is_empty()) {
            (true, true) => "ok  ",
            (true, false) => "note",
            (false, _) => "MEND",
        }
    }
}

/// Looks at the machine and prints what was found; exit code 1 where capturing would fail.
///
/// # Errors
/// An interface that does not exist.
pub fn doctor(arguments: &cli::Doctor) -> anyhow::Result<Outcome> {
    let mut findings = machine::findings();
    let names = match &arguments.interface {
        Some(name) => vec![name.clone()],
        None => interface_names(),
    };
    for name in names {
        let interface = Interface::open(&name)?;
        findings.extend(driver::findings(&interface, arguments.interface.is_some()));
        findings.extend(interrupts::findings(Path::new("/"), &name));
    }
    if let Some(dir) = &arguments.evidence {
        findings.extend(disk::findings(dir));
    }
    let fine = findings.iter().all(|finding| finding.fine);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &findings)?;
        writeln!(out)?;
    } else {
        for finding in &findings {
            let Finding { what, found, mend, .. } = finding;
            writeln!(out, "{} {what:<22} {found}", finding.mark())?;
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

/// Every interface but loopback, which no mirror port is.
fn interface_names() -> Vec<String> {
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let names = entries.filter(|entry| entry.path().is_dir());
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name != "lo").collect();
    names.sort();
    names
}

/// A file of the kernel, without what is around its text; empty where it is not.
fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
