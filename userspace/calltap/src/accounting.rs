//! What became of every frame of a run, added up of what each place has counted.

use calltap_xdp::{Counters, Statistics};

use crate::intake::Tally;
use crate::loss;
use crate::summary::Frames;

/// What each place has counted.
#[derive(Debug, Default)]
pub struct Counted {
    /// The filter.
    pub kernel: Counters,
    /// Each worker and its socket.
    pub workers: Vec<(Tally, Statistics)>,
    /// Each socket of the thread that follows calls.
    pub following: Vec<Statistics>,
    /// Frames that this thread took from them.
    pub followed: u64,
    /// Its records that were lost for want of an empty chunk.
    pub lost_records: u64,
    /// Records that are in no volume.
    pub unwritten: u64,
    /// Frames that the cards dropped.
    pub nic: u64,
}

impl Counted {
    /// The sum: `seen = passed + filtered + delivered + lost`, exactly, once every ring is empty.
    pub fn frames(&self) -> Frames {
        let mut frames = Frames {
            seen: self.kernel.seen(),
            passed: self.kernel.passed(),
            filtered: self.kernel.filtered(),
            nic: self.nic,
            ..Frames::default()
        };
        let of_workers = self.workers.iter().flat_map(|(tally, statistics)| {
            loss::of_socket(statistics).into_iter().chain(loss::of_worker(tally))
        });
        let of_following = self.following.iter().flat_map(loss::of_signalling);
        let losses = loss::of_filter(&self.kernel).into_iter().chain(of_workers);
        losses.chain(of_following).for_each(|(place, lost)| frames.lose(place, lost));
        let worked: u64 = self.workers.iter().map(|(tally, _)| tally.received - tally.lost()).sum();
        frames.delivered = worked + self.followed;
        // A frame that could not be written was delivered, and then lost.
        for (place, unwritten) in [("recorder_behind", self.lost_records), ("disk", self.unwritten)]
        {
            let unwritten = unwritten.min(frames.delivered);
            frames.delivered -= unwritten;
            frames.lose(place, unwritten);
        }
        frames
    }
}
