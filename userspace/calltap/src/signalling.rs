//! The one thread that owns call state and the kernel's maps.
//!
//! It hears the signalling, follows the calls, tells the workers whom to listen to, and then the
//! kernel: in that order, so that no packet reaches a worker that does not expect it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use calltap_evidence::chunk::Chunk;
use calltap_evidence::record::Record;
use calltap_proto::{CallKey, Timestamp};
use calltap_xdp::clock::{self, Offset};
use calltap_xdp::{Filter, Statistics};
use crossbeam::channel::{Receiver, Sender};
use hdrhistogram::Histogram;
use tracing::error;

use crate::content::{Command, Content, Doubt, Network};
use crate::delivery::{self, Waiting};
use crate::follow::{Effects, Follower, Order, Rules};
use crate::hearing::Hearing;
use crate::horizon::Progress;
use crate::inspection::Inspection;
use crate::live::Latency;
use crate::live::news::{Following, Of, Teller};
use crate::loss::{self, Place, Reporter};
use crate::pool::{Lent, Pool};
use crate::recorder::Delivery;
use crate::recorder::Note;
use crate::resume::Unfinished;
use crate::worker::Told;

/// How long the thread sleeps while no signalling arrives; also how late a warrant may begin, and
/// how long it takes until a packet in doubt is looked at.
const NAP: Duration = Duration::from_millis(20);

/// Records are handed over when they are this old: so long they may hold back those of the workers.
const CHUNK_AGE: Duration = Duration::from_millis(10);

/// Everything the signalling thread reaches.
pub struct Reach {
    /// The filter in the kernel.
    pub filter: Filter,
    /// One channel for each worker.
    pub workers: Vec<Sender<Told>>,
    /// The recorder.
    pub recorder: Sender<Delivery>,
    /// Empty chunks of this thread, and the workers', of which it takes where it has none.
    pub chunks: [Pool<Chunk>; 2],
    /// How far records were handed over.
    pub recorded: Progress,
    /// Turns boot time into Unix time and back.
    pub clock: Offset,
    /// Whether the thread never sleeps.
    pub busy_poll: bool,
    /// Where it tells, once a second, what it has counted.
    pub news: Teller,
}

/// What the thread says at its end.
pub struct Closing {
    /// The filter, off every interface, its counters still readable.
    pub filter: Filter,
    /// Nanoseconds from a message's arrival until its endpoint was in the kernel's map.
    pub trigger_ns: Histogram<u64>,
    /// Records lost for want of an empty chunk.
    pub lost_records: u64,
    /// Frames taken from the signalling sockets.
    pub received: u64,
    /// What those have lost.
    pub statistics: Vec<Statistics>,
    /// How often the kernel held what nobody here had put there.
    pub altered: u64,
    /// What was seen of signalling and given up, by name.
    pub counted: BTreeMap<&'static str, u64>,
}

/// What the control thread asks of it.
#[derive(Debug)]
pub enum Request {
    /// Take the filter off the interfaces and say when that is done.
    Detach(Sender<()>),
    /// Execute this warrant, in the place of its version before if there is one.
    Execute(Box<Order>),
    /// Execute this warrant no longer, at once.
    Withdraw(u32),
    /// Follow calls by these rules from now on.
    Rules(Box<Rules>),
    /// Media of the call was recorded, at this time of its arrival.
    MediaSeen(CallKey, Timestamp),
}

struct Outlet {
    reach: Reach,
    /// Records on their way to the recorder, and since when.
    chunk: Option<(Lent<Chunk>, Instant)>,
    /// What the recorder is to be told, once the kernel has been.
    notes: Waiting,
    /// What the workers are to be told.
    commands: Vec<Command>,
    /// Warrants whose every entry may have another deadline now.
    renewed: Vec<u32>,
    /// Endpoints whose entry in the kernel's map may be wrong now.
    touched: Vec<SocketAddr>,
    /// Networks whose entry in the kernel's map may be wrong now.
    networks: Vec<Network>,
    /// Networks whose warrant is not in force yet.
    waiting: Vec<(Network, Timestamp)>,
    lost_records: u64,
    inspection: Inspection,
    altered: u64,
}

impl Effects for Outlet {
    fn command(&mut self, command: Command) {
        match &command {
            Command::Open(endpoint, _)
            | Command::Presume(endpoint, _)
            | Command::Close(endpoint, _) => {
                self.touched.push(*endpoint);
            }
            Command::OpenNetwork(network, _) | Command::CloseNetwork(network, _) => {
                self.networks.push(*network);
            }
            Command::Renew(authority) => self.renewed.push(authority.warrant()),
            Command::Tell(..)
            | Command::Pin(..)
            | Command::Unpin(..)
            | Command::Settle(..)
            | Command::Forget(_) => {}
        }
        self.commands.push(command);
    }

    fn record(&mut self, record: &Record<'_>) {
        for _ in 0..2 {
            if self.chunk.is_none() {
                let lent = self.reach.chunks.iter().find_map(Pool::lend);
                self.chunk = lent.map(|chunk| (chunk, Instant::now()));
            }
            let Some((chunk, _)) = &mut self.chunk else { break };
            if chunk.try_push(record).is_ok() {
                return;
            }
            self.hand_over();
        }
        self.lost_records += 1;
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }
}

