//! The evidence directory, open for writing: the only way to put a record on disk.

mod error;
mod life;
mod open;
mod recover;

pub use error::{Error, Mended};
pub(crate) use open::{at, check_node, read_checkpoint};

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::audit::{self, AuditLine, Cases};
use crate::case::{Case, Shared};
use crate::checkpoint::Checkpoint;
use crate::chunk::Encoded;
use crate::digest;
use crate::figures;
use crate::ledger::{Head, Ledger};
use crate::life::Life;
use crate::lines::{CallLine, VolumeLine};
use crate::lock::Lock;
use crate::loss::Loss;
use crate::pcapng::Packet;
use crate::session::{InterfaceFacts, Rotation};
use crate::sync::Sync;
use crate::volume::Volume;
use crate::warrant::Warrant;
use crate::who::Who;

/// What was appended reaches the system at least this often.
const FLUSH: Duration = Duration::from_millis(500);

/// And this often where lines of ended calls were left over.
const FLUSH_ON: Duration = Duration::from_millis(100);

/// How often the audit is told what was kept, in a session that goes on.
const COUNTED: Duration = Duration::from_secs(24 * 3600);

/// An evidence directory with this process as its one writer.
///
/// Dropping a store without [`Store::close`] leaves what a crash would leave: the next
/// [`Store::open`] salvages it.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    who: Who,
    shared: Shared,
    audit: Ledger,
    on_disk: Cases,
    /// LIIDs whose evidence was destroyed: none of them can be used again.
    destroyed: BTreeSet<String>,
    life: Life,
    cases: BTreeMap<u32, Case>,
    losses: BTreeMap<String, u64>,
    mended: Vec<Mended>,
    sync: Sync,
    flushed: Instant,
    /// When to flush again from then.
    flush_after: Duration,
    /// When the audit was last told what was kept.
    counted: Instant,
    /// Where in its ledgers each admitted case's session begins.
    began: BTreeMap<u32, Began>,
    /// The audit file, locked for as long as this store lives.
    _lock: Lock,
}

#[derive(Clone, Copy, Debug)]
struct Began {
    manifest: u64,
    calls: u64,
}

/// What a session left, and what went wrong at its end.
#[derive(Debug, Default)]
pub struct Summary {
    /// The volumes sealed, by LIID and number.
    pub volumes: Vec<VolumeLine>,
    /// The calls that ended, by LIID and end.
    pub calls: Vec<CallLine>,
    /// What could not be written at the end.
    pub errors: Vec<Error>,
    /// Records that are in no volume, because the disk did not take them.
    pub unwritten: u64,
}

/// What is kept under a LIID, in numbers since its directory was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// The LIID.
    pub liid: String,
    /// Calls that have ended.
    pub calls: u64,
    /// Calls of this session that go on.
    pub live: u64,
    /// Packets in its volumes.
    pub packets: u64,
    /// Bytes of its volumes.
    pub bytes: u64,
    /// Volumes that are sealed.
    pub volumes: u64,
    /// Records of this session that are in no volume.
    pub unwritten: u64,
    /// Whether it was stopped because its evidence could not be written.
    pub stopped: bool,
}

impl Store {
    /// What had to be mended when the directory was opened; it is in the audit, too.
    pub fn mended(&self) -> &[Mended] {
        &self.mended
    }

    /// Opens the directory of `warrant`'s LIID, to which records and calls refer by `id` from here
    /// on; gives the next free call number.
    ///
    /// # Errors
    /// [`Error::Admitted`] if the id or the LIID is in use; [`Error::Write`] or
    /// [`Error::Tampered`] if its directory cannot be used. The store goes on without it.
    pub fn admit(&mut self, warrant: &Warrant, id: u32) -> Result<u32, Error> {
        let liid = warrant.liid();
        if self.cases.contains_key(&id) || self.cases.values().any(|case| case.liid == liid) {
            return Err(Error::Admitted { liid: liid.to_owned() });
        }
        let opened = self.copy_warrant(warrant)?;
        self.note_case(opened)?;
        self.modified(warrant)?;
        let mut case = self.open_case(liid, &mut Vec::new())?;
        case.order = warrant.into();
        case.figures.persons = figures::persons(&self.shared.node, warrant.targets());
        let next_cin = case.last_cin.saturating_add(1);
        let began = Began { manifest: case.manifest.bytes(), calls: case.calls.bytes() };
        self.began.insert(id, began);
        self.cases.insert(id, case);
        Ok(next_cin)
    }

    /// Takes a record into its warrant's volume.
    ///
    /// # Errors
    /// [`Error::Write`] the first time that the warrant's evidence cannot be written: raise an
    /// alarm. That warrant is stopped, the others go on. [`Error::Stopped`] for each record of it
    /// after that: a loss, which its manifest counts, too.
    pub fn append(&mut self, record: &Encoded<'_>) -> Result<(), Error> {
        let id = record.warrant();
        let case = self.cases.get_mut(&id).ok_or(Error::NotAdmitted { warrant: id })?;
        if case.stopped {
            case.lose("stopped", 1);
            return Err(Error::Stopped { liid: case.liid.clone() });
        }
        match case.append(&self.shared, record) {
            Ok(()) => Ok(()),
            Err(source) => {
                case.lose("stopped", 1);
                Err(self.stop(id, source))
            }
        }
    }

