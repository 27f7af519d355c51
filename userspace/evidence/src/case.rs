//! One LIID's directory: its warrant, its ledgers, its open volume and its live calls.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;

use crate::age::Recipient;
use crate::calls::Calls;
use crate::carry::{self, LiveCall};
use crate::checkpoint::{self, Checkpoint, OpenVolume};
use crate::chunk::Encoded;
use crate::disk::Disk;
use crate::figures::Figures;
use crate::keys::KeyPair;
use crate::ledger::Ledger;
use crate::lines::{CallLine, SealedLine, VolumeLine};
use crate::loss::{Loss, Losses};
use crate::pcapng::{self, InterfaceCounts};
use crate::record::Kind;
use crate::session::{Rotation, Session};
use crate::volume::{Counts, Volume};
use crate::warrant::Warrant;
use crate::{clock, salvage};

/// Lines of calls that are signed in one go: nothing is recorded meanwhile.
const LINES: usize = 1_000;

/// What all cases of a store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Disk,
    pub(crate) node: KeyPair,
    pub(crate) session: Session,
    pub(crate) rotation: Rotation,
}

/// The warrant as far as evidence quotes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    pub(crate) sha256: String,
    pub(crate) authority: String,
    pub(crate) reference: String,
    /// To whom its evidence is sealed.
    pub(crate) recipient: Option<Recipient>,
}

impl From<&Warrant> for Order {
    fn from(warrant: &Warrant) -> Self {
        let (sha256, draft) = (warrant.sha256(), warrant.draft());
        let (authority, reference) = (draft.authority.clone(), draft.reference.clone());
        Self { sha256, authority, reference, recipient: draft.recipient.clone() }
    }
}

/// A warrant being executed.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) liid: String,
    pub(crate) dir: PathBuf,
    pub(crate) order: Order,
    pub(crate) manifest: Ledger,
    pub(crate) calls: Ledger,
    /// The last sealed volume.
    pub(crate) previous: Option<String>,
    pub(crate) last_cin: u32,
    pub(crate) volume: Option<Volume>,
    pub(crate) live: Calls<LiveCall>,
    /// Volumes that this session has begun.
    pub(crate) begun: u64,
    /// Lines of calls that ended and are not in the ledger yet.
    pub(crate) ended: VecDeque<CallLine>,
    pub(crate) losses: Losses,
    /// Records that were taken, or offered, and are in no volume.
    pub(crate) unwritten: u64,
    /// What oversight is told of it.
    pub(crate) figures: Figures,
    /// Set by the first write that failed: nothing is taken any more.
    pub(crate) stopped: bool,
}

impl Case {
    /// Writes a record, into a new volume if the open one is due.
    pub(crate) fn append(&mut self, shared: &Shared, record: &Encoded<'_>) -> io::Result<()> {
        if let Some(reason) = self.due(shared, record.at_ns()) {
            self.seal(shared, reason)?;
        }
        if self.volume.is_none() {
            self.open_volume(shared, record.at_ns())?;
        }
        let Some(volume) = self.volume.as_mut() else { return Ok(()) };
        let gap = self.losses.untold(&shared.session.interfaces);
        // Most are written as they are, and nothing has to be read of them.
        let is_read = gap.is_some() || record.is_commented() || record.carry().is_some();
        let packet = if is_read { record.packet() } else { None };
        match (gap, &packet) {
            (Some(gap), Some(packet)) => volume.push(&pcapng::with_comment(packet, &gap))?,
            _ => volume.push(record.block())?,
        }
        let comment = packet.as_ref().and_then(|packet| packet.comment);
        volume.count(record.kind(), record.at_ns(), record.interface(), comment);
        self.last_cin = self.last_cin.max(record.cin());
        let Some(call) = self.live.get_or_default(record.cin()) else { return Ok(()) };
        let count = match record.kind() {
            Kind::Iri => &mut call.iri,
            Kind::Content => &mut call.content,
        };
        *count = count.saturating_add(1);
        call.seen_in(self.begun, volume.name());
        if let (Some(key), Some(packet)) = (record.carry(), &packet) {
            call.carry(key, packet, volume.name());
        }
        Ok(())
    }

    /// Has the memory of a call brought near, so that the first record to need it need not wait.
    pub(crate) fn bring_near(&self, cin: u32) -> u64 {
        self.live.get(cin).map_or(0, |call| call.content)
    }

