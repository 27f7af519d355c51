//! Where a copy comes from, and that it was made: said in the copy, and in the audit.

use std::path::Path;

use calltap_evidence::act;
use calltap_evidence::keys::KeyPair;
use tracing::warn;

use super::dossier::Dossier;
use super::inert::inert;
use super::row::State;
use crate::config::Config;
use crate::paper;
use crate::recorder::rfc3339;

/// What a copy says at its head: of what, whence, and when.
pub fn of_copy(dossier: &Dossier) -> String {
    let mut text = format!(
        "A copy made at {} of call {}: no original evidence. Its originals are in these volumes:",
        rfc3339(paper::now_ns()),
        dossier.name(),
    );
    for source in &dossier.sources {
        let hash = source.sha256.as_deref().unwrap_or("not sealed when copied");
        text += &format!("\n{} sha256 {hash}", source.file);
    }
    text
}

/// Records an act on a call in the audit of its evidence; where that cannot be done, says so: a
/// capture that runs holds the audit, and only who has the node's key can write it.
pub fn record(dossier: &Dossier, event: &str, details: &[(&str, String)]) {
    record_in(&dossier.dir, event, details);
}

/// The same for an act on what lies in the evidence directory `root`.
pub fn record_in(root: &Path, event: &str, details: &[(&str, String)]) {
    let details: Vec<_> = details.iter().map(|(name, text)| (*name, text.as_str())).collect();
    if let Err(cause) = append(root, event, &details) {
        warn!("not in the audit: {cause}; keep what is printed here with the copy");
    }
}

/// Records an act that must not be done unless the audit has it.
///
/// # Errors
/// The audit cannot be written; the message says why.
pub fn record_first(
    dossier: &Dossier,
    event: &str,
    details: &[(&str, String)],
) -> anyhow::Result<()> {
    let details: Vec<_> = details.iter().map(|(name, text)| (*name, text.as_str())).collect();
    append(&dossier.dir, event, &details).map_err(|cause| {
        anyhow::anyhow!(
            "not in the audit: {cause}; nothing was sent: stop the capture, or do it as the node"
        )
    })
}

fn append(root: &Path, event: &str, details: &[(&str, &str)]) -> Result<(), String> {
    let key = Config::load(None).map_err(|cause| cause.to_string())?.node_key_path();
    let node = KeyPair::load(&key).map_err(|cause| cause.to_string())?;
    act::record(root, &node, event, details).map_err(|cause| cause.to_string())
}

/// Whether as many packets were found as the call's line has, signalling and media; says what
/// differs.
pub fn is_complete(dossier: &Dossier, stated: (u64, u64), found: (u64, u64)) -> bool {
    if dossier.state != State::Ended {
        warn!("call {} has not ended: what is kept of it so far", inert(&dossier.name()));
        return true;
    }
    let complete = stated == found;
    if !complete {
        warn!(
            "call {}: its line has {} signalling and {} media packets, and {} and {} were found",
            inert(&dossier.name()),
            stated.0,
            stated.1,
            found.0,
            found.1
        );
    }
    complete
}
