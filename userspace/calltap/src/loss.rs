//! Where frames are lost in a run, by the names that the summary and the manifest use.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use calltap_xdp::{Counter, Counters, Statistics};
use crossbeam::channel::Sender;

use crate::intake::Tally;
use crate::recorder::{Delivery, Note};

/// A place, and how many frames were lost there so far.
pub type Lost = (&'static str, u64);

/// Lost by the filter: it wanted to keep the frame, and could not hand it to a socket.
pub fn of_filter(counters: &Counters) -> [Lost; 2] {
    [
        ("no_socket", counters.get(Counter::LostNoSocket)),
        ("no_metadata", counters.get(Counter::LostNoMetadata)),
    ]
}

/// Lost by the kernel between filter and worker.
pub fn of_socket(statistics: &Statistics) -> [Lost; 4] {
    // In copy mode a frame for which the fill ring has no chunk is counted in both.
    let no_chunk = statistics.fill_ring_empty.min(statistics.rx_dropped);
    [
        ("rx_ring_full", statistics.rx_ring_full),
        ("fill_ring_empty", no_chunk),
        ("frame_too_large", statistics.rx_dropped - no_chunk),
        ("bad_descriptor", statistics.bad_descriptors),
    ]
}

/// Lost by the kernel between filter and the thread that follows calls.
pub fn of_signalling(statistics: &Statistics) -> [Lost; 4] {
    let [ring_full, no_chunk, too_large, bad] = of_socket(statistics);
    [("signalling_behind", ring_full.1), no_chunk, too_large, bad]
}

/// Lost by a worker, because the thread behind it was late.
pub fn of_worker(tally: &Tally) -> [Lost; 3] {
    [
        ("signalling_behind", tally.lost_signalling),
        ("recorder_behind", tally.lost_content),
        ("doubtful_media", tally.lost_doubtful),
    ]
}

/// How often a thread reports its losses.
const EVERY: Duration = Duration::from_secs(1);

/// Tells the recorder once a second what was lost since it was told last, so that the volumes of
/// that time say so.
pub struct Reporter {
    recorder: Sender<Delivery>,
    told: BTreeMap<&'static str, u64>,
    at: Instant,
}

impl Reporter {
    /// Reports to this recorder.
    pub fn to(recorder: Sender<Delivery>) -> Self {
        Self { recorder, told: BTreeMap::new(), at: Instant::now() }
    }

    /// Whether it is time to report.
    pub fn is_due(&self) -> bool {
        self.at.elapsed() >= EVERY
    }

    /// Reports how `losses` have grown.
    pub fn report(&mut self, losses: impl IntoIterator<Item = Lost>) {
        self.at = Instant::now();
        for (place, frames) in losses {
            let told = self.told.entry(place).or_default();
            let grown = frames - *told;
            let note = || Delivery::Note(Note::Lost(place, grown));
            // What the recorder has no room for now is told the next time.
            if grown > 0 && self.recorder.try_send(note()).is_ok() {
                *told = frames;
            }
        }
    }
}
