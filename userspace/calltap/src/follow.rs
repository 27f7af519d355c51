//! Signalling followed, for whoever executes the warrants.
//!
//! `replay` and `run` share this: they differ only in their [`Effects`].

use std::collections::{BTreeMap, BTreeSet};

use calltap_evidence::lines::Match;
use calltap_evidence::record::{Authority, Record};
use calltap_proto::minimise;
use calltap_proto::packet::{self, Body};
use calltap_proto::target::Numbering;
use calltap_proto::{CallKey, Cause, Event, Identity, Joins, Kept, Limits, Timestamp, Tracker};

use crate::content::{Binding, Command, Content, Doubt, Network};
use crate::listening::Listening;
use crate::recorder::{CallFacts, Note};
use crate::resume::Unfinished;

/// What following a call asks of the rest of the engine.
pub trait Effects {
    /// Who is listened to changes.
    fn command(&mut self, command: Command);
    /// A frame is evidence.
    fn record(&mut self, record: &Record<'_>);
    /// The recorder is told about a call.
    fn note(&mut self, note: Note);
}

/// How calls are followed, whosever they are.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Bounds of memory and patience.
    pub limits: Limits,
    /// What joins the legs of a call.
    pub joins: Joins,
    /// National forms of numbers.
    pub numbering: Numbering,
}

/// A warrant as it is executed: what the tracker must know, and what permits the records.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whom to look for, and when.
    pub warrant: calltap_proto::Warrant,
    /// What makes records lawful.
    pub authority: Authority,
    /// The warrant's identifier, as it stands in packet comments.
    pub liid: String,
    /// What is overwritten in the frames of messages.
    pub minimise: minimise::Rules,
}

/// The tracker, with what its events need to become records.
pub struct Follower {
    tracker: Tracker,
    listening: Listening,
}

impl Follower {
    /// Follows the calls of `orders`.
    pub fn new(rules: Rules, orders: Vec<Order>, effects: &mut impl Effects) -> Self {
        let mut tracker = Tracker::new(rules.limits);
        tracker.set_numbering(rules.numbering);
        tracker.set_joins(rules.joins);
        let listening = Listening::new(Vec::new(), Content::default());
        let mut follower = Self { tracker, listening };
        for order in orders {
            follower.take(order, Timestamp(0), effects);
        }
        follower.tell_tracker();
        follower
    }

    /// Takes over new rules, but for what joins the legs of calls.
    pub fn set_rules(&mut self, rules: Rules) {
        let Rules { limits, numbering, .. } = rules;
        self.tracker.set_patience(limits.grace, limits.media_silence);
        self.tracker.set_numbering(numbering);
    }

    /// Executes a warrant from `now` on, or another version of one that is executed.
    pub fn execute(&mut self, order: Order, now: Timestamp, effects: &mut impl Effects) {
        self.take(order, now, effects);
        self.tell_tracker();
    }

    /// The packets of an address target that no call explains are one call of their own, which
    /// lasts as long as the warrant; its CIN comes ahead of the calls'.
    fn take(&mut self, mut order: Order, now: Timestamp, effects: &mut impl Effects) {
        let id = order.warrant.id;
        let next_cin = self.listening.next_cin(id).max(order.warrant.next_cin);
        order.warrant.next_cin = next_cin;
        let targets = order.warrant.targets.clone();
        let wanted = targets.iter().filter_map(|target| match *target {
            Identity::Network { address, length } => Some((target, Network { address, length })),
            _ => None,
        });
        let open = self.listening.content.networks_of(id);
        self.listening.command(Command::Renew(order.authority), effects);
        for (network, call) in &open {
            if !wanted.clone().any(|(_, it)| it == *network) {
                self.close_network(*network, *call, now, effects);
            }
        }
        for (target, network) in wanted {
            if open.iter().any(|(it, _)| *it == network) {
                continue;
            }
            let call = CallKey { warrant: id, cin: order.warrant.next_cin };
            order.warrant.next_cin += 1;
            effects.note(Note::Opened(CallFacts {
                call,
                call_id: target.to_string(),
                from: String::new(),
                to: String::new(),
                matched: Match {
                    header: "IP".to_owned(),
                    target: target.to_string(),
                    contact: None,
                },
                joined: None,
                at_ns: order.warrant.not_before.0.max(now.0),
                unexplained: true,
            }));
            let binding = Binding { authority: order.authority, call };
            self.listening.command(Command::OpenNetwork(network, binding), effects);
        }
        self.listening.drawn.insert(id, order.warrant.next_cin);
        self.listening.orders.insert(id, order);
    }

    fn close_network(
        &mut self,
        network: Network,
        call: CallKey,
        now: Timestamp,
        effects: &mut impl Effects,
    ) {
        self.listening.command(Command::CloseNetwork(network, call.warrant), effects);
        effects.note(Note::Ended { call, at_ns: now.0, cause: Cause::WarrantEnded });
    }

