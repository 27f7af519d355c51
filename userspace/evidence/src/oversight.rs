//! The audit read back for oversight: every line checked, without any other file of the evidence.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::audit::AuditLine;
use crate::checkpoint::Checkpoint;
use crate::clock;
use crate::keys::PublicKey;
use crate::layout;
use crate::ledger::{self, Fault};
use crate::store::Error;
use crate::who::Who;

/// A line of the audit.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// When it was written, nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// What happened.
    pub event: String,
    /// The LIID that it is about.
    pub liid: Option<String>,
    /// Its texts.
    pub details: BTreeMap<String, String>,
    /// Who did it; none in lines of earlier versions.
    pub by: Option<Who>,
}

/// The audit as far as it goes.
#[derive(Clone, Debug)]
pub struct Entries {
    /// Its lines, in order.
    pub entries: Vec<Entry>,
    /// The id of the node's key.
    pub node: String,
    /// SHA-256 of the last line, which vouches for all before it.
    pub sha256: String,
}

/// Reads the audit of the evidence directory `root`. Only `audit.jsonl`, `checkpoint.json` and
/// `node.pub` must be left of it.
///
/// # Errors
/// [`Error::File`], or [`Error::Tampered`] naming the line that does not hold.
pub fn read(root: &Path) -> Result<Entries, Error> {
    let path = root.join(layout::AUDIT);
    let tampered = |what: String| Error::Tampered { path: path.clone(), what };
    let node =
        PublicKey::load(&root.join(layout::NODE)).map_err(|cause| tampered(cause.to_string()))?;
    let vouched = Checkpoint::read(root, "audit", &node)
        .map_err(|source| Error::File { path: path.clone(), source })?
        .map_err(|what| tampered(format!("its checkpoint: {what}")))?
        .head("audit");
    let mut entries = Vec::new();
    let walked = ledger::walk(&path, "audit", &mut |head, line, value| {
        ledger::check_line(line, &node)?;
        if head.lines == vouched.lines && *head != vouched {
            return Err("it is not the one that was signed for in its place".to_owned());
        }
        entries.push(entry(value).ok_or("it has no event or no time")?);
        Ok(())
    });
    let walk = walked.map_err(|fault| match fault {
        Fault::Io(source) => Error::File { path: path.clone(), source },
        Fault::Line(line, what) => tampered(format!("line {line}: {what}")),
    })?;
    if walk.head.lines < vouched.lines {
        return Err(tampered(format!("lines are cut: there were {}", vouched.lines)));
    }
    Ok(Entries { entries, node: node.id(), sha256: walk.head.sha256 })
}

fn entry(value: &Value) -> Option<Entry> {
    let at_ns = clock::parse_rfc3339(value.get("at")?.as_str()?)?;
    let line = AuditLine::read(value)?;
    let case = line.case.map(|case| case.liid);
    let liid = case.or_else(|| line.details.get("liid").cloned());
    Some(Entry { at_ns, event: line.event, liid, details: line.details, by: line.by })
}
