//! Media that comes from an address no description names: a phone behind NAT sends from where the
//! NAT puts it, and its peer answers there (RFC 4787, RFC 6314 §3).
//!
//! One end that a call announced is not enough to take a packet for the call's: an answerer may
//! give one port to many calls, and anybody can send to a port.
//! Such packets are held until the flow they belong to is learned or let go; what is learned is
//! given out from its first packet on, and pinned to both its ends.
//!
//! | Evidence | Learned |
//! |---|---|
//! | from a host that signals for the call and announces no media there, the ICE fragment of a description (RFC 8445 §7.1), or the SSRC that the call already knows | after two packets |
//! | both ways, where an announced address is none that signals | after [`Standing::LIKELY`] |
//! | one way, or another port of an announced address | after [`Standing::POSSIBLE`] |
//! | none, but nobody else sends there | after [`Standing::UNLIKELY`] |
//!
//! Where both ends are behind a NAT, no end of a packet is announced.
//! A NAT that leaves ports alone puts each at a place that can be presumed: the announced port, at
//! the host that signals for the party.
//! A flow between two presumed ends is learned like one from a host that signals; a presumed end
//! and any other say nothing, as such a host may be a whole network's.
//!
//! An endpoint that the announced peer has reached is settled, and then nobody else is listened to;
//! a new description opens the question anew.

mod call;
mod candidate;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use call::{Call, Endpoint};
pub use candidate::Standing;

use super::MediaTerms;
use crate::event::{Kept, MediaKind};
use crate::time::Timestamp;
use crate::warrant::CallKey;

/// How much is held while it is undecided.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LatchLimits {
    /// Bytes of frames of all calls together.
    pub bytes: usize,
    /// Flows at one endpoint.
    pub candidates: usize,
    /// Frames of one flow.
    pub frames: usize,
    /// Peers learned at one endpoint: whoever sends to ever more fills nobody's memory.
    pub peers: usize,
}

impl Default for LatchLimits {
    fn default() -> Self {
        Self { bytes: 16 << 20, candidates: 64, frames: 512, peers: 64 }
    }
}

/// What was found out.
#[derive(Debug)]
pub enum Decision<'a> {
    /// The flow between the two ends is the call's.
    Learned {
        /// The call.
        call: CallKey,
        /// The end that it announced.
        endpoint: SocketAddr,
        /// The other end.
        peer: SocketAddr,
        /// Whether a description has named the peer meanwhile, so that nothing had to be learned.
        announced: bool,
        /// The flow's frames so far, in order of arrival.
        frames: &'a [Kept<'a>],
    },
    /// A peer that was learned has made room for another; where it is heard again, it is learned
    /// again.
    Forgotten {
        /// The call.
        call: CallKey,
        /// The end that it announced.
        endpoint: SocketAddr,
        /// The other end.
        peer: SocketAddr,
    },
    /// A new description of the call makes it unsure again who reaches the endpoint.
    Reopened {
        /// The call.
        call: CallKey,
        /// The end that it announced.
        endpoint: SocketAddr,
    },
    /// Nobody but the ends known by now is listened to at the endpoint.
    Settled {
        /// The call.
        call: CallKey,
        /// The end that it announced.
        endpoint: SocketAddr,
    },
}

/// A packet of which one end is announced.
#[derive(Clone, Copy, Debug)]
pub struct Doubtful<'a> {
    /// Arrival of its last frame.
    pub at: Timestamp,
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// UDP or TCP payload.
    pub payload: &'a [u8],
    /// The frames it came in.
    pub frames: &'a [Kept<'a>],
}

/// Flows of which one end is announced, by call.
#[derive(Debug)]
pub struct Latch {
    calls: BTreeMap<CallKey, Call>,
    limits: LatchLimits,
    bytes: usize,
    next_tick: Option<Timestamp>,
    let_go: u64,
}

/// How often what is held is looked at.
const TICK: Duration = Duration::from_millis(100);

type Sink<'s> = dyn FnMut(Decision<'_>) + 's;

impl Latch {
    /// Holds nothing yet.
    #[must_use]
    pub fn new(limits: LatchLimits) -> Self {
        Self { calls: BTreeMap::new(), limits, bytes: 0, next_tick: None, let_go: 0 }
    }

    /// A call begins; the same Call-ID under several warrants has several keys, which learn alike.
    pub fn begin(&mut self, call: CallKey, call_id: &[u8]) {
        self.calls.entry(call).or_insert_with(|| Call::new(call_id));
    }

