//! `calltap replay`: warrants executed on capture files.
//!
//! One thread and the frames' own time, so that the same input gives the same evidence.

pub(crate) mod filter;

use std::path::PathBuf;

use anyhow::Context as _;
use calltap_evidence::chunk::Chunk;
use calltap_evidence::keys::KeyPair;
use calltap_evidence::record::Record;
use calltap_evidence::session::InterfaceFacts;
use calltap_proto::packet::{self, LinkType};
use calltap_proto::{Kept, Timestamp};
use indicatif::ProgressBar;
use tracing::{error, warn};

use crate::capture::{CaptureError, CaptureFile, CapturedFrame};
use crate::config::Config;
use crate::confine::{Confinement, Places, Work};
use crate::content::Command;
use crate::follow::{Effects, Follower};
use crate::paper::Papers;
use crate::recorder::{Note, Recorder};
use crate::summary::{Frames, Summary};
use crate::{Outcome, cli, paper, progress, recording};
use filter::{Filter, Found};

/// Executes warrants on capture files, confined to their evidence, and prints what came of it.
///
/// A refused warrant captures nothing and does not stop the others; where all are refused, nothing
/// is read at all.
///
/// # Errors
/// As [`execute`], and standard output that is closed.
pub fn replay(arguments: &cli::Replay) -> anyhow::Result<Outcome> {
    let Some(prepared) = Prepared::of(arguments)? else {
        Summary::default().print(arguments.execution.json)?;
        return Ok(Outcome::NotFine);
    };
    let places = Places::default().writing(&arguments.execution.evidence)?;
    let confinement = Confinement::to(Work::Files, &places, prepared.config.confinement)?;
    let (outcome, summary) = prepared.execute(&arguments.execution, &confinement)?;
    summary.print(arguments.execution.json)?;
    Ok(outcome)
}

/// Executes warrants on capture files without confining the thread that calls it, and says what came
/// of it.
///
/// # Errors
/// An input that is no capture, evidence that cannot be written, settings that make no sense.
pub fn execute(arguments: &cli::Replay) -> anyhow::Result<(Outcome, Summary)> {
    match Prepared::of(arguments)? {
        Some(prepared) => prepared.execute(&arguments.execution, &Confinement::default()),
        None => Ok((Outcome::NotFine, Summary::default())),
    }
}

/// Everything that a replay reads, but for the frames, read.
struct Prepared {
    config: Config,
    papers: Papers,
    node: KeyPair,
    inputs: Vec<CaptureFile>,
    /// Made ahead of the confinement, which lets no terminal be asked what it is.
    bar: ProgressBar,
}

impl Prepared {
    /// Nothing, where no warrant is left to be executed.
    fn of(arguments: &cli::Replay) -> anyhow::Result<Option<Self>> {
        let cli::Replay { inputs, warrants, execution } = arguments;
        let config = Config::of(execution)?;
        let papers = paper::files(warrants, paper::trusted(&execution.trust, &config)?);
        papers.log_refusals();
        if papers.warrants.is_empty() {
            return Ok(None);
        }
        let inputs = open_inputs(inputs)?;
        let node = recording::node_key(&config)?;
        let bar = progress::bytes("replaying", inputs.iter().map(CaptureFile::length).sum());
        Ok(Some(Self { config, papers, node, inputs, bar }))
    }

    /// A warrant's window is held against the frames' own time.
    fn execute(
        self,
        execution: &cli::Execution,
        confinement: &Confinement,
    ) -> anyhow::Result<(Outcome, Summary)> {
        let Self { config, mut papers, node, inputs, bar } = self;
        let session = recording::replay_session();
        let (mut recorder, orders) = recording::open(
            &execution.evidence,
            &config,
            node.clone(),
            &mut papers,
            session,
            Vec::new(),
        )?;
        recorder.audit("confined", &confinement.details())?;
        let mut outlet = Outlet {
            recorder,
            chunk: Chunk::default(),
            ticked: Timestamp(0),
            interfaces: Vec::new(),
            filter_text: recording::filter_text(&config),
        };
        let follower = Follower::new(recording::rules(&config), orders, &mut outlet);
        let mut replay = Replaying {
            follower,
            outlet,
            filter: Filter::new(&config.signalling_ports),
            frames: Frames::default(),
            now: Timestamp(0),
            due: None,
            foreign_links: 0,
        };
        let mut whole = papers.refused.is_empty();
        let mut before = 0;
        for mut input in inputs {
            if let Err(damage) = replay.read(&mut input, |read| bar.set_position(before + read)) {
                // What came ahead of the damage is evidence all the same.
                error!("{damage}");
                whole = false;
            }
            before += input.length();
        }
        bar.finish_and_clear();
        let (fine, summary) = replay.finish();
        recording::audit_frames(&execution.evidence, &node, &summary.frames);
        let outcome = if whole && fine { Outcome::Fine } else { Outcome::NotFine };
        Ok((outcome, summary))
    }
}

/// Opens every input before anything is written, so that a mistyped name costs nothing.
fn open_inputs(inputs: &[PathBuf]) -> anyhow::Result<Vec<CaptureFile>> {
    let opened = inputs.iter().map(|path| CaptureFile::open(path));
    opened.collect::<Result<_, _>>().context("nothing was captured")
}

