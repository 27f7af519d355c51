//! Where the parties of a call receive media, by offer and answer (RFC 3264, RFC 6337).
//!
//! A leg is one party's description on one hop: forks have tags of their own, and a media relay
//! gives each hop other addresses under the same tags.
//! What is wanted is the union of all legs; what a description replaces is wanted until the
//! transaction that carried it succeeds, because a refused offer leaves everything as it was.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::path::Path;
use crate::event::MediaKind;
use crate::media::MediaTerms;
use crate::sdp::{Media, Session};
use crate::sip::{self, Message, StartLine};

/// The legs of a call.
#[derive(Debug, Default)]
pub(super) struct Legs {
    legs: Vec<Leg>,
    /// Final responses on a hop, whose requests may be seen yet: number, way, success.
    ahead: Vec<(u32, Path, bool)>,
}

/// An endpoint that is to be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) kind: MediaKind,
    pub(super) terms: MediaTerms,
    /// No description names it: it is where a NAT would put one that a description names.
    pub(super) presumed: bool,
}

#[derive(Debug)]
struct Leg {
    /// The describing party's tag, and the hop on which it says so.
    tag: Box<[u8]>,
    path: Path,
    current: Vec<Line>,
    offers: Vec<Offer>,
    /// Highest CSeq of an offer that was accepted: the same once more is a retransmission.
    accepted: Option<u32>,
}

/// A description in a request, or in a provisional response to it, that has no final response yet.
#[derive(Debug)]
struct Offer {
    transaction: Transaction,
    lines: Vec<Line>,
}

/// Each party numbers its own transactions, so one leg may see the same number of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    /// The leg's own.
    Own(u32),
    /// Its peer's.
    Peers(u32),
}

/// One `m=` line.
#[derive(Clone, Debug)]
struct Line {
    /// Where RTCP shares the RTP port.
    muxed: Endpoints,
    /// Where it has its own.
    apart: Endpoints,
    /// The host that signals for the party, where it is not the line's own.
    nat: Option<IpAddr>,
    rtcp_mux: bool,
    is_rtp: bool,
    terms: MediaTerms,
}

#[derive(Clone, Debug)]
struct Endpoints {
    /// Of `c=`, `m=` and `a=rtcp`.
    named: Box<[(SocketAddr, MediaKind)]>,
    /// Of ICE candidates.
    candidates: Box<[(SocketAddr, MediaKind)]>,
}

/// More legs than a call has, and open offers than a leg has; beyond, the oldest go.
const MAX_LEGS: usize = 64;
const MAX_OFFERS: usize = 4;

/// Responses remembered until their request is seen.
const MAX_AHEAD: usize = 4;

impl Legs {
    /// Whether descriptions in messages of this method are offers and answers (RFC 6337 §2.2);
    /// in others, such as OPTIONS, they only say what could be.
    pub(super) fn concern(method: &[u8]) -> bool {
        matches!(method, b"INVITE" | b"UPDATE" | b"PRACK" | b"ACK")
    }

    pub(super) fn feed(
        &mut self,
        path: Path,
        message: &Message<'_>,
        session: Option<&Session<'_>>,
    ) {
        let method = message.method();
        if !Self::concern(method) {
            return;
        }
        let cseq = message.cseq.map_or(0, |cseq| cseq.number);
        let tag = |value: Option<&[u8]>| -> Box<[u8]> {
            value.and_then(sip::tag).unwrap_or_default().into()
        };
        match message.start {
            StartLine::Request { .. } => {
                let sender = || message.received().unwrap_or_else(|| path.source.ip());
                let Some(session) = session else { return };
                let ahead = self.ahead.iter().position(|it| (it.0, it.1) == (cseq, path.back()));
                let ahead = ahead.filter(|_| method != b"ACK");
                let ahead = ahead.map(|place| self.ahead.remove(place).2);
                let leg = self.leg(tag(message.from), path);
                let lines = leg.lines(session, sender());
                if method == b"ACK" {
                    leg.agree(lines);
                } else {
                    leg.offer(Transaction::Own(cseq), lines);
                    if let Some(accepted) = ahead {
                        leg.settle(Transaction::Own(cseq), accepted);
                    }
                }
            }
            StartLine::Response { status } => {
                if status >= 200 {
                    self.settle(cseq, path, status < 300);
                }
                if let Some(session) = session.filter(|_| status < 300) {
                    let leg = self.leg(tag(message.to), path);
                    let lines = leg.lines(session, path.source.ip());
                    if status < 200 {
                        leg.offer(Transaction::Peers(cseq), lines);
                    } else {
                        leg.agree(lines);
                    }
                }
            }
        }
    }

