//! One pcapng file while it is written: `NAME.pcapng.part`, renamed when it is whole.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::{self, OpenVolume};
use crate::digest::Digested;
use crate::disk::{Disk, Sink};
use crate::pcapng::Packet;
use crate::record::{Kind, masked_note};

/// How many packets stand in a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) iri: u64,
    pub(crate) content: u64,
    pub(crate) carried: u64,
    /// Of those that the volume was the first to hold, the ones of which bytes were overwritten.
    pub(crate) masked: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, kind: Kind, comment: Option<&str>) {
        let is_masked = masked_note(comment).is_some();
        self.masked = self.masked.saturating_add(u64::from(is_masked));
        let count = match kind {
            Kind::Iri => &mut self.iri,
            Kind::Content => &mut self.content,
        };
        *count = count.saturating_add(1);
    }

    /// Packets that the volume was the first to hold.
    pub(crate) fn packets(&self) -> u64 {
        self.iri.saturating_add(self.content)
    }
}

/// An open volume. What is written out is hashed as it goes, so that sealing reads nothing.
#[derive(Debug)]
pub(crate) struct Volume {
    dir: PathBuf,
    name: String,
    sink: Sink,
    pub(crate) counts: Counts,
    /// Times of its first and last packet, repeated ones not counted.
    pub(crate) span: Option<(u64, u64)>,
    /// Packets of each of the session's interfaces.
    pub(crate) by_interface: Vec<u64>,
}

impl Volume {
    /// Creates `NAME.part` in `dir`, which must not exist, to be written by `disk`.
    pub(crate) fn create(
        disk: &Disk,
        dir: &Path,
        name: String,
        interfaces: usize,
    ) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(part(dir, &name))?;
        Ok(Self {
            dir: dir.to_owned(),
            name,
            sink: disk.sink(file),
            counts: Counts::default(),
            span: None,
            by_interface: vec![0; interfaces],
        })
    }

    /// Its name when sealed.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its length, with what waits to be written.
    pub(crate) fn bytes(&self) -> u64 {
        self.sink.bytes()
    }

    /// Appends whole blocks.
    pub(crate) fn push(&mut self, blocks: &[u8]) -> io::Result<()> {
        self.sink.push(blocks)
    }

    /// Notes a packet just pushed, which no earlier volume holds.
    pub(crate) fn count(&mut self, kind: Kind, packet: &Packet<'_>) {
        let Packet { at_ns, interface, comment, .. } = *packet;
        self.counts.add(kind, comment);
        let (first, last) = self.span.unwrap_or((at_ns, at_ns));
        self.span = Some((first.min(at_ns), last.max(at_ns)));
        let packets = usize::try_from(interface).ok().and_then(|at| self.by_interface.get_mut(at));
        if let Some(packets) = packets {
            *packets = packets.saturating_add(1);
        }
    }

    /// Hands everything to the system; gives whether there was anything. From here on the death of
    /// this program loses nothing of it.
    pub(crate) fn write_out(&mut self) -> io::Result<bool> {
        self.sink.flush()
    }

    /// What can be vouched for: all that was written out.
    pub(crate) fn vouched(&self) -> OpenVolume {
        let Digested { bytes, sha256, .. } = self.sink.vouched();
        OpenVolume { file: self.name.clone(), bytes, sha256 }
    }

    /// Writes the rest, waits until the disk has it, and gives the file its final name.
    pub(crate) fn seal(&mut self) -> io::Result<Digested> {
        self.write_out()?;
        self.sink.sync()?;
        rename_sealed(&self.dir, &self.name)?;
        Ok(self.sink.vouched())
    }
}

/// The path of a volume that is not sealed.
pub(crate) fn part(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.part"))
}

/// Takes `.part` off a volume's name, for good.
pub(crate) fn rename_sealed(dir: &Path, name: &str) -> io::Result<()> {
    fs::rename(part(dir, name), dir.join(name))?;
    checkpoint::sync_dir(dir)
}
