//! Reads an evidence directory back and says whether it is whole, and where it first breaks.
//!
//! Everything in the directory is covered: each file is named by a signed line, or is one. A file
//! that nothing names, that is missing, or of which a byte differs, is a break. What only a writer
//! that died leaves is told apart from it, and so is a directory that is still written to.

mod case;
mod ledgers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::audit::{self, AuditLine, Cases};
use crate::destroy::Destroyed;
use crate::keys::PublicKey;
use crate::ledger::Head;
use crate::lock::Lock;
use crate::trust::Trust;
use crate::{checkpoint, layout, stamp};

/// How an evidence directory stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is missing, changed, added or reordered.
    Whole,
    /// A writer lives; what it has sealed so far is whole.
    Open,
    /// A writer died and nothing has been mended since; what it left is as it left it.
    Interrupted,
    /// Something is not as it was written, and no crash explains it.
    Tampered,
}

impl State {
    /// `whole`, `open`, `interrupted` or `tampered`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Open => "open",
            Self::Interrupted => "interrupted",
            Self::Tampered => "tampered",
        }
    }
}

/// Where in a file something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as such.
    File,
    /// A line of a ledger, counted from 1.
    Line(u64),
    /// A byte, counted from 0.
    Offset(u64),
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The file, within the evidence directory.
    pub file: PathBuf,
    /// Where in it.
    pub place: Place,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        match self.place {
            Place::File => {}
            Place::Line(line) => write!(f, "line {line}: ")?,
            Place::Offset(offset) => write!(f, "offset {offset}: ")?,
        }
        f.write_str(&self.what)
    }
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Warrants executed.
    pub cases: u64,
    /// Sealed volumes.
    pub volumes: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their packets, repeated ones not counted.
    pub packets: u64,
    /// Packets repeated at a volume's head.
    pub carried: u64,
    /// Calls that ended.
    pub calls: u64,
    /// Lines of the audit.
    pub audit_lines: u64,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whether everything sealed is as it was written: [`State::Whole`] or [`State::Open`].
    pub whole: bool,
    /// How the directory stands.
    pub state: State,
    /// The first thing that is not as it should be.
    pub first_break: Option<Break>,
    /// All of them: of a tampered directory those that no crash explains, of an interrupted one what
    /// its writer left.
    pub breaks: Vec<Break>,
    /// What a reader should know besides.
    pub notes: Vec<String>,
    /// What was destroyed by the node itself, with its certificate.
    pub destroyed: Vec<Destroyed>,
    /// How much was read.
    pub counts: Counts,
}

/// The directory cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

/// Verifies the evidence directory `dir`: against the node's key found in it, and with `trust` also
/// each warrant against the authorities' keys.
///
/// # Errors
/// [`Unreadable`] if `dir` is no directory that can be listed.
pub fn verify(dir: &Path, trust: Option<&Trust>) -> Result<Report, Unreadable> {
    verify_telling(dir, trust, &|_| {})
}

/// Verifies as [`verify`] does, and tells on the way how many bytes of volumes were read since it
/// told the last time.
///
/// # Errors
/// As [`verify`].
pub fn verify_telling(
    dir: &Path,
    trust: Option<&Trust>,
    read: &dyn Fn(u64),
) -> Result<Report, Unreadable> {
    let vouched = || fs::read(dir.join(checkpoint::FILE)).ok();
    let mut before = vouched();
    let mut report = look(dir, trust, read)?;
    for _ in 0..LOOKS {
        let after = vouched();
        if report.state != State::Interrupted || after == before {
            break;
        }
        // Not a writer that died, but one that wrote meanwhile: another verification, say.
        before = after;
        report = look(dir, trust, read)?;
    }
    Ok(report)
}

/// How often a directory that changes is looked at again.
const LOOKS: usize = 3;

