//! Opening an evidence directory: the lock, the node's key, and whatever a dead writer left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Began, Error, Mended, Store, Summary, empty_heads};
use crate::audit::{self, AuditLine, CaseOpened, Cases};
use crate::case::{Case, Order, Shared};
use crate::checkpoint::{self, Checkpoint, OpenVolume};
use crate::keys::{KeyPair, PublicKey};
use crate::ledger::{Head, Ledger};
use crate::salvage::{self, Leftover};
use crate::session::{Rotation, Session};
use crate::warrant::Warrant;
use crate::{digest, layout, volume};

impl Store {
    /// Opens `root` for writing, made if it does not exist: takes its lock, checks that it is this
    /// node's, mends what an interrupted session left, and begins a session in the audit.
    ///
    /// # Errors
    /// [`Error`], each variant of which names the file and the mend. Nothing is captured then.
    pub fn open(
        root: &Path,
        node: KeyPair,
        session: Session,
        rotation: Rotation,
    ) -> Result<Self, Error> {
        make_dir(root)?;
        let path = root.join(layout::AUDIT);
        let fresh = !path.try_exists().map_err(at(&path))?
            || fs::metadata(&path).map_err(at(&path))?.len() == 0;
        if fresh {
            refuse_foreign(root)?;
        }
        let lock = OpenOptions::new().append(true).create(true).open(&path).map_err(at(&path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::Locked { path: root.to_owned() },
            TryLockError::Error(source) => Error::File { path: path.clone(), source },
        })?;
        let mut on_disk = Cases::new();
        let mut mended = Vec::new();
        let audit = if fresh {
            begin(root, &node)?;
            Ledger::open(path.clone(), "audit".to_owned(), Head::default(), 0).map_err(at(&path))?
        } else {
            check_node(root, node.public())?;
            let vouched = read_checkpoint(root, "audit", node.public())?.head("audit");
            let mut ended = true;
            let mut visit = |line: &Value| {
                audit::collect_case(&mut on_disk, line);
                ended = line.get("event").is_some_and(|event| event == audit::SESSION_STOPPED);
            };
            let mut found = salvage::recover_ledger(
                path.clone(),
                "audit",
                &vouched,
                node.public(),
                &mut visit,
            )?;
            mended.append(&mut found.mended);
            if !ended {
                let what = "the last session was not ended: its writer died".to_owned();
                mended.push(Mended { path, what });
            }
            found.ledger
        };
        let mut store = Self {
            root: root.to_owned(),
            shared: Shared { node, session, rotation },
            audit,
            on_disk,
            cases: BTreeMap::new(),
            losses: BTreeMap::new(),
            mended,
            flushed: Instant::now(),
            began: BTreeMap::new(),
            _lock: lock,
        };
        store.salvage()?;
        store.begin_session()?;
        Ok(store)
    }

    /// Opens every case once, so that each is mended before anything new is written.
    fn salvage(&mut self) -> Result<(), Error> {
        let mut mended = std::mem::take(&mut self.mended);
        for name in layout::names(&self.root).map_err(at(&self.root))? {
            let path = self.root.join(&name);
            match name.as_str() {
                layout::NODE | layout::AUDIT | checkpoint::FILE => {}
                checkpoint::TEMPORARY => fs::remove_file(&path).map_err(at(&path))?,
                liid if self.on_disk.contains_key(liid) => {}
                _ if path.is_dir() && layout::is_unused(&path).map_err(at(&path))? => {
                    fs::remove_dir_all(&path).map_err(at(&path))?;
                    mended.push(Mended { path, what: "prepared and never used; removed".into() });
                }
                _ => return Err(Error::Tampered { path, what: "no audit line names it".into() }),
            }
        }
        for liid in self.on_disk.keys() {
            self.open_case(liid, &mut mended)?;
        }
        self.mended = mended;
        Ok(())
    }

    fn begin_session(&mut self) -> Result<(), Error> {
        for found in self.mended.clone() {
            let file = found.path.strip_prefix(&self.root).unwrap_or(&found.path);
            let file = file.to_string_lossy().into_owned();
            self.append_audit(AuditLine::event(
                "break",
                &[("file", &file), ("what", &found.what)],
            ))?;
        }
        let Session { interfaces, tool, clock } = self.shared.session.clone();
        let interfaces: Vec<String> =
            interfaces.iter().map(|facts| format!("{}: {}", facts.name, facts.mode)).collect();
        let node = self.shared.node.public().id();
        let details = [
            ("tool", tool.as_str()),
            ("clock", clock.as_str()),
            ("node", node.as_str()),
            ("interfaces", &interfaces.join(", ")),
        ];
        self.append_audit(AuditLine::event(audit::SESSION_STARTED, &details))
    }