    /// Has the memory of a record's call brought near, ahead of [`Store::append`]: media is of calls
    /// at random, and each alone would be waited for. What it gives means nothing.
    pub fn bring_near(&self, record: &Encoded<'_>) -> u64 {
        self.cases.get(&record.warrant()).map_or(0, |case| case.bring_near(record.cin()))
    }

    /// Goes on repeating a frame that describes a call, which an earlier session recorded in `volume`:
    /// its interface, time, length on the wire, and bytes.
    pub fn carry_on(
        &mut self,
        warrant: u32,
        cin: u32,
        key: u64,
        (interface, at_ns, original_len, frame): (u32, u64, u32, &[u8]),
        volume: &str,
    ) {
        if let Some(case) = self.cases.get_mut(&warrant) {
            let packet = Packet { interface, at_ns, original_len, frame, comment: None };
            let call = case.live.get_or_default(cin);
            call.into_iter().for_each(|call| call.carry(key, &packet, volume));
        }
    }

    /// Notes that a call is over and drops what is kept of it: media that arrives later stands in
    /// its volume, but later volumes no longer repeat the call's description. So close a call only
    /// when its grace time has passed. The line's LIID, counts and volumes are filled in here.
    ///
    /// # Errors
    /// [`Error::NotAdmitted`].
    pub fn call_closed(&mut self, warrant: u32, line: CallLine) -> Result<(), Error> {
        let case = self.cases.get_mut(&warrant).ok_or(Error::NotAdmitted { warrant })?;
        case.call_closed(line);
        Ok(())
    }

    /// Adds frames lost before it was known whose they were; each LIID's next manifest line has
    /// them, and its next packet's comment tells of them.
    pub fn note_loss(&mut self, loss: &Loss<'_>) {
        if loss.frames == 0 {
            return;
        }
        let sum = self.losses.entry(loss.place.to_owned()).or_default();
        *sum = sum.saturating_add(loss.frames);
        self.cases.values_mut().for_each(|case| case.note_loss(loss));
    }

    /// Adds an interface that the session did not begin with; gives its number. A volume's head
    /// names all its interfaces, so the open ones are sealed, and warrants that this stops are
    /// given as by [`Store::tick`].
    #[must_use = "a stopped warrant must raise an alarm"]
    pub fn add_interface(&mut self, facts: InterfaceFacts) -> (u32, Vec<Error>) {
        let errors = self.each(|case, shared| case.seal(shared, "interface"));
        let number = self.shared.session.interfaces.len();
        self.shared.session.interfaces.push(facts);
        (u32::try_from(number).unwrap_or(u32::MAX), errors)
    }

    /// From now on volumes are cut by this rule, those that grow among them.
    pub fn set_rotation(&mut self, rotation: Rotation) {
        self.shared.rotation = rotation;
    }

    /// To be called often: rotates volumes that are due at `now_ns`, in the packets' time, and
    /// flushes if half a second has passed. Gives the warrants that had to be stopped.
    #[must_use = "a stopped warrant must raise an alarm"]
    pub fn tick(&mut self, now_ns: u64) -> Vec<Error> {
        let mut errors = self.each(|case, shared| match case.due(shared, now_ns) {
            Some(reason) => case.seal(shared, reason),
            None => Ok(()),
        });
        if self.flushed.elapsed() >= self.flush_after {
            errors.append(&mut self.flush());
        }
        if self.counted.elapsed() >= COUNTED {
            errors.extend(self.audit_figures().err());
        }
        errors
    }

    /// Hands everything appended so far to the system, so that the death of this process loses
    /// nothing of it, and has the system bring it to the disk. Gives the warrants that had to be
    /// stopped, and what the disk did not take.
    ///
    /// Where more than a thousand calls ended, the lines of the rest wait for the next time: each
    /// is signed, and the packets of other calls do not wait for all of them.
    #[must_use = "a stopped warrant must raise an alarm"]
    pub fn flush(&mut self) -> Vec<Error> {
        self.flushed = Instant::now();
        let mut grown = false;
        let mut errors = self.each(|case, shared| {
            grown |= case.flush(shared)?;
            Ok(())
        });
        if grown && let Err(source) = self.sync.ask() {
            let _ = self.audit("sync-failed", &[("cause", &source.to_string())]);
            errors.push(Error::Sync { path: self.root.clone(), source });
        }
        let is_left = self.cases.values().any(|case| !case.stopped && !case.ended.is_empty());
        self.flush_after = if is_left { FLUSH_ON } else { FLUSH };
        errors
    }

