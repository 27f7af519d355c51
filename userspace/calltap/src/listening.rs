//! Where events become records: the one place that knows whose frames are and on what authority.
//!
//! It also has the packets decided of which a call announced one end alone (see
//! [`calltap_proto::media::Latch`]).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use calltap_evidence::lines::{Joined, Match};
use calltap_evidence::record::{self, Kind, Record, Way};
use calltap_proto::media::{Decision, Doubtful, Latch, LatchLimits};
use calltap_proto::minimise::{self, Masked};
use calltap_proto::packet::{self, Body};
use calltap_proto::{CallKey, Event, Kept, Side, Timestamp};

use crate::body::Body as MessageBody;
use crate::content::{Binding, Claim, Command, Content, Doubt, Seen};
use crate::excluded::ExcludedCalls;
use crate::follow::{Effects, Order};
use crate::recorder::{CallFacts, Note, rfc3339};

/// The warrants, who is listened to for them, and what is not decided yet.
pub(crate) struct Listening {
    pub(crate) orders: BTreeMap<u32, Order>,
    /// Who is listened to, as the thread that follows calls knows it.
    pub(crate) content: Content,
    latch: Latch,
    excluded: ExcludedCalls,
    /// The next CIN of each warrant: none is given twice, also where a warrant rests for a time.
    pub(crate) drawn: BTreeMap<u32, u32>,
}

impl Listening {
    pub(crate) fn new(orders: Vec<Order>, content: Content) -> Self {
        let orders = orders.into_iter().map(|order| (order.warrant.id, order)).collect();
        let latch = Latch::new(LatchLimits::default());
        let excluded = ExcludedCalls::default();
        Self { orders, content, latch, excluded, drawn: BTreeMap::new() }
    }

    /// Executes a warrant no longer: every endpoint and network is named, as the kernel has each.
    pub(crate) fn forget(&mut self, warrant: u32, effects: &mut impl Effects) {
        self.orders.remove(&warrant);
        self.latch.forget(warrant);
        for (endpoint, call) in self.content.endpoints_of(warrant) {
            self.command(Command::Close(endpoint, call), effects);
        }
        for (network, _) in self.content.networks_of(warrant) {
            self.command(Command::CloseNetwork(network, warrant), effects);
        }
        self.command(Command::Forget(warrant), effects);
    }

    /// The next CIN of a warrant, 0 if none was given yet.
    pub(crate) fn next_cin(&self, warrant: u32) -> u32 {
        self.drawn.get(&warrant).copied().unwrap_or(0)
    }

    /// Frames of unknown peers that were held, and let go as strangers'.
    pub(crate) fn media_let_go(&self) -> u64 {
        self.latch.frames_let_go()
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.latch.next_deadline()
    }

    pub(crate) fn tick(&mut self, now: Timestamp, effects: &mut impl Effects) {
        let Self { orders, content, latch, .. } = self;
        latch.tick(now, &mut |decision| decide(&decision, orders, content, effects));
    }

