//! Acts upon evidence outside of any session, such as a verification: one line of the audit each.

use std::fs::{self, OpenOptions, TryLockError};
use std::path::Path;

use crate::audit::{self, AuditLine};
use crate::checkpoint::Checkpoint;
use crate::keys::KeyPair;
use crate::layout;
use crate::ledger::{self, Fault, Ledger};
use crate::lock::Lock;
use crate::store::{Error, at, check_node, read_checkpoint};
use crate::who::Who;

/// Appends to the audit of `root` that `event` was done, by whom and when; `details` bear LIIDs and
/// codes, never identities.
///
/// The line is the node's, so only who holds the node's key and may write the directory can have an
/// act recorded.
/// The directory must be as its last session ended it: what that left undone is for the next session
/// to mend, and what was changed since is left as it is.
///
/// # Errors
/// [`Error`], each variant of which names the file and the mend; nothing is written then.
pub fn record(
    root: &Path,
    node: &KeyPair,
    event: &str,
    details: &[(&str, &str)],
) -> Result<(), Error> {
    append(root, node, AuditLine::event(event, details))
}

/// The same for any line.
pub(crate) fn append(root: &Path, node: &KeyPair, line: AuditLine) -> Result<(), Error> {
    append_behind(root, node, |_| Some(line))
}

/// The same for a line that follows from the SHA-256 of the one before it, if there is one to append.
pub(crate) fn append_behind(
    root: &Path,
    node: &KeyPair,
    line: impl FnOnce(&str) -> Option<AuditLine>,
) -> Result<(), Error> {
    check_node(root, node.public())?;
    let path = root.join(layout::AUDIT);
    let lock = OpenOptions::new().append(true).open(&path).map_err(at(&path))?;
    let _lock = Lock::exclusive(lock).map_err(|error| match error {
        TryLockError::WouldBlock => Error::Locked { path: root.to_owned() },
        TryLockError::Error(source) => Error::File { path: path.clone(), source },
    })?;
    let vouched = read_checkpoint(root, "audit", node.public())?.head("audit");
    let mut ended = false;
    // The checkpoint vouches for the last line, and each line for the one before it.
    let walk = ledger::walk(&path, "audit", &mut |_, _, value| {
        ended = audit::ends_session(ended, value);
        Ok(())
    });
    let walk = match walk {
        Ok(walk) => walk,
        Err(Fault::Io(source)) => return Err(Error::File { path, source }),
        Err(Fault::Line(line, what)) => {
            return Err(Error::Tampered { path, what: format!("line {line}: {what}") });
        }
    };
    if walk.head.lines == vouched.lines && walk.head != vouched {
        let what = format!("line {} is not the one that was signed for", vouched.lines);
        return Err(Error::Tampered { path, what });
    }
    if walk.torn || !ended || walk.head != vouched {
        return Err(Error::Unmended { path: root.to_owned() });
    }
    let Some(line) = line(&walk.head.sha256) else { return Ok(()) };
    let line = AuditLine { by: Some(Who::here()), outside_session: true, ..line };
    let mut audit =
        Ledger::open(path.clone(), "audit".to_owned(), walk.head, walk.bytes).map_err(at(&path))?;
    audit.append(node, &[line]).map_err(at(&path))?;
    Checkpoint::of_audit(audit.head()).write(root, node, true).map_err(at(root))
}

/// Whether the text of `node.pub` in `root` is this node's key.
pub fn is_node(root: &Path, node: &KeyPair) -> bool {
    fs::read_to_string(root.join(layout::NODE)).is_ok_and(|text| text == node.public().to_text())
}