impl Outlet {
    fn hand_over(&mut self) {
        if let Some((chunk, _)) = self.chunk.take() {
            let _ = self.reach.recorder.send(Delivery::Chunk(chunk));
        }
    }

    /// Hands over what has waited for long enough; a chunk for each message would use them up.
    ///
    /// Whatever arrived until `heard` has been followed.
    fn hand_over_due(&mut self, heard: Timestamp) {
        let is_due = |(_, since): &(_, Instant)| since.elapsed() >= CHUNK_AGE;
        if self.chunk.as_ref().is_some_and(is_due) && delivery::is_awake(&self.reach.recorder) {
            self.hand_over();
        }
        // A record is written behind the note that its call begins.
        if self.chunk.is_none() && self.notes.is_empty() {
            self.reach.recorded.reach(heard);
        }
    }

    /// Tells the recorder what was lost; gives what the control thread is told of the same.
    fn report(&self, hearing: &Hearing, reporter: &mut Reporter) -> Following {
        let mut following = Following {
            received: hearing.received(),
            lost_records: self.lost_records,
            altered: self.altered,
            ..Following::default()
        };
        for ((place, statistics), ring) in hearing.statistics().zip(hearing.waiting()) {
            reporter.report(place, loss::of_signalling(&statistics));
            following.sockets.push((place, statistics, ring));
        }
        reporter.report(Place::default(), [("recorder_behind", self.lost_records)]);
        match self.reach.filter.counters() {
            Ok(counters) => {
                reporter.report(Place::default(), loss::of_filter(&counters));
                following.kernel = counters;
            }
            Err(cause) => error!("losses in the filter are unknown: {cause}"),
        }
        following
    }

    /// Closes what somebody else has opened in the kernel, and has it audited.
    fn inspect(&mut self) {
        for discrepancy in self.inspection.step(&mut self.reach.filter) {
            error!("ALARM: {discrepancy}");
            self.altered += 1;
            self.notes.push(Note::Altered(discrepancy.code(), discrepancy.to_string()));
        }
    }

    /// Has calls of an earlier session followed again, and says which of them go on.
    fn resume(&mut self, unfinished: &Unfinished, follower: &mut Follower) {
        let now = unix_now(&self.reach);
        let open = follower.resume(unfinished, now, self);
        let cins = |goes_on: bool| {
            let calls = unfinished.calls.keys().filter(|call| open.contains(call) == goes_on);
            calls.map(|call| call.cin).collect()
        };
        self.notes.push(Note::Restarted {
            liid: unfinished.liid.clone(),
            resumed: cins(true),
            lost: cins(false),
            from_ns: unfinished.last_ns,
            until_ns: now.0,
        });
    }

    /// Has the networks looked at again whose warrant has come into force.
    fn wake_networks(&mut self, now: Timestamp) {
        let due = self.waiting.extract_if(.., |(_, from)| *from <= now);
        self.networks.extend(due.map(|(network, _)| network));
    }

    /// Brings the kernel's entry of a network in line with the warrants in force that name it.
    fn publish_network(&mut self, network: Network, content: &Content, now: Timestamp) {
        let mut until_ns = None;
        for authority in content.authorities_of(network) {
            if authority.from_ns() <= now.0 {
                until_ns = until_ns.max(Some(authority.until_ns()));
            } else {
                self.waiting.push((network, Timestamp(authority.from_ns())));
            }
        }
        let Network { address, length } = network;
        let Reach { filter, clock, .. } = &mut self.reach;
        let done = match until_ns {
            Some(until_ns) => filter.open_prefix(address, length, clock.boot_ns(until_ns)),
            None => filter.close_prefix(address, length),
        };
        if let Err(cause) = done {
            error!("packets of a network target may be missing: {cause}");
        }
    }

    /// Tells the workers, then the kernel, whose endpoint map it brings in line with `content`, and
    /// then the recorder; says how many entries were opened.
    ///
    /// What follows from one message is told as one: a worker that knew a call under one warrant,
    /// and not yet under another, would take its packets for the first one's alone.
    fn publish(&mut self, content: &Content) -> u64 {
        if !self.commands.is_empty() {
            let commands = std::mem::take(&mut self.commands);
            let told = Told { at_ns: clock::boot_ns(), commands };
            for worker in &self.reach.workers {
                // A worker that has ended listens to nobody.
                let _ = worker.send(told.clone());
            }
        }
        for warrant in self.renewed.drain(..) {
            self.touched.extend(content.endpoints_of(warrant).into_iter().map(|(end, _)| end));
            self.networks.extend(content.networks_of(warrant).into_iter().map(|(net, _)| net));
        }
        if !self.networks.is_empty() {
            let now = unix_now(&self.reach);
            for network in std::mem::take(&mut self.networks) {
                self.publish_network(network, content, now);
            }
        }
        let (mut opened, mut unopened, mut why) = (0, 0, String::new());
        for endpoint in self.touched.drain(..) {
            let done = match content.until_ns(endpoint) {
                Some(until_ns) => {
                    opened += 1;
                    self.reach.filter.open_endpoint(endpoint, self.reach.clock.boot_ns(until_ns))
                }
                None => self.reach.filter.close_endpoint(endpoint),
            };
            if let Err(cause) = done {
                error!("media of a call may be missing: {cause}");
                unopened += 1;
                why = cause.to_string();
            }
        }
        if unopened > 0 {
            self.notes.push(Note::Unopened(unopened, why));
        }
        // Waking the recorder takes longer than all of the above.
        self.notes.tell(&self.reach.recorder);
        opened
    }
}

