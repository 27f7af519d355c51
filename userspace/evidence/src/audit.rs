//! `audit.jsonl`: what the node did, and which warrants it executed. LIIDs, never identities.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::destroy::Destroyed;
use crate::ledger::Head;
use crate::who::Who;

/// The event of a session's first line, after those that say what had to be mended.
pub(crate) const SESSION_STARTED: &str = "session-started";
/// The event of its last.
pub(crate) const SESSION_STOPPED: &str = "session-stopped";
/// The event of a line that says what an interrupted session had left.
pub(crate) const BREAK: &str = "break";

/// One line of the audit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AuditLine {
    /// What happened.
    pub(crate) event: String,
    /// A case opened: its directory must exist from here on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) case: Option<CaseOpened>,
    /// A case destroyed: its directory is gone from here on, and for good.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) destroyed: Option<Destroyed>,
    /// How far each LIID's ledgers went when the session stopped, by ledger name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(crate) heads: BTreeMap<String, Head>,
    /// Anything else.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(crate) details: BTreeMap<String, String>,
    /// Who did it; none in the lines of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) by: Option<Who>,
    /// Whether it was done while no session was open, so that it begins none.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) outside_session: bool,
}

/// The warrant under which a case was opened, and the copy of it in the case's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CaseOpened {
    pub(crate) liid: String,
    /// The copy's file; its signature's has `.minisig` after it.
    pub(crate) warrant: String,
    pub(crate) warrant_sha256: String,
    pub(crate) signature_sha256: String,
    /// Id of the authority's key.
    pub(crate) authority_key: String,
}

/// The copies of warrants that the audit names, by LIID, oldest first.
pub(crate) type Cases = BTreeMap<String, Vec<CaseOpened>>;

impl AuditLine {
    /// A line about something that is neither a case nor an end.
    pub(crate) fn event(event: &str, details: &[(&str, &str)]) -> Self {
        let details = details.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Self { event: event.to_owned(), details: details.collect(), ..Self::default() }
    }

    /// Reads a line back; `None` if it has another shape.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }
}

/// Whether the last session has ended by the line `value`, before which it had if `ended`.
pub(crate) fn ends_session(ended: bool, value: &Value) -> bool {
    match value.get("outside_session") {
        Some(Value::Bool(true)) => ended,
        _ => value.get("event").is_some_and(|event| event == SESSION_STOPPED),
    }
}

/// Notes a case that `value`, a line of the audit, opens, or one that it destroys.
pub(crate) fn collect_case(cases: &mut Cases, destroyed: &mut Vec<Destroyed>, value: &Value) {
    let Some(line) = AuditLine::read(value) else { return };
    if let Some(gone) = line.destroyed {
        cases.remove(&gone.liid);
        destroyed.push(gone);
    }
    if let Some(case) = line.case {
        let copies = cases.entry(case.liid.clone()).or_default();
        if !copies.contains(&case) {
            copies.push(case);
        }
    }
}