    /// The LIIDs of the warrants that were stopped because their evidence could not be written.
    pub fn stopped(&self) -> impl Iterator<Item = &str> {
        self.cases.values().filter(|case| case.stopped).map(|case| case.liid.as_str())
    }

    /// What is kept under each LIID so far, open volumes included.
    pub fn holdings(&self) -> impl Iterator<Item = Holding> {
        self.cases.values().map(|case| {
            let open = case.volume.as_ref();
            Holding {
                liid: case.liid.clone(),
                calls: case.figures.calls(),
                live: case.live.len() as u64,
                packets: case.figures.packets + open.map_or(0, |it| it.counts.packets()),
                bytes: case.figures.bytes + open.map_or(0, Volume::bytes),
                volumes: case.figures.volumes,
                unwritten: case.unwritten,
                stopped: case.stopped,
            }
        })
    }

    /// Writes into the audit the settings that hold for this session, as one line of JSON, and
    /// their hash.
    ///
    /// # Errors
    /// [`Error::File`] if the audit cannot be written.
    pub fn audit_settings(&mut self, settings: &str) -> Result<(), Error> {
        let sha256 = digest::hex(settings.as_bytes());
        self.audit("configuration", &[("sha256", &sha256), ("settings", settings)])
    }

    /// Writes an event into the audit: LIIDs and codes, never identities.
    ///
    /// # Errors
    /// [`Error::File`] if the audit cannot be written.
    pub fn audit(&mut self, event: &str, details: &[(&str, &str)]) -> Result<(), Error> {
        self.append_audit(AuditLine::event(event, details))
    }

    /// Seals every volume, stopped warrants' as far as they can be read back, and ends the session.
    pub fn close(mut self) -> Summary {
        let mut errors = self.each(|case, shared| {
            case.flush_all(shared)?;
            case.seal(shared, "end")
        });
        let mut heads = BTreeMap::new();
        let mut details: BTreeMap<String, String> = BTreeMap::new();
        for (place, count) in &self.losses {
            details.insert(format!("lost {place}"), count.to_string());
        }
        for case in self.cases.values_mut() {
            // A stopped case had its alarm: what cannot be sealed now is salvaged at the next start.
            let closed = !case.stopped || case.end_stopped(&self.shared).is_ok();
            for (place, count) in case.losses.sums() {
                details.insert(format!("lost {place} {}", case.liid), count.to_string());
            }
            if closed {
                heads.insert(format!("{}/manifest", case.liid), case.manifest.head().clone());
                heads.insert(format!("{}/calls", case.liid), case.calls.head().clone());
            }
        }
        errors.extend(self.audit_figures().err());
        let event = audit::SESSION_STOPPED.to_owned();
        let line = AuditLine { event, heads, details, ..AuditLine::default() };
        errors.extend(self.append_audit(line).err());
        let mut summary = self.summary();
        summary.errors.splice(..0, errors);
        summary
    }

    /// Writes into the audit what was kept under each LIID, in numbers.
    fn audit_figures(&mut self) -> Result<(), Error> {
        self.counted = Instant::now();
        let figures: Vec<_> =
            self.cases.values().map(|case| case.figures.details(&case.liid)).collect();
        figures.into_iter().try_for_each(|details| {
            let event = figures::EVENT.to_owned();
            self.append_audit(AuditLine { event, details, ..AuditLine::default() })
        })
    }

    /// Does something to every case that is not stopped, and stops those where it fails.
    fn each(&mut self, mut act: impl FnMut(&mut Case, &Shared) -> io::Result<()>) -> Vec<Error> {
        let mut failed = Vec::new();
        for (&id, case) in self.cases.iter_mut().filter(|(_, case)| !case.stopped) {
            if let Err(source) = act(case, &self.shared) {
                failed.push((id, source));
            }
        }
        failed.into_iter().map(|(id, source)| self.stop(id, source)).collect()
    }

    fn stop(&mut self, id: u32, source: io::Error) -> Error {
        let Some(case) = self.cases.get_mut(&id) else {
            return Error::NotAdmitted { warrant: id };
        };
        case.stopped = true;
        let (liid, path) = (case.liid.clone(), case.dir.clone());
        // A full disk may have no room for this line either: the error itself is the alarm.
        let _ = self.audit("evidence-failed", &[("liid", &liid), ("cause", &source.to_string())]);
        Error::Write { liid, path, source }
    }

    fn append_audit(&mut self, line: AuditLine) -> Result<(), Error> {
        let line = AuditLine { by: Some(self.who.clone()), ..line };
        let written = self.audit.append(&self.shared.node, &[line]).and_then(|()| {
            Checkpoint::of_audit(self.audit.head()).write(&self.root, &self.shared.node, true)
        });
        let path = self.audit.path();
        written.map_err(|source| Error::File { path: path.to_owned(), source })
    }
}

/// The head of a ledger that has no line yet, as a checkpoint names it.
fn empty_heads(names: &[&str]) -> BTreeMap<String, Head> {
    names.iter().map(|name| ((*name).to_owned(), Head::default())).collect()
}