    /// Makes the case's directory, if it is new, and puts a copy of the warrant into it.
    pub(super) fn copy_warrant(&self, warrant: &Warrant) -> Result<CaseOpened, Error> {
        let liid = warrant.liid().to_owned();
        let dir = self.root.join(&liid);
        let (warrant_sha256, signature) = (warrant.sha256(), warrant.signature().as_bytes());
        let signature_sha256 = digest::hex(signature);
        let copies = self.on_disk.get(&liid).map(Vec::as_slice).unwrap_or_default();
        let known = copies.iter().find(|copy| {
            copy.warrant_sha256 == warrant_sha256 && copy.signature_sha256 == signature_sha256
        });
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let name = layout::warrant(copies.len().saturating_add(1));
        let failed = |source| Error::Write { liid: liid.clone(), path: dir.clone(), source };
        make_dir(&dir)?;
        write_synced(&dir.join(layout::signature(&name)), signature).map_err(failed)?;
        write_synced(&dir.join(&name), warrant.text()).map_err(failed)?;
        if copies.is_empty() {
            write_synced(&dir.join(layout::MANIFEST), b"").map_err(failed)?;
            write_synced(&dir.join(layout::CALLS), b"").map_err(failed)?;
            let heads = empty_heads(&["manifest", "calls"]);
            Checkpoint { checkpoint: liid.clone(), heads, ..Checkpoint::default() }
                .write(&dir, &self.shared.node, true)
                .map_err(failed)?;
        }
        checkpoint::sync_dir(&dir)
            .and_then(|()| checkpoint::sync_dir(&self.root))
            .map_err(failed)?;
        let authority_key = warrant.signed_by().to_owned();
        Ok(CaseOpened { liid, warrant: name, warrant_sha256, signature_sha256, authority_key })
    }

    /// Opens a case that the audit names, and mends what its last writer left.
    pub(super) fn open_case(&self, liid: &str, all: &mut Vec<Mended>) -> Result<Case, Error> {
        let (dir, node) = (self.root.join(liid), self.shared.node.public());
        let vouched = read_checkpoint(&dir, liid, node)?;
        let mut sealed = BTreeSet::new();
        let (mut previous, mut last_cin) = (None, 0);
        let mut visit = |line: &Value| {
            let file = line.get("file").and_then(Value::as_str).map(str::to_owned);
            sealed.extend(file.clone());
            previous = file;
            last_cin = last_cin.max(number(line, "last_cin"));
        };
        let (path, name) = (dir.join(layout::MANIFEST), format!("{liid}/manifest"));
        let manifest =
            salvage::recover_ledger(path, &name, &vouched.head("manifest"), node, &mut visit)?;
        let mut visit = |line: &Value| last_cin = last_cin.max(number(line, "cin"));
        let (path, name) = (dir.join(layout::CALLS), format!("{liid}/calls"));
        let calls = salvage::recover_ledger(path, &name, &vouched.head("calls"), node, &mut visit)?;
        let copies = self.on_disk.get(liid).map(Vec::as_slice).unwrap_or_default();
        let open = vouched.open.as_ref().filter(|open| !sealed.contains(&open.file));
        clean(&dir, copies, &sealed, open)?;

        let mut mended = [manifest.mended, calls.mended].concat();
        let sha256 = copies.last().map(|copy| copy.warrant_sha256.clone()).unwrap_or_default();
        let mut case = Case {
            liid: liid.to_owned(),
            dir,
            order: Order { sha256, ..Order::default() },
            manifest: manifest.ledger,
            calls: calls.ledger,
            previous,
            last_cin,
            volume: None,
            live: BTreeMap::new(),
            ended: Vec::new(),
            losses: BTreeMap::new(),
            stopped: false,
        };
        if let Some(open) = open {
            mended.extend(self.mend_volume(&mut case, &vouched, open)?);
        }
        if !mended.is_empty() || vouched.open.is_some() {
            case.write_checkpoint(&self.shared, true).map_err(at(&case.dir))?;
        }
        all.append(&mut mended);
        Ok(case)
    }

    /// Seals the volume that a dead writer left open.
    fn mend_volume(
        &self,
        case: &mut Case,
        vouched: &Checkpoint,
        open: &OpenVolume,
    ) -> Result<Option<Mended>, Error> {
        let path = case.dir.join(&open.file);
        let mut what = "its writer died; cut after its last whole block and sealed".to_owned();
        match salvage::leftover(&case.dir, open).map_err(at(&path))? {
            Leftover::Intact => {}
            Leftover::NotBegun => return Ok(None),
            Leftover::Changed | Leftover::Missing if !salvage::may_be_power_loss(vouched) => {
                let what = "written bytes were changed or removed after its writer died".to_owned();
                return Err(Error::Tampered { path, what });
            }
            Leftover::Missing => {
                what =
                    format!("{} written bytes are gone since the machine last started", open.bytes);
                return Ok(Some(Mended { path, what }));
            }
            Leftover::Changed => what.push_str(
                "; written bytes are gone or differ since the machine last started, \
                 as after a loss of power",
            ),
        }
        let Some(found) = salvage::cut(&case.dir, &open.file).map_err(at(&path))? else {
            return Ok(Some(Mended {
                path,
                what: "its writer died before its first block".into(),
            }));
        };
        case.last_cin = case.last_cin.max(found.last_cin);
        let mut line = case.volume_line(&self.shared, found.counts, found.span, "interrupted");
        line.file.clone_from(&open.file);
        line.sha256 = found.sha256;
        line.bytes = found.bytes;
        line.interrupted = true;
        // How it was taken stands in its own interface blocks: this session's may differ.
        line.modes.clear();
        case.put_volume(&self.shared, line).map_err(at(&path))?;
        Ok(Some(Mended { path, what }))
    }

