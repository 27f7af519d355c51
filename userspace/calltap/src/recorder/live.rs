//! A call that has not ended, and what was counted of it.

use std::net::SocketAddr;
use std::time::Duration;

use calltap_evidence::lines::{CallLine, DigitLine, Exclusion, Interrupted};
use calltap_proto::flows::Flows;
use calltap_proto::media::{Encryption, KeyExchanges, Keying, MediaTerms};
use calltap_proto::msrp::Sessions;
use calltap_proto::packet::{self, Body, Datagram, Fragment, LinkType, Packet, Segment};
use calltap_proto::reassembly::Datagrams;
use calltap_proto::rtcp::Reports;
use calltap_proto::rtp::{Digit, Events, PayloadClocks, Streams};
use calltap_proto::udptl::Faxes;
use calltap_proto::{CallKey, Keep, Kept, MediaKind, Timestamp};

use super::CallFacts;
use super::endpoints::{Announced, Endpoints};
use super::exclusion::word;
use super::flow_line::flow_line;
use super::sayings::Sayings;
use crate::body::{Said, media_type, text_line};
use crate::loss::OwnLosses;

/// A call that has not ended.
///
/// A packet of media finds it in no cache: what that packet needs is one line of it, and the rest
/// stands apart.
#[repr(align(64))]
pub(super) struct LiveCall {
    streams: Streams,
    /// When it was last told that there is media; zero before that.
    heard_at: Timestamp,
    rest: Box<Rest>,
    /// Whether anything was recorded of it.
    recorded: bool,
    /// No call explains its packets, whose flows are told apart.
    is_unexplained: bool,
}

const _: () = assert!(size_of::<Option<LiveCall>>() == 64);

struct Rest {
    facts: CallFacts,
    endpoints: Endpoints,
    faxes: Faxes,
    reports: Reports,
    events: Events,
    exchanges: KeyExchanges,
    said: Sayings,
    sessions: Sessions,
    /// Media that comes in fragments; made when there is any.
    datagrams: Option<Box<Datagrams>>,
    /// Flows that no call explains.
    flows: Flows,
    /// How often frames had been lost on the way here when it began.
    losses_before: u64,
    /// From when until when nothing was captured, as the program was restarted.
    interrupted: Option<Interrupted>,
    /// A party took part that its warrant excludes.
    excluded: Option<Exclusion>,
}

impl LiveCall {
    /// It begins when frames have been lost on the way here so many times.
    pub(super) fn new(facts: CallFacts, losses_before: u64) -> Self {
        let is_unexplained = facts.unexplained;
        let rest = Rest {
            facts,
            endpoints: Endpoints::default(),
            faxes: Faxes::default(),
            reports: Reports::default(),
            events: Events::default(),
            exchanges: KeyExchanges::default(),
            said: Sayings::default(),
            sessions: Sessions::default(),
            datagrams: None,
            flows: Flows::default(),
            losses_before,
            interrupted: None,
            excluded: None,
        };
        Self {
            streams: Streams::default(),
            heard_at: Timestamp(0),
            rest: Box::new(rest),
            recorded: false,
            is_unexplained,
        }
    }

    pub(super) fn key(&self) -> CallKey {
        self.rest.facts.call
    }

    pub(super) fn announced(
        &mut self,
        endpoint: SocketAddr,
        kind: MediaKind,
        terms: Box<MediaTerms>,
    ) {
        let Rest { endpoints, faxes, .. } = &mut *self.rest;
        let heard = || self.streams.ends().chain(faxes.ends());
        let is_heard =
            |end| heard().any(|(source, destination)| source == end || destination == end);
        endpoints.announce(endpoint, (kind, terms), is_heard);
        self.streams.look_again();
    }

    /// The payload types that are announced at an endpoint.
    pub(super) fn clocks(&self, endpoint: SocketAddr) -> Option<&PayloadClocks> {
        self.rest.endpoints.at(endpoint).map(|it| &it.terms.clocks)
    }

    pub(super) fn learned(&mut self, endpoint: SocketAddr, peer: SocketAddr) {
        let Rest { endpoints, faxes, .. } = &mut *self.rest;
        let heard = || self.streams.ends().chain(faxes.ends());
        endpoints.learn(endpoint, peer, |one, other| {
            heard().any(|ends| ends == (one, other) || ends == (other, one))
        });
    }