    /// A final response came on `path`: what both parties described in the transaction is agreed
    /// upon, or never was.
    fn settle(&mut self, cseq: u32, path: Path, accepted: bool) {
        let mut is_ahead = true;
        for leg in &mut self.legs {
            if leg.path == path.back() {
                is_ahead &= !leg.settle(Transaction::Own(cseq), accepted);
            } else if leg.path == path {
                leg.settle(Transaction::Peers(cseq), accepted);
            }
        }
        // Of what is no offer the response tells nothing, so that the list is short.
        let known = (cseq, path, accepted);
        if is_ahead && !self.ahead.contains(&known) {
            if self.ahead.len() >= MAX_AHEAD {
                self.ahead.remove(0);
            }
            self.ahead.push(known);
        }
    }

    /// The endpoints of all legs, at most `limit` of them.
    pub(super) fn wanted(&self, limit: usize) -> BTreeMap<SocketAddr, Wanted> {
        let all = || self.legs.iter().flat_map(Leg::all);
        let all_muxed = all().filter(|line| line.is_rtp).all(|line| line.rtcp_mux);
        let mut wanted = BTreeMap::new();
        // However many candidates there are, they never take the place of what `m=` lines name.
        for line in all() {
            want(&mut wanted, limit, line, &line.endpoints(all_muxed).named, false);
        }
        for line in all() {
            want(&mut wanted, limit, line, &line.endpoints(all_muxed).candidates, false);
        }
        for line in all() {
            want(&mut wanted, limit, line, &line.presumed(all_muxed), true);
        }
        wanted
    }

    /// The tags under which an endpoint is described, or would be where a NAT puts it.
    pub(super) fn describers(&self, endpoint: SocketAddr) -> impl Iterator<Item = &[u8]> {
        let describes = move |line: &Line| {
            let all = [&line.muxed, &line.apart].into_iter();
            let mut all = all.flat_map(|ends| ends.named.iter().chain(&ends.candidates));
            let is_presumed = || {
                [true, false]
                    .iter()
                    .any(|muxed| line.presumed(*muxed).iter().any(|it| it.0 == endpoint))
            };
            all.any(|(named, _)| *named == endpoint) || is_presumed()
        };
        let legs = self.legs.iter().filter(move |leg| leg.all().any(describes));
        legs.map(|leg| &*leg.tag)
    }

    fn leg(&mut self, tag: Box<[u8]>, path: Path) -> &mut Leg {
        let known = self.legs.iter().position(|leg| leg.tag == tag && leg.path == path);
        // The one in use goes to the end, so that the first is the oldest.
        let leg = match known {
            Some(place) => self.legs.remove(place),
            None => Leg { tag, path, current: Vec::new(), offers: Vec::new(), accepted: None },
        };
        if self.legs.len() >= MAX_LEGS {
            self.legs.remove(0);
        }
        // Most calls have two; a list that grows by itself has room for four.
        self.legs.reserve_exact(1);
        self.legs.push_mut(leg)
    }
}

impl Leg {
    fn all(&self) -> impl Iterator<Item = &Line> {
        self.current.iter().chain(self.offers.iter().flat_map(|offer| &offer.lines))
    }

    /// The lines of a description; where one is on hold by its address, media still goes where it
    /// went before.
    fn lines(&self, session: &Session<'_>, sender: IpAddr) -> Vec<Line> {
        let before = self.offers.last().map_or(&self.current, |offer| &offer.lines);
        let lines = session.media.iter().enumerate().map(|(nth, media)| {
            let held = before.get(nth).filter(|_| media.is_held_by_address());
            held.cloned().unwrap_or_else(|| Line::of(media, sender))
        });
        lines.collect()
    }

