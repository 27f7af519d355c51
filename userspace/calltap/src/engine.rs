//! The threads of a run: started, watched over, and stopped in order.
//!
//! At the stop the filter leaves the interfaces first, and then the rings are emptied, so that every
//! frame is accounted for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use calltap_evidence::chunk::Chunk;
use calltap_xdp::Statistics;
use calltap_xdp::clock::{self, Offset};
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use hdrhistogram::Histogram;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::{error, info, warn};

use crate::batch::Batch;
use crate::cards::Cards;
use crate::config::{Config, Settings};
use crate::content::Content;
use crate::docket::{Change, Docket};
use crate::follow::Order;
use crate::hearing::Hearing;
use crate::horizon::{Horizon, Progress};
use crate::intake::{Intake, Open, Tally};
use crate::live::Snapshot;
use crate::live::gathering::Gathering;
use crate::live::news::{News, Teller};
use crate::loss::Reporter;
use crate::pool::Pool;
use crate::recorder::{Delivery, Recorded, Recorder};
use crate::resume::Unfinished;
use crate::signalling::{self, Closing, Reach, Request};
use crate::wire::{Bound, Wire};
use crate::worker::Worker;
use crate::{delivery, recording, worker, writer};

/// Empty buffers for each worker: what the threads behind it may lag.
const BATCHES: usize = 64;
const CHUNKS: usize = 32;

/// Bytes of the signalling thread's own chunks, which are handed over after every message.
const SIGNALLING_CHUNK: usize = 128 << 10;

/// News of each thread that may wait for the control thread.
const NEWS: usize = 4;

/// How often the warrants are looked at, and told how everything stands.
const LOOK: Duration = Duration::from_secs(1);

/// How long the signalling thread may take to take the filter off.
const DETACH_PATIENCE: Duration = Duration::from_secs(5);

/// Something the control thread must know at once.
#[derive(Debug)]
enum Alarm {
    /// A worker ended by itself: its interface is gone.
    WorkerEnded(calltap_xdp::Error),
    /// The evidence of this warrant cannot be written.
    Stopped(u32),
}

/// The threads of a running capture.
pub struct Engine {
    workers: Vec<JoinHandle<(Tally, Statistics)>>,
    signalling: JoinHandle<Closing>,
    recorder: JoinHandle<(Recorded, Histogram<u64>)>,
    requests: Sender<Request>,
    deliver: Sender<Delivery>,
    clock: Offset,
    alarms: mpsc::UnboundedReceiver<Alarm>,
    stop: Arc<AtomicBool>,
    cards: Cards,
    reporter: Reporter,
    live: Live,
}

/// What is put together for whoever asks how the capture stands.
struct Live {
    gathering: Gathering,
    news: Receiver<News>,
    batches: Pool<Batch>,
    chunks: Pool<Chunk>,
    signalling_chunks: Pool<Chunk>,
}