    pub(super) fn body(&mut self, copy: u64, media_type: String, said: Option<Said>) {
        self.rest.said.note(copy, media_type, said);
    }

    /// Whether frames were lost on the way here while it lived: what its streams miss may be ours.
    pub(super) fn may_have_lost(&self, own: &OwnLosses) -> bool {
        own.count() > self.rest.losses_before
    }

    /// What is reported of its streams.
    pub(super) fn reports(&self) -> &Reports {
        &self.rest.reports
    }

    /// Has the memory of its streams brought near.
    pub(super) fn streams_near(&self) -> u64 {
        self.streams.near()
    }

    pub(super) fn recorded(&mut self) {
        self.recorded = true;
    }

    /// It goes on after a restart; where it was not `told` of before, it will be, whatever comes.
    pub(super) fn resumed(&mut self, from_ns: u64, until_ns: u64, told: bool) {
        self.rest.interrupted =
            Some(Interrupted { from: rfc3339(from_ns), until: rfc3339(until_ns) });
        self.recorded |= !told;
    }

    /// No more than `keep` is written of it from here on.
    pub(super) fn excluded(&mut self, at_ns: u64, keep: Keep) {
        self.rest.excluded = Some(Exclusion { from: rfc3339(at_ns), keep: word(keep).to_owned() });
    }

    /// Whether it is to be told that media came at this time, which is told once in `every`.
    pub(super) fn is_heard_anew(&mut self, at: Timestamp, every: Duration) -> bool {
        let is_due = at.since(self.heard_at) >= every;
        if is_due {
            self.heard_at = at;
        }
        is_due
    }

    /// How a flow is encrypted.
    pub(super) fn encryption(&self, source: SocketAddr, destination: SocketAddr) -> Encryption {
        let end = |end: SocketAddr| -> (SocketAddr, Option<Keying>) {
            (end, self.rest.endpoints.keying(end))
        };
        self.rest.exchanges.encryption(end(source), end(destination))
    }

    /// Whether one end of the flow was learned from it.
    pub(super) fn is_learned(&self, source: SocketAddr, destination: SocketAddr) -> bool {
        self.rest.endpoints.is_learned(source, destination)
    }

