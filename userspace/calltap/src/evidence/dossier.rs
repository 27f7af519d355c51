//! One call with the volumes that hold it, read packet by packet.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use calltap_evidence::lines::CallLine;
use calltap_evidence::read::{self, VolumePacket, VolumeReader};
use calltap_evidence::session::InterfaceFacts;
use calltap_proto::packet::LinkType;

use super::calls::{self, Found};
use super::row::{State, nanoseconds};
use super::signalling::{self, FrameKey, Reading, Signalling};
use crate::{cli, progress};

/// A call, and where it is kept.
#[derive(Debug)]
pub struct Dossier {
    /// The evidence directory.
    pub dir: PathBuf,
    /// Its LIID.
    pub liid: String,
    /// How it stands.
    pub state: State,
    /// What is known of it.
    pub line: CallLine,
    /// The volumes that hold its packets, in their order.
    pub sources: Vec<Source>,
    contemporaries: Vec<CallLine>,
}

/// A volume that holds packets of the call.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its file.
    pub path: PathBuf,
    /// Its name within the LIID's directory.
    pub file: String,
    /// Its hash, as the manifest has it; none while it is not sealed.
    pub sha256: Option<String>,
}

/// A volume is not what its manifest says: nothing of it is shown as if it were.
#[derive(Debug)]
pub struct Altered {
    path: PathBuf,
}

impl fmt::Display for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: it is not as it was sealed; calltap verify says where it breaks",
            self.path.display()
        )
    }
}

impl std::error::Error for Altered {}

/// A packet with where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// The volume's number among [`Dossier::sources`].
    pub source: usize,
    /// The volume's interfaces.
    pub interfaces: &'a [InterfaceFacts],
    /// Its link type; none where it is not understood.
    pub link: Option<LinkType>,
    /// The packet.
    pub packet: VolumePacket<'a>,
    /// How many of the same bytes and the same time are ahead of it.
    pub copy: usize,
}

impl Dossier {
    /// Finds the call that is named, and its volumes.
    ///
    /// # Errors
    /// No such call, several, or a ledger that cannot be read.
    pub fn open(call: &cli::Call) -> anyhow::Result<Self> {
        let dir = calls::directory(call.evidence.as_deref())?;
        let Found { liid, state, line, contemporaries } = calls::find(&dir, &call.call)?;
        let sources = sources(&dir, &liid, state, &line)?;
        Ok(Self { dir, liid, state, line, sources, contemporaries })
    }

    /// How the call is named: `LIID/CIN`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.liid, self.line.cin)
    }

    /// Reads what its signalling tells, and checks the hash of each sealed volume on the way.
    ///
    /// # Errors
    /// A volume cannot be read, or is [`Altered`].
    pub fn signalling(&self) -> anyhow::Result<Signalling> {
        let mut reading = Reading::new(self.line.cin, &self.contemporaries);
        self.read("reading", true, &mut |placed| {
            if let Some(link) = placed.link {
                reading.take(link, &placed.packet);
            }
            Ok(())
        })?;
        Ok(reading.finish())
    }

    /// Reads every packet of its volumes, whosever it is.
    ///
    /// # Errors
    /// A volume cannot be read, or `each` fails; with `check`, one is [`Altered`].
    pub fn read(
        &self,
        what: &'static str,
        check: bool,
        each: &mut dyn FnMut(Placed<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let lengths = self.sources.iter().filter_map(|it| it.path.metadata().ok());
        let bar = progress::bytes(what, lengths.map(|it| it.len()).sum());
        let (mut before, mut copies) = (0, Copies::default());
        for (number, source) in self.sources.iter().enumerate() {
            let unreadable = || source.path.display().to_string();
            let mut reader = VolumeReader::open(&source.path).with_context(unreadable)?;
            let interfaces = reader.interfaces().to_vec();
            while let Some(packet) = reader.next_packet().with_context(unreadable)? {
                let facts = usize::try_from(packet.interface).ok();
                let facts = facts.and_then(|at| interfaces.get(at));
                let link = facts.and_then(|facts| LinkType::from_number(facts.link_type));
                let copy = copies.ahead(&packet);
                each(Placed { source: number, interfaces: &interfaces, link, packet, copy })?;
                bar.set_position(before + reader.bytes());
            }
            before += reader.bytes();
            let torn = reader.is_torn();
            if let Some(sealed) = source.sha256.as_ref().filter(|_| check)
                && (torn || reader.sha256() != *sealed)
            {
                bail!(Altered { path: source.path.clone() });
            }
        }
        Ok(())
    }
}

/// Frames of one moment, of which the same may be recorded for several calls.
#[derive(Debug, Default)]
struct Copies {
    at_ns: u64,
    counts: HashMap<FrameKey, usize>,
}

impl Copies {
    /// How many like this one came before, at the same time.
    fn ahead(&mut self, packet: &VolumePacket<'_>) -> usize {
        if packet.at_ns != self.at_ns {
            self.at_ns = packet.at_ns;
            self.counts.clear();
        }
        let count = self.counts.entry(signalling::key(packet)).or_default();
        *count += 1;
        *count - 1
    }
}

/// The volumes of a call: those that its line names; of a call without a line, those that may hold
/// anything of it.
fn sources(dir: &Path, liid: &str, state: State, line: &CallLine) -> anyhow::Result<Vec<Source>> {
    let home = dir.join(liid);
    let has_line = state == State::Ended;
    let started = nanoseconds(&line.started);
    let mut sources = Vec::new();
    for volume in read::sealed(dir, liid).with_context(|| format!("{liid}: its manifest"))? {
        let last = volume.last_packet.as_deref().map_or(0, nanoseconds);
        if volume.sealed.is_some() {
            bail!("{liid}: sealed to a recipient; open it first, with calltap evidence open");
        }
        let holds = if has_line { line.volumes.contains(&volume.file) } else { last >= started };
        if holds {
            let (path, sha256) = (home.join(&volume.file), Some(volume.sha256));
            sources.push(Source { path, file: volume.file, sha256 });
        }
    }
    // A call's line is written before the volume that it ends in is sealed.
    for part in read::unsealed(dir, liid)? {
        let file = part.trim_end_matches(".part").to_owned();
        if !has_line || line.volumes.contains(&file) {
            sources.push(Source { path: home.join(part), file, sha256: None });
        }
    }
    if has_line {
        for file in &line.volumes {
            if !sources.iter().any(|source| source.file == *file) {
                bail!("{}: {file} is missing; see calltap verify", home.display());
            }
        }
    }
    Ok(sources)
}