impl Engine {
    /// Starts every thread, executes the orders, and follows the calls that were unfinished.
    ///
    /// # Errors
    /// A thread that does not start.
    pub fn start(
        wire: Wire,
        recorder: Recorder,
        (orders, unfinished): (Vec<Order>, Vec<Unfinished>),
        config: &Config,
        clock: Offset,
        gathering: Gathering,
    ) -> anyhow::Result<Self> {
        let queues = wire.queues.len();
        let (teller, news) = bounded(NEWS * (queues + 2));
        let teller = Teller::to(teller);
        let first = wire.queues.iter().filter(|queue| queue.media.queue() == 0);
        let cards = Cards::new(first.map(|it| (it.interface, it.media.interface().clone())));
        let stop = Arc::new(AtomicBool::new(false));
        let (alarm, alarms) = mpsc::unbounded_channel();
        let (requests, requested) = unbounded();
        let (heard_from, heard) = bounded(queues * BATCHES);
        // Room for every chunk that there is, so that a worker's hand-over never fails.
        let (deliver, delivered) = bounded(queues * CHUNKS + CHUNKS + delivery::PLACES);
        let batches = Pool::new(queues * BATCHES, Batch::default);
        let chunks = Pool::new(queues * CHUNKS, Chunk::default);
        let mut workers_told = Vec::new();
        let mut workers = Vec::new();
        let (mut producers, mut shown) = (vec![Progress::default()], Vec::new());
        let mut signalling_sockets = Vec::new();
        for Bound { interface, media, signalling, polling } in wire.queues {
            signalling_sockets.push((interface, signalling));
            let (tell, told) = unbounded();
            workers_told.push(tell);
            let intake = Intake {
                interface,
                signalling: heard_from.clone(),
                batches: batches.clone(),
                recorder: deliver.clone(),
                chunks: chunks.clone(),
                recorded: Progress::default(),
                shown: Progress::default(),
                content: Content::default(),
                tally: Tally::default(),
                open: Open::default(),
            };
            let stop = Arc::clone(&stop);
            producers.push(intake.recorded.clone());
            shown.push(intake.shown.clone());
            let (nap, news) = (worker::nap(config.frames_per_queue), teller.clone());
            let socket = media;
            let cpu = wire.placement.of_worker(workers.len());
            let worker = Worker { socket, clock, told, intake, nap, polling, news, cpu, stop };
            let alarm = alarm.clone();
            workers.push(spawn(&format!("worker-{}", workers.len()), move || {
                worker.work(|error| {
                    let _ = alarm.send(Alarm::WorkerEnded(error));
                })
            })?);
        }
        drop(heard_from);
        let signalling_chunks = Pool::new(CHUNKS, || Chunk::with_capacity(SIGNALLING_CHUNK));
        let recorded = producers[0].clone();
        let horizon = Horizon::of(producers, vec![chunks.clone(), signalling_chunks.clone()]);
        let live = Live { gathering, news, batches, chunks, signalling_chunks };
        let reach = Reach {
            filter: wire.filter,
            workers: workers_told,
            recorder: deliver.clone(),
            chunks: [live.signalling_chunks.clone(), live.chunks.clone()],
            recorded,
            clock,
            busy_poll: config.busy_poll,
            news: teller.clone(),
        };
        let hearing = Hearing::new(signalling_sockets, (heard, shown), clock);
        let rules = recording::rules(config);
        let (ready, is_ready) = bounded(1);
        let signalling = spawn("signalling", move || {
            signalling::follow(reach, (orders, unfinished), rules, hearing, &requested, &ready)
        })?;
        let (seen, execute) = (requests.clone(), requests.clone());
        let recorder = spawn("recorder", move || {
            let stopped = |warrant| {
                let _ = alarm.send(Alarm::Stopped(warrant));
            };
            let seen = |call, at| {
                let _ = seen.send(Request::MediaSeen(call, at));
            };
            let ordered = |order| {
                let _ = execute.send(Request::Execute(Box::new(order)));
            };
            let delivered = (&delivered, horizon);
            writer::write(recorder, delivered, clock, stopped, seen, ordered, &teller)
        })?;
        // A frame that comes from now on finds everything in its place.
        let _ = is_ready.recv();
        let reporter = Reporter::to(deliver.clone(), clock);
        Ok(Self {
            workers,
            signalling,
            recorder,
            requests,
            deliver,
            clock,
            alarms,
            stop,
            cards,
            reporter,
            live,
        })
    }
}