    /// Counts a packet of a network target to its flow.
    pub(super) fn packet(&mut self, at: Timestamp, packet: &Packet<'_>, bytes: usize) {
        if self.is_unexplained {
            self.rest.flows.feed(at, packet, u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// Counts a datagram to what it belongs to.
    pub(super) fn content(
        &mut self,
        at: Timestamp,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) {
        if self.streams.feed_known(at, source, destination, payload) {
            return;
        }
        let endpoints = &self.rest.endpoints;
        let announced = endpoints.at(destination).or_else(|| endpoints.at(source));
        let Some(Announced { kind, terms, .. }) = announced else { return };
        // Fax may take the place of voice at the same port, and the last of the voice comes late.
        let kind = match *kind {
            MediaKind::Udptl if self.streams.knows(source, destination, payload) => MediaKind::Rtp,
            kind => kind,
        };
        match kind {
            MediaKind::Rtp | MediaKind::Rtcp
                if self.rest.reports.feed(at, source, destination, payload) => {}
            MediaKind::Rtp
                if self.streams.feed(at, source, destination, payload, &terms.clocks) =>
            {
                self.rest.events.feed(at, source, destination, payload, &terms.clocks);
            }
            MediaKind::Rtp | MediaKind::Rtcp => {
                self.rest.exchanges.feed(source, destination, payload);
            }
            MediaKind::Udptl => {
                self.rest.faxes.feed(at, source, destination, payload);
            }
            MediaKind::Other => {}
        }
    }

    /// Counts the datagram that a fragment completes.
    pub(super) fn fragment(
        &mut self,
        frame: Kept<'_>,
        packet: &Packet<'_>,
        fragment: &Fragment<'_>,
    ) {
        let datagrams = self.rest.datagrams.get_or_insert_default();
        let Some(whole) = datagrams.feed(frame, packet, fragment) else { return };
        let whole = packet::parse(LinkType::Raw, &whole).map(|packet| packet.body);
        if let Ok(Body::Udp(Datagram { source, destination, payload })) = whole {
            self.content(frame.at, source, destination, payload);
        }
    }

    /// Notes what is said in a segment of an announced connection.
    pub(super) fn segment(&mut self, at: Timestamp, segment: &Segment<'_>) {
        let ends = [segment.destination, segment.source];
        let announced = ends.into_iter().find_map(|end| self.rest.endpoints.at(end));
        if announced.is_none_or(|it| it.kind != MediaKind::Other) {
            return;
        }
        let Rest { sessions, said, .. } = &mut *self.rest;
        sessions.feed(at, segment, &mut |sent| {
            let line = text_line(at.0, &sent);
            said.note(sent.copy, media_type(sent.content_type), line.map(Said::Text));
        });
    }

    /// Its line in `calls.jsonl`; none where nothing was recorded of it.
    pub(super) fn line(self, at_ns: u64, cause: &str, own: &OwnLosses) -> Option<CallLine> {
        if !self.recorded {
            // An address target that was silent, or a call outside the warrant's window.
            return None;
        }
        let faxes = self.rest.faxes.iter().map(|fax| self.fax_line(&fax, own));
        let streams = self.streams.iter().map(|stream| self.stream_line(&stream, own));
        let streams = streams.chain(faxes).collect();
        let streams_beyond =
            self.streams.beyond_limit().saturating_add(self.rest.faxes.beyond_limit());
        // Four bytes of an encrypted stream say nothing of keys.
        let digits = self.rest.events.digits().into_iter();
        let digits =
            digits.filter(|it| self.encryption(it.source, it.destination) == Encryption::None);
        let mut digits: Vec<_> = digits.map(|it| digit_line(&it)).collect();
        let Sayings { messages, keys, bodies, .. } = self.rest.said;
        digits.extend(keys);
        digits.sort_by(|a, b| a.at.cmp(&b.at));
        let Rest { facts, flows, .. } = *self.rest;
        Some(CallLine {
            cin: facts.call.cin,
            call_id: facts.call_id,
            matched: facts.matched,
            joined: facts.joined,
            from: facts.from,
            to: facts.to,
            started: rfc3339(facts.at_ns),
            ended: rfc3339(at_ns),
            cause: cause.to_owned(),
            streams,
            streams_beyond,
            digits,
            messages,
            bodies: bodies.into_iter().collect(),
            flows: flows.iter().map(flow_line).collect(),
            interrupted: self.rest.interrupted,
            excluded: self.rest.excluded,
            flows_beyond: flows.beyond(),
            ..CallLine::default()
        })
    }
}

fn digit_line(digit: &Digit) -> DigitLine {
    let key = match digit.code {
        code @ 0..=9 => char::from(b'0' + code).to_string(),
        10 => "*".to_owned(),
        11 => "#".to_owned(),
        code @ 12..=15 => char::from(b'A' + code - 12).to_string(),
        16 => "flash".to_owned(),
        code => format!("event-{code}"),
    };
    DigitLine {
        at: rfc3339(digit.at.0),
        digit: key,
        by: "rtp-event".to_owned(),
        duration_ms: Some(digit.duration_ms),
    }
}

/// RFC 3339 with nanoseconds, so that lines sort by time.
pub(crate) fn rfc3339(at_ns: u64) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(at_ns)).unwrap_or(jiff::Timestamp::MAX);
    format!("{at:.9}")
}

#[cfg(test)]
mod tests {
    use calltap_evidence::lines::Match;

    use super::*;

    #[test]
    fn packets_of_streams_that_there_is_no_room_for_are_told_by_their_number() {
        let facts = CallFacts {
            call: CallKey { warrant: 0, cin: 1 },
            call_id: "1@192.0.2.1".to_owned(),
            from: String::new(),
            to: String::new(),
            matched: Match::default(),
            joined: None,
            at_ns: 0,
            unexplained: false,
        };
        let mut call = LiveCall::new(facts, 0);
        call.recorded();
        let ends = ["192.0.2.1:4000", "198.51.100.2:5000"].map(|end| end.parse().unwrap());
        call.announced(ends[0], MediaKind::Rtp, Box::default());
        for ssrc in 0..300_u32 {
            let head = [0x80, 0, 0, 1, 0, 0, 0, 160];
            let packet = [&head[..], &ssrc.to_be_bytes(), &[0x55; 160]].concat();
            for _ in 0..2 {
                call.content(Timestamp(1), ends[0], ends[1], &packet);
            }
        }
        let line = call.line(2, "bye", &OwnLosses::default()).unwrap();
        assert_eq!((line.streams.len(), line.streams_beyond), (256, 2 * 44));
    }
}
