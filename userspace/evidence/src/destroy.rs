//! Evidence destroyed, as law or its authority asks for, and a signed certificate of what it was.
//!
//! The certificate is a line of the audit, signed and chained like any other: files with their
//! hashes, counts, how far the ledgers went, who did it, when and why. It is on disk before
//! anything is removed. Removing names is all that can be done on most disks; what was sealed to a
//! recipient is gone with the recipient's key.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::audit::AuditLine;
use crate::keys::KeyPair;
use crate::ledger::Head;
use crate::store::{self, at};
use crate::verify::{self, State};
use crate::{act, checkpoint, digest, layout, read};

/// The event of the audit's line.
const DESTROYED: &str = "evidence-destroyed";

/// What was destroyed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroyed {
    /// The measure.
    pub liid: String,
    /// Every file of its directory but the checkpoint, by name.
    pub files: Vec<Gone>,
    /// Packets in its volumes, repeated ones not counted.
    pub packets: u64,
    /// Calls in its ledger.
    pub calls: u64,
    /// How far its ledger of volumes went.
    pub(crate) manifest: Head,
}

/// A file that is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Its name in the LIID's directory.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it.
    pub sha256: String,
}

/// Why evidence is not destroyed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A certificate can only be given of what is known to be whole.
    #[error("the evidence is {0}: see calltap verify; nothing was destroyed")]
    NotWhole(&'static str),
    /// No audit line names the LIID.
    #[error("there is no evidence of LIID {0}")]
    Unknown(String),
    /// The directory cannot be read.
    #[error(transparent)]
    Unreadable(#[from] verify::Unreadable),
    /// The certificate cannot be written, or a file cannot be read or removed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Destroys all evidence of `liid` in `root` for this reason, which is no identity; gives the
/// certificate, which is then the audit's last line.
///
/// # Errors
/// [`Error`]. Once the certificate is written, the next call or session ends what was begun.
pub fn destroy(root: &Path, node: &KeyPair, liid: &str, reason: &str) -> Result<Destroyed, Error> {
    let report = verify::verify(root, None)?;
    if report.state != State::Whole {
        return Err(Error::NotWhole(report.state.as_str()));
    }
    let dir = root.join(liid);
    // What is whole has a LIID's directories alone.
    if !layout::names(root).map_err(at(root))?.contains(liid) || !dir.is_dir() {
        return Err(Error::Unknown(liid.to_owned()));
    }
    let destroyed = describe(root, liid).map_err(at(&dir))?;
    let (files, packets) = (destroyed.files.len().to_string(), destroyed.packets.to_string());
    let details = [("liid", liid), ("reason", reason), ("files", &files), ("packets", &packets)];
    let line =
        AuditLine { destroyed: Some(destroyed.clone()), ..AuditLine::event(DESTROYED, &details) };
    act::append(root, node, line)?;
    remove(root, liid).map_err(at(&dir))?;
    Ok(destroyed)
}

/// Removes what a certificate says is destroyed.
pub(crate) fn remove(root: &Path, liid: &str) -> io::Result<()> {
    fs::remove_dir_all(root.join(liid))?;
    checkpoint::sync_dir(root)
}

fn describe(root: &Path, liid: &str) -> io::Result<Destroyed> {
    let dir = root.join(liid);
    let volumes = read::sealed(root, liid)?;
    let mut destroyed = Destroyed { liid: liid.to_owned(), ..Destroyed::default() };
    destroyed.packets = volumes.iter().map(|line| line.packets).sum();
    for file in layout::names(&dir)? {
        if file == checkpoint::FILE {
            continue;
        }
        let found = digest::read(File::open(dir.join(&file))?)?;
        destroyed.files.push(Gone { file, bytes: found.bytes, sha256: found.sha256 });
    }
    let text = fs::read_to_string(dir.join(layout::CALLS))?;
    destroyed.calls = text.lines().count().try_into().unwrap_or(u64::MAX);
    let manifest = fs::read_to_string(dir.join(layout::MANIFEST))?;
    if let Some(last) = manifest.lines().last() {
        let lines = manifest.lines().count().try_into().unwrap_or(u64::MAX);
        destroyed.manifest = Head { lines, sha256: digest::hex(format!("{last}\n").as_bytes()) };
    }
    Ok(destroyed)
}
