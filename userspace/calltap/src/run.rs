//! `calltap run`: warrants executed on the wire.
//!
//! Start: sockets first, then the filter on the interfaces, so that no frame finds a queue without
//! a socket. Stop: the filter first, then the rings are emptied, so that every frame is accounted
//! for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, bail};
use calltap_evidence::chunk::Chunk;
use calltap_evidence::session::InterfaceFacts;
use calltap_proto::packet::LinkType;
use calltap_xdp::clock::{self, Offset};
use calltap_xdp::{
    AttachMode, AttachWish, BindMode, Filter, Geometry, Interface, LoadOptions, Socket,
    Statistics,
};
use crossbeam::channel::{Sender, bounded, unbounded};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info};

use crate::batch::Batch;
use crate::config::{Config, Mode};
use crate::content::Content;
use crate::follow::Order;
use crate::intake::{Intake, Open, Tally};
use crate::loss;
use crate::pool::Pool;
use crate::recorder::{Recorded, Recorder};
use crate::signalling::{self, Closing, Reach, Request};
use crate::summary::{Frames, Summary, Trigger};
use crate::worker::Worker;
use crate::{Outcome, cli, paper, recording, writer};

/// Empty buffers for each worker: what the threads behind it may lag.
const BATCHES: usize = 64;
const CHUNKS: usize = 32;

/// Bytes of the signalling thread's own chunks, which are handed over after every message.
const SIGNALLING_CHUNK: usize = 128 << 10;

/// What the log says once every part stands.
pub const CAPTURING: &str = "capturing";

/// Something the control thread must know at once.
#[derive(Debug)]
pub enum Alarm {
    /// A worker ended by itself: its interface is gone.
    WorkerEnded(calltap_xdp::Error),
    /// The evidence of this warrant cannot be written.
    Stopped(u32),
}

/// Executes warrants on the wire until told to stop.
///
/// # Errors
/// Set-up that fails, with the mend named.
pub fn run(arguments: &cli::Run) -> anyhow::Result<Outcome> {
    let mut config = Config::load(arguments.config.as_deref())?;
    config.rotation = config.rotation.with_switches(&arguments.rotation.rotate)?;
    let missing = calltap_xdp::missing_capabilities();
    if !missing.is_empty() {
        bail!(
            "capturing needs {}: run as root, or give the program these capabilities (setcap); \
             `calltap replay` needs none",
            missing.join(", ")
        );
    }
    let papers = paper::directory(&arguments.warrants, &arguments.trust)?;
    papers.log_refusals();
    let wire = Wire::open(&arguments.interfaces, &config)?;
    let clock = clock::boot_to_unix();
    let session = recording::wire_session(&wire.facts, clock);
    let links = vec![LinkType::Ethernet; wire.facts.len()];
    let (recorder, orders) =
        recording::open(&arguments.evidence, &config, &papers, session, links)?;
    let engine = Engine::start(wire, recorder, orders, &config, clock)?;
    info!("{CAPTURING} on {}", arguments.interfaces.join(", "));
    let ended = engine.control(arguments.seconds)?;
    ended.report(arguments.json)
}

/// The filter on the interfaces, keeping nothing yet, and a socket for each receive queue.
struct Wire {
    filter: Filter,
    /// Each with the volume's interface number.
    sockets: Vec<(u32, Socket)>,
    facts: Vec<InterfaceFacts>,
}

