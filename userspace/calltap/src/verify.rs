//! `calltap verify`: whether evidence is whole, and who authorised it.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::bail;
use calltap_evidence::act;
use calltap_evidence::destroy::Destroyed;
use calltap_evidence::keys::KeyPair;
use calltap_evidence::trust::Trust;
use calltap_evidence::verify::{self, Break, Counts, Place, Report, State};
use calltap_evidence::who::Who;
use serde_json::json;

use crate::config::Config;
use crate::confine::{Confinement, Places, Work};
use crate::{Outcome, cli, progress};

/// Verifies a directory and prints what was found.
///
/// # Errors
/// No directory, or a trust directory that cannot be read.
pub fn verify(arguments: &cli::Verify) -> anyhow::Result<Outcome> {
    let has = |name: &str| arguments.dir.join(name).exists();
    if !has("node.pub") && !has("audit.jsonl") {
        bail!("{} is no evidence directory", arguments.dir.display());
    }
    let trust = arguments.trust.as_deref().map(Trust::open).transpose()?;
    let config = Config::load(arguments.config.as_deref())?;
    let node = KeyPair::load(&config.node_key_path()).ok();
    let bar = progress::bytes("verifying", volumes(&arguments.dir));
    // What is read from here on may be anybody's.
    let places = Places::default().reading([&arguments.dir]).writing(&arguments.dir)?;
    Confinement::to(Work::Files, &places, config.confinement)?;
    let report = verify::verify_telling(&arguments.dir, trust.as_ref(), &|read| bar.inc(read))?;
    bar.finish_and_clear();
    let recorded = record(arguments, &report, node.as_ref());
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let mut object = json(&report);
        object["recorded"] = json!(recorded.is_ok());
        serde_json::to_writer(&mut out, &object)?;
        writeln!(out)?;
    } else {
        let Counts { cases, volumes, packets, carried, calls, audit_lines, .. } = report.counts;
        writeln!(out, "{}: {}", arguments.dir.display(), report.state.as_str())?;
        writeln!(out, "  warrants   {cases}")?;
        writeln!(out, "  calls      {calls}")?;
        writeln!(out, "  volumes    {volumes}, sealed")?;
        writeln!(out, "  packets    {packets}, and {carried} repeated at heads of volumes")?;
        writeln!(out, "  audit      {audit_lines} lines")?;
        for gone in &report.destroyed {
            let Destroyed { liid, files, packets, calls, .. } = gone;
            let files = files.len();
            writeln!(out, "  destroyed  {liid}: {files} files, {calls} calls, {packets} packets")?;
        }
        for note in &report.notes {
            writeln!(out, "  note       {note}")?;
        }
        match &recorded {
            Ok(()) => writeln!(out, "  recorded   in the audit, as the verification of {}", who())?,
            Err(why) => writeln!(out, "  recorded   nowhere: {why}")?,
        }
    }
    for found in &report.breaks {
        eprintln!("calltap: {}: {found}", report.state.as_str());
    }
    Ok(if report.whole { Outcome::Fine } else { Outcome::NotFine })
}

/// Bytes of all volumes, as far as they can be counted.
fn volumes(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    let files = files.flat_map(|case| fs::read_dir(case.path()).into_iter().flatten().flatten());
    files.filter_map(|file| file.metadata().ok()).map(|it| it.len()).sum()
}

/// Records the verification in the audit of what was found whole; says why it does not.
///
/// Only the node itself can, where its evidence lies: a copy has no key to sign the line with, and
/// evidence that is broken is left as it is.
fn record(arguments: &cli::Verify, report: &Report, node: Option<&KeyPair>) -> Result<(), String> {
    if report.state != State::Whole {
        return Err(format!("the evidence is {}", report.state.as_str()));
    }
    let node = node.filter(|node| act::is_node(&arguments.dir, node));
    let node = node.ok_or("this node's key is not at hand")?;
    let Counts { volumes, packets, calls, audit_lines, .. } = report.counts;
    let (volumes, packets) = (volumes.to_string(), packets.to_string());
    let (calls, audit_lines) = (calls.to_string(), audit_lines.to_string());
    let details = [
        ("state", report.state.as_str()),
        ("trust", if arguments.trust.is_some() { "held against a trust store" } else { "none" }),
        ("volumes", &volumes),
        ("packets", &packets),
        ("calls", &calls),
        ("audit_lines", &audit_lines),
    ];
    act::record(&arguments.dir, node, "evidence-verified", &details)
        .map_err(|cause| cause.to_string())
}

/// Who runs this, in a few words.
fn who() -> String {
    let Who { uid, user, .. } = Who::here();
    user.unwrap_or_else(|| format!("user {uid}"))
}

/// The report as one JSON object.
pub(crate) fn json(report: &Report) -> serde_json::Value {
    let place = |found: &Break| match found.place {
        Place::File => json!({ "file": found.file, "what": found.what }),
        Place::Line(line) => json!({ "file": found.file, "line": line, "what": found.what }),
        Place::Offset(offset) => {
            json!({ "file": found.file, "offset": offset, "what": found.what })
        }
    };
    let Counts { cases, volumes, bytes, packets, carried, calls, audit_lines } = report.counts;
    json!({
        "whole": report.whole,
        "state": report.state.as_str(),
        "first_break": report.first_break.as_ref().map(place),
        "breaks": report.breaks.iter().map(place).collect::<Vec<_>>(),
        "notes": report.notes,
        "destroyed": report.destroyed,
        "counts": {
            "warrants": cases, "volumes": volumes, "bytes": bytes, "packets": packets,
            "carried": carried, "calls": calls, "audit_lines": audit_lines,
        },
    })
}
