//! Signalling followed, and the one place where an [`Event`] becomes a [`Record`].
//!
//! `replay` and `run` share this: they differ only in their [`Effects`].

use std::collections::BTreeMap;

use calltap_evidence::record::{self, Authority, Kind, Record};
use calltap_proto::packet::{self, Body};
use calltap_proto::{CallKey, Event, Identity, Kept, Limits, Timestamp, Tracker};

use crate::content::{Binding, Command, Content, Network, Seen};
use crate::recorder::{CallFacts, Note};

/// What following a call asks of the rest of the engine.
pub trait Effects {
    /// Who is listened to changes.
    fn command(&mut self, command: Command);
    /// A frame is evidence.
    fn record(&mut self, record: &Record<'_>);
    /// The recorder is told about a call.
    fn note(&mut self, note: Note);
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
}

/// The tracker, with what its events need to become records.
pub struct Follower {
    tracker: Tracker,
    orders: BTreeMap<u32, Order>,
    /// Who is listened to, as this thread knows it: media that arrived in fragments, and what an
    /// address target sends to a signalling port, are judged here.
    content: Content,
}

impl Follower {
    /// Follows the calls of `orders`.
    ///
    /// The packets of an address target that no call explains are one call of their own, which
    /// lasts as long as the warrant; its CIN comes ahead of the calls'.
    pub fn new(limits: Limits, mut orders: Vec<Order>, effects: &mut impl Effects) -> Self {
        let mut content = Content::default();
        for order in &mut orders {
            for target in &order.warrant.targets {
                let Identity::Network { address, length } = *target else { continue };
                let call = CallKey { warrant: order.warrant.id, cin: order.warrant.next_cin };
                order.warrant.next_cin += 1;
                effects.note(Note::Opened(CallFacts {
                    call,
                    call_id: target.to_string(),
                    from: String::new(),
                    to: String::new(),
                    header: "IP".to_owned(),
                    target: target.to_string(),
                    at_ns: order.warrant.not_before.0,
                }));
                let network = Network { address, length };
                let binding = Binding { authority: order.authority, call };
                content.apply(Command::OpenNetwork(network, binding));
                effects.command(Command::OpenNetwork(network, binding));
            }
        }
        let mut tracker = Tracker::new(limits);
        tracker.set_warrants(orders.iter().map(|order| order.warrant.clone()).collect());
        let orders = orders.into_iter().map(|order| (order.warrant.id, order)).collect();
        Self { tracker, orders, content }
    }

    /// The latest end of the warrants in force at `at`; `None` if none is.
    pub fn in_force_until(&self, at: Timestamp) -> Option<Timestamp> {
        let in_force = self.orders.values().filter(|order| order.warrant.in_force(at));
        in_force.map(|order| order.warrant.not_after).max()
    }

    /// Who is listened to now.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Takes in a frame that may be signalling, or a fragment.
    pub fn feed(&mut self, kept: Kept<'_>, effects: &mut impl Effects) {
        let Self { tracker, orders, content } = self;
        let mut explained = Vec::new();
        tracker.feed(kept, &mut |event: Event<'_>| {
            if let Event::Message { call, .. } = &event {
                explained.push(call.warrant);
            }
            carry_out(event, orders, content, effects);
        });
        keep_unexplained(kept, content, &explained, effects);
    }

    /// Lets time pass: calls and endpoints end by it.
    pub fn tick(&mut self, now: Timestamp, effects: &mut impl Effects) {
        let Self { tracker, orders, content } = self;
        tracker.tick(now, &mut |event| carry_out(event, orders, content, effects));
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.tracker.next_deadline()
    }

    /// Executes a warrant no longer: its evidence cannot be written.
    pub fn withdraw(&mut self, warrant: u32, effects: &mut impl Effects) {
        self.orders.remove(&warrant);
        self.tracker.set_warrants(self.orders.values().map(|it| it.warrant.clone()).collect());
        self.content.apply(Command::Forget(warrant));
        effects.command(Command::Forget(warrant));
    }

    /// Ends every call that is still followed: the capture is over.
    pub fn finish(&mut self, now: Timestamp, effects: &mut impl Effects) {
        let Self { tracker, orders, content } = self;
        tracker.finish(now, &mut |event| carry_out(event, orders, content, effects));
    }
}

/// Turns an event into records, notes and commands.
fn carry_out(
    event: Event<'_>,
    orders: &BTreeMap<u32, Order>,
    content: &mut Content,
    effects: &mut impl Effects,
) {
    let mut command = |command: Command, effects: &mut _| {
        content.apply(command.clone());
        Effects::command(effects, command);
    };
    match event {
        Event::CallOpened { call, call_id, from, to, matched, at, .. } => {
            effects.note(Note::Opened(CallFacts {
                call,
                call_id: text(call_id),
                from: text(from),
                to: text(to),
                header: matched.header.to_owned(),
                target: matched.target.to_string(),
                at_ns: at.0,
            }));
        }
        Event::MediaOpened { call, endpoint, kind, terms, .. } => {
            let Some(order) = orders.get(&call.warrant) else { return };
            let binding = Binding { authority: order.authority, call };
            command(Command::Open(endpoint, binding), effects);
            let terms = Box::new(terms.clone());
            effects.note(Note::Media { call, endpoint, kind, terms });
        }
        Event::MediaClosed { call, endpoint, .. } => {
            command(Command::Close(endpoint, call), effects);
        }
        Event::Message { call, frames, description, flaw, .. } => {
            let Some(order) = orders.get(&call.warrant) else { return };
            let flaw = flaw.map(|flaw| flaw.to_string());
            let comment = record::comment(&order.liid, call.cin, flaw.as_deref());
            for (part, kept) in (0..).zip(frames) {
                let carry = description.map(|hash| hash.wrapping_add(part));
                let made = Record::new(
                    &order.authority,
                    kept.at.0,
                    call.cin,
                    Kind::Iri,
                    kept.interface,
                    kept.bytes,
                    kept.original_len,
                    Some(&comment),
                    carry,
                );
                if let Ok(record) = made {
                    effects.record(&record);
                }
            }
        }
        Event::Reassembled { frames, source, destination, .. } => {
            for kept in frames {
                content.keep(Seen::from(kept), source, destination, |it| effects.record(&it));
            }
        }
        Event::CallEnded { call, at, cause } => {
            effects.note(Note::Ended { call, at_ns: at.0, cause });
        }
        // Events are non-exhaustive; one that is not known here asks for nothing.
        _ => {}
    }
}

/// Keeps what an address target sent to or from a signalling port without it being signalling.
///
/// TCP payload is left to the tracker, which gives it out with the message that it forms.
fn keep_unexplained(
    kept: Kept<'_>,
    content: &Content,
    explained: &[u32],
    effects: &mut impl Effects,
) {
    let Ok(packet) = packet::parse(kept.link, kept.bytes) else { return };
    let (source, destination) = match packet.body {
        Body::Udp(datagram) => (datagram.source, datagram.destination),
        Body::Tcp(segment) if segment.payload.is_empty() => (segment.source, segment.destination),
        _ => return,
    };
    content.keep(Seen::from(&kept), source, destination, |record| {
        if !explained.contains(&record.warrant()) {
            effects.record(&record);
        }
    });
}

impl<'a> From<&Kept<'a>> for Seen<'a> {
    fn from(kept: &Kept<'a>) -> Self {
        Self {
            at_ns: kept.at.0,
            interface: kept.interface,
            original_len: kept.original_len,
            frame: kept.bytes,
        }
    }
}

/// Bytes from the wire as text: what is no UTF-8 is replaced, as the evidence has the bytes.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
