//! What is in the files that a tool wrote: each frame held against what was sent.

use std::path::PathBuf;

use anyhow::Result;
use calltap::capture::CaptureFile;
use calltap_xdp::generator::{CALLS, Direction, FRAME_BYTES, Stream, Traffic};

/// Frames of each blast have numbers of their own: its share is above this bit.
const SHARE_BIT: u32 = 40;

/// The number of the first frame of the blast whose traffic is this.
pub(crate) fn first_number(traffic: Traffic) -> u64 {
    u64::from(traffic.share()) << SHARE_BIT
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Whole frames of the target's media, each counted once, by the share of their blast.
    pub(crate) media: Vec<(u8, u64)>,
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
    /// Reads the files; `blasts` says how many frames each blast had.
    pub(crate) fn of(files: &[PathBuf], blasts: &[(Traffic, u64)]) -> Result<Self> {
        let mut tally = Self::default();
        let mut seen: Vec<_> =
            blasts.iter().map(|(traffic, frames)| Seen::new(*traffic, *frames)).collect();
        for path in files {
            let mut file = CaptureFile::open(path)?;
            while let Some(frame) = file.next_frame()? {
                tally.count(frame.bytes, &mut seen);
            }
        }
        tally.media = seen.iter().map(|blast| (blast.traffic.share(), blast.media)).collect();
        Ok(tally)
    }

    pub(crate) fn media_at(&self, share: u8) -> u64 {
        self.media.iter().filter(|(of, _)| *of == share).map(|(_, frames)| frames).sum()
    }

    /// All frames.
    pub(crate) fn frames(&self) -> u64 {
        let media: u64 = self.media.iter().map(|(_, frames)| frames).sum();
        media + self.strangers + self.signalling + self.duplicates + self.corrupt
    }

    fn count(&mut self, frame: &[u8], seen: &mut [Seen]) {
        if frame.get(34..36) == Some(&5060_u16.to_be_bytes()) {
            self.signalling += 1;
            return;
        }
        let known = (frame.len() == FRAME_BYTES)
            .then(|| seen.iter_mut().find_map(|blast| Some((blast.traffic.number(frame)?, blast))));
        let Some((number, blast)) = known.flatten().filter(|(number, blast)| blast.has(*number))
        else {
            self.corrupt += 1;
            return;
        };
        let stream = blast.traffic.stream(number);
        let is_new = blast.is_new(number);
        self.duplicates += u64::from(!is_new);
        self.disorder += u64::from(is_new && !blast.is_in_order(&stream));
        if is_new && stream.of_target {
            blast.media += 1;
        } else if is_new {
            self.strangers += 1;
        }
    }
}

/// The frames of a blast that were found.
struct Seen {
    traffic: Traffic,
    frames: u64,
    /// A bit for each frame of the blast.
    found: Vec<u64>,
    /// The latest packet found of each stream, and one more.
    latest: Vec<u64>,
    /// Frames of the target's found.
    media: u64,
}

impl Seen {
    fn new(traffic: Traffic, frames: u64) -> Self {
        let words = usize::try_from(frames.div_ceil(64)).expect("a blast that fits memory");
        let latest = vec![0; 4 * CALLS as usize];
        Self { traffic, frames, found: vec![0; words], latest, media: 0 }
    }

    fn has(&self, number: u64) -> bool {
        number.checked_sub(first_number(self.traffic)).is_some_and(|place| place < self.frames)
    }

    fn is_new(&mut self, number: u64) -> bool {
        let place = number - first_number(self.traffic);
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
