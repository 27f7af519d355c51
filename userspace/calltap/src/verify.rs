//! `calltap verify`: whether evidence is whole, and who authorised it.

use std::io::Write as _;

use anyhow::bail;
use calltap_evidence::trust::Trust;
use calltap_evidence::verify::{self, Break, Counts, Place, Report};
use serde_json::json;

use crate::{Outcome, cli};

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
    let report = verify::verify(&arguments.dir, trust.as_ref())?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &json(&report))?;
        writeln!(out)?;
    } else {
        let Counts { cases, volumes, packets, carried, calls, audit_lines, .. } = report.counts;
        writeln!(out, "{}: {}", arguments.dir.display(), report.state.as_str())?;
        writeln!(out, "  warrants   {cases}")?;
        writeln!(out, "  calls      {calls}")?;
        writeln!(out, "  volumes    {volumes}, sealed")?;
        writeln!(out, "  packets    {packets}, and {carried} repeated at heads of volumes")?;
        writeln!(out, "  audit      {audit_lines} lines")?;
        for note in &report.notes {
            writeln!(out, "  note       {note}")?;
        }
    }
    for found in &report.breaks {
        eprintln!("calltap: {}: {found}", report.state.as_str());
    }
    Ok(if report.whole { Outcome::Fine } else { Outcome::NotFine })
}

/// The report as one JSON object.
fn json(report: &Report) -> serde_json::Value {
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
        "counts": {
            "warrants": cases, "volumes": volumes, "bytes": bytes, "packets": packets,
            "carried": carried, "calls": calls, "audit_lines": audit_lines,
        },
    })
}
