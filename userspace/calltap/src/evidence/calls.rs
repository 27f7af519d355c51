//! The calls of an evidence directory, all or one of them.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use calltap_evidence::lines::CallLine;
use calltap_evidence::read;

use super::inert::inert;
use super::row::{Row, State, rows};
use super::{index, unfinished};

/// The calls of one LIID.
#[derive(Debug)]
pub struct Case {
    /// The LIID.
    pub liid: String,
    /// Its calls, packed.
    packed: Vec<u8>,
}

impl Case {
    /// Its calls, each once, with the offset of each.
    pub fn rows(&self) -> impl Iterator<Item = (usize, Row<'_>)> {
        rows(&self.packed).filter(|(_, row)| row.state != State::Continued)
    }

    /// The call at an offset that [`Case::rows`] gave.
    pub fn row(&self, at: usize) -> Option<Row<'_>> {
        Row::unpack(self.packed.get(at..)?).map(|(row, _)| row)
    }
}

/// The evidence directory meant where none is named: the current one, or `evidence` in it.
///
/// # Errors
/// The directory is no evidence directory.
pub fn directory(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = match named {
        Some(dir) => dir.to_owned(),
        None if read::is_evidence(Path::new(".")) => PathBuf::from("."),
        None => PathBuf::from("evidence"),
    };
    if !read::is_evidence(&dir) {
        bail!("{} is no evidence directory; name the one given to run or replay", dir.display());
    }
    Ok(dir)
}

/// Reads the calls of every LIID, or of `only` that one.
///
/// # Errors
/// A ledger or volume cannot be read, or there is no such LIID.
pub fn cases(dir: &Path, only: Option<&str>, indexed: bool) -> anyhow::Result<Vec<Case>> {
    let mut liids = read::liids(dir).with_context(|| dir.display().to_string())?;
    if let Some(only) = only {
        liids.retain(|liid| liid == only);
        if liids.is_empty() {
            bail!("{} has no LIID {}", dir.display(), inert(only));
        }
    }
    let mut cases = Vec::new();
    for liid in liids {
        // A call may end, and get its line, between these two; it is then in both and known.
        let live = unfinished::unfinished(dir, &liid, &|_| false)?;
        let mut packed = index::rows_of(dir, &liid, indexed)?;
        if !live.is_empty() {
            let known: HashSet<u32> = rows(&packed).map(|(_, row)| row.cin).collect();
            for (_, row) in rows(&live).filter(|(_, row)| !known.contains(&row.cin)) {
                row.pack(&mut packed);
            }
        }
        cases.push(Case { liid, packed });
    }
    Ok(cases)
}

/// One call, found by its name.
#[derive(Debug)]
pub struct Found {
    /// Its LIID.
    pub liid: String,
    /// How it stands.
    pub state: State,
    /// What its line says; of a call without a line, what its signalling does.
    pub line: CallLine,
    /// It and the calls of its LIID that lived at the same time, as far as lines tell of them.
    pub contemporaries: Vec<CallLine>,
}

/// Finds the call that a command line names: `LIID/CIN`, a CIN that one LIID alone has, or a
/// Call-ID.
///
/// # Errors
/// There is none, or there are several; the message names them.
pub fn find(dir: &Path, name: &str) -> anyhow::Result<Found> {
    let (liid, cin) = match name.rsplit_once('/') {
        Some((liid, cin)) => (Some(liid), cin.parse::<u32>().ok()),
        None => (None, name.parse::<u32>().ok()),
    };
    let is_liid = liid.is_some_and(|liid| cin.is_some() && read::calls(dir, liid).is_file());
    let cases = cases(dir, liid.filter(|_| is_liid), true)?;
    let mut found = Vec::new();
    for case in &cases {
        for (_, row) in case.rows() {
            let by_number = Some(row.cin) == cin && (is_liid || liid.is_none());
            if by_number || row.call_id == name {
                found.push((case, row));
            }
        }
    }
    // A Call-ID may look like a number; whoever names a number means the CIN.
    if found.iter().any(|(_, row)| Some(row.cin) == cin && row.call_id != name) {
        found.retain(|(_, row)| Some(row.cin) == cin);
    }
    match found.as_slice() {
        [] => {
            bail!("no call {} in {}; calltap evidence list names them", inert(name), dir.display())
        }
        [(case, row)] => {
            let ledger = read::calls(dir, &case.liid);
            let contemporaries = contemporaries(&ledger, case, row)?;
            let line = line(case, row, &contemporaries)?;
            Ok(Found { liid: case.liid.clone(), state: row.state, line, contemporaries })
        }
        several => {
            let names: Vec<_> =
                several.iter().map(|(case, row)| format!("{}/{}", case.liid, row.cin)).collect();
            bail!("{} names several calls: {}; name one of these", inert(name), names.join(", "))
        }
    }
}

/// What belongs to a call may come so long ahead of it or after its end.
const AROUND_NS: u64 = 60_000_000_000;

/// The lines of the calls that lived when this one did.
fn contemporaries(ledger: &Path, case: &Case, call: &Row<'_>) -> anyhow::Result<Vec<CallLine>> {
    let unreadable = || ledger.display().to_string();
    let file = File::open(ledger).with_context(unreadable)?;
    let ended = |row: &Row<'_>| if row.ended_ns == 0 { u64::MAX } else { row.ended_ns };
    let from = call.started_ns.saturating_sub(AROUND_NS);
    let until = ended(call).saturating_add(AROUND_NS);
    let mut input = BufReader::new(file);
    let mut lines = Vec::new();
    for (_, row) in rows(&case.packed) {
        let lived = row.started_ns <= until && ended(&row) >= from;
        if row.line_at == u64::MAX || !(lived || row.cin == call.cin) {
            continue;
        }
        input.seek(SeekFrom::Start(row.line_at))?;
        let mut text = String::new();
        input.read_line(&mut text).with_context(unreadable)?;
        lines.push(serde_json::from_str(&text).with_context(|| {
            format!("{}: offset {}: no line of a call", ledger.display(), row.line_at)
        })?);
    }
    Ok(lines)
}

/// The call's line: of a call that went on after its end, its lines together.
fn line(case: &Case, row: &Row<'_>, lines: &[CallLine]) -> anyhow::Result<CallLine> {
    if row.line_at == u64::MAX {
        return Ok(CallLine {
            liid: case.liid.clone(),
            cin: row.cin,
            call_id: row.call_id.to_owned(),
            from: row.from.to_owned(),
            to: row.to.to_owned(),
            started: crate::recorder::rfc3339(row.started_ns),
            iri_packets: row.iri_packets,
            ..CallLine::default()
        });
    }
    let parts = lines.iter().filter(|line| line.cin == row.cin).cloned().collect();
    crate::summary::joined(parts).pop().context("the ledger has changed meanwhile")
}
