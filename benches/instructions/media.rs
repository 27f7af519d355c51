//! A target's media from the ring to the file, all on one thread: intake, merge, recorder.

use calltap::merge::Merge;
use calltap::recorder::{Delivery, Recorder};
use calltap_bench::desk::Desk;
use calltap_bench::talk::{NOW_NS, recorder};

use crate::worker::Worker;

/// The path, of which the worker is the first part.
pub(crate) struct Path {
    worker: Worker,
    merge: Merge,
    recorder: Recorder,
}

impl Path {
    /// With so many calls of the target's, each of two streams.
    pub(crate) fn of(desk: &Desk, calls: u32) -> Self {
        let recorder = recorder(desk, calls);
        Self { worker: Worker::of(desk, calls, (0, 1)), merge: Merge::default(), recorder }
    }

    /// Takes the next packets, of one stream after the other.
    pub(crate) fn take(&mut self, packets: u64) {
        let Self { worker, merge, recorder } = self;
        worker.take(packets, |delivered| {
            for delivery in delivered.try_iter() {
                if let Delivery::Chunk(chunk) = delivery {
                    merge.push(chunk);
                }
            }
            merge.drain(u64::MAX, |run| {
                recorder.record_all(run.records(), |warrant| panic!("{warrant} stopped"));
            });
        });
    }

    /// Seals the evidence, in which every packet must be.
    pub(crate) fn end(self) {
        let recorded = self.recorder.finish(NOW_NS);
        let kept: u64 = recorded.volumes.iter().map(|volume| volume.packets).sum();
        assert_eq!((kept, self.worker.intake.tally.lost()), (self.worker.packets, 0));
    }
}