impl Wire {
    fn open(names: &[String], config: &Config) -> anyhow::Result<Self> {
        let mut filter = Filter::load(LoadOptions { max_endpoints: config.max_endpoints })?;
        filter.configure(match config.mode {
            Mode::Mirror => calltap_xdp::Mode::Mirror,
            Mode::Host => calltap_xdp::Mode::Host,
        });
        filter.set_signalling_ports(&config.signalling_ports);
        let (mut sockets, mut facts) = (Vec::new(), Vec::new());
        for (number, name) in (0..).zip(names) {
            if config.mode == Mode::Mirror && carries_default_route(name) {
                bail!(
                    "{name} carries this host's default route, and a mirror port's frames are \
                     dropped: choose the mirror port, or set mode = \"host\""
                );
            }
            let interface = Interface::open(name)?;
            let mut bound = Vec::new();
            for queue in 0..interface.queues() {
                let geometry = Geometry {
                    frames: config.frames_per_queue,
                    ..Geometry::for_mtu(interface.mtu())
                };
                let socket = Socket::open(&interface, queue, geometry)?;
                filter.register(&socket)?;
                bound.push(socket.mode());
                sockets.push((number, socket));
            }
            let attached = filter.attach(&interface, AttachWish::Auto)?;
            let bind = bound.first().context("an interface without a receive queue")?;
            let attached = match attached {
                AttachMode::Native => "native",
                AttachMode::Generic => "generic",
            };
            let bind = match bind {
                BindMode::ZeroCopy => "zero-copy",
                BindMode::Copy => "copy",
            };
            let mode = format!("xdp {attached}, {bind}");
            info!("{name}: {mode}, {} queues, MTU {}", bound.len(), interface.mtu());
            facts.push(InterfaceFacts {
                name: name.clone(),
                link_type: LinkType::Ethernet.number(),
                snaplen: 0,
                filter: recording::filter_text(config),
                mode,
            });
        }
        Ok(Self { filter, sockets, facts })
    }
}

/// Whether the host reaches the world through this interface (`/proc/net/route`, and for IPv6
/// `/proc/net/ipv6_route`): a route to everything, with a gateway or without.
pub fn carries_default_route(name: &str) -> bool {
    let table = |path| std::fs::read_to_string(path).unwrap_or_default();
    let ipv4 = table("/proc/net/route").lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(name) && fields.next() == Some("00000000")
    });
    let ipv6 = table("/proc/net/ipv6_route").lines().any(|line| {
        let everything = line.starts_with("00000000000000000000000000000000 00 ");
        everything && line.split_whitespace().last() == Some(name)
    });
    ipv4 || ipv6
}

/// The threads of a running capture.
struct Engine {
    workers: Vec<JoinHandle<(Tally, Statistics)>>,
    signalling: JoinHandle<Closing>,
    recorder: JoinHandle<Recorded>,
    requests: Sender<Request>,
    alarms: mpsc::UnboundedReceiver<Alarm>,
    stop: Arc<AtomicBool>,
}

impl Engine {
    fn start(
        wire: Wire,
        recorder: Recorder,
        orders: Vec<Order>,
        config: &Config,
        clock: Offset,
    ) -> anyhow::Result<Self> {
        let queues = wire.sockets.len();
        let stop = Arc::new(AtomicBool::new(false));
        let (alarm, alarms) = mpsc::unbounded_channel();
        let (requests, requested) = unbounded();
        let (heard_from, heard) = bounded(queues * BATCHES);
        // Room for every chunk that there is, so that a worker's hand-over never fails.
        let (deliver, delivered) = bounded(queues * CHUNKS + CHUNKS + 1024);
        let batches = Pool::new(queues * BATCHES, Batch::default);
        let chunks = Pool::new(queues * CHUNKS, Chunk::default);
        let mut commands = Vec::new();
        let mut workers = Vec::new();
        for (interface, socket) in wire.sockets {
            let (command, commanded) = unbounded();
            commands.push(command);
            let intake = Intake {
                interface,
                signalling: heard_from.clone(),
                batches: batches.clone(),
                recorder: deliver.clone(),
                chunks: chunks.clone(),
                content: Content::default(),
                tally: Tally::default(),
                open: Open::default(),
            };
            let stop = Arc::clone(&stop);
            let worker = Worker { socket, clock, commands: commanded, intake, stop };
            let alarm = alarm.clone();
            workers.push(spawn(&format!("worker-{}", workers.len()), move || {
                worker.work(|error| {
                    let _ = alarm.send(Alarm::WorkerEnded(error));
                })
            })?);
        }
        drop(heard_from);
        let reach = Reach {
            filter: wire.filter,
            workers: commands,
            recorder: deliver,
            chunks: Pool::new(CHUNKS, || Chunk::with_capacity(SIGNALLING_CHUNK)),
            clock,
        };
        let limits = recording::limits(config);
        let signalling = spawn("signalling", move || {
            signalling::follow(reach, orders, limits, &heard, &requested)
        })?;
        let recorder = spawn("recorder", move || {
            writer::write(recorder, &delivered, clock, |warrant| {
                let _ = alarm.send(Alarm::Stopped(warrant));
            })
        })?;
        Ok(Self { workers, signalling, recorder, requests, alarms, stop })
    }
}

