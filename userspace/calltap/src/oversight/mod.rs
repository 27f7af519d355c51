//! `calltap report`: what oversight asks of a period, from the audit alone.
//!
//! The same audit and the same period give the same bytes, whatever has become of the evidence.

mod orders;
mod table;
mod tally;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use calltap_evidence::act;
use calltap_evidence::keys::KeyPair;
use calltap_evidence::oversight;
use jiff::Timestamp;

use crate::config::Config;
use crate::{Outcome, cli, recording};
use orders::Span;
use table::Table;

/// Classes of errors, as oversight bodies count them.
pub const CLASSES: [&str; 4] =
    ["failure-to-cancel", "over-collection", "safeguards", "wrong-identifier"];

/// Prints the report, or writes it and the node's signature over it.
///
/// # Errors
/// An audit that does not hold, a period that is none, a file or a key that cannot be used.
pub fn report(arguments: &cli::Oversight) -> anyhow::Result<Outcome> {
    let period = Span { from_ns: time(&arguments.from)?, to_ns: time(&arguments.to)? };
    if period.to_ns <= period.from_ns {
        bail!("--to must be after --from");
    }
    let audit = oversight::read(&arguments.dir)?;
    let until = audit.entries.iter().take_while(|entry| entry.at_ns < period.to_ns).count();
    let entries = audit.entries.get(..until).unwrap_or_default();
    let mut tables = vec![about(arguments, &audit.node, entries.len())];
    tables.extend(tally::tables(entries, period));
    if let Some(least) = arguments.suppress {
        tables.iter_mut().for_each(|table| table.suppress(least));
    }
    let title = format!("Interception from {} to {}", arguments.from, arguments.to);
    let text = if arguments.html {
        table::html(&title, &tables)
    } else if arguments.json {
        table::json(&tables)
    } else {
        table::markdown(&title, &tables)
    };
    match &arguments.out {
        Some(out) => write_signed(out, &text, arguments.config.as_deref())?,
        None => std::io::stdout().lock().write_all(text.as_bytes())?,
    }
    Ok(Outcome::Fine)
}

/// What the report is about, and of which audit it can be made again.
fn about(arguments: &cli::Oversight, node: &str, lines: usize) -> Table {
    let mut table = Table::new("report", "Report");
    table.text("from", arguments.from.clone());
    table.text("to", arguments.to.clone());
    table.text("node", node.to_owned());
    table.text("tool", recording::TOOL.to_owned());
    table.amount("audit_lines", lines as u64);
    table.text(
        "counts_suppressed_below",
        match arguments.suppress {
            Some(least) => least.to_string(),
            None => "none".to_owned(),
        },
    );
    table
}

fn write_signed(out: &Path, text: &str, config: Option<&Path>) -> anyhow::Result<()> {
    let node = KeyPair::load(&Config::load(config)?.node_key_path())?;
    let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let signature = node.sign(text.as_bytes(), &format!("calltap report {name}"))?;
    let mut beside = out.as_os_str().to_owned();
    beside.push(".minisig");
    let beside = PathBuf::from(beside);
    fs::write(out, text).with_context(|| out.display().to_string())?;
    fs::write(&beside, signature).with_context(|| beside.display().to_string())?;
    Ok(())
}

/// A day, from its first moment in UTC, or an instant in RFC 3339.
fn time(text: &str) -> anyhow::Result<u64> {
    let midnight = if text.len() == 10 { "T00:00:00Z" } else { "" };
    let instant: Timestamp = format!("{text}{midnight}").parse().with_context(|| {
        format!("{text}: a day, such as 2026-01-31, or an instant, such as 2026-01-31T12:00:00Z")
    })?;
    u64::try_from(instant.as_nanosecond()).with_context(|| format!("{text}: before 1970"))
}

/// `calltap audit error`: has the audit say that something went wrong, for the reports to count.
///
/// # Errors
/// An audit in which no act can be recorded now.
pub fn error(arguments: &cli::ReportedError) -> anyhow::Result<Outcome> {
    let node = KeyPair::load(&Config::load(arguments.config.as_deref())?.node_key_path())?;
    let details = [
        ("class", arguments.class.as_str()),
        ("liid", arguments.liid.as_deref().unwrap_or_default()),
        ("reason", &arguments.reason),
    ];
    let details: Vec<_> = details.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    act::record(&arguments.dir, &node, "error-reported", &details)?;
    Ok(Outcome::Fine)
}
