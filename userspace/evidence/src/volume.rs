//! One pcapng file while it is written: `NAME.pcapng.part`, renamed when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::checkpoint::{self, OpenVolume};
use crate::digest;
use crate::record::Kind;

/// What is gathered before it is written out, when no time has passed that would force it out.
const BUFFER: usize = 256 << 10;

/// How many packets stand in a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) iri: u64,
    pub(crate) content: u64,
    pub(crate) carried: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, kind: Kind) {
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

/// An open volume. What was written out is hashed as it goes, so that sealing reads nothing.
#[derive(Debug)]
pub(crate) struct Volume {
    dir: PathBuf,
    name: String,
    file: File,
    buffer: Vec<u8>,
    hasher: Sha256,
    written: u64,
    pub(crate) counts: Counts,
    /// Times of its first and last packet, repeated ones not counted.
    pub(crate) span: Option<(u64, u64)>,
    /// Packets of each of the session's interfaces.
    pub(crate) by_interface: Vec<u64>,
}

impl Volume {
    /// Creates `NAME.part` in `dir`, which must not exist.
    pub(crate) fn create(dir: &Path, name: String, interfaces: usize) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(part(dir, &name))?;
        Ok(Self {
            dir: dir.to_owned(),
            name,
            file,
            buffer: Vec::with_capacity(BUFFER),
            hasher: Sha256::new(),
            written: 0,
            counts: Counts::default(),
            span: None,
            by_interface: vec![0; interfaces],
        })
    }

    /// Its name when sealed.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its length, what waits in the buffer included.
    pub(crate) fn bytes(&self) -> u64 {
        self.written.saturating_add(self.buffer.len().try_into().unwrap_or(u64::MAX))
    }

    /// Appends whole blocks.
    pub(crate) fn push(&mut self, blocks: &[u8]) -> io::Result<()> {
        if self.buffer.len().saturating_add(blocks.len()) > BUFFER {
            self.write_out()?;
        }
        self.buffer.extend_from_slice(blocks);
        Ok(())
    }

    /// Notes a packet just pushed, which no earlier volume holds.
    pub(crate) fn count(&mut self, kind: Kind, at_ns: u64, interface: u32) {
        self.counts.add(kind);
        let (first, last) = self.span.unwrap_or((at_ns, at_ns));
        self.span = Some((first.min(at_ns), last.max(at_ns)));
        let packets = usize::try_from(interface).ok().and_then(|at| self.by_interface.get_mut(at));
        if let Some(packets) = packets {
            *packets = packets.saturating_add(1);
        }
    }

    /// Hands the buffer to the system; gives whether there was anything in it. From here on the
    /// death of this program loses nothing of it.
    pub(crate) fn write_out(&mut self) -> io::Result<bool> {
        if self.buffer.is_empty() {
            return Ok(false);
        }
        self.file.write_all(&self.buffer)?;
        self.hasher.update(&self.buffer);
        self.written = self.bytes();
        self.buffer.clear();
        Ok(true)
    }

    /// What can be vouched for: all that was written out.
    pub(crate) fn vouched(&self) -> OpenVolume {
        let sha256 = digest::hex_of(self.hasher.clone());
        OpenVolume { file: self.name.clone(), bytes: self.written, sha256 }
    }

    /// Writes the rest, waits until the disk has it, and gives the file its final name.
    pub(crate) fn seal(&mut self) -> io::Result<OpenVolume> {
        self.write_out()?;
        self.file.sync_all()?;
        rename_sealed(&self.dir, &self.name)?;
        Ok(self.vouched())
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