    /// Drops what is kept of a call and puts its line before the next flush.
    pub(crate) fn call_closed(&mut self, mut line: CallLine) {
        line.liid.clone_from(&self.liid);
        self.last_cin = self.last_cin.max(line.cin);
        self.live.remove(line.cin).unwrap_or_default().fill(&mut line);
        self.figures.call(&serde_json::to_value(&line).unwrap_or_default());
        self.ended.push_back(line);
    }

    /// Why the open volume must be sealed before a packet of `at_ns` is written, if it must.
    pub(crate) fn due(&self, shared: &Shared, at_ns: u64) -> Option<&'static str> {
        let volume = self.volume.as_ref()?;
        let (first_ns, _) = volume.span?;
        let Rotation { duration, filesize_kb } = shared.rotation;
        let age = u128::from(at_ns.saturating_sub(first_ns));
        if duration.is_some_and(|most| age >= most.as_nanos()) {
            return Some("duration");
        }
        let full = filesize_kb.is_some_and(|most| volume.bytes() >= most.saturating_mul(1000));
        full.then_some("filesize")
    }

    /// Writes out what waits: packets, lines of ended calls, the checkpoint that vouches for them.
    /// Gives whether there was anything; where very many calls ended, some of their lines wait for
    /// the next time.
    pub(crate) fn flush(&mut self, shared: &Shared) -> io::Result<bool> {
        let grown = match self.volume.as_mut() {
            Some(volume) => volume.write_out()?,
            None => false,
        };
        let ended = !self.ended.is_empty();
        if ended {
            self.sign_calls(shared)?;
        }
        if grown || ended {
            self.write_checkpoint(shared, ended)?;
        }
        Ok(grown || ended)
    }

    /// The same, until nothing waits.
    pub(crate) fn flush_all(&mut self, shared: &Shared) -> io::Result<()> {
        loop {
            self.flush(shared)?;
            if self.ended.is_empty() {
                return Ok(());
            }
        }
    }

    /// Puts the lines of the calls that ended first into the ledger.
    fn sign_calls(&mut self, shared: &Shared) -> io::Result<()> {
        let (first, _) = self.ended.as_slices();
        let lines = first.get(..LINES).unwrap_or(first);
        match &self.order.recipient {
            None => self.calls.append(&shared.node, lines)?,
            Some(recipient) => {
                let sealed = lines.iter().map(|line| line.sealed_to(recipient));
                let sealed = sealed.collect::<io::Result<Vec<_>>>()?;
                self.calls.append(&shared.node, &sealed)?;
            }
        }
        let signed = lines.len();
        self.ended.drain(..signed);
        Ok(())
    }

    /// Seals the open volume, if there is one, and puts its line into the manifest.
    pub(crate) fn seal(&mut self, shared: &Shared, reason: &str) -> io::Result<()> {
        let Some(mut volume) = self.volume.take() else { return Ok(()) };
        let interfaces = &shared.session.interfaces;
        let (first_ns, last_ns) = volume.span.unwrap_or_default();
        let sealed = pcapng::foot(interfaces, first_ns, last_ns, &self.counted(&volume))
            .and_then(|foot| volume.push(&foot))
            .and_then(|()| volume.seal());
        let (digest, sealed) = match sealed {
            Ok(sealed) => sealed,
            Err(error) => {
                self.volume = Some(volume);
                return Err(error);
            }
        };
        let mut line = self.volume_line(shared, volume.counts, volume.span, reason);
        line.describe(volume.name(), digest);
        line.sealed = sealed.map(SealedLine::from);
        self.put_volume(shared, line)
    }

    /// Ends a case that was stopped, as far as the disk lets it.
    pub(crate) fn end_stopped(&mut self, shared: &Shared) -> io::Result<()> {
        self.seal_failed(shared)?;
        self.flush_all(shared)?;
        self.write_checkpoint(shared, true)
    }

    /// Seals what a failed write left: the file is read back and cut after its last whole block, and
    /// what it lacks of the packets taken is a loss.
    fn seal_failed(&mut self, shared: &Shared) -> io::Result<()> {
        let Some(volume) = self.volume.take() else { return Ok(()) };
        let taken = volume.counts.packets();
        let Some(found) = salvage::cut(&self.dir, &volume.vouched(), true)? else {
            self.lose("disk", taken);
            return Ok(());
        };
        self.lose("disk", taken.saturating_sub(found.counts.packets()));
        let mut line = self.volume_line(shared, found.counts, found.span, "failed");
        line.describe(volume.name(), found.digest);
        line.sealed = found.sealed;
        line.interrupted = true;
        self.put_volume(shared, line)
    }

    /// Counts frames that were lost before it was known whose they were.
    pub(crate) fn note_loss(&mut self, loss: &Loss<'_>) {
        self.losses.add(loss);
    }

    /// Counts frames of this warrant that were lost.
    pub(crate) fn lose(&mut self, place: &str, count: u64) {
        if count == 0 {
            return;
        }
        if matches!(place, "disk" | "stopped") {
            self.unwritten = self.unwritten.saturating_add(count);
        }
        self.losses.add_sum(place, count);
    }

    /// Of each interface: packets in the volume, and frames lost since the volume before it.
    fn counted(&self, volume: &Volume) -> Vec<InterfaceCounts> {
        let of_interface = |(number, &packets): (u32, &u64)| {
            let (if_drop, os_drop) = self.losses.of_interface(number);
            InterfaceCounts { packets, if_drop, os_drop }
        };
        (0..).zip(&volume.by_interface).map(of_interface).collect()
    }

    /// A manifest line, all but the file, its hash and its length.
    pub(crate) fn volume_line(
        &self,
        shared: &Shared,
        counts: Counts,
        span: Option<(u64, u64)>,
        reason: &str,
    ) -> VolumeLine {
        let interfaces = shared.session.interfaces.iter();
        VolumeLine {
            liid: self.liid.clone(),
            packets: counts.packets(),
            iri: counts.iri,
            content: counts.content,
            carried: counts.carried,
            masked: counts.masked,
            first_packet: span.map(|(first_ns, _)| clock::rfc3339(first_ns)),
            last_packet: span.map(|(_, last_ns)| clock::rfc3339(last_ns)),
            last_cin: self.last_cin,
            losses: self.losses.sums().clone(),
            lost: self.losses.lines(&shared.session.interfaces),
            clock: Some(shared.session.clock.clone()),
            program: shared.session.program.clone(),
            modes: interfaces.map(|facts| format!("{}: {}", facts.name, facts.mode)).collect(),
            warrant_sha256: self.order.sha256.clone(),
            node: shared.node.public().id(),
            tool: shared.session.tool.clone(),
            reason: reason.to_owned(),
            ..VolumeLine::default()
        }
    }

    /// Puts a sealed volume's line into the manifest.
    pub(crate) fn put_volume(&mut self, shared: &Shared, line: VolumeLine) -> io::Result<()> {
        self.previous = Some(line.file.clone());
        self.figures.volume(&serde_json::to_value(&line).unwrap_or_default());
        self.manifest.append(&shared.node, &[line])?;
        self.losses.sealed(&shared.session.interfaces);
        self.write_checkpoint(shared, true)
    }

    pub(crate) fn write_checkpoint(&self, shared: &Shared, durable: bool) -> io::Result<()> {
        self.checkpoint().write(&self.dir, &shared.node, durable)
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            checkpoint: self.liid.clone(),
            heads: BTreeMap::from([
                ("manifest".to_owned(), self.manifest.head().clone()),
                ("calls".to_owned(), self.calls.head().clone()),
            ]),
            open: self.volume.as_ref().map(|volume| {
                let mut open = volume.vouched();
                if let Some(sealed) = &mut open.sealed {
                    sealed.last_cin = self.last_cin;
                }
                open
            }),
            boot: checkpoint::boot_id(),
        }
    }

    /// Begins the next volume: its head, then what live calls need to be decoded.
    fn open_volume(&mut self, shared: &Shared, at_ns: u64) -> io::Result<()> {
        let number = self.manifest.head().lines.saturating_add(1);
        let mut name = format!("{}_{number:05}_{}.pcapng", self.liid, clock::compact(at_ns));
        let recipient = self.order.recipient.as_ref();
        if recipient.is_some() {
            name.push_str(".age");
        }
        let comment = format!(
            "LIID={}; authority={}; reference={}; volume={number}; previous={}; clock={}",
            self.liid,
            self.order.authority,
            self.order.reference,
            self.previous.as_deref().unwrap_or("none"),
            shared.session.clock.source,
        );
        let Session { interfaces, tool, .. } = &shared.session;
        let head = pcapng::head(tool, &comment, interfaces)?;
        let (repeated, count) = carry::repeated(&self.liid, &self.live);
        // Named before it exists, so that no planted file passes for it.
        let open = Some(OpenVolume::named(&name));
        Checkpoint { open, ..self.checkpoint() }.write(&self.dir, &shared.node, false)?;
        let interfaces = interfaces.len();
        let mut volume = Volume::create(&shared.disk, &self.dir, name, recipient, interfaces)?;
        volume.counts.carried = count;
        self.begun = self.begun.saturating_add(1);
        let volume = self.volume.insert(volume);
        volume.push(&head)?;
        volume.push(&repeated)
    }
}