impl Engine {
    /// Watches over the threads until the time is up, a signal comes, or nothing is left to do;
    /// then stops them in order.
    fn control(mut self, seconds: Option<u64>) -> anyhow::Result<Ended> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let failed = runtime.block_on(self.watch(seconds))?;
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
        let recorded = join(self.recorder)?;
        Ok(Ended { failed, tallies, closing, recorded })
    }

    /// Returns whether something went wrong on the way.
    async fn watch(&mut self, seconds: Option<u64>) -> anyhow::Result<bool> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
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
                Some(alarm) = self.alarms.recv() => {
                    failed = true;
                    match alarm {
                        Alarm::WorkerEnded(cause) => {
                            error!("{cause}");
                            working -= 1;
                        }
                        Alarm::Stopped(warrant) => {
                            let _ = self.requests.send(Request::Withdraw(warrant));
                        }
                    }
                }
            }
        }
        Ok(failed)
    }
}

/// How long the signalling thread may take to take the filter off.
const DETACH_PATIENCE: Duration = Duration::from_secs(5);

/// What the threads left.
struct Ended {
    failed: bool,
    tallies: Vec<(Tally, Statistics)>,
    closing: Closing,
    recorded: Recorded,
}

impl Ended {
    fn report(self, json: bool) -> anyhow::Result<Outcome> {
        let frames = self.frames()?;
        let counters = self.closing.filter.counters()?;
        let counted = counters.iter().filter(|(_, frames)| *frames > 0);
        let counted: Vec<_> =
            counted.map(|(counter, frames)| format!("{} {frames}", counter.name())).collect();
        info!("the filter counted: {}", counted.join(", "));
        let unexplained = frames.unexplained();
        if unexplained != 0 {
            error!("{unexplained} frames are not accounted for: please report this");
        }
        let trigger = &self.closing.trigger_ns;
        let microseconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1e6;
        let trigger_us = (!trigger.is_empty()).then(|| Trigger {
            count: trigger.len(),
            p50: microseconds(trigger.value_at_quantile(0.5)),
            p99: microseconds(trigger.value_at_quantile(0.99)),
            max: microseconds(trigger.max()),
        });
        let fine = !self.failed && unexplained == 0 && self.recorded.whole;
        Summary::new(frames, self.recorded, trigger_us).print(json)?;
        Ok(if fine { Outcome::Fine } else { Outcome::NotFine })
    }

    /// Adds up what the kernel, the sockets, the workers and the recorder counted.
    fn frames(&self) -> anyhow::Result<Frames> {
        let kernel = self.closing.filter.counters()?;
        let mut frames = Frames {
            seen: kernel.seen(),
            passed: kernel.passed(),
            filtered: kernel.filtered(),
            ..Frames::default()
        };
        let losses = loss::of_filter(&kernel).into_iter().chain(self.tallies.iter().flat_map(
            |(tally, statistics)| {
                loss::of_socket(statistics).into_iter().chain(loss::of_worker(tally))
            },
        ));
        losses.for_each(|(place, lost)| frames.lose(place, lost));
        frames.delivered = self
            .tallies
            .iter()
            .map(|(tally, _)| tally.received - tally.lost_signalling - tally.lost_content)
            .sum();
        // A frame that could not be written was delivered, and then lost.
        let unwritten = (self.recorded.unwritten + self.closing.lost_records).min(frames.delivered);
        frames.delivered -= unwritten;
        frames.lose("disk", unwritten);
        Ok(frames)
    }
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
