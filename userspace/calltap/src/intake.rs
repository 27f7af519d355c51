//! What a worker does with a frame: media becomes records at once, and what it cannot judge goes on.
//!
//! Nothing here knows the socket, so tests and benches run the very code that a capture runs.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use calltap_evidence::chunk::Chunk;
use calltap_proto::Timestamp;
use calltap_proto::packet::{self, Body, LinkType};
use calltap_xdp::Reason;
use crossbeam::channel::Sender;

use crate::batch::Batch;
use crate::content::{Content, Doubt, Seen};
use crate::delivery;
use crate::horizon::Progress;
use crate::pool::{Lent, Pool};
use crate::recorder::Delivery;

/// A chunk is handed over when it is this old, full or not, unless the recorder takes nothing: so
/// long may a queue that has little to say hold back the others.
const CHUNK_AGE: Duration = Duration::from_millis(20);

/// Frames whose calls are brought near at once.
const TOGETHER: usize = 16;

/// A batch is handed over when it is this old: one for each burst would use them up while the
/// thread that follows calls sleeps.
const BATCH_AGE: Duration = Duration::from_millis(2);

/// Packets a second, of which nobody knows yet whose they are, that the thread which follows calls
/// is shown: those of a hundred streams.
const MAX_DOUBTS: u32 = 5_000;

/// A worker's copies of what is kept, and where they go.
pub struct Intake {
    /// The volume's interface number.
    pub interface: u32,
    /// Where frames go that may be signalling.
    pub signalling: Sender<Lent<Batch>>,
    /// Empty batches.
    pub batches: Pool<Batch>,
    /// Where records go; it has room for every chunk of the pool.
    pub recorder: Sender<Delivery>,
    /// Empty chunks.
    pub chunks: Pool<Chunk>,
    /// How far records were handed over.
    pub recorded: Progress,
    /// How far frames were handed over that may be signalling.
    pub shown: Progress,
    /// Who is listened to.
    pub content: Content,
    /// What was copied, and what was not.
    pub tally: Tally,
    /// What is being filled.
    pub open: Open,
}

/// Frames that a worker took in, and lost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Frames taken from the ring.
    pub received: u64,
    /// Frames that may be signalling, lost because the signalling thread was behind.
    pub lost_signalling: u64,
    /// Frames of media, lost because the recorder was behind.
    pub lost_content: u64,
    /// Frames that came to a call's endpoint from an unknown address, lost because there were too
    /// many of them.
    pub lost_doubtful: u64,
}

impl Tally {
    /// Frames lost, wherever.
    pub fn lost(&self) -> u64 {
        self.lost_signalling + self.lost_content + self.lost_doubtful
    }
}

/// The buffers that are being filled.
#[derive(Debug, Default)]
pub struct Open {
    batch: Option<(Lent<Batch>, Instant)>,
    chunk: Option<(Lent<Chunk>, Instant)>,
    /// The last frame that was taken in whole.
    until: Timestamp,
    /// A second, and how many packets of unknown ownership were shown in it.
    doubts: (u64, u32),
}

impl Intake {
    /// Takes in a frame that arrived at `at` and that the filter kept for `reason`.
    pub fn take(&mut self, reason: u32, at: Timestamp, bytes: &[u8]) {
        self.take_all(&[(reason, at, bytes)]);
    }

    /// Takes in frames, in the order of their arrival.
    pub fn take_all(&mut self, frames: &[(u32, Timestamp, &[u8])]) {
        for frames in frames.chunks(TOGETHER) {
            let mut media = [None; TOGETHER];
            for (ends, (reason, _, bytes)) in media.iter_mut().zip(frames) {
                *ends = of_media(*reason, bytes);
            }
            for (source, destination) in media.iter().flatten() {
                black_box(self.content.bring_near(*source, *destination));
            }
            for ((_, at, bytes), ends) in frames.iter().zip(&media) {
                self.tally.received += 1;
                match ends {
                    Some(ends) => self.keep(*at, bytes, *ends),
                    None => {
                        let shown = self.show(*at, Doubt::None, bytes);
                        self.tally.lost_signalling += u64::from(!shown);
                    }
                }
                self.open.until = self.open.until.max(*at);
            }
        }
    }

    /// Whether nothing can be kept as the recorder has every chunk.
    pub fn is_stuck(&self) -> bool {
        self.open.chunk.is_none() && self.chunks.is_empty()
    }