    /// A host was seen to signal for the call.
    pub fn heard(&mut self, call: CallKey, host: IpAddr) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.heard(host.to_canonical());
        }
    }

    /// A description has named an endpoint, or named it anew: all endpoints of the call are open
    /// to question again, and what came from this one is no longer.
    pub fn open(
        &mut self,
        call: CallKey,
        endpoint: SocketAddr,
        kind: MediaKind,
        terms: &MediaTerms,
        sink: &mut Sink<'_>,
    ) {
        let Some(found) = self.calls.get_mut(&call) else { return };
        self.bytes -= found.open(call, canonical(endpoint), kind, terms, sink);
    }

    /// A NAT may put an announced endpoint here.
    pub fn presume(
        &mut self,
        call: CallKey,
        endpoint: SocketAddr,
        kind: MediaKind,
        terms: &MediaTerms,
    ) {
        if let Some(found) = self.calls.get_mut(&call) {
            found.presume(canonical(endpoint), kind, terms);
        }
    }

    /// An endpoint is the call's no longer: a flow that nobody else sends there has waited long
    /// enough.
    pub fn close(&mut self, call: CallKey, endpoint: SocketAddr, sink: &mut Sink<'_>) {
        let endpoint = canonical(endpoint);
        let Some(found) = self.calls.get(&call) else { return };
        if let Some(peer) = found.choose(endpoint, None) {
            self.learn(call, endpoint, peer, sink);
        }
        let Some(found) = self.calls.get_mut(&call) else { return };
        if let Some(endpoint) = found.endpoints.remove(&endpoint) {
            self.let_go(&endpoint);
        }
    }

    /// A call is over.
    pub fn end(&mut self, call: CallKey) {
        for endpoint in self.calls.remove(&call).into_iter().flat_map(|call| call.endpoints) {
            self.let_go(&endpoint.1);
        }
    }

    /// The calls of a warrant are over.
    pub fn forget(&mut self, warrant: u32) {
        let over = CallKey { warrant, cin: 0 }..=CallKey { warrant, cin: u32::MAX };
        let over: Vec<_> = self.calls.range(over).map(|(call, _)| *call).collect();
        over.into_iter().for_each(|call| self.end(call));
    }

    /// A packet was seen between two ends that the call announced.
    pub fn certain(&mut self, call: CallKey, packet: &Doubtful<'_>, sink: &mut Sink<'_>) {
        let Some(found) = self.calls.get_mut(&call) else { return };
        found.sends(canonical(packet.source), packet.payload);
        let endpoint = canonical(packet.destination);
        let Some(open) = found.endpoints.get_mut(&endpoint).filter(|open| !open.settled) else {
            return;
        };
        open.settled = true;
        sink(Decision::Settled { call, endpoint });
        let gone = open.let_go();
        self.bytes -= gone.bytes;
        self.let_go += gone.frames;
    }

    /// Takes a packet of which these calls announced one end, and holds it or says whose it is.
    pub fn doubtful(
        &mut self,
        claims: &[(CallKey, SocketAddr)],
        packet: &Doubtful<'_>,
        sink: &mut Sink<'_>,
    ) {
        self.next_tick.get_or_insert_with(|| packet.at.after(TICK));
        for (call, endpoint) in claims {
            let Some(found) = self.calls.get_mut(call) else { continue };
            let held = found.hold(canonical(*endpoint), packet, &self.limits);
            self.bytes += held.bytes;
            self.bytes -= held.freed;
            self.let_go += held.let_go;
        }
        // Each has the packet before any learns from it.
        for &(call, endpoint) in claims {
            let endpoint = canonical(endpoint);
            let chosen = self.calls.get(&call).and_then(|it| it.choose(endpoint, Some(packet.at)));
            if let Some(peer) = chosen {
                self.learn(call, endpoint, peer, sink);
            }
        }
        if self.bytes > self.limits.bytes {
            self.shed();
        }
    }

    /// Lets time pass: what has proved itself is learned, what has had its time is let go.
    pub fn tick(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        if self.next_tick.is_none_or(|due| due > now) {
            return;
        }
        let calls: Vec<_> = self.calls.keys().copied().collect();
        let mut waiting = false;
        for call in calls {
            let Some(found) = self.calls.get(&call) else { continue };
            let endpoints: Vec<_> = found.waiting().collect();
            for endpoint in endpoints {
                let Some(found) = self.calls.get_mut(&call) else { continue };
                if let Some(peer) = found.choose(endpoint, Some(now)) {
                    self.learn(call, endpoint, peer, sink);
                } else {
                    let gone = found.expire(endpoint, now);
                    self.bytes -= gone.bytes;
                    self.let_go += gone.frames;
                }
            }
            waiting |= self.calls.get(&call).is_some_and(|it| it.waiting().next().is_some());
        }
        self.next_tick = waiting.then(|| now.after(TICK));
    }

    /// When [`Latch::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.next_tick
    }

    /// Frames held and then let go: they were nobody's, as far as could be told.
    #[must_use]
    pub fn frames_let_go(&self) -> u64 {
        self.let_go
    }

    /// The flow is the call's, under each warrant that covers the call, and no other call's.
    fn learn(
        &mut self,
        call: CallKey,
        endpoint: SocketAddr,
        peer: SocketAddr,
        sink: &mut Sink<'_>,
    ) {
        let Some(group) = self.calls.get(&call).map(|call| call.group.clone()) else { return };
        for (&call, found) in &mut self.calls {
            let Some(open) = found.endpoints.get_mut(&endpoint) else { continue };
            let Some(candidate) = open.take(peer) else { continue };
            self.bytes -= candidate.bytes();
            if found.group != group {
                self.let_go += candidate.frames();
                continue;
            }
            let settled = candidate.inbound() > 0 && !open.settled && !open.presumed;
            if let Some(peer) = open.learned(peer, self.limits.peers) {
                sink(Decision::Forgotten { call, endpoint, peer });
            }
            candidate.give(|frames| {
                let announced = false;
                sink(Decision::Learned { call, endpoint, peer, announced, frames });
            });
            found.learned(peer.ip());
            if settled {
                let gone = found.settle(endpoint);
                self.bytes -= gone.bytes;
                self.let_go += gone.frames;
                sink(Decision::Settled { call, endpoint });
            }
        }
    }

    /// Too much is held: flows without evidence go.
    fn shed(&mut self) {
        for call in self.calls.values_mut() {
            let gone = call.shed();
            self.bytes -= gone.bytes;
            self.let_go += gone.frames;
        }
    }

    fn let_go(&mut self, endpoint: &Endpoint) {
        let held = endpoint.held();
        self.bytes -= held.bytes;
        self.let_go += held.frames;
    }
}

/// IPv4-mapped IPv6 addresses are the IPv4 addresses they map.
fn canonical(endpoint: SocketAddr) -> SocketAddr {
    SocketAddr::new(endpoint.ip().to_canonical(), endpoint.port())
}

#[cfg(test)]
mod tests;
