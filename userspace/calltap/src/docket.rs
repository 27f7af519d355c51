//! The warrants of a running capture, looked at every second: what begins, changes, rests and ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calltap_evidence::trust::Trust;
use calltap_evidence::warrant::{Code, Refusal, Warrant};
use tracing::{error, info, warn};

use crate::config::Config;
use crate::paper::{self, Papers, log_refusal};

/// A change in the execution of warrants while a capture runs.
#[derive(Debug)]
pub enum Change {
    /// The warrant is executed under this number, in the place of its version before if there is
    /// one.
    Execute {
        /// The warrant.
        warrant: Box<Warrant>,
        /// Its number.
        id: u32,
        /// Who is trusted now.
        trust: Arc<Trust>,
    },
    /// Its window has begun.
    Begun(Box<Warrant>),
    /// Its window has ended.
    Expired(Box<Warrant>),
    /// It is executed no longer.
    Halt {
        /// The warrant.
        warrant: Box<Warrant>,
        /// Its number.
        id: u32,
        /// Why; its file is gone where there is none.
        refusal: Option<Box<Refusal>>,
        /// What arrived after this time (nanoseconds since the Unix epoch) is not written.
        at_ns: u64,
    },
    /// It is not executed, and never was.
    Refused(Box<Refusal>),
}

/// What is executed, and what was found where the warrants and keys lie.
#[derive(Debug)]
pub struct Docket {
    warrants: PathBuf,
    trust: PathBuf,
    config: Config,
    entries: BTreeMap<String, Entry>,
    /// Refusals that were told, by file and code.
    refused: BTreeSet<(PathBuf, Code)>,
    /// The LIID and code of each.
    refusals: Vec<(Option<String>, Code)>,
    /// Warrants that hold, and that the evidence refused at the start: by hash, and how many acts
    /// there were.
    barred: BTreeSet<(String, usize)>,
    seen: Vec<Seen>,
    next_id: u32,
    /// Whether the directories could not be read the last time.
    failed: bool,
    /// A warrant waits for its window to take another's place.
    waits: bool,
}

/// How a warrant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its window has not begun.
    Waiting,
    /// It is executed.
    Executed,
    /// Its window has ended.
    Ended,
    /// It was executed, and is no longer.
    Stopped,
    /// It never was.
    Refused,
}

impl State {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Executed => "executed",
            Self::Ended => "ended",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
        }
    }
}

/// A warrant of the docket, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its LIID; none of a file that has none.
    pub liid: Option<String>,
    /// How it stands.
    pub state: State,
    /// Why it is refused or stopped.
    pub code: Option<&'static str>,
    /// Its version; 0 where it was refused.
    pub version: u32,
    /// Its window, nanoseconds since the Unix epoch; none where it was refused.
    pub window: Option<(u64, u64)>,
}

/// A warrant that has a number.
#[derive(Debug)]
struct Entry {
    id: u32,
    warrant: Warrant,
    is_executed: bool,
    has_begun: bool,
    has_ended: bool,
}

/// A file as it was found: name, inode, length, and when it changed.
type Seen = (PathBuf, u64, u64, i64, i64);

impl Docket {
    /// The docket of a capture that executes `papers`, each under its place in their list.
    pub fn new(warrants: &Path, trust: &Path, config: &Config, papers: Papers) -> Self {
        let now_ns = paper::now_ns();
        let refused = papers.refused.iter().map(told).collect();
        let refusals = papers.refused.iter().map(named).collect();
        let waits = papers.refused.iter().any(|it| it.code() == Code::NotYetInForce);
        let barred = papers.refused.iter();
        let barred = barred.filter_map(|it| Some((it.sha256()?, it.acts().len()))).collect();
        let numbered = (0..).zip(papers.warrants);
        let entries: BTreeMap<_, _> = numbered
            .map(|(id, warrant)| (warrant.liid().to_owned(), Entry::new(id, warrant, now_ns)))
            .collect();
        Self {
            warrants: warrants.to_owned(),
            trust: trust.to_owned(),
            config: config.clone(),
            next_id: u32::try_from(entries.len()).unwrap_or(u32::MAX),
            entries,
            refused,
            refusals,
            barred,
            // What came since they were read is found by the first look.
            seen: Vec::new(),
            failed: false,
            waits,
        }
    }

    /// Holds warrants against these settings from the next look on.
    pub fn set_config(&mut self, config: &Config) {
        self.config = config.clone();
        self.seen.clear();
    }

    /// Looks again, and says what changes. Where a directory cannot be read, everything goes on as
    /// it is, loudly: half a trust store could hide a revocation, or revoke what it does not hide.
    pub fn look(&mut self, now_ns: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        let seen = listing(&[&self.warrants, &self.trust]);
        if self.waits || seen != self.seen {
            let config = &self.config;
            let papers = paper::trusted(&self.trust, config)
                .and_then(|trust| paper::directory(&self.warrants, trust, now_ns));
            match papers {
                Ok(papers) => {
                    (self.seen, self.failed) = (seen, false);
                    self.compare(papers, now_ns, &mut changes);
                }
                Err(cause) if !self.failed => {
                    error!("the warrants in execution go on as they were: {cause:#}");
                    self.failed = true;
                }
                Err(_) => {}
            }
        }
        self.pass(now_ns, &mut changes);
        changes
    }