    /// Counts frames of media that nothing else was done with, as nothing could be kept of them.
    pub fn lose(&mut self, frames: usize) {
        self.tally.received += frames as u64;
        self.tally.lost_content += frames as u64;
    }

    /// Copies a frame for the thread that follows calls; `false` where that thread is behind.
    fn show(&mut self, at: Timestamp, doubt: Doubt, bytes: &[u8]) -> bool {
        for _ in 0..2 {
            if self.open.batch.is_none() {
                self.open.batch = self.batches.lend().map(|batch| (batch, Instant::now()));
            }
            let Some((batch, _)) = &mut self.open.batch else { break };
            if batch.try_push(at, self.interface, doubt, bytes) {
                return true;
            }
            self.show_batch();
        }
        false
    }

    fn show_batch(&mut self) {
        if let Some((batch, _)) = self.open.batch.take() {
            // The channel has room for every batch of the pool.
            let _ = self.signalling.try_send(batch);
            self.shown.reach(self.open.until);
        }
    }

    /// Whether another packet may be shown of which nobody knows yet whose it is.
    ///
    /// Anybody can send to an announced port; signalling must not wait behind that, nor find the
    /// batches used up by it.
    fn may_doubt(&mut self, at: Timestamp) -> bool {
        if !self.batches.is_half_free() {
            return false;
        }
        let second = at.0 / 1_000_000_000;
        if self.open.doubts.0 != second {
            self.open.doubts = (second, 0);
        }
        self.open.doubts.1 += 1;
        self.open.doubts.1 <= MAX_DOUBTS
    }

    fn keep(
        &mut self,
        at: Timestamp,
        bytes: &[u8],
        (source, destination): (SocketAddr, SocketAddr),
    ) {
        let Self { content, open, chunks, recorder, recorded, .. } = self;
        let original_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let seen = Seen { at_ns: at.0, interface: self.interface, original_len, frame: bytes };
        let mut lost = false;
        let doubt = content.keep(seen, source, destination, |record| {
            loop {
                if open.chunk.is_none() {
                    open.chunk = chunks.lend().map(|chunk| (chunk, Instant::now()));
                }
                let Some((chunk, _)) = &mut open.chunk else {
                    lost = true;
                    return;
                };
                if chunk.try_push(&record).is_ok() {
                    return;
                }
                hand_over(open, recorder, recorded);
            }
        });
        self.tally.lost_content += u64::from(lost);
        match doubt {
            Doubt::None => {}
            Doubt::Witness => {
                if self.show(at, doubt, bytes) {
                    self.content.witnessed(source, destination);
                }
            }
            Doubt::Undecided if lost => {}
            Doubt::Undecided => {
                let shown = self.may_doubt(at) && self.show(at, doubt, bytes);
                self.tally.lost_doubtful += u64::from(!shown);
            }
        }
    }

    /// Takes note that every frame which arrived until `at` was taken in.
    pub fn drained(&mut self, at: Timestamp) {
        self.open.until = self.open.until.max(at);
    }

    /// Hands over what has waited long enough; all of it when it is the `last` time.
    pub fn hand_over(&mut self, last: bool) {
        let due = |since: &Instant, age| last || since.elapsed() >= age;
        let fresh = last || delivery::is_awake(&self.recorder);
        if self.open.batch.as_ref().is_some_and(|(_, since)| due(since, BATCH_AGE)) {
            self.show_batch();
        }
        if fresh && self.open.chunk.as_ref().is_some_and(|(_, since)| due(since, CHUNK_AGE)) {
            hand_over(&mut self.open, &self.recorder, &self.recorded);
        }
        if self.open.batch.is_none() {
            self.shown.reach(self.open.until);
        }
        if self.open.chunk.is_none() {
            self.recorded.reach(self.open.until);
        }
    }
}

/// Sender and receiver of a frame of media.
///
/// A fragment of media goes to the thread that puts datagrams together.
fn of_media(reason: u32, bytes: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let is_media = reason == Reason::Endpoint as u32 || reason == Reason::Prefix as u32;
    let packet = is_media.then(|| packet::parse(LinkType::Ethernet, bytes).ok()).flatten()?;
    (!matches!(packet.body, Body::Fragment(_))).then(|| packet.endpoints())
}

fn hand_over(open: &mut Open, recorder: &Sender<Delivery>, recorded: &Progress) {
    if let Some((chunk, _)) = open.chunk.take() {
        let _ = recorder.try_send(Delivery::Chunk(chunk));
        recorded.reach(open.until);
    }
}
