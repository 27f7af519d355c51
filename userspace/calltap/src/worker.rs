//! One receive queue's worker: takes frames from its AF_XDP socket, has them copied, and gives
//! them back.
//!
//! It owns its socket and its table of endpoints; what it shares, it shares without a lock.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use calltap_proto::Timestamp;
use calltap_xdp::clock::{self, Offset};
use calltap_xdp::{Error, Frame, Socket, Statistics};
use crossbeam::channel::Receiver;
use tracing::warn;

use crate::content::Command;
use crate::horizon;
use crate::intake::{Intake, Tally};
use crate::live::news::{Of, Teller};
use crate::loss::{self, Place, Reporter};
use crate::placement;
use crate::polling::Polling;

/// Frames taken from the ring at once.
const BURST: usize = 64;

/// The longest sleep while nothing arrives; so long may frames that the signalling thread released
/// wait on their way back to the kernel.
const NAP: Duration = Duration::from_millis(10);

/// How long the ring must stay empty after the filter was taken off the interface, before nothing
/// more is expected.
const SETTLED: Duration = Duration::from_millis(50);

/// How long media may gather where so many frames are in circulation: a wake for every few frames
/// costs more than the frames do, and nobody waits for media as for signalling.
///
/// A third of the ring, which is half of the frames, fills meanwhile at four million frames a
/// second, more than a queue is given; the rest is for the scheduler's delays.
pub fn nap(frames: u32) -> Duration {
    Duration::from_nanos(u64::from(frames) * 1_000 / 24).min(Duration::from_millis(1))
}

/// What a worker is told.
#[derive(Debug, Clone)]
pub struct Told {
    /// When, in nanoseconds of the boot clock: it holds for frames that arrive from then on.
    pub at_ns: u64,
    /// Who is listened to from then on, and who is not.
    pub commands: Vec<Command>,
}

/// One queue's worker.
pub struct Worker {
    /// The queue's socket.
    pub socket: Socket,
    /// Turns the boot times of frames into Unix time.
    pub clock: Offset,
    /// Changes of who is listened to; sent ahead of the kernel's map.
    pub told: Receiver<Told>,
    /// Copies what is kept.
    pub intake: Intake,
    /// How long media gathers once the ring is drained; see [`nap`].
    pub nap: Duration,
    /// Where it runs the queue's driver itself while frames come, and naps no more.
    pub polling: Option<Polling>,
    /// Where it tells, once a second, what it has counted.
    pub news: Teller,
    /// The processor that it runs on, if on one alone.
    pub cpu: Option<u32>,
    /// Set once the filter is off the interface: the worker ends when its ring is empty.
    pub stop: Arc<AtomicBool>,
}

impl Worker {
    /// Works until it is told to stop and the ring is empty.
    ///
    /// `failed` is called where the socket fails, because the interface went away; what was
    /// received is handed over all the same.
    pub fn work(mut self, failed: impl FnOnce(Error)) -> (Tally, Statistics) {
        if let Some(cpu) = self.cpu {
            placement::run_on([cpu]);
        }
        let mut frames = Vec::with_capacity(BURST);
        let mut empty_since = None;
        let mut is_down = false;
        let mut next = None;
        let mut reporter = Reporter::to(self.intake.recorder.clone(), self.clock);
        let place = Place::queue(self.intake.interface, self.socket.queue());
        loop {
            let looked = self.clock.unix_ns(clock::boot_ns());
            let received = self.socket.receive(&mut frames, BURST);
            if let Some(polling) = &mut self.polling {
                polling.found(received);
            }
            self.take_as_told(&frames, &mut next);
            self.socket.release(frames.drain(..));
            if received < BURST {
                self.intake.drained(horizon::drained(Timestamp(looked)));
            }
            self.intake.hand_over(false);
            if reporter.is_due() {
                self.tell(place, &mut reporter);
                if let Some(polling) = &mut self.polling {
                    polling.judge(&self.socket);
                }
            }
            if received > 0 {
                empty_since = None;
                if received < BURST && !self.poll() {
                    thread::sleep(self.nap);
                }
                continue;
            }
            if self.stop.load(Ordering::Acquire) {
                let since = *empty_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= SETTLED {
                    break;
                }
            }
            if self.poll() {
                continue;
            }
            match self.socket.wait(NAP) {
                Ok(_) => is_down = false,
                // Frames come again when it is up, and none are lost in a link that is down.
                Err(error @ Error::InterfaceDown { .. }) => {
                    if !is_down {
                        warn!("{error}");
                    }
                    is_down = true;
                    thread::sleep(NAP);
                }
                Err(error) => {
                    failed(error);
                    break;
                }
            }
        }
        self.intake.hand_over(true);
        self.intake.recorded.end();
        self.intake.shown.end();
        let statistics = self.tell(place, &mut reporter);
        (self.intake.tally, statistics)
    }

    /// Has the driver run, where this thread is to see to that now.
    fn poll(&mut self) -> bool {
        let polling = self.polling.as_mut().filter(|it| it.is_due());
        polling.map(|it| it.poll(&self.socket)).is_some()
    }

    /// Tells the recorder what was lost, and the control thread what was counted.
    fn tell(&self, whose: Place, reporter: &mut Reporter) -> Statistics {
        let (tally, statistics) = (self.intake.tally, self.statistics());
        let lost = loss::of_worker(&tally).into_iter().chain(loss::of_socket(&statistics));
        reporter.report(whose, lost);
        self.news.tell(Of::Queue { whose, tally, statistics, ring: self.socket.waiting() });
        statistics
    }

    /// Takes frames, each under what held when it arrived; `next` is what does not hold yet.
    ///
    /// What comes late, because this thread did, is no less the call's for its having ended since.
    /// The order matters: commands are sent before the kernel's map is set, so whatever these frames
    /// hold because of one, it is here by now.
    fn take_as_told(&mut self, frames: &[Frame], next: &mut Option<Told>) {
        let mut rest = frames;
        while let Some(told) = next.take().or_else(|| self.told.try_recv().ok()) {
            let arrived_ns = |frame: &Frame| self.socket.mark(frame).arrival_ns;
            let (earlier, later) =
                rest.split_at(rest.partition_point(|frame| arrived_ns(frame) < told.at_ns));
            self.take(earlier);
            rest = later;
            // The ring may hold more that arrived ahead of it.
            if later.is_empty() && frames.len() == BURST {
                *next = Some(told);
                return;
            }
            told.commands.into_iter().for_each(|command| self.intake.content.apply(command));
        }
        self.take(rest);
    }

    fn take(&mut self, frames: &[Frame]) {
        if self.intake.is_stuck() {
            self.intake.lose(frames.len());
            return;
        }
        let Self { socket, clock, intake, .. } = self;
        // What the kernel has copied is in another CPU's cache: it is fetched for many at once.
        for frame in frames {
            black_box((socket.mark(frame).arrival_ns, socket.bytes(frame).first()));
        }
        let mut read = [(0, Timestamp(0), &[][..]); BURST];
        for (read, frame) in read.iter_mut().zip(frames) {
            let mark = socket.mark(frame);
            let at = Timestamp(clock.unix_ns(mark.arrival_ns));
            *read = (mark.reason, at, socket.bytes(frame));
        }
        intake.take_all(read.get(..frames.len()).unwrap_or_default());
    }

    /// A socket that cannot tell has lost its interface, which is told in another way.
    fn statistics(&self) -> Statistics {
        self.socket.statistics().unwrap_or_default()
    }
}