    /// Holds what was loaded against what is executed.
    fn compare(&mut self, papers: Papers, now_ns: u64, changes: &mut Vec<Change>) {
        let Papers { warrants, refused, trust } = papers;
        let liids: BTreeSet<String> = warrants.iter().map(|it| it.liid().to_owned()).collect();
        for (liid, entry) in &mut self.entries {
            if !entry.is_executed || liids.contains(liid) {
                continue;
            }
            let of_it = refused.iter().filter(|it| it.liid() == Some(liid));
            let refusal = of_it.max_by_key(|it| it.path() == entry.warrant.path()).cloned();
            if refusal.as_ref().is_some_and(|it| it.code() == Code::Expired) {
                continue;
            }
            entry.is_executed = false;
            let code = refusal.as_ref().map_or("removed", |it| it.code().as_str());
            warn!("LIID {liid}: executed no longer: {code}");
            self.refused.extend(refusal.as_ref().map(told));
            changes.push(Change::Halt {
                warrant: Box::new(entry.warrant.clone()),
                id: entry.id,
                refusal: refusal.map(Box::new),
                at_ns: now_ns,
            });
        }
        self.waits = refused.iter().any(|it| it.code() == Code::NotYetInForce);
        let now_refused: BTreeSet<_> = refused.iter().map(told).collect();
        self.refusals = refused.iter().map(named).collect();
        for refusal in refused {
            if !self.refused.contains(&told(&refusal)) {
                log_refusal(&refusal);
                changes.push(Change::Refused(Box::new(refusal)));
            }
        }
        self.refused = now_refused;
        for warrant in warrants {
            let liid = warrant.liid().to_owned();
            let id = match self.entries.get(&liid) {
                Some(entry) if entry.is_executed && entry.is_same(&warrant) => continue,
                Some(entry) => entry.id,
                None if self.barred.contains(&(warrant.sha256(), warrant.acts().len())) => continue,
                None => {
                    self.next_id += 1;
                    self.next_id - 1
                }
            };
            info!("LIID {liid}: executed as version {}", warrant.version());
            let trust = Arc::clone(&trust);
            changes.push(Change::Execute { warrant: Box::new(warrant.clone()), id, trust });
            self.entries.insert(liid, Entry::new(id, warrant, now_ns));
        }
    }

    /// How each warrant stands, by LIID, and then those files that name none.
    pub fn standing(&self) -> Vec<Standing> {
        let refusals = self.refusals.iter();
        let code_of = |liid: &str| {
            refusals.clone().find(|(it, _)| it.as_deref() == Some(liid)).map(|(_, it)| it.as_str())
        };
        let entry = |(liid, entry): (&String, &Entry)| {
            let (state, code) = match entry {
                Entry { is_executed: false, .. } => {
                    (State::Stopped, code_of(liid).or(Some("removed")))
                }
                Entry { has_ended: true, .. } => (State::Ended, None),
                Entry { has_begun: false, .. } => (State::Waiting, None),
                Entry { .. } => (State::Executed, None),
            };
            let window = Some((entry.warrant.not_before_ns(), entry.warrant.not_after_ns()));
            let version = entry.warrant.version();
            Standing { liid: Some(liid.clone()), state, code, version, window }
        };
        let mut standing: Vec<_> = self.entries.iter().map(entry).collect();
        let known = |liid: &Option<String>| {
            liid.as_ref().is_some_and(|liid| self.entries.contains_key(liid))
        };
        standing.extend(self.refusals.iter().filter(|(liid, _)| !known(liid)).map(
            |(liid, code)| Standing {
                liid: liid.clone(),
                state: State::Refused,
                code: Some(code.as_str()),
                version: 0,
                window: None,
            },
        ));
        standing.sort_by_key(|it| (it.liid.is_none(), it.liid.clone()));
        standing
    }

    /// Says which windows have begun and ended.
    fn pass(&mut self, now_ns: u64, changes: &mut Vec<Change>) {
        for entry in self.entries.values_mut().filter(|entry| entry.is_executed) {
            if !entry.has_begun && entry.warrant.not_before_ns() <= now_ns {
                entry.has_begun = true;
                changes.push(Change::Begun(Box::new(entry.warrant.clone())));
            }
            if !entry.has_ended && entry.warrant.not_after_ns() < now_ns {
                entry.has_ended = true;
                changes.push(Change::Expired(Box::new(entry.warrant.clone())));
            }
        }
    }
}

impl Entry {
    fn new(id: u32, warrant: Warrant, now_ns: u64) -> Self {
        let has_begun = warrant.not_before_ns() <= now_ns;
        Self { id, warrant, is_executed: true, has_begun, has_ended: false }
    }

    /// Whether it is this text, until the same moment: a key's revocation may come between.
    fn is_same(&self, warrant: &Warrant) -> bool {
        self.warrant.text() == warrant.text()
            && self.warrant.not_after_ns() == warrant.not_after_ns()
    }
}

fn told(refusal: &Refusal) -> (PathBuf, Code) {
    (refusal.path().to_owned(), refusal.code())
}

fn named(refusal: &Refusal) -> (Option<String>, Code) {
    (refusal.liid().map(str::to_owned), refusal.code())
}

/// The files of directories, in order; one that goes while it is looked at is not there.
fn listing(directories: &[&Path]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for directory in directories {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if let Ok(file) = fs::metadata(&path) {
                seen.push((path, file.ino(), file.size(), file.ctime(), file.ctime_nsec()));
            }
        }
    }
    seen.sort();
    seen
}
