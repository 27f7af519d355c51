//! Whose a media packet of a case is: volumes do not say it of each, so it follows from the streams
//! that the ledger tells of, and from what signalling announced.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use calltap_evidence::lines::CallLine;
use calltap_proto::packet::{self, Body, LinkType};
use calltap_proto::rtp::Header;
use calltap_proto::target::{self, Identity};

use super::row::nanoseconds;
use crate::content::Network;

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
    /// The calls that hold what no other call of an address target explains, by their numbers.
    unexplained: Vec<Unexplained>,
}

#[derive(Debug)]
struct Unexplained {
    cin: u32,
    network: Network,
    from_ns: u64,
    until_ns: u64,
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
            if let Some(network) = network(call) {
                let ended = nanoseconds(&call.ended);
                ownership.unexplained.push(Unexplained {
                    cin: call.cin,
                    network,
                    from_ns: nanoseconds(&call.started),
                    until_ns: if ended == 0 { u64::MAX } else { ended },
                });
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
        ownership.unexplained.sort_by_key(|it| it.cin);
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
    ///
    /// One between two address targets is recorded for each, one copy behind the other: this is the
    /// copy with so many ahead of it.
    pub fn of(&self, link: LinkType, frame: &[u8], at_ns: u64, copy: usize) -> Option<u32> {
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
            Some(_) => {
                let ends = packet.as_ref()?.endpoints();
                return self.by_address(ends, at_ns, copy);
            }
            None => return None,
        };
        self.by_stream(ends, payload, at_ns)
            .or_else(|| self.by_ends(ends, at_ns))
            .or_else(|| self.by_address(ends, at_ns, copy))
    }

    /// By the address targets that have either end, in the order of their numbers, as they record.
    fn by_address(&self, (source, destination): Ends, at_ns: u64, copy: usize) -> Option<u32> {
        let wants = |it: &&Unexplained| {
            (it.from_ns..=it.until_ns).contains(&at_ns)
                && (it.network.contains(source.ip()) || it.network.contains(destination.ip()))
        };
        let owners = self.unexplained.iter().filter(wants);
        let copy = copy.checked_rem(owners.clone().count())?;
        owners.map(|it| it.cin).nth(copy)
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

/// The addresses whose packets the call holds, where no other call explains them.
fn network(call: &CallLine) -> Option<Network> {
    match target::parse(&call.matched.target).ok()? {
        Identity::Network { address, length } if call.matched.header == "IP" => {
            Some(Network { address, length })
        }
        _ => None,
    }
}

fn sorted((one, other): Ends) -> Ends {
    if one <= other { (one, other) } else { (other, one) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calltap_evidence::lines::Match;

    /// A call that holds what no other explains of one address, from second 1 to 3.
    fn of_address(cin: u32, address: &str) -> CallLine {
        CallLine {
            cin,
            matched: Match {
                header: "IP".to_owned(),
                target: format!("ip:{address}"),
                contact: None,
            },
            started: "1970-01-01T00:00:01Z".to_owned(),
            ended: "1970-01-01T00:00:03Z".to_owned(),
            ..CallLine::default()
        }
    }

    #[test]
    fn a_packet_between_two_address_targets_is_one_copy_of_each() {
        let calls = [of_address(2, "192.0.2.2"), of_address(1, "192.0.2.1")];
        let ownership = Ownership::new(&calls);
        let ends = |source: &str, destination: &str| {
            let end = |end: &str| format!("192.0.2.{end}:9").parse().unwrap();
            (end(source), end(destination))
        };
        let at_ns = 2_000_000_000;
        let owners = |ends, copies: usize| {
            (0..copies).map(|copy| ownership.by_address(ends, at_ns, copy)).collect::<Vec<_>>()
        };
        assert_eq!(owners(ends("1", "2"), 4), [Some(1), Some(2), Some(1), Some(2)]);
        assert_eq!(owners(ends("2", "1"), 2), [Some(1), Some(2)]);
        assert_eq!(owners(ends("2", "3"), 2), [Some(2), Some(2)]);
        assert_eq!(owners(ends("3", "4"), 1), [None]);
        assert_eq!(ownership.by_address(ends("1", "2"), 4_000_000_000, 0), None);
    }
}
