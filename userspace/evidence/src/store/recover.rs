//! Opening one LIID's directory: the copy of its warrant, and whatever a dead writer left.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::open::{at, make_dir, read_checkpoint, write_synced};
use super::{Error, Mended, Store, empty_heads};
use crate::audit::CaseOpened;
use crate::calls::Calls;
use crate::case::{Case, Order};
use crate::checkpoint::{self, Checkpoint, OpenVolume};
use crate::figures::Figures;
use crate::loss::Losses;
use crate::salvage::{self, Leftover};
use crate::warrant::Warrant;
use crate::{digest, layout, volume};

impl Store {
    /// Makes the case's directory, if it is new, and puts a copy of the warrant into it.
    pub(super) fn copy_warrant(&self, warrant: &Warrant) -> Result<CaseOpened, Error> {
        let liid = warrant.liid().to_owned();
        if self.destroyed.contains(&liid) {
            return Err(Error::Destroyed { liid });
        }
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
        let (mut previous, mut last_cin, mut figures) = (None, 0, Figures::default());
        let mut visit = |line: &Value| {
            let file = line.get("file").and_then(Value::as_str).map(str::to_owned);
            sealed.extend(file.clone());
            previous = file;
            last_cin = last_cin.max(number(line, "last_cin"));
            figures.volume(line);
        };
        let (path, name) = (dir.join(layout::MANIFEST), format!("{liid}/manifest"));
        let manifest =
            salvage::recover_ledger(path, &name, &vouched.head("manifest"), node, &mut visit)?;
        let mut visit = |line: &Value| {
            last_cin = last_cin.max(number(line, "cin"));
            figures.call(line);
        };
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
            live: Calls::default(),
            begun: 0,
            ended: VecDeque::new(),
            losses: Losses::default(),
            unwritten: 0,
            figures,
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
        let left = salvage::leftover(&case.dir, open).map_err(at(&path))?;
        let intact = left == Leftover::Intact;
        match left {
            Leftover::Intact => {}
            Leftover::NotBegun => return Ok(None),
            Leftover::Changed | Leftover::Missing if !salvage::may_be_power_loss(vouched) => {
                let what = "written bytes were changed or removed after its writer died".to_owned();
                return Err(Error::Tampered { path, what });
            }
            Leftover::Missing => return Ok(Some(Mended { path, what: gone(open) })),
            Leftover::Changed => what.push_str(
                "; written bytes are gone or differ since the machine last started, \
                 as after a loss of power",
            ),
        }
        let Some(found) = salvage::cut(&case.dir, open, intact).map_err(at(&path))? else {
            let what = match open.bytes {
                0 => "its writer died before its first block".to_owned(),
                _ => gone(open),
            };
            return Ok(Some(Mended { path, what }));
        };
        case.last_cin = case.last_cin.max(found.last_cin);
        if let (Some(sealed), false) = (&open.sealed, intact) {
            // Whoever opens it may find some of them; here, nobody can tell.
            case.lose("power", sealed.counts.packets());
        }
        let mut line = case.volume_line(&self.shared, found.counts, found.span, "interrupted");
        line.describe(&open.file, found.digest);
        line.sealed = found.sealed;
        line.interrupted = true;
        // How it was taken stands in its own interface blocks and in the audit: this session's
        // may differ.
        (line.modes, line.clock, line.program) = Default::default();
        case.put_volume(&self.shared, line).map_err(at(&path))?;
        Ok(Some(Mended { path, what }))
    }
}

/// What a loss of power has left of a volume: nothing.
fn gone(open: &OpenVolume) -> String {
    format!("{} written bytes are gone since the machine last started", open.bytes)
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
        let path = dir.join(&name);
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
