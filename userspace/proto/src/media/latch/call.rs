//! A call's endpoints, the hosts that signal for it, and the flows that may be its own.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use litemap::LiteMap;

use super::candidate::{Candidate, Standing};
use super::{Decision, Doubtful, LatchLimits, Sink};
use crate::event::MediaKind;
use crate::media::MediaTerms;
use crate::rtp::Header;
use crate::stun;
use crate::time::Timestamp;
use crate::warrant::CallKey;

/// What is known of one call.
#[derive(Debug)]
pub(super) struct Call {
    /// The same for all keys of one Call-ID.
    pub(super) group: Box<[u8]>,
    pub(super) endpoints: LiteMap<SocketAddr, Endpoint>,
    /// Hosts that signal for it.
    hosts: Vec<IpAddr>,
    /// Hosts that media was learned from.
    learned: Vec<IpAddr>,
    /// SSRCs that its endpoints send.
    sources: Vec<(SocketAddr, u32)>,
}

/// An endpoint that the call announced, or that a NAT may have put in the place of one.
#[derive(Debug)]
pub(super) struct Endpoint {
    kind: MediaKind,
    terms: Box<MediaTerms>,
    /// Nobody announced it.
    pub(super) presumed: bool,
    /// The announced peer, or a learned one, has reached it.
    pub(super) settled: bool,
    candidates: Vec<Candidate>,
    /// Peers that were learned, in that order.
    learned: Vec<SocketAddr>,
}

/// What is held, or was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) bytes: usize,
    pub(super) frames: u64,
}

/// What holding a packet did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    pub(super) bytes: usize,
    pub(super) freed: usize,
    pub(super) let_go: u64,
}

/// A call has fewer; beyond, hosts and SSRCs are not remembered.
const MAX_KNOWN: usize = 16;

impl Call {
    pub(super) fn new(call_id: &[u8]) -> Self {
        Self {
            group: call_id.into(),
            endpoints: LiteMap::new(),
            hosts: Vec::new(),
            learned: Vec::new(),
            sources: Vec::new(),
        }
    }

    pub(super) fn heard(&mut self, host: IpAddr) {
        remember(&mut self.hosts, host);
    }

    pub(super) fn learned(&mut self, host: IpAddr) {
        remember(&mut self.learned, host);
    }

    /// Gives the bytes that are no longer held: of flows whose other end has just been announced.
    pub(super) fn open(
        &mut self,
        call: CallKey,
        endpoint: SocketAddr,
        kind: MediaKind,
        terms: &MediaTerms,
        sink: &mut Sink<'_>,
    ) -> usize {
        let mut freed = 0;
        for (&end, open) in &mut self.endpoints {
            if core::mem::take(&mut open.settled) && end != endpoint {
                sink(Decision::Reopened { call, endpoint: end });
            }
            // What a presumed end and this one have between them is no less to be learned.
            let candidate = if open.presumed { None } else { open.take(endpoint) };
            let Some(candidate) = candidate else { continue };
            freed += candidate.bytes();
            candidate.give(|frames| {
                let (endpoint, peer, announced) = (end, endpoint, true);
                sink(Decision::Learned { call, endpoint, peer, announced, frames });
            });
        }
        self.set(endpoint, kind, terms, false);
        freed
    }

    pub(super) fn presume(&mut self, endpoint: SocketAddr, kind: MediaKind, terms: &MediaTerms) {
        self.set(endpoint, kind, terms, true);
    }

    fn set(&mut self, endpoint: SocketAddr, kind: MediaKind, terms: &MediaTerms, presumed: bool) {
        let open = self.endpoints.entry(endpoint).or_insert_with(|| Endpoint {
            kind,
            terms: Box::default(),
            presumed,
            settled: false,
            candidates: Vec::new(),
            learned: Vec::new(),
        });
        (open.kind, open.presumed) = (kind, presumed);
        *open.terms = terms.clone();
    }