    /// Reads back the lines that this session appended.
    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for (id, case) in &self.cases {
            let Some(&Began { manifest, calls }) = self.began.get(id) else { continue };
            let volumes =
                read_from(case.manifest.path(), manifest).map_err(at(case.manifest.path()));
            let calls = read_from(case.calls.path(), calls).map_err(at(case.calls.path()));
            match (volumes, calls) {
                (Ok(mut volumes), Ok(mut calls)) => {
                    summary.volumes.append(&mut volumes);
                    summary.calls.append(&mut calls);
                }
                (Err(error), _) | (_, Err(error)) => summary.errors.push(error),
            }
        }
        summary
    }
}

/// Turns a system error about `path` into ours.
fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path: path.clone(), source }
}

fn make_dir(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Refuses a directory in which there is something and no audit.
fn refuse_foreign(root: &Path) -> Result<(), Error> {
    let ours = [layout::NODE, layout::AUDIT, checkpoint::FILE, checkpoint::TEMPORARY];
    let names = layout::names(root).map_err(at(root))?;
    match names.into_iter().find(|name| !ours.contains(&name.as_str())) {
        Some(name) => Err(Error::Foreign { path: root.to_owned(), name }),
        None => Ok(()),
    }
}

/// Writes what stands in a directory before its first audit line.
fn begin(root: &Path, node: &KeyPair) -> Result<(), Error> {
    let path = root.join(layout::NODE);
    write_synced(&path, node.public().to_text().as_bytes()).map_err(at(&path))?;
    let heads = empty_heads(&["audit"]);
    Checkpoint { checkpoint: "audit".to_owned(), heads, ..Checkpoint::default() }
        .write(root, node, true)
        .map_err(at(root))
}

fn check_node(root: &Path, node: &PublicKey) -> Result<(), Error> {
    let path = root.join(layout::NODE);
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    if text == node.to_text() {
        return Ok(());
    }
    match PublicKey::parse(&text) {
        Some(found) if found != *node => {
            let (found, given) = (found.id(), node.id());
            Err(Error::OtherNode { path: root.to_owned(), found, given })
        }
        _ => Err(Error::Tampered { path, what: "it is not as it was written".to_owned() }),
    }
}

fn read_checkpoint(dir: &Path, name: &str, node: &PublicKey) -> Result<Checkpoint, Error> {
    let path = dir.join(checkpoint::FILE);
    let found = Checkpoint::read(dir, name, node).map_err(at(&path))?;
    found.map_err(|what| Error::Tampered { path, what })
}

/// Refuses files that nothing names, and removes what was written ahead of the line that would have
/// named it.
fn clean(
    dir: &Path,
    copies: &[CaseOpened],
    sealed: &BTreeSet<String>,
    open: Option<&OpenVolume>,
) -> Result<(), Error> {
    let next = layout::warrant(copies.len().saturating_add(1));
    let ahead = [checkpoint::TEMPORARY, &next, &layout::signature(&next)].map(str::to_owned);
    for name in layout::names(dir).map_err(at(dir))? {
        let path: PathBuf = dir.join(&name);
        let fixed = [checkpoint::FILE, layout::MANIFEST, layout::CALLS].contains(&name.as_str());
        let copied = copies
            .iter()
            .any(|copy| name == copy.warrant || name == layout::signature(&copy.warrant));
        let opened =
            open.is_some_and(|open| name == open.file || path == volume::part(dir, &open.file));
        if ahead.contains(&name) {
            fs::remove_file(&path).map_err(at(&path))?;
        } else if !fixed && !copied && !opened && !sealed.contains(&name) {
            return Err(Error::Tampered { path, what: "no signed line names it".to_owned() });
        }
    }
    Ok(())
}

fn number(line: &Value, name: &str) -> u32 {
    line.get(name).and_then(Value::as_u64).and_then(|number| number.try_into().ok()).unwrap_or(0)
}

fn read_from<T: DeserializeOwned>(path: &Path, offset: u64) -> io::Result<Vec<T>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    BufReader::new(file).lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}