    /// Turns an event into records, notes and commands.
    pub(crate) fn carry_out(&mut self, event: Event<'_>, effects: &mut impl Effects) {
        match event {
            Event::CallOpened { call, call_id, from, to, matched, joined, at, .. } => {
                self.drawn.insert(call.warrant, call.cin + 1);
                self.latch.begin(call, call_id);
                effects.note(Note::Opened(CallFacts {
                    call,
                    call_id: text(call_id),
                    from: text(from),
                    to: text(to),
                    matched: Match {
                        header: matched.header.to_owned(),
                        target: matched.target.to_string(),
                        contact: matched.is_contact.then(|| text(matched.value)),
                    },
                    joined: joined.map(|it| Joined {
                        header: it.header.to_owned(),
                        value: text(it.value),
                        cin: it.cin,
                    }),
                    at_ns: at.0,
                    unexplained: false,
                }));
            }
            Event::Excluded { warrant, call, keep, at } => {
                call.into_iter().for_each(|call| self.excluded.note(call, keep));
                effects.note(Note::Excluded { warrant, call, keep, at_ns: at.0 });
            }
            Event::MediaOpened { call, endpoint, kind, terms, presumed, side, .. } => {
                let Some(order) = self.orders.get(&call.warrant) else { return };
                let authority = order.authority;
                let binding = Binding { authority, call };
                if presumed {
                    self.command(Command::Presume(endpoint, binding), effects);
                    self.latch.presume(call, endpoint, kind, terms);
                } else {
                    self.command(Command::Open(endpoint, binding), effects);
                    let Self { orders, content, latch, .. } = self;
                    let decided = &mut |it: Decision<'_>| decide(&it, orders, content, effects);
                    latch.open(call, endpoint, kind, terms, decided);
                }
                if authority.direction().is_some() {
                    self.command(Command::Tell(endpoint, call, side), effects);
                }
                let terms = Box::new(terms.clone());
                effects.note(Note::Media { call, endpoint, kind, terms });
            }
            Event::MediaClosed { call, endpoint, .. } => {
                let Self { orders, content, latch, .. } = self;
                let decided = &mut |it: Decision<'_>| decide(&it, orders, content, effects);
                latch.close(call, endpoint, decided);
                self.command(Command::Close(endpoint, call), effects);
            }
            Event::Message {
                call, first, at, bytes, sender, frames, description, flaw, ..
            } => {
                let Some(order) = self.orders.get(&call.warrant) else { return };
                let note = note(flaw.map(|flaw| flaw.to_string()), first, at);
                let comment = record::comment(&order.liid, call.cin, note.as_deref());
                let rules = self.rules(order, call, sender);
                let masked = minimise::frames(rules, bytes, frames);
                for ((part, kept), masked) in (0..).zip(frames).zip(masked) {
                    let carry = description.map(|hash| hash.wrapping_add(part));
                    signalling(order, call, kept, masked, &comment, carry, effects);
                }
                if let Some(kept) = frames.first()
                    && let Ok(packet) = packet::parse(kept.link, kept.bytes)
                {
                    self.latch.heard(call, packet.source);
                    self.latch.heard(call, packet.destination);
                }
            }
            Event::Reassembled { frames, source, destination, payload } => {
                let mut doubt = Doubt::None;
                for kept in frames {
                    let each = |record| effects.record(&record);
                    doubt = self.content.keep(Seen::from(kept), source, destination, each);
                }
                let at = frames.iter().map(|kept| kept.at).max().unwrap_or_default();
                let packet = Doubtful { at, source, destination, payload, frames };
                self.look_into(doubt, &packet, effects);
            }
            Event::Late { frame, calls, source, destination } => {
                // What else it may be has been decided with the rest of it.
                if calls.is_empty() {
                    let each = |record| effects.record(&record);
                    self.content.keep(Seen::from(&frame), source, destination, each);
                }
                for call in calls {
                    self.late(*call, &frame, effects);
                }
            }
            Event::Body { call, at, method, from, to, sender, copy, media_type, bytes } => {
                let Some(order) = self.orders.get(&call.warrant) else { return };
                let body = MessageBody { at_ns: at.0, method, from, to, media_type, bytes };
                let is_heard = !self.rules(order, call, sender).content;
                let said = if is_heard { body.said() } else { None };
                let media_type = text(media_type).to_ascii_lowercase();
                effects.note(Note::Body { call, copy, media_type, said });
            }
            Event::CallEnded { call, at, cause } => {
                self.latch.end(call);
                self.excluded.ended(call);
                effects.note(Note::Ended { call, at_ns: at.0, cause });
            }
            // Events are non-exhaustive; one that is not known here asks for nothing.
            _ => {}
        }
    }

    /// What is overwritten in a message that somebody of this side has sent: what is said in it where
    /// no content is ordered, not of this call, or not in this direction.
    fn rules(&self, order: &Order, call: CallKey, sender: Side) -> minimise::Rules {
        let way = Way { from_target: sender == Side::Target, to_target: sender == Side::Peer };
        let content = self.excluded.have(call) || !order.authority.covers(way);
        minimise::Rules { content, ..order.minimise }
    }

    /// Keeps a frame of a message that was recorded before.
    fn late(&self, call: CallKey, kept: &Kept<'_>, effects: &mut impl Effects) {
        let Some(order) = self.orders.get(&call.warrant) else { return };
        if self.excluded.keep_nothing(call) {
            return;
        }
        let comment =
            record::comment(&order.liid, call.cin, Some("of a message that was recorded"));
        let masked = minimise::late(self.rules(order, call, Side::Unknown), kept);
        signalling(order, call, kept, masked, &comment, None, effects);
    }

    /// Keeps a frame of media for the calls that it is certain of, and has the rest decided.
    ///
    /// `explained` are the warrants that have it already.
    pub(crate) fn keep(&mut self, kept: &Kept<'_>, explained: &[u32], effects: &mut impl Effects) {
        let Some((source, destination, payload)) = ends(kept) else { return };
        let doubt = self.content.keep(Seen::from(kept), source, destination, |record| {
            if !explained.contains(&record.warrant()) {
                effects.record(&record);
            }
        });
        if doubt != Doubt::None {
            let frames = std::slice::from_ref(kept);
            let packet = Doubtful { at: kept.at, source, destination, payload, frames };
            self.look_into(doubt, &packet, effects);
        }
    }