    /// An announced end sends this.
    pub(super) fn sends(&mut self, source: SocketAddr, payload: &[u8]) {
        if let Ok(header) = Header::parse(payload) {
            remember(&mut self.sources, (source, header.ssrc));
        }
    }

    /// Holds a packet at `endpoint`.
    pub(super) fn hold(
        &mut self,
        endpoint: SocketAddr,
        packet: &Doubtful<'_>,
        limits: &LatchLimits,
    ) -> Change {
        let mut change = Change::default();
        let Self { endpoints, sources, hosts, .. } = self;
        let nothing = Change { let_go: packet.frames.len() as u64, ..change };
        let Some(open) = endpoints.get_mut(&endpoint) else { return nothing };
        let inbound = super::canonical(packet.destination) == endpoint;
        let peer = super::canonical(if inbound { packet.source } else { packet.destination });
        if open.settled {
            return nothing;
        }
        let place = open.candidates.iter().position(|candidate| candidate.peer == peer);
        if place.is_none() && open.candidates.len() >= limits.candidates {
            // Room is made by the oldest of those whose host has nothing to do with the call.
            let oldest = open.candidates.iter().position(|it| !hosts.contains(&it.peer.ip()));
            let gone = open.candidates.remove(oldest.unwrap_or(0));
            change.freed = gone.bytes();
            change.let_go = gone.frames();
        }
        let place = place.unwrap_or_else(|| {
            open.candidates.push(Candidate::new(peer, packet.at));
            open.candidates.len() - 1
        });
        let (kind, terms) = (open.kind, &open.terms);
        let Some(candidate) = open.candidates.get_mut(place) else { return change };
        let plays = |payload_type| terms.clocks.rate_hz(payload_type).is_some();
        match candidate.hold(inbound, kind, plays, packet, limits) {
            Some(bytes) => change.bytes = bytes,
            None => change.let_go += packet.frames.len() as u64,
        }
        let ssrc = Header::parse(packet.payload).ok().map(|header| header.ssrc);
        // What the endpoint sends elsewhere too, it sends here.
        candidate.named |= ssrc.is_some_and(|ssrc| !inbound && sources.contains(&(endpoint, ssrc)));
        candidate.named |=
            inbound && terms.ufrag.as_ref().is_some_and(|ufrag| stun_names(packet.payload, ufrag));
        change
    }

    /// Endpoints at which something is held.
    pub(super) fn waiting(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let waiting = self.endpoints.iter().filter(|(_, open)| !open.candidates.is_empty());
        waiting.map(|(endpoint, _)| *endpoint)
    }

    /// The flow at `endpoint` that has proved itself by now, if there is one and only one.
    ///
    /// At the end of the call there is nothing more to wait for: a flow that nothing speaks for
    /// must have been there for a while, and the others need not.
    pub(super) fn choose(
        &self,
        endpoint: SocketAddr,
        now: Option<Timestamp>,
    ) -> Option<SocketAddr> {
        let open = self.endpoints.get(&endpoint)?;
        let standing = |it: &Candidate| self.standing(open.kind, it);
        let proved = |it: &&Candidate| it.row() >= standing(it).packets(open.kind);
        let best = open.candidates.iter().filter(proved).map(standing).max()?;
        let mut best_ones = open.candidates.iter().filter(proved).filter(|it| standing(it) == best);
        let first = best_ones.next()?;
        let due = match now {
            Some(now) => now.since(first.since) >= best.doubt(),
            None => best > Standing::Unlikely || first.span() >= Standing::LIKELY,
        };
        (due && best_ones.next().is_none()).then_some(first.peer)
    }

