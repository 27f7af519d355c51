//! A worker's half of the path, from the ring to the recorder's door, and several of them side by
//! side.

use calltap::batch::Batch;
use calltap::content::{Binding, Command, Content};
use calltap::horizon::Progress;
use calltap::intake::{Intake, Open, Tally};
use calltap::pool::{Lent, Pool};
use calltap::recorder::Delivery;
use calltap_bench::desk::Desk;
use calltap_bench::frame::{endpoint, rtp, udp};
use calltap_bench::talk::NOW_NS;
use calltap_evidence::chunk::Chunk;
use calltap_proto::{CallKey, Timestamp};
use calltap_xdp::Reason;
use crossbeam::channel::{Receiver, bounded};

/// As after every burst of a ring.
const BURST: usize = 64;

/// A worker's intake, and the frames that take turns on its queue.
pub(crate) struct Worker {
    pub(crate) intake: Intake,
    /// What the thread that follows calls is shown comes back at once.
    _shown: Receiver<Lent<Batch>>,
    delivered: Receiver<Delivery>,
    frames: Vec<Vec<u8>>,
    pub(crate) packets: u64,
}

impl Worker {
    /// The worker of one of so many queues, of a target's calls with two streams each: as each of
    /// them it knows all calls, and receives its part of the flows.
    pub(crate) fn of(desk: &Desk, calls: u32, (queue, queues): (usize, usize)) -> Self {
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
        let frames = frames.into_iter().skip(queue).step_by(queues).collect();
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
        Self { intake, _shown: shown, delivered, frames, packets: 0 }
    }

    /// Takes the next packets, of one stream after the other; `each` is called after every burst.
    pub(crate) fn take(&mut self, packets: u64, mut each: impl FnMut(&Receiver<Delivery>)) {
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
            self.intake.hand_over(false);
            each(&self.delivered);
        }
        self.intake.hand_over(true);
        each(&self.delivered);
    }
}

/// Takes packets of so many calls by all `workers`, each its part; what they hand over comes back at
/// once.
pub(crate) fn take_all(workers: &mut [Worker], packets: u64) {
    let each = packets / workers.len() as u64;
    for worker in workers {
        worker.take(each, |delivered| delivered.try_iter().for_each(drop));
        assert_eq!(worker.intake.tally, Tally { received: worker.packets, ..Tally::default() });
    }
}