/// A replay under way.
struct Replaying {
    follower: Follower,
    outlet: Outlet,
    filter: Filter,
    frames: Frames,
    now: Timestamp,
    /// When the follower has something to do; a stranger's packet changes nothing about it.
    due: Option<Timestamp>,
    /// Frames of link types that are not understood.
    foreign_links: u64,
}

impl Replaying {
    /// Takes in every frame; `told` hears now and then how many bytes of the input were read.
    fn read(&mut self, input: &mut CaptureFile, told: impl Fn(u64)) -> Result<(), CaptureError> {
        while let Some(frame) = input.next_frame()? {
            self.take(&frame);
            if self.frames.seen.is_multiple_of(1024) {
                told(input.position());
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: &CapturedFrame<'_>) {
        self.frames.seen += 1;
        // Several files, and some single ones, go back in time; calls do not.
        self.now = self.now.max(Timestamp(frame.at_ns));
        if self.due.is_some_and(|due| due <= self.now) {
            // Whether a call is silent, its records say.
            self.settle(self.now);
            self.follower.tick(self.now, &mut self.outlet);
            self.due = self.follower.next_deadline();
        }
        let at = Timestamp(frame.at_ns);
        let number = u16::try_from(frame.link_type).ok();
        let Some(link) = number.and_then(LinkType::from_number) else {
            if self.foreign_links == 0 {
                warn!(
                    "link type {} is not understood; its frames are passed over",
                    frame.link_type
                );
            }
            self.foreign_links += 1;
            self.frames.filtered += 1;
            return;
        };
        let walked = packet::walk(link, frame.bytes);
        let parsed = packet::parse_walked(link, frame.bytes, &walked).ok();
        let body = parsed.as_ref().map(|packet| &packet.body);
        let until = self.follower.in_force_until(at);
        let found = self.filter.judge(at, until, &walked, body, self.follower.content());
        if found == Found::Stranger {
            self.frames.filtered += 1;
            return;
        }
        self.frames.delivered += 1;
        let interface = self.outlet.interface(link);
        let kept =
            Kept { at, interface, link, original_len: frame.original_len, bytes: frame.bytes };
        match found {
            Found::Content => self.follower.media(kept, &mut self.outlet),
            _ => self.follower.feed(kept, &mut self.outlet),
        }
        if self.outlet.is_due(at) {
            self.settle(at);
        }
        self.due = self.follower.next_deadline();
    }

    /// Has what waits written, and its calls told that there is media.
    fn settle(&mut self, at: Timestamp) {
        let Self { follower, outlet, .. } = self;
        outlet.tick(at);
        outlet.recorder.media_seen(|call, at| follower.media_seen(call, at));
    }

    /// Seals the evidence; whether all that was to be written was, and what it is.
    fn finish(mut self) -> (bool, Summary) {
        self.follower.finish(self.now, &mut self.outlet);
        let recorded = self.outlet.finish(self.now);
        let signalling = self.follower.counted();
        let unwritten = recorded.unwritten.min(self.frames.delivered);
        self.frames.delivered -= unwritten;
        self.frames.lose("disk", unwritten);
        (recorded.whole, Summary::new(self.frames, recorded, signalling, None))
    }
}

/// Records that are handed over together, and for how long of the frames' time one may wait: it is
/// held against the clock and the volume's limits then.
const TOGETHER: usize = 64;
const LONG_NS: u64 = 10_000_000;

/// Carries out what the follower asks for, at once.
struct Outlet {
    recorder: Recorder,
    /// A record passes through a chunk, as that is where it is encoded.
    chunk: Chunk,
    /// When records were last handed over, by the frames' time.
    ticked: Timestamp,
    /// Link type of each interface number.
    interfaces: Vec<LinkType>,
    /// What is let through, in words.
    filter_text: String,
}

impl Effects for Outlet {
    // The follower's own table is the only one.
    fn command(&mut self, _: Command) {}

    fn record(&mut self, record: &Record<'_>) {
        if self.chunk.try_push(record).is_err() {
            self.hand_over();
            // An empty chunk takes any record.
            let _ = self.chunk.try_push(record);
        }
    }

    fn note(&mut self, note: Note) {
        self.hand_over();
        self.recorder.note(note);
    }
}

impl Outlet {
    fn hand_over(&mut self) {
        for record in self.chunk.records() {
            self.recorder.record(&record);
        }
        self.chunk.clear();
    }

    /// The interface number of a link type: one for each that the inputs hold.
    fn interface(&mut self, link: LinkType) -> u32 {
        let known = self.interfaces.iter().position(|it| *it == link);
        let place = known.unwrap_or_else(|| {
            self.hand_over();
            self.interfaces.push(link);
            self.recorder.add_interface(
                InterfaceFacts {
                    name: format!("replay-{}", self.interfaces.len() - 1),
                    link_type: link.number(),
                    snaplen: 0,
                    filter: self.filter_text.clone(),
                    mode: "capture file".to_owned(),
                },
                link,
            );
            self.interfaces.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// Whether records have waited for long enough, or there are many.
    fn is_due(&self, at: Timestamp) -> bool {
        self.chunk.len() >= TOGETHER || at.0.abs_diff(self.ticked.0) >= LONG_NS
    }

    fn tick(&mut self, at: Timestamp) {
        self.ticked = at;
        self.hand_over();
        self.recorder.tick(at.0);
    }

    fn finish(mut self, now: Timestamp) -> crate::recorder::Recorded {
        self.hand_over();
        self.recorder.finish(now.0)
    }
}
