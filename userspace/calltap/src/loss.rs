//! Where frames are lost in a run, by the names that the summary and the manifest use.

use std::collections::BTreeMap;

use calltap_proto::rtp::Gap;
use calltap_xdp::clock::{self, Offset};
use calltap_xdp::{Counter, Counters, Statistics};
use crossbeam::channel::Sender;

use crate::delivery;
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
    [
        ("rx_ring_full", statistics.rx_ring_full),
        ("fill_ring_empty", statistics.rx_dropped - statistics.too_long),
        ("frame_too_large", statistics.too_long),
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

/// Tells the recorder once a second what was lost since it was told last, so that the volumes of
/// that time say so.
pub struct Reporter {
    recorder: Sender<Delivery>,
    clock: Offset,
    /// How many were told of, and until when.
    told: BTreeMap<(Place, &'static str), (u64, u64)>,
    began_ns: u64,
    second: u64,
}

/// Whose losses are reported: a receive queue's, an interface's, or the whole node's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The volume's number of the interface.
    pub interface: Option<u32>,
    /// The queue.
    pub queue: Option<u32>,
}

impl Place {
    /// A receive queue of an interface.
    pub const fn queue(interface: u32, queue: u32) -> Self {
        Self { interface: Some(interface), queue: Some(queue) }
    }
}

/// Frames lost at a place within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostThere {
    /// Whose.
    pub whose: Place,
    /// Where.
    pub place: &'static str,
    /// How many.
    pub frames: u64,
    /// After this time, nanoseconds since the Unix epoch.
    pub from_ns: u64,
    /// Until this time.
    pub to_ns: u64,
}

impl Reporter {
    /// Reports to this recorder, in times of this clock.
    pub fn to(recorder: Sender<Delivery>, clock: Offset) -> Self {
        let began_ns = clock.unix_ns(clock::boot_ns());
        Self { recorder, clock, told: BTreeMap::new(), began_ns, second: second(began_ns) }
    }

    /// Whether another second has begun since it was last asked.
    pub fn is_due(&mut self) -> bool {
        let now = second(self.clock.unix_ns(clock::boot_ns()));
        std::mem::replace(&mut self.second, now) != now
    }

    /// Reports how the losses of this queue or interface have grown.
    pub fn report(&mut self, whose: Place, losses: impl IntoIterator<Item = Lost>) {
        let to_ns = self.clock.unix_ns(clock::boot_ns());
        for (place, frames) in losses {
            let (told, from_ns) = self.told.entry((whose, place)).or_insert((0, self.began_ns));
            // A counter that is gone with its interface reads zero.
            let grown = frames.saturating_sub(*told);
            let lost = LostThere { whose, place, frames: grown, from_ns: *from_ns, to_ns };
            // What the recorder has no room for now is told the next time.
            if grown == 0 || delivery::tell(&self.recorder, Note::Lost(lost)).is_ok() {
                (*told, *from_ns) = (frames.max(*told), to_ns);
            }
        }
    }
}

fn second(at_ns: u64) -> u64 {
    at_ns / 1_000_000_000
}

/// When frames were lost on the way into the evidence, so that a gap in a stream can be held
/// against it.
#[derive(Debug, Default)]
pub(crate) struct OwnLosses {
    /// From when until when.
    times: Vec<(u64, u64)>,
    count: u64,
}

/// So many times are told apart; where there are more, the oldest become one that is longer.
const MOST_TIMES: usize = 1024;

/// A frame is counted as lost this long after its arrival at most, as it waited in a ring before.
const LATE_NS: u64 = 1_000_000_000;

impl OwnLosses {
    pub(crate) fn add(&mut self, from_ns: u64, to_ns: u64) {
        self.count += 1;
        let from_ns = from_ns.saturating_sub(LATE_NS);
        match self.times.last_mut() {
            Some((first, last)) if from_ns <= *last && *first <= to_ns => {
                *first = from_ns.min(*first);
                *last = to_ns.max(*last);
            }
            _ => self.times.push((from_ns, to_ns)),
        }
        if self.times.len() > MOST_TIMES {
            let (first, last) = self.times.remove(0);
            self.times[0].0 = self.times[0].0.min(first);
            self.times[0].1 = self.times[0].1.max(last);
        }
    }

    /// How often frames were lost: what began when there had been as many has lost none.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Of the packets that a stream misses, how many may have been lost here.
    pub(crate) fn of(&self, missed: &[Gap]) -> u64 {
        let is_ours =
            |gap: &&Gap| self.times.iter().any(|&(from, to)| from <= gap.to.0 && gap.from.0 <= to);
        missed.iter().filter(is_ours).map(|gap| gap.packets).sum()
    }
}

#[cfg(test)]
mod tests {
    use calltap_proto::Timestamp;
    use crossbeam::channel::{Receiver, bounded};

    use super::*;

    fn told(from: &Receiver<Delivery>) -> Vec<LostThere> {
        let lost = |delivery| match delivery {
            Delivery::Note(Note::Lost(lost)) => lost,
            other => panic!("{other:?}"),
        };
        from.try_iter().map(lost).collect()
    }

    #[test]
    fn each_queue_is_told_by_itself_and_what_finds_no_room_is_told_later() {
        let (recorder, from) = bounded(2);
        let mut reporter = Reporter::to(recorder, clock::boot_to_unix());
        for (queue, frames) in [(0, 5), (1, 3), (2, 9)] {
            reporter.report(Place::queue(0, queue), [("rx_ring_full", frames)]);
        }
        let first = told(&from);
        assert_eq!(first.iter().map(|it| it.frames).collect::<Vec<_>>(), [5, 3]);
        reporter.report(Place::queue(0, 0), [("rx_ring_full", 7)]);
        reporter.report(Place::queue(0, 2), [("rx_ring_full", 9)]);
        let [two, nine] = told(&from)[..] else { panic!("both find room") };
        assert_eq!((two.frames, nine.frames), (2, 9));
        assert_eq!((two.from_ns, nine.from_ns), (first[0].to_ns, first[0].from_ns));
    }

    #[test]
    fn a_gap_in_a_time_of_own_losses_may_be_ours_and_any_other_is_the_networks() {
        const SECOND: u64 = 1_000_000_000;
        let gap = |at: u64, packets| Gap {
            from: Timestamp(at * SECOND),
            to: Timestamp(at * SECOND + SECOND / 50),
            packets,
        };
        let missed = [gap(10, 1), gap(14, 2), gap(15, 4), gap(17, 8)];
        let mut own = OwnLosses::default();
        assert_eq!(own.of(&missed), 0);
        own.add(15 * SECOND, 16 * SECOND);
        assert_eq!(own.of(&missed), 2 + 4, "a frame may have waited in its ring");
        (20..3000).for_each(|at| own.add(at * 3 * SECOND, at * 3 * SECOND + 1));
        assert!(own.times.len() <= MOST_TIMES);
        assert!(own.of(&missed) >= 6, "what is forgotten is never laid to the network");
    }
}
