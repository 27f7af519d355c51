//! A target's media from the ring to the file, all on one thread: intake, merge, recorder.

use calltap::batch::Batch;
use calltap::content::{Binding, Command, Content};
use calltap::horizon::Progress;
use calltap::intake::{Intake, Open, Tally};
use calltap::merge::Merge;
use calltap::pool::Pool;
use calltap::recorder::{Delivery, Recorder};
use calltap_bench::desk::Desk;
use calltap_bench::frame::{endpoint, rtp, udp};
use calltap_bench::talk::{NOW_NS, recorder};
use calltap_evidence::chunk::Chunk;
use calltap_proto::{CallKey, Timestamp};
use calltap_xdp::Reason;
use crossbeam::channel::{Receiver, bounded};

/// As after every burst of a ring.
const BURST: usize = 64;

/// The path, and the frames that take turns on it.
pub(crate) struct Path {
    intake: Intake,
    /// What the thread that follows calls is shown comes back at once.
    _shown: Receiver<calltap::pool::Lent<Batch>>,
    delivered: Receiver<Delivery>,
    merge: Merge,
    recorder: Recorder,
    frames: Vec<Vec<u8>>,
    packets: u64,
}

impl Path {
    /// With so many calls of the target's, each of two streams.
    pub(crate) fn of(desk: &Desk, calls: u32) -> Self {
        let authority = desk.authority();
        let (mut content, mut frames) = (Content::default(), Vec::new());
        for cin in 1..=calls {
            let binding = Binding { authority, call: CallKey { warrant: 0, cin } };
            let (caller, callee) = (endpoint(2 * cin), endpoint(2 * cin + 1));
            content.apply(Command::Open(caller, binding));
            content.apply(Command::Open(callee, binding));
            // Both ends have been heard.
            content.witnessed(caller, callee);
            content.witnessed(callee, caller);
            frames.push(udp(caller, callee, &rtp(cin, 0)));
            frames.push(udp(callee, caller, &rtp(!cin, 0)));
        }
        let (signalling, shown) = bounded(1);
        let (recorded, delivered) = bounded(64);
        let intake = Intake {
            interface: 0,
            signalling,
            batches: Pool::new(1, Batch::default),
            recorder: recorded,
            chunks: Pool::new(4, Chunk::default),
            recorded: Progress::default(),
            shown: Progress::default(),
            content,
            tally: Tally::default(),
            open: Open::default(),
        };
        let recorder = recorder(desk, calls);
        let merge = Merge::default();
        Self { intake, _shown: shown, delivered, merge, recorder, frames, packets: 0 }
    }

    /// Takes the next packets, of one stream after the other.
    pub(crate) fn take(&mut self, packets: u64) {
        let streams = self.frames.len() as u64;
        for first in (0..packets).step_by(BURST) {
            let packets = self.packets..self.packets + (packets - first).min(BURST as u64);
            let turn = |packet: u64| usize::try_from(packet % streams).expect("a stream");
            for packet in packets.clone() {
                let round = u16::try_from(packet / streams % 65_536).expect("16 bits");
                self.frames[turn(packet)][44..46].copy_from_slice(&round.to_be_bytes());
            }
            let burst = packets.clone().map(|packet| {
                let at = Timestamp(NOW_NS + packet * 100);
                (Reason::Endpoint as u32, at, &*self.frames[turn(packet)])
            });
            self.intake.take_all(&burst.collect::<Vec<_>>());
            self.packets = packets.end;
            self.hand_over(false);
        }
        self.hand_over(true);
    }

    fn hand_over(&mut self, last: bool) {
        self.intake.hand_over(last);
        for delivery in self.delivered.try_iter() {
            if let Delivery::Chunk(chunk) = delivery {
                self.merge.push(chunk);
            }
        }
        let Self { merge, recorder, .. } = self;
        merge.drain(u64::MAX, |run| {
            recorder.record_all(run.records(), |warrant| panic!("{warrant} stopped"));
        });
    }

    /// Seals the evidence, in which every packet must be.
    pub(crate) fn end(self) {
        let recorded = self.recorder.finish(NOW_NS);
        let kept: u64 = recorded.volumes.iter().map(|volume| volume.packets).sum();
        assert_eq!((kept, self.intake.tally.lost()), (self.packets, 0));
    }
}
