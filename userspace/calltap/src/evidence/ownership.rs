//! Whose a media packet of a case is: volumes do not say it of each, so it follows from the streams
//! that the ledger tells of, and from what signalling announced.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use calltap_evidence::lines::CallLine;
use calltap_proto::packet::{self, Body, LinkType};
use calltap_proto::rtp::Header;

use super::row::nanoseconds;

/// Sender and receiver.
pub type Ends = (SocketAddr, SocketAddr);

/// Source, destination and identification of a datagram in fragments.
pub type Whole = (IpAddr, IpAddr, u32);

/// The calls of a case, by what is known of their media.
#[derive(Debug, Default)]
pub struct Ownership {
    streams: HashMap<Ends, Vec<Stream>>,
    /// Calls that have a stream between these ends, lower one first.
    pairs: HashMap<Ends, Vec<u32>>,
    announced: HashMap<SocketAddr, Vec<Announced>>,
    fragmented: HashMap<Whole, Vec<(u64, Ends)>>,
    /// The packets of address targets that no call explains.
    unexplained: Option<u32>,
}

#[derive(Debug)]
struct Stream {
    cin: u32,
    ssrc: Option<u32>,
    first_ns: u64,
    last_ns: u64,
}

#[derive(Debug)]
struct Announced {
    cin: u32,
    from_ns: u64,
    until_ns: u64,
}

impl Ownership {
    /// Of these calls.
    pub fn new(calls: &[CallLine]) -> Self {
        let mut ownership = Self::default();
        for call in calls {
            if !call.flows.is_empty() {
                ownership.unexplained = Some(call.cin);
            }
            for line in &call.streams {
                let Some(ends) = line.src.parse().ok().zip(line.dst.parse().ok()) else { continue };
                let ssrc = line.ssrc.as_deref().and_then(|text| text.strip_prefix("0x"));
                let stream = Stream {
                    cin: call.cin,
                    ssrc: ssrc.and_then(|digits| u32::from_str_radix(digits, 16).ok()),
                    first_ns: nanoseconds(&line.first),
                    last_ns: nanoseconds(&line.last),
                };
                ownership.streams.entry(ends).or_default().push(stream);
                let callers = ownership.pairs.entry(sorted(ends)).or_default();
                if !callers.contains(&call.cin) {
                    callers.push(call.cin);
                }
            }
        }
        ownership
    }

    /// A call announced an endpoint.
    pub fn opened(&mut self, cin: u32, endpoint: SocketAddr, at_ns: u64) {
        let announced = self.announced.entry(endpoint).or_default();
        let is_open = |it: &Announced| it.cin == cin && it.until_ns == u64::MAX;
        if !announced.iter().any(is_open) {
            announced.push(Announced { cin, from_ns: at_ns, until_ns: u64::MAX });
        }
    }

    /// It is no longer the call's.
    pub fn closed(&mut self, cin: u32, endpoint: SocketAddr, at_ns: u64) {
        let announced = self.announced.entry(endpoint).or_default();
        let open = announced.iter_mut().find(|it| it.cin == cin && it.until_ns == u64::MAX);
        if let Some(open) = open {
            open.until_ns = at_ns;
        }
    }

    /// The first fragment of a datagram told its ports.
    pub fn fragmented(&mut self, whole: Whole, at_ns: u64, ends: Ends) {
        self.fragmented.entry(whole).or_default().push((at_ns, ends));
    }

    /// The call that a media packet was recorded for, as far as that can be told.
    pub fn of(&self, link: LinkType, frame: &[u8], at_ns: u64) -> Option<u32> {
        let packet = packet::parse(link, frame).ok();
        let (ends, payload) = match packet.as_ref().map(|packet| packet.body) {
            Some(Body::Udp(it)) => ((it.source, it.destination), it.payload),
            Some(Body::Tcp(it)) => ((it.source, it.destination), it.payload),
            Some(Body::Fragment(fragment)) => {
                let packet = packet.as_ref()?;
                let whole = (packet.source, packet.destination, fragment.id);
                let known = self.fragmented.get(&whole).into_iter().flatten();
                let nearest = known.min_by_key(|(at, _)| at.abs_diff(at_ns));
                (nearest.map_or_else(|| packet.endpoints(), |(_, ends)| *ends), &[][..])
            }
            _ => return self.unexplained,
        };
        self.by_stream(ends, payload, at_ns)
            .or_else(|| self.by_ends(ends, at_ns))
            .or(self.unexplained)
    }

    /// By a stream that the ledger tells of: the same ends, time and source.
    fn by_stream(&self, ends: Ends, payload: &[u8], at_ns: u64) -> Option<u32> {
        let live = self.streams.get(&ends)?.iter();
        let mut live = live.filter(|it| (it.first_ns..=it.last_ns).contains(&at_ns));
        match Header::parse(payload) {
            // One fragment of a datagram does not tell its source.
            _ if payload.is_empty() => live.next(),
            Ok(header) => live.find(|it| it.ssrc.is_none_or(|ssrc| ssrc == header.ssrc)),
            Err(_) => live.find(|it| it.ssrc.is_none()),
        }
        .map(|stream| stream.cin)
    }

    /// By the ends alone: the call that announced both, or has a stream between them, or to whose
    /// stream this is the RTCP, or that announced one.
    fn by_ends(&self, (source, destination): Ends, at_ns: u64) -> Option<u32> {
        let live = |endpoint| {
            let announced = self.announced.get(&endpoint).into_iter().flatten();
            announced.filter(move |it| (it.from_ns..=it.until_ns).contains(&at_ns))
        };
        let both = live(source).find(|it| live(destination).any(|other| other.cin == it.cin));
        if let Some(both) = both {
            return Some(both.cin);
        }
        let is_live = |cin: &&u32| {
            let lives = |endpoint| live(endpoint).any(|it| it.cin == **cin);
            lives(source) || lives(destination)
        };
        let beside = |endpoint: SocketAddr| {
            SocketAddr::new(endpoint.ip(), endpoint.port().saturating_sub(1))
        };
        for ends in [(source, destination), (beside(source), beside(destination))] {
            let calls = self.pairs.get(&sorted(ends)).map_or(&[][..], Vec::as_slice);
            if let Some(cin) = calls.iter().find(is_live).or_else(|| calls.first()) {
                return Some(*cin);
            }
        }
        live(destination).chain(live(source)).next().map(|it| it.cin)
    }
}

fn sorted((one, other): Ends) -> Ends {
    if one <= other { (one, other) } else { (other, one) }
}
