//! Append-only JSON Lines: each line is chained to the one before it and signed by the node.
//!
//! ```text
//! {"ledger":"L1/manifest","line":2,"at":"...", ..., "prev":"SHA-256 of line 1","sig":"..."}
//! ```
//!
//! What is hashed is the whole line; what is signed is the line without its member `sig`; both with
//! the newline that ends it, so that `sed`, `sha256sum` and `minisign` see the same bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::{self, KeyPair, PublicKey, Signature};
use crate::{clock, digest};

/// A longer line is not ours.
pub(crate) const MAX_LINE: u64 = 16 << 20;

/// The hash before the first line.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How far a ledger goes: what a checkpoint says about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Number of lines.
    pub(crate) lines: u64,
    /// SHA-256 of the last.
    pub(crate) sha256: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { lines: 0, sha256: NOTHING.to_owned() }
    }
}

#[derive(Serialize)]
struct Line<'a, T> {
    ledger: &'a str,
    line: u64,
    at: String,
    #[serde(flatten)]
    body: &'a T,
    prev: &'a str,
}

/// An open ledger. Its file is only ever appended to, and cut back if an append fails.
#[derive(Debug)]
pub(crate) struct Ledger {
    name: String,
    path: PathBuf,
    file: File,
    bytes: u64,
    head: Head,
}

impl Ledger {
    /// Opens the ledger called `name`, of which [`walk`] has found `head` in the first `bytes`.
    pub(crate) fn open(path: PathBuf, name: String, head: Head, bytes: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        Ok(Self { name, path, file, bytes, head })
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its length: where the next line will begin.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Appends one line a body, in one write, and waits until the disk has them.
    /// After an error the ledger is as it was before.
    pub(crate) fn append<T: Serialize>(&mut self, node: &KeyPair, bodies: &[T]) -> io::Result<()> {
        let mut head = self.head.clone();
        let mut text = String::new();
        for body in bodies {
            let line = head.lines.saturating_add(1);
            let at = clock::rfc3339(clock::now_ns());
            let prev = &head.sha256;
            let body = Line { ledger: &self.name, line, at, body, prev };
            let comment = format!("{} line {line}", self.name);
            let signed = sign_line(&serde_json::to_string(&body)?, node, &comment)?;
            head = Head { lines: line, sha256: digest::hex(signed.as_bytes()) };
            text.push_str(&signed);
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // If cutting fails, too, the torn line is found and cut at the next start.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes = self.bytes.saturating_add(text.len().try_into().unwrap_or(u64::MAX));
        self.head = head;
        Ok(())
    }
}

/// Puts `node`'s signature into a JSON object and ends the line.
pub(crate) fn sign_line(object: &str, node: &KeyPair, comment: &str) -> io::Result<String> {
    let unsigned = format!("{object}\n");
    let signature = node.sign(unsigned.as_bytes(), comment).map_err(io::Error::other)?;
    let open = object.strip_suffix('}').ok_or_else(|| io::Error::other("not an object"))?;
    Ok(format!("{open},\"sig\":{}}}\n", serde_json::to_string(&signature)?))
}

/// Checks that `line` (newline included) carries `node`'s signature, in the one spelling allowed.
pub(crate) fn check_line(line: &str, node: &PublicKey) -> Result<(), &'static str> {
    let (open, rest) = line.rsplit_once(",\"sig\":").ok_or("it has no signature")?;
    let quoted = rest.strip_suffix("}\n").ok_or("it does not end with its signature")?;
    let text: String = serde_json::from_str(quoted).map_err(|_| "its signature is no string")?;
    let signature = Signature::parse(&text).ok_or("its signature is unreadable")?;
    if !serde_json::to_string(&text).is_ok_and(|spelled| spelled == quoted)
        || !signature.is_spelled(&text)
    {
        return Err("its signature is respelled");
    }
    if keys::verifies(node, &signature, format!("{open}}}\n").as_bytes()) {
        Ok(())
    } else {
        Err("its signature is not the node's over this line")
    }
}

/// What [`walk`] found.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The last whole line.
    pub(crate) head: Head,
    /// Length of all whole lines.
    pub(crate) bytes: u64,
    /// Whether bytes without a newline follow them.
    pub(crate) torn: bool,
}

/// Where a ledger breaks.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It cannot be read.
    Io(io::Error),
    /// A line is not what it should be.
    Line(u64, String),
}

/// Reads a ledger from its start and checks that each line follows from the one before it.
/// `visit` is given each line's head, its text and its value, and may refuse it.
pub(crate) fn walk(
    path: &Path,
    name: &str,
    visit: &mut dyn FnMut(&Head, &str, &Value) -> Result<(), String>,
) -> Result<Walk, Fault> {
    let mut input = BufReader::new(File::open(path).map_err(Fault::Io)?);
    let mut walk = Walk { head: Head::default(), bytes: 0, torn: false };
    let mut line = Vec::new();
    loop {
        line.clear();
        let length =
            input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(Fault::Io)?;
        if line.last() != Some(&b'\n') {
            walk.torn = length > 0;
            return Ok(walk);
        }
        let number = walk.head.lines.saturating_add(1);
        let fault = |what: &str| Fault::Line(number, what.to_owned());
        let text = std::str::from_utf8(&line).map_err(|_| fault("it is not UTF-8"))?;
        let value: Value = serde_json::from_str(text).map_err(|_| fault("it is no JSON"))?;
        let head = Head { lines: number, sha256: digest::hex(&line) };
        visit(&head, text, &value).map_err(|what| Fault::Line(number, what))?;
        if value.get("ledger").and_then(Value::as_str) != Some(name) {
            return Err(fault("it belongs to another ledger"));
        }
        if value.get("line").and_then(Value::as_u64) != Some(number) {
            return Err(fault("it is not in its place: lines are missing, repeated or reordered"));
        }
        if value.get("prev").and_then(Value::as_str) != Some(walk.head.sha256.as_str()) {
            return Err(fault("it does not follow from the line before it"));
        }
        walk.head = head;
        walk.bytes = walk.bytes.saturating_add(length.try_into().unwrap_or(u64::MAX));
    }
}
