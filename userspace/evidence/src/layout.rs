//! The names in an evidence directory.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::checkpoint;

/// The node's public key.
pub(crate) const NODE: &str = "node.pub";
/// The node's ledger, which is locked while a writer lives.
pub(crate) const AUDIT: &str = "audit.jsonl";
/// A LIID's ledger of volumes.
pub(crate) const MANIFEST: &str = "manifest.jsonl";
/// A LIID's ledger of calls.
pub(crate) const CALLS: &str = "calls.jsonl";

/// The name of the `number`th warrant under one LIID, counted from 1.
pub(crate) fn warrant(number: usize) -> String {
    match number {
        1 => "warrant.toml".to_owned(),
        number => format!("warrant-{number:04}.toml"),
    }
}

/// The name of the signature of the file `name`.
pub(crate) fn signature(name: &str) -> String {
    format!("{name}.minisig")
}

/// All names in `dir`. One that is not UTF-8 is none of ours, and stays visible as such.
///
/// `lost+found`, which a file system of its own has at its root, is no name as long as it is empty.
pub(crate) fn names(dir: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let lost_found = fs::read_dir(dir.join(LOST_FOUND)).map(|mut entries| entries.next().is_none());
    if lost_found.unwrap_or(false) {
        names.remove(LOST_FOUND);
    }
    Ok(names)
}

const LOST_FOUND: &str = "lost+found";

/// Whether `dir` is a LIID's directory that never came into use: prepared, and not yet in the audit
/// when its writer died.
pub(crate) fn is_unused(dir: &Path) -> io::Result<bool> {
    let warrant = warrant(1);
    let signature = signature(&warrant);
    let known = [checkpoint::FILE, checkpoint::TEMPORARY, MANIFEST, CALLS, &warrant, &signature];
    for name in names(dir)? {
        let metadata = fs::symlink_metadata(dir.join(&name))?;
        let grown = [MANIFEST, CALLS].contains(&name.as_str()) && metadata.len() > 0;
        if !known.contains(&name.as_str()) || !metadata.is_file() || grown {
            return Ok(false);
        }
    }
    Ok(true)
}