impl Engine {
    /// Watches over the threads until the time is up, a signal comes, or nothing is left to do;
    /// then stops them in order.
    ///
    /// # Errors
    /// A thread has panicked.
    pub fn control(
        mut self,
        seconds: Option<u64>,
        mut docket: Docket,
        mut settings: Settings,
        snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    ) -> anyhow::Result<Ended> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let watching = self.watch(seconds, &mut docket, &mut settings, &snapshots);
        let failed = runtime.block_on(watching)?;
        drop(snapshots);
        info!("stopping: the filter leaves the interfaces");
        // The workers go on until their rings are empty, and the others until the workers end.
        let (detached, is_detached) = bounded(1);
        let _ = self.requests.send(Request::Detach(detached));
        let _ = is_detached.recv_timeout(DETACH_PATIENCE);
        self.stop.store(true, Ordering::Release);
        let mut tallies = Vec::new();
        for worker in self.workers {
            tallies.push(join(worker)?);
        }
        let closing = join(self.signalling)?;
        // The recorder goes on for as long as anybody may tell it something.
        self.cards.look(&mut self.reporter);
        drop((self.deliver, self.reporter));
        let (recorded, staged_ns) = join(self.recorder)?;
        Ok(Ended { failed, tallies, closing, recorded, staged_ns, nic: self.cards.dropped() })
    }

    /// Returns whether something went wrong on the way.
    async fn watch(
        &mut self,
        seconds: Option<u64>,
        docket: &mut Docket,
        settings: &mut Settings,
        snapshots: &watch::Sender<Option<Arc<Snapshot>>>,
    ) -> anyhow::Result<bool> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut second = tokio::time::interval(LOOK);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let time_up = async {
            match seconds {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(time_up);
        let mut working = self.workers.len();
        let mut failed = false;
        while working > 0 {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                () = &mut time_up => break,
                _ = hangup.recv() => {
                    self.reload(docket, settings);
                    self.look(docket);
                }
                _ = second.tick() => {
                    self.look(docket);
                    self.cards.look(&mut self.reporter);
                    snapshots.send_replace(Some(Arc::new(self.live.look(&self.cards, docket))));
                }
                Some(alarm) = self.alarms.recv() => {
                    failed = true;
                    match alarm {
                        Alarm::WorkerEnded(cause) => {
                            error!("{cause}");
                            working -= 1;
                        }
                        Alarm::Stopped(warrant) => {
                            warn!(warrant, "the warrant is executed no longer");
                            let _ = self.requests.send(Request::Withdraw(warrant));
                        }
                    }
                }
            }
        }
        Ok(failed)
    }
}

impl Engine {
    /// Reads the settings again, and has what changed taken over.
    ///
    /// Nothing is stopped or bound anew for it, so no packet can be lost.
    fn reload(&self, docket: &mut Docket, settings: &mut Settings) {
        let reloaded = match settings.reload() {
            Ok(Some(reloaded)) => reloaded,
            Ok(None) => return,
            Err(cause) => return error!("the settings go on as they were: {cause:#}"),
        };
        for (key, from, to) in &reloaded.changed {
            info!("{key}: {from} -> {to}");
        }
        if !reloaded.waiting.is_empty() {
            warn!("{}: with the next start, not before", reloaded.waiting.join(", "));
        }
        docket.set_config(&reloaded.config);
        let _ = self.requests.send(Request::Rules(Box::new(recording::rules(&reloaded.config))));
        let _ = self.deliver.send(Delivery::Settings(Box::new(reloaded)));
    }

    /// Looks where the warrants and keys lie, and has what changed carried out.
    ///
    /// What is to stop is told the thread that owns the kernel's maps first; what is to begin, the
    /// recorder, as nothing may be captured that has no place in the evidence yet. The time is the
    /// boot clock's, so that setting the system's neither ends nor prolongs anything.
    fn look(&self, docket: &mut Docket) {
        for change in docket.look(self.clock.unix_ns(clock::boot_ns())) {
            if let Change::Halt { id, .. } = &change {
                let _ = self.requests.send(Request::Withdraw(*id));
            }
            let _ = self.deliver.send(Delivery::Change(change));
        }
    }
}

impl Live {
    /// Takes in what the threads have told, and says how everything stands.
    fn look(&mut self, cards: &Cards, docket: &Docket) -> Snapshot {
        self.news.try_iter().for_each(|news| self.gathering.take(news));
        let buffers = [
            ("batches", self.batches.free()),
            ("chunks", self.chunks.free()),
            ("signalling_chunks", self.signalling_chunks.free()),
        ];
        self.gathering.snapshot(cards, docket, buffers)
    }
}

/// What the threads left.
pub struct Ended {
    /// Whether something went wrong on the way.
    pub failed: bool,
    /// What each worker and its socket counted.
    pub tallies: Vec<(Tally, Statistics)>,
    /// The filter and the signalling thread's figures.
    pub closing: Closing,
    /// What was recorded.
    pub recorded: Recorded,
    /// How long chunks of records were on their way to the recorder, in nanoseconds.
    pub staged_ns: Histogram<u64>,
    /// Frames that the cards dropped before the filter saw them.
    pub nic: u64,
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    let named = thread::Builder::new().name(name.to_owned());
    named.spawn(body).with_context(|| format!("the thread {name} does not start"))
}

fn join<T>(thread: JoinHandle<T>) -> anyhow::Result<T> {
    let name = thread.thread().name().unwrap_or("a thread").to_owned();
    thread.join().map_err(|_| anyhow::anyhow!("{name} has panicked: please report this"))
}
