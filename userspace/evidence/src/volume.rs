//! One pcapng file while it is written: `NAME.pcapng.part`, renamed when it is whole.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::age::Recipient;
use crate::checkpoint::{self, OpenVolume, SealedSoFar};
use crate::digest::Digested;
use crate::disk::{Disk, Sink};
use crate::record::{Kind, masked_note};
use crate::sealing::Sealing;

/// How many packets stand in a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    name: Arc<str>,
    sink: Sink,
    sealing: Option<Sealing>,
    pub(crate) counts: Counts,
    /// Times of its first and last packet, repeated ones not counted.
    pub(crate) span: Option<(u64, u64)>,
    /// Packets of each of the session's interfaces.
    pub(crate) by_interface: Vec<u64>,
}

impl Volume {
    /// Creates `NAME.part` in `dir`, which must not exist, to be written by `disk`, and from its
    /// first byte on sealed to the recipient, if there is one.
    pub(crate) fn create(
        disk: &Disk,
        dir: &Path,
        name: String,
        recipient: Option<&Recipient>,
        interfaces: usize,
    ) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(part(dir, &name))?;
        let mut sink = disk.sink(file);
        let sealing = match recipient {
            None => None,
            Some(recipient) => {
                let (sealing, header) = Sealing::begin(recipient.clone())?;
                sink.push(&header)?;
                Some(sealing)
            }
        };
        Ok(Self {
            dir: dir.to_owned(),
            name: name.into(),
            sink,
            sealing,
            counts: Counts::default(),
            span: None,
            by_interface: vec![0; interfaces],
        })
    }

    /// Its name when sealed.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The length of its pcapng, with what waits to be written.
    pub(crate) fn bytes(&self) -> u64 {
        self.sealing.as_ref().map_or_else(|| self.sink.bytes(), Sealing::bytes)
    }

    /// Appends whole blocks.
    pub(crate) fn push(&mut self, blocks: &[u8]) -> io::Result<()> {
        match &mut self.sealing {
            None => self.sink.push(blocks),
            Some(sealing) => self.sink.push(sealing.push(blocks)?),
        }
    }

    /// Notes a packet just pushed, which no earlier volume holds.
    pub(crate) fn count(&mut self, kind: Kind, at_ns: u64, interface: u32, comment: Option<&str>) {
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
        let grown = self.sink.flush()?;
        match &mut self.sealing {
            None => Ok(grown),
            Some(sealing) => sealing.vouch(self.counts, self.span),
        }
    }

    /// What can be vouched for: all that was written out.
    pub(crate) fn vouched(&self) -> OpenVolume {
        let Digested { bytes, sha256, .. } = self.sink.vouched();
        let sealed = self.sealing.as_ref().map(Sealing::vouched);
        OpenVolume { file: self.name.to_string(), bytes, sha256, sealed }
    }

    /// Writes the rest, waits until the disk has it, and gives the file its final name; gives its
    /// digest, and what is known of the pcapng where that is sealed to a recipient.
    pub(crate) fn seal(&mut self) -> io::Result<(Digested, Option<SealedSoFar>)> {
        self.write_out()?;
        if let Some(sealing) = &mut self.sealing {
            self.sink.push(sealing.finish()?)?;
            self.sink.flush()?;
        }
        self.sink.sync()?;
        rename_sealed(&self.dir, &self.name)?;
        Ok((self.sink.vouched(), self.sealing.as_ref().map(Sealing::vouched)))
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