    /// What speaks for a flow of an endpoint of this kind.
    fn standing(&self, kind: MediaKind, candidate: &Candidate) -> Standing {
        let host = candidate.peer.ip();
        let announced = self.endpoints.iter().filter(|(_, open)| !open.presumed);
        let mut announced = announced.map(|(end, _)| end.ip());
        let signals = |host: &IpAddr| self.hosts.contains(host);
        let is_announced = announced.clone().any(|end| end == host);
        let sure = candidate.named
            || self.endpoints.get(&candidate.peer).is_some_and(|peer| peer.presumed)
            || self.learned.contains(&host)
            || (signals(&host) && !is_announced)
            // A connection comes from whatever port its host chose.
            || (matches!(kind, MediaKind::Udptl | MediaKind::Other) && is_announced);
        if sure {
            return Standing::Sure;
        }
        let behind_nat = announced.any(|end| !signals(&end));
        match (behind_nat, candidate.both_ways()) {
            (true, true) => Standing::Likely,
            (true, false) => Standing::Possible,
            (false, _) if is_announced => Standing::Possible,
            (false, _) => Standing::Unlikely,
        }
    }

    /// Lets go of the flows at `endpoint` that have had their time.
    pub(super) fn expire(&mut self, endpoint: SocketAddr, now: Timestamp) -> Load {
        let mut gone = Load::default();
        let Some(open) = self.endpoints.get_mut(&endpoint) else { return gone };
        for candidate in open.candidates.extract_if(.., |it| now.since(it.since) > PATIENCE) {
            gone.add(&candidate);
        }
        gone
    }

    pub(super) fn settle(&mut self, endpoint: SocketAddr) -> Load {
        let Some(open) = self.endpoints.get_mut(&endpoint) else { return Load::default() };
        open.settled = true;
        open.let_go()
    }

    /// Lets go of all flows that nothing speaks for.
    pub(super) fn shed(&mut self) -> Load {
        let mut gone = Load::default();
        let Self { endpoints, hosts, .. } = self;
        for (_, open) in endpoints.iter_mut() {
            let weak = |it: &mut Candidate| !it.named && !hosts.contains(&it.peer.ip());
            open.candidates.extract_if(.., weak).for_each(|it| gone.add(&it));
        }
        gone
    }
}

/// How long a flow is held at most; longer than any doubt.
const PATIENCE: core::time::Duration = core::time::Duration::from_secs(6);

impl Endpoint {
    /// Takes note that a peer was learned; gives the one that makes room for it, if one has to.
    pub(super) fn learned(&mut self, peer: SocketAddr, most: usize) -> Option<SocketAddr> {
        if self.learned.contains(&peer) {
            return None;
        }
        let oldest = (self.learned.len() >= most).then(|| self.learned.remove(0));
        // Most endpoints have one, where they have any.
        self.learned.reserve_exact(1);
        self.learned.push(peer);
        oldest
    }

    pub(super) fn take(&mut self, peer: SocketAddr) -> Option<Candidate> {
        let place = self.candidates.iter().position(|candidate| candidate.peer == peer)?;
        Some(self.candidates.remove(place))
    }

    pub(super) fn held(&self) -> Load {
        let mut held = Load::default();
        self.candidates.iter().for_each(|candidate| held.add(candidate));
        held
    }

    pub(super) fn let_go(&mut self) -> Load {
        let gone = self.held();
        self.candidates.clear();
        gone
    }
}

impl Load {
    fn add(&mut self, candidate: &Candidate) {
        self.bytes += candidate.bytes();
        self.frames += candidate.frames();
    }
}

fn remember<T: PartialEq>(known: &mut Vec<T>, new: T) {
    if known.len() < MAX_KNOWN && !known.contains(&new) {
        known.push(new);
    }
}

/// Whether a STUN message is addressed to the party of this ICE fragment: its USERNAME begins with
/// it and a colon (RFC 8445 §7.2.2).
fn stun_names(payload: &[u8], ufrag: &[u8]) -> bool {
    let username = stun::Message::parse(payload).and_then(|message| message.username());
    let rest = username.and_then(|username| username.strip_prefix(ufrag));
    rest.is_some_and(|rest| rest.first() == Some(&b':'))
}