fn look(dir: &Path, trust: Option<&Trust>, read: &dyn Fn(u64)) -> Result<Report, Unreadable> {
    let unreadable = |source| Unreadable { path: dir.to_owned(), source };
    // Names are listed before the ledgers are read, so that what a living writer adds meanwhile is
    // always named by the time that it is looked for.
    let names = layout::names(dir).map_err(unreadable)?;
    let mut check = Check {
        root: dir,
        trust,
        read,
        live: is_locked(&dir.join(layout::AUDIT)),
        breaks: Vec::new(),
        leftovers: Vec::new(),
        notes: Vec::new(),
        counts: Counts::default(),
        destroyed: Vec::new(),
        closed: BTreeSet::new(),
    };
    if let Some(node) = check.node() {
        let (cases, stated) = check.audit(&node);
        for name in &names {
            check.root_name(name, &cases);
        }
        for (liid, copies) in &cases {
            check.case(&node, liid, copies, &stated);
        }
    }
    Ok(check.report())
}

/// Verification under way.
struct Check<'a> {
    root: &'a Path,
    trust: Option<&'a Trust>,
    /// Is told of the bytes of volumes that are read.
    read: &'a dyn Fn(u64),
    /// Whether a writer holds the lock.
    live: bool,
    /// What no crash explains.
    breaks: Vec<Break>,
    /// What a dead writer leaves.
    leftovers: Vec<Break>,
    notes: Vec<String>,
    counts: Counts,
    destroyed: Vec<Destroyed>,
    /// The LIIDs to which no writer that died can have been writing: the last session was ended, and
    /// their ledgers with it.
    closed: BTreeSet<String>,
}

/// What the audit states about other ledgers, by their names.
type Stated = BTreeMap<String, Vec<Head>>;

