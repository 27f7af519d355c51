//! Opening an evidence directory: the lock, the node's key, and whatever a dead writer left.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Began, Error, Mended, Store, Summary, empty_heads};
use crate::audit::{self, AuditLine, Cases};
use crate::case::Shared;
use crate::checkpoint::{self, Checkpoint};
use crate::disk::Disk;
use crate::keys::{KeyPair, PublicKey};
use crate::ledger::{Head, Ledger};
use crate::life::Life;
use crate::lock::Lock;
use crate::session::{Rotation, Session};
use crate::sync::Sync;
use crate::who::Who;
use crate::{destroy, layout, salvage};

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
        if !path.try_exists().map_err(at(&path))? {
            refuse_foreign(root)?;
        }
        let lock = OpenOptions::new().append(true).create(true).open(&path).map_err(at(&path))?;
        let lock = Lock::exclusive(lock).map_err(|error| match error {
            TryLockError::WouldBlock => Error::Locked { path: root.to_owned() },
            TryLockError::Error(source) => Error::File { path: path.clone(), source },
        })?;
        // Only under the lock: another writer may have begun and ended here since.
        let fresh = fs::metadata(&path).map_err(at(&path))?.len() == 0;
        if fresh {
            refuse_foreign(root)?;
        }
        let (mut on_disk, mut destroyed) = (Cases::new(), Vec::new());
        let mut life = Life::default();
        let mut mended = Vec::new();
        let audit = if fresh {
            begin(root, &node)?;
            Ledger::open(path.clone(), "audit".to_owned(), Head::default(), 0).map_err(at(&path))?
        } else {
            check_node(root, node.public())?;
            let vouched = read_checkpoint(root, "audit", node.public())?.head("audit");
            let mut ended = true;
            let mut visit = |line: &Value| {
                audit::collect_case(&mut on_disk, &mut destroyed, line);
                life.collect(line);
                ended = audit::ends_session(ended, line);
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
        let disk = Disk::start().map_err(|source| Error::File { path: root.to_owned(), source })?;
        let sync = Sync::start(root).map_err(at(root))?;
        let mut store = Self {
            root: root.to_owned(),
            who: Who::here(),
            shared: Shared { disk, node, session, rotation },
            audit,
            on_disk,
            destroyed: destroyed.into_iter().map(|gone| gone.liid).collect(),
            life,
            cases: BTreeMap::new(),
            losses: BTreeMap::new(),
            mended,
            sync,
            flushed: Instant::now(),
            flush_after: super::FLUSH,
            counted: Instant::now(),
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
                liid if self.destroyed.contains(liid) => {
                    destroy::remove(&self.root, liid).map_err(at(&path))?;
                    mended.push(Mended { path, what: "its destruction was ended".into() });
                }
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
        let Session { interfaces, tool, clock, program } = self.shared.session.clone();
        let interfaces: Vec<String> =
            interfaces.iter().map(|facts| format!("{}: {}", facts.name, facts.mode)).collect();
        let node = self.shared.node.public().id();
        let interfaces = interfaces.join(", ");
        let mut details = vec![
            ("tool", tool.as_str()),
            ("clock", clock.source.as_str()),
            ("node", node.as_str()),
            ("interfaces", &interfaces),
        ];
        if let Some(program) = &program {
            details.push(("program", &program.tag));
            details.push(("program-sha256", &program.sha256));
            details.push(("map-settings", &program.settings));
        }
        self.append_audit(AuditLine::event(audit::SESSION_STARTED, &details))
    }

    /// Reads back the lines that this session appended.
    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for (id, case) in &self.cases {
            summary.unwritten = summary.unwritten.saturating_add(case.unwritten);
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
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path: path.clone(), source }
}

pub(super) fn make_dir(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}

pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
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

pub(crate) fn check_node(root: &Path, node: &PublicKey) -> Result<(), Error> {
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

pub(crate) fn read_checkpoint(
    dir: &Path,
    name: &str,
    node: &PublicKey,
) -> Result<Checkpoint, Error> {
    let path = dir.join(checkpoint::FILE);
    let found = Checkpoint::read(dir, name, node).map_err(at(&path))?;
    found.map_err(|what| Error::Tampered { path, what })
}

fn read_from<T: DeserializeOwned>(path: &Path, offset: u64) -> io::Result<Vec<T>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    BufReader::new(file).lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}
