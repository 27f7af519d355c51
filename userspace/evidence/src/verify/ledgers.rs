//! Checkpoints and ledgers: every line signed, each following from the one before, none cut off.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use super::{Check, Place};
use crate::checkpoint::{self, Checkpoint};
use crate::keys::PublicKey;
use crate::layout;
use crate::ledger::{self, Fault, Head};

/// What is known elsewhere of how far a ledger goes.
pub(super) struct Heads<'a> {
    /// By the checkpoint beside it, if that holds.
    pub(super) checkpoint: Option<Head>,
    /// By the audit.
    pub(super) stated: &'a [Head],
}

impl Check<'_> {
    /// Reads the checkpoint of `dir`; notes what is wrong with it.
    pub(super) fn checkpoint(
        &mut self,
        dir: &Path,
        name: &str,
        node: &PublicKey,
    ) -> Option<Checkpoint> {
        let file = dir.join(checkpoint::FILE);
        if !self.is_file(&file) {
            return None;
        }
        let what = match Checkpoint::read(&self.root.join(dir), name, node) {
            Ok(Ok(checkpoint)) => return Some(checkpoint),
            Ok(Err(what)) => what,
            Err(error) => error.to_string(),
        };
        self.broken(file, Place::File, what);
        None
    }

    /// Reads a ledger, hands each line that holds to `visit`, notes what is wrong, and gives the
    /// number of lines.
    pub(super) fn ledger(
        &mut self,
        file: &Path,
        name: &str,
        heads: &Heads<'_>,
        node: &PublicKey,
        visit: &mut dyn FnMut(&Value),
    ) -> u64 {
        if !self.is_file(file) {
            return 0;
        }
        let known = || heads.checkpoint.iter().chain(heads.stated);
        let mut check = |head: &Head, line: &str, value: &Value| {
            ledger::check_line(line, node)?;
            if known().any(|known| known.lines == head.lines && known != head) {
                return Err("it is not the line that was signed for in its place".to_owned());
            }
            visit(value);
            Ok(())
        };
        let walk = match ledger::walk(&self.root.join(file), name, &mut check) {
            Ok(walk) => walk,
            Err(Fault::Line(line, what)) => {
                self.broken(file, Place::Line(line), what);
                return 0;
            }
            Err(Fault::Io(error)) => {
                self.broken(file, Place::File, unreadable(&error));
                return 0;
            }
        };
        let lines = walk.head.lines;
        let next = Place::Line(lines.saturating_add(1));
        let most = known().map(|known| known.lines).max().unwrap_or(0);
        if lines < most {
            self.broken(file, next, format!("lines are cut: there were {most}"));
        } else if walk.torn {
            self.left(file, next, "torn: its writer died while it wrote this line");
        } else if heads.checkpoint.as_ref().is_some_and(|head| head.lines < lines) {
            self.left(
                file,
                Place::Line(lines),
                "its writer died before the checkpoint was renewed",
            );
        }
        lines
    }
}

/// Whether neither the root's checkpoint nor the audit's first line holds with `node`: then it is
/// the key that was replaced, and not both of them that were changed.
pub(super) fn signs_nothing(root: &Path, node: &PublicKey) -> bool {
    let mut line = String::new();
    let first = File::open(root.join(layout::AUDIT))
        .and_then(|file| BufReader::new(file.take(ledger::MAX_LINE)).read_line(&mut line));
    let checkpoint = Checkpoint::read(root, "audit", node);
    !checkpoint.is_ok_and(|found| found.is_ok())
        && (first.is_err() || ledger::check_line(&line, node).is_err())
}

pub(super) fn unreadable(error: &io::Error) -> String {
    format!("it cannot be read: {error}")
}
