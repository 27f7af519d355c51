//! One receive queue's worker: takes frames from its AF_XDP socket, has them copied, and gives
//! them back.
//!
//! It owns its socket and its table of endpoints; what it shares, it shares without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use calltap_proto::Timestamp;
use calltap_xdp::clock::Offset;
use calltap_xdp::{Error, Socket, Statistics};
use crossbeam::channel::Receiver;
use tracing::warn;

use crate::content::Command;
use crate::intake::{Intake, Tally};
use crate::live::news::{Of, Teller};
use crate::loss::{self, Place, Reporter};

/// Frames taken from the ring at once.
const BURST: usize = 64;

/// The longest sleep while nothing arrives; so long may frames that the signalling thread released
/// wait on their way back to the kernel.
const NAP: Duration = Duration::from_millis(10);

/// How long the ring must stay empty after the filter was taken off the interface, before nothing
/// more is expected.
const SETTLED: Duration = Duration::from_millis(50);

/// One queue's worker.
pub struct Worker {
    /// The queue's socket.
    pub socket: Socket,
    /// Turns the boot times of frames into Unix time.
    pub clock: Offset,
    /// Changes of who is listened to; sent ahead of the kernel's map.
    pub commands: Receiver<Vec<Command>>,
    /// Copies what is kept.
    pub intake: Intake,
    /// Where it tells, once a second, what it has counted.
    pub news: Teller,
    /// Set once the filter is off the interface: the worker ends when its ring is empty.
    pub stop: Arc<AtomicBool>,
}

impl Worker {
    /// Works until it is told to stop and the ring is empty.
    ///
    /// `failed` is called where the socket fails, because the interface went away; what was
    /// received is handed over all the same.
    pub fn work(mut self, failed: impl FnOnce(Error)) -> (Tally, Statistics) {
        let mut frames = Vec::with_capacity(BURST);
        let mut empty_since = None;
        let mut is_down = false;
        let mut reporter = Reporter::to(self.intake.recorder.clone(), self.clock);
        let place = Place::queue(self.intake.interface, self.socket.queue());
        loop {
            let received = self.socket.receive(&mut frames, BURST);
            // The order matters: a command is sent before the kernel's map is set, so whatever
            // this burst holds because of it, the command is here by now.
            for command in self.commands.try_iter().flatten() {
                self.intake.content.apply(command);
            }
            for frame in &frames {
                let mark = self.socket.mark(frame);
                let at = Timestamp(self.clock.unix_ns(mark.arrival_ns));
                self.intake.take(mark.reason, at, self.socket.bytes(frame));
            }
            self.socket.release(frames.drain(..));
            self.intake.hand_over(false);
            if reporter.is_due() {
                self.tell(place, &mut reporter);
            }
            if received > 0 {
                empty_since = None;
                continue;
            }
            if self.stop.load(Ordering::Acquire) {
                let since = *empty_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= SETTLED {
                    break;
                }
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
        let statistics = self.tell(place, &mut reporter);
        (self.intake.tally, statistics)
    }

    /// Tells the recorder what was lost, and the control thread what was counted.
    fn tell(&self, whose: Place, reporter: &mut Reporter) -> Statistics {
        let (tally, statistics) = (self.intake.tally, self.statistics());
        let lost = loss::of_worker(&tally).into_iter().chain(loss::of_socket(&statistics));
        reporter.report(whose, lost);
        self.news.tell(Of::Queue { whose, tally, statistics, ring: self.socket.waiting() });
        statistics
    }

    /// A socket that cannot tell has lost its interface, which is told in another way.
    fn statistics(&self) -> Statistics {
        self.socket.statistics().unwrap_or_default()
    }
}