    /// A worker was in doubt about a frame; what it knew for certain, it has recorded.
    pub(crate) fn doubt(&mut self, doubt: Doubt, kept: &Kept<'_>, effects: &mut impl Effects) {
        let Some((source, destination, payload)) = ends(kept) else { return };
        let frames = std::slice::from_ref(kept);
        let packet = Doubtful { at: kept.at, source, destination, payload, frames };
        self.look_into(doubt, &packet, effects);
    }

    fn look_into(&mut self, doubt: Doubt, packet: &Doubtful<'_>, effects: &mut impl Effects) {
        let (source, destination) = (packet.source, packet.destination);
        let mut claims = Vec::new();
        self.content.claims(source, destination, |binding, claim| claims.push((*binding, claim)));
        let Self { orders, content, latch, .. } = self;
        let mut doubtful = Vec::new();
        for (binding, claim) in claims {
            let call = binding.call;
            if let Claim::Doubtful(endpoint) = claim {
                if !content.covers(call.warrant, source, destination) {
                    doubtful.push((call, endpoint));
                }
                continue;
            }
            // It has become certain since the worker had it.
            if doubt == Doubt::Undecided && !content.covers(call.warrant, source, destination) {
                for kept in packet.frames {
                    let each = &mut |record| effects.record(&record);
                    content.keep_for(&binding, kept.into(), (source, destination), each);
                }
            }
            if matches!(claim, Claim::Certain { .. }) {
                latch.certain(call, packet, &mut |it| decide(&it, orders, content, effects));
            }
        }
        if doubt == Doubt::Undecided && !doubtful.is_empty() {
            latch.doubtful(&doubtful, packet, &mut |it| decide(&it, orders, content, effects));
        }
    }

    pub(crate) fn command(&mut self, command: Command, effects: &mut impl Effects) {
        self.content.apply(command.clone());
        effects.command(command);
    }
}

/// Carries out what was decided of packets in doubt.
fn decide(
    decision: &Decision<'_>,
    orders: &BTreeMap<u32, Order>,
    content: &mut Content,
    effects: &mut impl Effects,
) {
    let binding = |call: CallKey| {
        orders.get(&call.warrant).map(|order| Binding { authority: order.authority, call })
    };
    let mut command = |command: Command| {
        content.apply(command.clone());
        effects.command(command);
    };
    match *decision {
        Decision::Learned { call, endpoint, peer, announced, frames } => {
            if !announced {
                command(Command::Pin(endpoint, peer, call));
                effects.note(Note::Learned { call, endpoint, peer });
            }
            let Some(binding) = binding(call) else { return };
            for kept in frames {
                let Some((source, destination, _)) = ends(kept) else { continue };
                let each = &mut |record| effects.record(&record);
                content.keep_for(&binding, kept.into(), (source, destination), each);
            }
        }
        Decision::Forgotten { call, endpoint, peer } => {
            command(Command::Unpin(endpoint, peer, call));
        }
        Decision::Reopened { call, endpoint } => {
            if let Some(binding) = binding(call) {
                command(Command::Open(endpoint, binding));
            }
        }
        Decision::Settled { call, endpoint } => command(Command::Settle(endpoint, call)),
    }
}

/// Keeps a frame of signalling, with what the warrant does not order overwritten.
fn signalling(
    order: &Order,
    call: CallKey,
    kept: &Kept<'_>,
    masked: Option<Masked>,
    comment: &str,
    carry: Option<u64>,
    effects: &mut impl Effects,
) {
    let note = masked.as_ref().map(|it| record::masked(comment, it.count, kept.bytes));
    let made = Record::new(
        &order.authority,
        kept.at.0,
        call.cin,
        Kind::Iri,
        kept.interface,
        masked.as_ref().map_or(kept.bytes, |it| &it.frame),
        kept.original_len,
        Some(note.as_deref().unwrap_or(comment)),
        carry,
    );
    if let Ok(record) = made {
        effects.record(&record);
    }
}

/// What is odd about a message, and from when to when it came where it came in several frames.
fn note(flaw: Option<String>, first: Timestamp, at: Timestamp) -> Option<String> {
    let came =
        (first < at).then(|| format!("message from {} to {}", rfc3339(first.0), rfc3339(at.0)));
    match (flaw, came) {
        (Some(flaw), Some(came)) => Some(format!("{flaw}; {came}")),
        (flaw, came) => flaw.or(came),
    }
}

/// Sender, receiver and payload of a frame that carries a datagram or a segment.
fn ends<'a>(kept: &Kept<'a>) -> Option<(SocketAddr, SocketAddr, &'a [u8])> {
    let packet = packet::parse(kept.link, kept.bytes).ok()?;
    let (source, destination) = packet.endpoints();
    match packet.body {
        Body::Udp(datagram) => Some((source, destination, datagram.payload)),
        Body::Tcp(segment) => Some((source, destination, segment.payload)),
        Body::Fragment(_) => None,
        _ => Some((source, destination, &[])),
    }
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