    fn tell_tracker(&mut self) {
        let orders = self.listening.orders.values();
        self.tracker.set_warrants(orders.map(|order| order.warrant.clone()).collect());
    }

    /// The latest end of the warrants in force at `at`; `None` if none is.
    pub fn in_force_until(&self, at: Timestamp) -> Option<Timestamp> {
        let in_force = self.listening.orders.values().filter(|order| order.warrant.in_force(at));
        in_force.map(|order| order.warrant.not_after).max()
    }

    /// What was seen of signalling and given up, by name.
    pub fn counted(&self) -> BTreeMap<&'static str, u64> {
        let mut counted: BTreeMap<_, _> = self.tracker.counters().named().into_iter().collect();
        counted.insert("media_let_go", self.listening.media_let_go());
        counted
    }

    /// Who is listened to now.
    pub fn content(&self) -> &Content {
        &self.listening.content
    }

    /// Takes in a frame that may be signalling, or a fragment.
    ///
    /// What an address target sent to or from a signalling port, and media on one, is kept too,
    /// without it being signalling; TCP payload is left to the tracker, which gives it out with the
    /// message that it forms.
    pub fn feed(&mut self, kept: Kept<'_>, effects: &mut impl Effects) {
        let Self { tracker, listening } = self;
        let mut explained = Vec::new();
        tracker.feed(kept, &mut |event: Event<'_>| {
            if let Event::Message { call, .. } = &event {
                explained.push(call.warrant);
            }
            listening.carry_out(event, effects);
        });
        let Ok(packet) = packet::parse(kept.link, kept.bytes) else { return };
        let is_left = match packet.body {
            Body::Udp(_) => true,
            Body::Tcp(segment) => segment.payload.is_empty(),
            _ => false,
        };
        if is_left {
            listening.keep(&kept, &explained, effects);
        }
    }

    /// Follows again the calls that an earlier session has recorded the beginning of: nothing is
    /// recorded a second time. Gives those that go on.
    pub fn resume(
        &mut self,
        unfinished: &Unfinished,
        now: Timestamp,
        effects: &mut impl Effects,
    ) -> BTreeSet<CallKey> {
        let Self { tracker, listening } = self;
        for (call, call_id) in &unfinished.calls {
            if let Some(call_id) = call_id {
                tracker.remember(*call, call_id);
            }
        }
        let mut open = BTreeSet::new();
        for frame in &unfinished.frames {
            tracker.feed(frame.kept(), &mut |event| {
                match &event {
                    Event::CallOpened { call, .. } => drop(open.insert(*call)),
                    Event::CallEnded { call, .. } => drop(open.remove(call)),
                    Event::Excluded { .. }
                    | Event::MediaOpened { .. }
                    | Event::MediaClosed { .. } => {}
                    _ => return,
                }
                listening.carry_out(event, effects);
            });
        }
        for call in &open {
            let until_ns = now.0;
            let told = unfinished.told.contains(call);
            let from_ns = unfinished.last_ns;
            effects.note(Note::Resumed { call: *call, from_ns, until_ns, told });
            tracker.doubt(*call, Timestamp(from_ns));
        }
        tracker.tick(now, &mut |event| {
            if let Event::CallEnded { call, .. } = &event {
                open.remove(call);
            }
            listening.carry_out(event, effects);
        });
        open
    }

    /// Takes in a frame of media.
    pub fn media(&mut self, kept: Kept<'_>, effects: &mut impl Effects) {
        self.listening.keep(&kept, &[], effects);
    }

    /// Media of a call was recorded: it is not over although its signalling is silent.
    pub fn media_seen(&mut self, call: CallKey, at: Timestamp) {
        self.tracker.media_seen(call, at);
    }

    /// Takes in a frame of media that a worker was in doubt about.
    pub fn doubt(&mut self, doubt: Doubt, kept: Kept<'_>, effects: &mut impl Effects) {
        self.listening.doubt(doubt, &kept, effects);
    }

    /// Lets time pass: calls and endpoints end by it.
    pub fn tick(&mut self, now: Timestamp, effects: &mut impl Effects) {
        let Self { tracker, listening } = self;
        tracker.tick(now, &mut |event| listening.carry_out(event, effects));
        listening.tick(now, effects);
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.tracker.next_deadline().into_iter().chain(self.listening.next_deadline()).min()
    }

    /// Executes a warrant no longer: nothing is kept for it from here on.
    pub fn withdraw(&mut self, warrant: u32, now: Timestamp, effects: &mut impl Effects) {
        for (network, call) in self.listening.content.networks_of(warrant) {
            self.close_network(network, call, now, effects);
        }
        self.listening.forget(warrant, effects);
        self.tell_tracker();
    }

    /// Ends every call that is still followed: the capture is over.
    pub fn finish(&mut self, now: Timestamp, effects: &mut impl Effects) {
        let Self { tracker, listening } = self;
        tracker.finish(now, &mut |event| listening.carry_out(event, effects));
    }
}