impl Check<'_> {
    /// Notes what no crash explains.
    fn broken(&mut self, file: impl Into<PathBuf>, place: Place, what: impl Into<String>) {
        self.breaks.push(Break { file: file.into(), place, what: what.into() });
    }

    /// Notes what a dead writer leaves. A living one is not done with it; and where no writer can
    /// have died, it is no leftover.
    fn left(&mut self, file: impl Into<PathBuf>, place: Place, what: impl Into<String>) {
        let (file, what) = (file.into(), what.into());
        let liid = file.parent().and_then(Path::to_str).unwrap_or_default();
        if self.closed.contains(liid) {
            let what = format!("{what}; but its session was ended, so no crash did this");
            self.breaks.push(Break { file, place, what });
        } else if !self.live {
            self.leftovers.push(Break { file, place, what });
        }
    }

    /// Whether `file` is a file, not a link or a device; notes it if not.
    fn is_file(&mut self, file: &Path) -> bool {
        let what = match fs::symlink_metadata(self.root.join(file)) {
            Ok(metadata) if metadata.is_file() => return true,
            Ok(_) => "it is no regular file".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "it is missing".to_owned(),
            Err(error) => format!("it cannot be read: {error}"),
        };
        self.broken(file, Place::File, what);
        false
    }

    fn node(&mut self) -> Option<PublicKey> {
        let file = Path::new(layout::NODE);
        if !self.is_file(file) {
            return None;
        }
        let found = PublicKey::load(&self.root.join(file));
        let text = fs::read(self.root.join(file)).unwrap_or_default();
        match found {
            Ok(node) if node.to_text().as_bytes() == text => {
                if ledgers::signs_nothing(self.root, &node) {
                    self.broken(file, Place::File, "nothing here is signed with this key");
                }
                self.note_trust(&node);
                Some(node)
            }
            Ok(_) => {
                self.broken(file, Place::File, "it is not as it was written");
                None
            }
            Err(error) => {
                self.broken(file, Place::File, error.to_string());
                None
            }
        }
    }

    /// Who vouches for the node's key: nobody but the directory, or the trust store. A store that
    /// knows nodes and not this one is told of evidence that another node made.
    fn note_trust(&mut self, node: &PublicKey) {
        let id = node.id();
        let nodes = self.trust.map(Trust::nodes).unwrap_or_default();
        let note = match nodes.iter().find(|known| known.key == *node) {
            Some(known) => format!("the node key {id} is `{}` of the trust store", known.name),
            None if !nodes.is_empty() => {
                let what = format!("the key {id} is none of the nodes that the trust store knows");
                return self.broken(layout::NODE, Place::File, what);
            }
            None if self.trust.is_some() => {
                format!("the node key {id} is not in the trust store: compare it by hand")
            }
            None => format!(
                "held against the node key {id} that lies in the directory itself; \
                 whoever can replace the whole directory can replace that key"
            ),
        };
        self.notes.push(note);
    }

    /// Reads the audit: the cases that it names, and how far it says that their ledgers went.
    fn audit(&mut self, node: &PublicKey) -> (Cases, Stated) {
        let vouched = self.checkpoint(Path::new(""), "audit", node);
        let (mut cases, mut stated) = (Cases::new(), Stated::new());
        let mut destroyed = Vec::new();
        let (mut closed, mut ended, mut mended) = (BTreeSet::new(), false, 0_u64);
        let mut stamps = Vec::new();
        let heads = ledgers::Heads {
            checkpoint: vouched.map(|checkpoint| checkpoint.head("audit")),
            stated: &[],
        };
        let lines = self.ledger(Path::new(layout::AUDIT), "audit", &heads, node, &mut |line| {
            audit::collect_case(&mut cases, &mut destroyed, line);
            ended = audit::ends_session(ended, line);
            let number = line.get("line").and_then(Value::as_u64).unwrap_or(0);
            stamps.extend(stamp::of_line(line).map(|found| (number, found)));
            let Some(line) = AuditLine::read(line) else { return };
            mended = mended.saturating_add(u64::from(line.event == audit::BREAK));
            if let Some(case) = line.case {
                closed.remove(&case.liid);
            }
            for (name, head) in line.heads {
                closed.extend(name.split_once('/').map(|(liid, _)| liid.to_owned()));
                stated.entry(name).or_default().push(head);
            }
        });
        self.stamps(&stamps);
        self.destroyed = destroyed;
        self.counts.audit_lines = lines;
        if ended {
            self.closed = closed;
        } else {
            let what = "the session was not ended: its writer died";
            self.left(layout::AUDIT, Place::Line(lines), what);
        }
        if mended > 0 {
            self.notes.push(format!("{mended} breaks of interrupted sessions are in the audit"));
        }
        (cases, stated)
    }

    /// Notes what authorities outside say of the audit's age; their signatures are not looked at.
    fn stamps(&mut self, stamps: &[(u64, Result<String, &'static str>)]) {
        for (number, found) in stamps {
            if let Err(what) = found {
                self.broken(layout::AUDIT, Place::Line(*number), *what);
            }
        }
        if let Some((number, Ok(gen_time))) = stamps.last() {
            self.notes.push(format!(
                "{} time stamps in the audit, the last of {gen_time} over line {}: openssl ts \
                 -verify holds them against their authority",
                stamps.len(),
                number.saturating_sub(1)
            ));
        }
    }

    /// Judges a name at the root.
    fn root_name(&mut self, name: &str, cases: &Cases) {
        match name {
            layout::NODE | layout::AUDIT | checkpoint::FILE => {}
            checkpoint::TEMPORARY => self.left(name, Place::File, "a checkpoint half written"),
            liid if cases.contains_key(liid) => {}
            liid if self.destroyed.iter().any(|gone| gone.liid == liid) => {
                let what = "its destruction was begun and not ended".to_owned();
                self.leftovers.push(Break { file: name.into(), place: Place::File, what });
            }
            _ if layout::is_unused(&self.root.join(name)).unwrap_or(false) => {
                self.left(name, Place::File, "a directory prepared and never used");
            }
            _ => self.broken(name, Place::File, "no signed line names it"),
        }
    }

    fn report(self) -> Report {
        let (state, breaks) = if !self.breaks.is_empty() {
            (State::Tampered, self.breaks)
        } else if self.live {
            (State::Open, Vec::new())
        } else if !self.leftovers.is_empty() {
            (State::Interrupted, self.leftovers)
        } else {
            (State::Whole, Vec::new())
        };
        Report {
            whole: matches!(state, State::Whole | State::Open),
            state,
            first_break: breaks.first().cloned(),
            breaks,
            notes: self.notes,
            destroyed: self.destroyed,
            counts: self.counts,
        }
    }
}

/// Whether a writer holds the lock of the audit.
fn is_locked(audit: &Path) -> bool {
    let is_file = fs::symlink_metadata(audit).is_ok_and(|metadata| metadata.is_file());
    is_file && File::open(audit).is_ok_and(Lock::is_held)
}
