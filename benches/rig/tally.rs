//! What is in the files that a tool wrote: each frame held against what was sent.

use std::path::PathBuf;

use anyhow::Result;
use calltap::capture::CaptureFile;
use calltap_xdp::generator::{CALLS, Direction, FRAME_BYTES, Stream, Traffic};

/// Frames of each pass have numbers of their own: the pass is above this bit.
const PASS_BIT: u32 = 40;

/// Frames that were sent in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    /// What they are.
    pub(crate) traffic: Traffic,
    /// The number of the first.
    pub(crate) first: u64,
    /// How many they are.
    pub(crate) frames: u64,
}

impl Pass {
    /// A blast of this traffic.
    pub(crate) fn blast(traffic: Traffic, frames: u64) -> Self {
        Self { traffic, first: u64::from(traffic.share()) << PASS_BIT, frames }
    }

    /// The first packet of each of so many streams of the target's.
    pub(crate) fn first_packets(streams: u32) -> Self {
        // No share is as large, and each stream has its turn from here on.
        let first = (101 << PASS_BIT) / u64::from(2 * CALLS) * u64::from(2 * CALLS);
        Self { traffic: Traffic::new(100), first, frames: streams.into() }
    }

    fn has(&self, number: u64) -> bool {
        number.checked_sub(self.first).is_some_and(|place| place < self.frames)
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Whole frames of the target's media, each counted once, by the pass that they were sent in.
    pub(crate) media: Vec<u64>,
    /// Whole frames of strangers' media.
    pub(crate) strangers: u64,
    /// Frames of signalling.
    pub(crate) signalling: u64,
    /// Frames that are there more than once.
    pub(crate) duplicates: u64,
    /// Frames that stand behind a later frame of their stream.
    pub(crate) disorder: u64,
    /// Frames of which a byte is not as it was sent.
    pub(crate) corrupt: u64,
}

impl Tally {
    /// Reads the files; `passes` says what was sent.
    pub(crate) fn of(files: &[PathBuf], passes: &[Pass]) -> Result<Self> {
        let mut tally = Self::default();
        let mut seen: Vec<_> = passes.iter().copied().map(Seen::new).collect();
        for path in files {
            let mut file = CaptureFile::open(path)?;
            while let Some(frame) = file.next_frame()? {
                tally.count(frame.bytes, &mut seen);
            }
        }
        tally.media = seen.iter().map(|seen| seen.media).collect();
        Ok(tally)
    }

    /// All frames.
    pub(crate) fn frames(&self) -> u64 {
        let media: u64 = self.media.iter().sum();
        media + self.strangers + self.signalling + self.duplicates + self.corrupt
    }

    fn count(&mut self, frame: &[u8], seen: &mut [Seen]) {
        if frame.get(34..36) == Some(&5060_u16.to_be_bytes()) {
            self.signalling += 1;
            return;
        }
        let of = |seen: &Seen| seen.pass.traffic.number(frame).filter(|it| seen.pass.has(*it));
        let known = (frame.len() == FRAME_BYTES)
            .then(|| seen.iter_mut().find_map(|seen| Some((of(seen)?, seen))));
        let Some((number, seen)) = known.flatten() else {
            self.corrupt += 1;
            return;
        };
        let stream = seen.pass.traffic.stream(number);
        let is_new = seen.is_new(number);
        self.duplicates += u64::from(!is_new);
        self.disorder += u64::from(is_new && !seen.is_in_order(&stream));
        if is_new && stream.of_target {
            seen.media += 1;
        } else if is_new {
            self.strangers += 1;
        }
    }
}

/// The frames of a pass that were found.
struct Seen {
    pass: Pass,
    /// A bit for each frame of the pass.
    found: Vec<u64>,
    /// The latest packet found of each stream, and one more.
    latest: Vec<u64>,
    /// Frames of the target's found.
    media: u64,
}

impl Seen {
    fn new(pass: Pass) -> Self {
        let words = usize::try_from(pass.frames.div_ceil(64)).expect("a pass that fits memory");
        Self { pass, found: vec![0; words], latest: vec![0; 4 * CALLS as usize], media: 0 }
    }

    fn is_new(&mut self, number: u64) -> bool {
        let place = number - self.pass.first;
        let word = &mut self.found[usize::try_from(place / 64).expect("checked")];
        let bit = 1 << (place % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn is_in_order(&mut self, stream: &Stream) -> bool {
        let way = usize::from(stream.direction == Direction::FromCallee);
        let party = usize::from(stream.of_target);
        let latest = &mut self.latest[4 * stream.call as usize + 2 * party + way];
        let in_order = stream.packet + 1 > *latest;
        *latest = stream.packet + 1;
        in_order
    }
}
