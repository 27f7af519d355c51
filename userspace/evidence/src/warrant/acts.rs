//! What was done to a warrant after it was signed: lines beside it, each signed by who did it.
//!
//! An authority revokes in `W.toml.revocation`; operators activate, suspend and resume in
//! `W.toml.acts`. A line is signed as a ledger's is, and names the warrant by its hash, so that it
//! means that text and no other.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::load::read;
use super::{Code, Refusal};
use crate::keys::{KeyError, KeyPair, Signature};
use crate::trust::{Trust, TrustedKey};
use crate::{clock, digest, ledger};

/// No file of acts is longer.
const MAX_BYTES: usize = 1 << 20;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deed {
    /// An operator has entered each identifier again.
    Activated,
    /// Nothing is captured until it is resumed.
    Suspended,
    /// A suspension is over.
    Resumed,
    /// The authority takes it back, for good.
    Revoked,
}

/// One act: what was done, by whom, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// What was done.
    pub deed: Deed,
    /// When, by the signer's clock (RFC 3339).
    pub at: String,
    /// Why; empty for an activation.
    pub reason: String,
    /// The name of the operator or authority, as the trust store has it.
    pub by: String,
    /// The id of its key.
    pub key: String,
    /// Whether an authority did it.
    pub by_authority: bool,
}

/// A line as it is signed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    act: Deed,
    liid: String,
    warrant_sha256: String,
    at: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing)]
    sig: String,
}

/// The path of a warrant's revocation: the warrant's with `.revocation` after it.
pub fn revocation_path(warrant: &Path) -> PathBuf {
    beside(warrant, ".revocation")
}

/// The path of the operators' acts upon a warrant: the warrant's with `.acts` after it.
pub fn acts_path(warrant: &Path) -> PathBuf {
    beside(warrant, ".acts")
}

fn beside(warrant: &Path, end: &str) -> PathBuf {
    let mut name = warrant.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Signs that `deed` is done to the warrant with this text, and appends that beside it; gives the
/// file's path.
///
/// # Errors
/// [`KeyError`] naming the file that cannot be written.
pub fn perform(
    warrant: &Path,
    (liid, text): (&str, &[u8]),
    deed: Deed,
    reason: &str,
    key: &KeyPair,
) -> Result<PathBuf, KeyError> {
    let path = match deed {
        Deed::Revoked => revocation_path(warrant),
        _ => acts_path(warrant),
    };
    let line = Line {
        act: deed,
        liid: liid.to_owned(),
        warrant_sha256: digest::hex(text),
        at: clock::rfc3339(clock::now_ns()),
        reason: reason.to_owned(),
        sig: String::new(),
    };
    let written = serde_json::to_string(&line)
        .map_err(io::Error::other)
        .and_then(|line| ledger::sign_line(&line, key, "calltap act"))
        .and_then(|line| {
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(line.as_bytes())?;
            file.sync_all()
        });
    written.map_err(|source| KeyError::File { path: path.clone(), source })?;
    Ok(path)
}

/// Reads the acts upon a warrant that `signers` ordered; those upon another text under the same
/// name, an earlier version's, are passed over.
///
/// # Errors
/// [`Code::BadAct`]: a line that nobody signed who may. Then nothing is known of the warrant's
/// state, and it captures nothing.
pub(super) fn of(
    warrant: &Path,
    text: &[u8],
    signers: &[&TrustedKey],
    trust: &Trust,
) -> Result<Vec<Act>, Refusal> {
    let sha256 = digest::hex(text);
    let mut acts = Vec::new();
    for path in [acts_path(warrant), revocation_path(warrant)] {
        let refuse =
            |what: &str| Refusal::new(Code::BadAct, warrant, format!("{}: {what}", path.display()));
        let bytes = match read(&path, MAX_BYTES) {
            Ok(bytes) => bytes.ok_or_else(|| refuse("it is longer than acts can be"))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(refuse(&error.to_string())),
        };
        let lines = std::str::from_utf8(&bytes).map_err(|_| refuse("it is not UTF-8"))?;
        for line in lines.split_inclusive('\n') {
            let (line, act) = judge(line, signers, trust).map_err(|what| refuse(&what))?;
            if line.warrant_sha256 == sha256 {
                acts.push(act);
            }
        }
    }
    Ok(acts)
}

/// Reads a line, and finds who signed it.
fn judge(text: &str, signers: &[&TrustedKey], trust: &Trust) -> Result<(Line, Act), String> {
    let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let id = Signature::parse(&line.sig).ok_or("its signature is unreadable")?.key_id();
    let is_theirs = |trusted: &&TrustedKey| {
        trusted.key.id() == id && ledger::check_line(text, &trusted.key).is_ok()
    };
    // An authority may have changed its key since it ordered.
    let colleagues = trust.keys().iter().filter(|trusted| {
        signers.iter().any(|signer| signer.name == trusted.name) && !trusted.is_revoked()
    });
    let authority = colleagues.clone().find(is_theirs);
    let operator = trust.operators().iter().find(is_theirs);
    let by_authority = authority.is_some();
    let Some(signer) = authority.or(operator) else {
        return Err(format!(
            "key {id}: neither the authority's nor an operator's, or not over this"
        ));
    };
    match (line.act, by_authority) {
        (Deed::Revoked, false) => return Err("an operator cannot revoke".to_owned()),
        (Deed::Activated, true) => return Err("an authority does not activate".to_owned()),
        _ => {}
    }
    let act = Act {
        deed: line.act,
        at: line.at.clone(),
        reason: line.reason.clone(),
        by: signer.name.clone(),
        key: id,
        by_authority,
    };
    Ok((line, act))
}

/// Whether a warrant with these acts is executed.
///
/// # Errors
/// [`Code::Revoked`], [`Code::NotActivated`] or [`Code::Suspended`], in this order.
pub(super) fn standing(warrant: &Path, acts: &[Act], two_person: bool) -> Result<(), Refusal> {
    let refuse = |code, what: String| Err(Refusal::new(code, warrant, what));
    if let Some(act) = acts.iter().find(|act| act.deed == Deed::Revoked) {
        return refuse(Code::Revoked, format!("{} revoked it at {}", act.by, act.at));
    }
    let activations = acts.iter().filter(|act| act.deed == Deed::Activated);
    let mut keys: Vec<_> = activations.map(|act| &act.key).collect();
    keys.sort();
    keys.dedup();
    if two_person && keys.len() < 2 {
        let what = format!("{} of two operators have activated it", keys.len());
        return refuse(Code::NotActivated, what);
    }
    let mut suspended: Option<&Act> = None;
    for act in acts {
        match act.deed {
            Deed::Suspended => suspended = suspended.filter(|it| it.by_authority).or(Some(act)),
            // What the authority suspended, the operator does not resume.
            Deed::Resumed => {
                suspended = suspended.filter(|it| it.by_authority && !act.by_authority)
            }
            Deed::Activated | Deed::Revoked => {}
        }
    }
    match suspended {
        Some(act) => refuse(Code::Suspended, format!("{} suspended it at {}", act.by, act.at)),
        None => Ok(()),
    }
}