/// Follows signalling until every worker has ended; says on `ready` once the kernel keeps what the
/// warrants ask for.
pub fn follow(
    reach: Reach,
    (orders, unfinished): (Vec<Order>, Vec<Unfinished>),
    rules: Rules,
    mut hearing: Hearing,
    requests: &Receiver<Request>,
    ready: &Sender<()>,
) -> Closing {
    let mut outlet = Outlet {
        reach,
        chunk: None,
        notes: Waiting::default(),
        commands: Vec::new(),
        touched: Vec::new(),
        renewed: Vec::new(),
        networks: Vec::new(),
        waiting: Vec::new(),
        lost_records: 0,
        inspection: Inspection::default(),
        altered: 0,
    };
    let mut follower = Follower::new(rules, orders, &mut outlet);
    for unfinished in unfinished {
        outlet.resume(&unfinished, &mut follower);
    }
    let mut trigger_ns = Histogram::new(3).unwrap_or_else(|_| unreachable!());
    let mut deadline_ns = 0;
    let mut reporter = Reporter::to(outlet.reach.recorder.clone(), outlet.reach.clock);
    loop {
        let now = unix_now(&outlet.reach);
        // Nothing reaches user space while no warrant is in force.
        let until = follower.in_force_until(now).map_or(0, |it| outlet.reach.clock.boot_ns(it.0));
        if until != deadline_ns {
            deadline_ns = until;
            outlet.reach.filter.set_signalling_deadline(until);
        }
        outlet.wake_networks(now);
        outlet.publish(follower.content());
        let _ = ready.try_send(());
        for request in requests.try_iter() {
            match request {
                Request::Detach(done) => {
                    outlet.reach.filter.detach();
                    let _ = done.send(());
                }
                Request::Withdraw(warrant) => {
                    follower.withdraw(warrant, unix_now(&outlet.reach), &mut outlet);
                    outlet.publish(follower.content());
                }
                Request::Execute(order) => {
                    follower.execute(*order, unix_now(&outlet.reach), &mut outlet);
                    outlet.publish(follower.content());
                }
                Request::Rules(rules) => follower.set_rules(*rules),
                Request::MediaSeen(call, at) => follower.media_seen(call, at),
            }
        }
        let heard = hearing.hear(|doubt, kept| {
            match doubt {
                Doubt::None => follower.feed(kept, &mut outlet),
                _ => follower.doubt(doubt, kept, &mut outlet),
            }
            if outlet.publish(follower.content()) > 0 {
                let arrived_ns = outlet.reach.clock.boot_ns(kept.at.0);
                let _ = trigger_ns.record(clock::boot_ns().saturating_sub(arrived_ns));
            }
        });
        if heard == 0 {
            if hearing.workers_ended() {
                break;
            }
            if outlet.reach.busy_poll {
                std::hint::spin_loop();
            } else if !outlet.inspection.is_due()
                && let Err(cause) = hearing.wait(NAP)
            {
                error!("signalling is looked for without being waited for: {cause}");
                std::thread::sleep(NAP);
            }
        }
        let now = unix_now(&outlet.reach);
        if follower.next_deadline().is_some_and(|due| due <= now) {
            follower.tick(now, &mut outlet);
            outlet.publish(follower.content());
        }
        outlet.inspect();
        outlet.hand_over_due(hearing.until());
        if reporter.is_due() {
            let following = outlet.report(&hearing, &mut reporter);
            let (counted, trigger) = (follower.counted(), Latency::of(&trigger_ns));
            let following = Following { counted, trigger, ..following };
            outlet.reach.news.tell(Of::Following(Box::new(following)));
        }
    }
    outlet.report(&hearing, &mut reporter);
    follower.finish(unix_now(&outlet.reach), &mut outlet);
    outlet.publish(follower.content());
    outlet.notes.tell_all(&outlet.reach.recorder);
    outlet.hand_over();
    outlet.reach.recorded.end();
    Closing {
        filter: outlet.reach.filter,
        trigger_ns,
        lost_records: outlet.lost_records,
        received: hearing.received(),
        statistics: hearing.statistics().map(|(_, statistics)| statistics).collect(),
        altered: outlet.altered,
        counted: follower.counted(),
    }
}

fn unix_now(reach: &Reach) -> Timestamp {
    Timestamp(reach.clock.unix_ns(clock::boot_ns()))
}
