//! What the thread that follows calls hears: its own sockets, one for each receive queue, and the
//! packets that workers are in doubt about.

use std::time::Duration;

use calltap_proto::packet::LinkType;
use calltap_proto::{Kept, Timestamp};
use calltap_xdp::clock::{self, Offset};
use calltap_xdp::{Error, Frame, Socket, Statistics, wait_for_any};
use crossbeam::channel::{Receiver, TryRecvError};

use crate::batch::Batch;
use crate::content::Doubt;
use crate::horizon::{self, Progress};
use crate::loss::Place;
use crate::pool::Lent;

/// Frames taken from one socket before the next has its turn.
const BURST: usize = 64;

/// The signalling sockets, and the way from the workers.
pub struct Hearing {
    sockets: Vec<(u32, Socket)>,
    doubts: Receiver<Lent<Batch>>,
    /// How far each worker has shown its own.
    shown: Vec<Progress>,
    clock: Offset,
    /// Frames in hand; kept for its capacity.
    frames: Vec<Frame>,
    received: u64,
    until: Timestamp,
    workers_ended: bool,
}

impl Hearing {
    /// Hears `sockets`, each with the volume's interface number, and what workers show.
    pub fn new(
        sockets: Vec<(u32, Socket)>,
        (doubts, shown): (Receiver<Lent<Batch>>, Vec<Progress>),
        clock: Offset,
    ) -> Self {
        let (frames, until) = (Vec::with_capacity(BURST), Timestamp(0));
        Self { sockets, doubts, shown, clock, frames, received: 0, until, workers_ended: false }
    }

    /// Gives out what is there, a burst from each socket; returns how many frames that were.
    pub fn hear(&mut self, mut each: impl FnMut(Doubt, Kept<'_>)) -> usize {
        let looked = Timestamp(self.clock.unix_ns(clock::boot_ns()));
        let shown = Progress::of_all(&self.shown);
        let (mut heard, mut drained) = (0, true);
        for (interface, socket) in &mut self.sockets {
            let received = socket.receive(&mut self.frames, BURST);
            heard += received;
            drained &= received < BURST;
            for frame in &self.frames {
                let at = Timestamp(self.clock.unix_ns(socket.mark(frame).arrival_ns));
                let bytes = socket.bytes(frame);
                each(Doubt::None, Kept::whole(at, *interface, LinkType::Ethernet, bytes));
            }
            socket.release(self.frames.drain(..));
        }
        self.received += heard as u64;
        match self.doubts.try_recv() {
            Ok(batch) => {
                heard += batch.len();
                drained = false;
                batch.frames().for_each(|(doubt, kept)| each(doubt, kept));
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.workers_ended = true,
        }
        if drained {
            self.until = horizon::drained(looked).min(shown);
        }
        heard
    }

    /// Whatever arrived until this time was given out.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Waits until a socket has a frame, at most for `nap`; what workers show waits as long.
    ///
    /// # Errors
    /// As [`wait_for_any`].
    pub fn wait(&self, nap: Duration) -> Result<(), Error> {
        wait_for_any(self.sockets.iter().map(|(_, socket)| socket), nap)
    }

    /// Whether every worker has ended, and with them what they had to show.
    ///
    /// A worker ends when the filter is off the interface and its ring has been empty for a while,
    /// so that nothing more comes to the sockets of this thread either.
    pub fn workers_ended(&self) -> bool {
        self.workers_ended
    }

    /// Frames taken from the sockets.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How many frames wait in each queue's ring, and how many may.
    pub fn waiting(&self) -> impl Iterator<Item = (u32, u32)> {
        self.sockets.iter().map(|(_, socket)| socket.waiting())
    }

    /// What each queue's socket has lost; one that cannot tell has lost its interface, which is told in
    /// another way.
    pub fn statistics(&self) -> impl Iterator<Item = (Place, Statistics)> {
        self.sockets.iter().map(|(interface, socket)| {
            let place = Place::queue(*interface, socket.queue());
            (place, socket.statistics().unwrap_or_default())
        })
    }
}