    fn offer(&mut self, transaction: Transaction, lines: Vec<Line>) {
        if let Transaction::Own(cseq) = transaction
            && Some(cseq) <= self.accepted
        {
            return;
        }
        if let Some(offer) = self.offers.iter_mut().find(|offer| offer.transaction == transaction) {
            offer.lines = lines;
            return;
        }
        if self.offers.len() >= MAX_OFFERS {
            self.offers.remove(0);
        }
        self.offers.reserve_exact(1);
        self.offers.push(Offer { transaction, lines });
    }

    /// Says whether there was such an offer, now or before.
    fn settle(&mut self, transaction: Transaction, accepted: bool) -> bool {
        let place = self.offers.iter().position(|offer| offer.transaction == transaction);
        let Some(place) = place else {
            return matches!(transaction, Transaction::Own(cseq) if self.accepted >= Some(cseq));
        };
        let offer = self.offers.remove(place);
        match transaction {
            _ if !accepted => {}
            Transaction::Peers(_) => self.agree(offer.lines),
            // An UPDATE may be accepted ahead of the INVITE before it (RFC 3311 §5.1).
            Transaction::Own(cseq) if self.accepted > Some(cseq) => {}
            Transaction::Own(cseq) => {
                self.accepted = Some(cseq);
                self.offers.retain(|offer| match offer.transaction {
                    Transaction::Own(other) => other > cseq,
                    Transaction::Peers(_) => true,
                });
                self.agree(offer.lines);
            }
        }
        true
    }

    /// What the party said last is what counts; of what it had answered before nothing is left.
    fn agree(&mut self, lines: Vec<Line>) {
        self.current = lines;
        self.offers.retain(|offer| matches!(offer.transaction, Transaction::Own(_)));
    }
}

impl Line {
    fn of(media: &Media<'_>, sender: IpAddr) -> Self {
        let endpoints = |muxed| Endpoints {
            named: media.endpoints(muxed).collect(),
            candidates: media.candidate_endpoints(muxed).collect(),
        };
        Self {
            muxed: endpoints(true),
            apart: endpoints(false),
            nat: media.address.filter(|own| *own != sender && is_private(*own)).map(|_| sender),
            rtcp_mux: media.rtcp_mux,
            is_rtp: media.is_rtp() && media.port != 0,
            terms: MediaTerms {
                clocks: media.clocks.clone(),
                keying: media.keying,
                ufrag: media.ufrag.map(Box::from),
            },
        }
    }

    fn endpoints(&self, all_muxed: bool) -> &Endpoints {
        if self.rtcp_mux && all_muxed { &self.muxed } else { &self.apart }
    }

    /// Where a NAT that leaves ports alone puts the named endpoints: at the host that signals.
    fn presumed(&self, all_muxed: bool) -> Vec<(SocketAddr, MediaKind)> {
        let named = self.endpoints(all_muxed).named.iter().filter(|(end, _)| is_private(end.ip()));
        let presumed = self
            .nat
            .map(|nat| named.map(move |(end, kind)| (SocketAddr::new(nat, end.port()), *kind)));
        presumed.into_iter().flatten().collect()
    }
}

/// Whether an address is behind a NAT, seen from anywhere else (RFC 1918, RFC 6598, RFC 4193).
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_link_local() || matches!(v4.octets(), [100, 64..=127, ..])
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn want(
    wanted: &mut BTreeMap<SocketAddr, Wanted>,
    limit: usize,
    line: &Line,
    endpoints: &[(SocketAddr, MediaKind)],
    presumed: bool,
) {
    for &(endpoint, kind) in endpoints {
        if let Some(known) = wanted.get_mut(&endpoint) {
            known.presumed &= presumed;
            known.kind = known.kind.min(kind);
            known.terms.merge(&line.terms);
        } else if wanted.len() < limit {
            wanted.insert(endpoint, Wanted { kind, terms: line.terms.clone(), presumed });
        }
    }
}
