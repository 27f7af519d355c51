//! Where a copy comes from, and that it was made: said in the copy, and in the audit.

use std::path::{Path, PathBuf};

use calltap_evidence::act;
use calltap_evidence::keys::KeyPair;
use tracing::warn;

use super::dossier::Dossier;
use super::inert::inert;
use super::row::State;
use crate::config::Config;
use crate::confine::Places;
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

/// The audit of an evidence directory, with the key that it takes to write it.
///
/// To be made ahead of the confinement, which lets no key be read.
#[derive(Debug)]
pub struct Custody {
    root: PathBuf,
    /// This node's key, or why it is not at hand.
    node: Result<KeyPair, String>,
}

impl Custody {
    /// Of the evidence directory `root`.
    pub fn of(root: &Path) -> Self {
        let node = Config::load(None)
            .map_err(|cause| cause.to_string())
            .and_then(|it| KeyPair::load(&it.node_key_path()).map_err(|cause| cause.to_string()));
        Self { root: root.to_owned(), node }
    }

    /// The evidence, to be read; to be written, too, only where the audit can be.
    ///
    /// # Errors
    /// It is no directory any more.
    pub fn places(&self) -> anyhow::Result<Places> {
        match &self.node {
            Ok(node) if act::is_node(&self.root, node) => Places::default().writing(&self.root),
            _ => Ok(Places::default().reading([&self.root])),
        }
    }

    /// Records an act; where that cannot be done, says so: a capture that runs holds the audit, and
    /// only who has the node's key can write it.
    pub fn record(&self, event: &str, details: &[(&str, String)]) {
        if let Err(cause) = self.append(event, details) {
            warn!("not in the audit: {cause}; keep what is printed here with the copy");
        }
    }

    /// Records an act that must not be done unless the audit has it.
    ///
    /// # Errors
    /// The audit cannot be written; the message says why.
    pub fn record_first(&self, event: &str, details: &[(&str, String)]) -> anyhow::Result<()> {
        self.append(event, details).map_err(|cause| {
            anyhow::anyhow!(
                "not in the audit: {cause}; nothing was sent: stop the capture, or do it as the node"
            )
        })
    }

    fn append(&self, event: &str, details: &[(&str, String)]) -> Result<(), String> {
        let node = self.node.as_ref().map_err(Clone::clone)?;
        let details: Vec<_> = details.iter().map(|(name, text)| (*name, text.as_str())).collect();
        act::record(&self.root, node, event, &details).map_err(|cause| cause.to_string())
    }
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
