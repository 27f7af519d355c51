//! What a writer that died left behind is made whole: volumes are cut after their last whole block
//! and sealed as interrupted, torn lines are cut, checkpoints that lag are caught up.
//!
//! Only what a crash can explain is mended. Anything else is [`Error::Tampered`], and left as it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::base64;
use crate::carry::{self, Origin};
use crate::checkpoint::{self, Checkpoint, OpenVolume, SealedSoFar};
use crate::digest::{self, Digest, Digested};
use crate::keys::PublicKey;
use crate::ledger::{self, Fault, Head, Ledger};
use crate::lines::SealedLine;
use crate::pcapng;
use crate::record::Kind;
use crate::store::{Error, Mended};
use crate::volume::{self, Counts};

/// A volume cut after its last whole block.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) digest: Digested,
    pub(crate) counts: Counts,
    pub(crate) span: Option<(u64, u64)>,
    pub(crate) last_cin: u32,
    pub(crate) sealed: Option<SealedLine>,
}

/// Cuts the volume `open` after its last whole block, counts what it holds, and gives it its final
/// name. One that holds no whole block is removed, and there is nothing found.
///
/// One that is sealed to a recipient is cut after what is vouched for, which is known without being
/// read; unless it is `intact`, it is left as it is, and what it holds is not known.
pub(crate) fn cut(dir: &Path, open: &OpenVolume, intact: bool) -> io::Result<Option<Found>> {
    let name = open.file.as_str();
    if let Some(sealed) = &open.sealed {
        return cut_sealed(dir, open, sealed, intact).map(Some);
    }
    let part = volume::part(dir, name);
    let is_part = part.try_exists()?;
    let path = if is_part { part } else { dir.join(name) };
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let mut input = BufReader::with_capacity(1 << 20, &file);
    let (mut digest, mut found) = (Digest::default(), Found::default());
    let mut block = Vec::new();
    while pcapng::next_block(&mut input, &mut block)? {
        digest.update(&block);
        found.count(&block);
    }
    if digest.bytes() == 0 {
        fs::remove_file(&path)?;
        checkpoint::sync_dir(dir)?;
        return Ok(None);
    }
    file.set_len(digest.bytes())?;
    found.digest = digest.finish();
    file.sync_all()?;
    if is_part {
        volume::rename_sealed(dir, name)?;
    }
    Ok(Some(found))
}

/// Ends the volume with the tail that was vouched for.
fn cut_sealed(
    dir: &Path,
    open: &OpenVolume,
    sealed: &SealedSoFar,
    intact: bool,
) -> io::Result<Found> {
    let part = volume::part(dir, &open.file);
    let is_part = part.try_exists()?;
    let path = if is_part { part } else { dir.join(&open.file) };
    let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
    if intact {
        file.set_len(open.bytes)?;
    }
    let tail_at = file.seek(SeekFrom::End(0))?;
    let tail = base64::decode(&sealed.tail).ok_or_else(|| io::Error::other("a tail no base64"))?;
    file.write_all(&tail)?;
    file.sync_all()?;
    file.rewind()?;
    let digest = digest::read(&file)?;
    if is_part {
        volume::rename_sealed(dir, &open.file)?;
    }
    let mut found = Found { digest, last_cin: sealed.last_cin, ..Found::default() };
    let mut line = SealedLine { tail_at: Some(tail_at), ..sealed.clone().into() };
    if intact {
        (found.counts, found.span) = (sealed.counts, sealed.span);
    } else {
        line.plain = None;
    }
    found.sealed = Some(line);
    Ok(found)
}

impl Found {
    fn count(&mut self, block: &[u8]) {
        let Some(packet) = pcapng::decode_packet(block) else { return };
        match carry::origin(packet.comment) {
            Origin::Repeated(_) => {
                self.counts.carried = self.counts.carried.saturating_add(1);
                return;
            }
            Origin::Iri(cin) => {
                self.counts.add(Kind::Iri, packet.comment);
                self.last_cin = self.last_cin.max(cin);
            }
            Origin::Content => self.counts.add(Kind::Content, packet.comment),
        }
        let (first, last) = self.span.unwrap_or((packet.at_ns, packet.at_ns));
        self.span = Some((first.min(packet.at_ns), last.max(packet.at_ns)));
    }
}

/// A ledger opened, and what had to be mended.
pub(crate) struct Recovered {
    pub(crate) ledger: Ledger,
    pub(crate) mended: Vec<Mended>,
}

/// Opens a ledger that `vouched` stands for and mends its end. The chain leads every line back to
/// the vouched head; lines after it need the node's signature themselves.
pub(crate) fn recover_ledger(
    path: PathBuf,
    name: &str,
    vouched: &Head,
    node: &PublicKey,
    visit: &mut dyn FnMut(&Value),
) -> Result<Recovered, Error> {
    let mut check = |head: &Head, line: &str, value: &Value| {
        if head.lines > vouched.lines {
            ledger::check_line(line, node)?;
        } else if head.lines == vouched.lines && head != vouched {
            return Err("it is not the line that the checkpoint vouches for".to_owned());
        }
        visit(value);
        Ok(())
    };
    let walk = ledger::walk(&path, name, &mut check).map_err(|fault| match fault {
        Fault::Io(source) => Error::File { path: path.clone(), source },
        Fault::Line(line, what) => {
            Error::Tampered { path: path.clone(), what: format!("line {line}: {what}") }
        }
    })?;
    if walk.head.lines < vouched.lines {
        let what = format!("it has {} lines of {}: its end is cut", walk.head.lines, vouched.lines);
        return Err(Error::Tampered { path, what });
    }
    let mut mended = Vec::new();
    let mut note = |what: &str| mended.push(Mended { path: path.clone(), what: what.to_owned() });
    if walk.torn {
        note("a line torn in mid-write was cut");
    }
    if walk.head.lines > vouched.lines {
        note("the checkpoint lagged behind signed lines and was caught up");
    }
    let error = |source| Error::File { path: path.clone(), source };
    let ledger =
        Ledger::open(path.clone(), name.to_owned(), walk.head, walk.bytes).map_err(error)?;
    if walk.torn {
        ledger.file().set_len(walk.bytes).map_err(error)?;
    }
    Ok(Recovered { ledger, mended })
}

/// How a volume that was not sealed stands to what its checkpoint vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// It begins with every byte vouched for.
    Intact,
    /// It was never begun.
    NotBegun,
    /// It is shorter than what is vouched for, or differs.
    Changed,
    /// It is not there.
    Missing,
}

/// Compares the volume `open` with its file, sealed name or not.
pub(crate) fn leftover(dir: &Path, open: &OpenVolume) -> io::Result<Leftover> {
    let part = volume::part(dir, &open.file);
    let path = if part.try_exists()? { part } else { dir.join(&open.file) };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(if open.bytes == 0 { Leftover::NotBegun } else { Leftover::Missing });
        }
        Err(error) => return Err(error),
    };
    let Digested { bytes, sha256, .. } = digest::read(file.take(open.bytes))?;
    let intact = bytes == open.bytes && sha256 == open.sha256;
    Ok(if intact { Leftover::Intact } else { Leftover::Changed })
}

/// Whether what is missing of `checkpoint`'s open volume may have been lost with the machine's
/// power: it was written in an earlier boot, and not yet on disk.
pub(crate) fn may_be_power_loss(checkpoint: &Checkpoint) -> bool {
    checkpoint.boot != checkpoint::boot_id()
}
