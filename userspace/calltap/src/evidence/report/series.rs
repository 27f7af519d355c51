//! How a stream went, over time: jitter (RFC 3550 §6.4.1), delay beyond that of its fastest packet,
//! and packets that are missing.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use calltap_evidence::read::Origin;
use calltap_proto::packet::{self, Body};
use calltap_proto::rtp::{Header, PayloadClocks};
use calltap_proto::sdp;
use calltap_proto::sip::Message;

use crate::evidence::dossier::{Dossier, Placed};
use crate::evidence::export::owner;
use crate::evidence::signalling::{Said, Signalling};

/// Sender, receiver and SSRC.
pub(super) type Flow = (SocketAddr, SocketAddr, u32);

/// A plot has so many points at most.
pub(super) const POINTS: usize = 240;

/// What is kept of a packet.
#[derive(Debug, Clone, Copy)]
struct Packet {
    at_ns: u64,
    sequence: u16,
    /// Time stamp in milliseconds since the first packet's; none of events and comfort noise, and
    /// where the clock is unknown.
    sent_ms: Option<f64>,
}

/// A stretch of time.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Highest jitter, in milliseconds.
    pub(super) jitter_ms: Option<f64>,
    /// Longest delay beyond the least, in milliseconds.
    pub(super) delay_ms: Option<f64>,
    /// Packets missing ahead of those that came.
    pub(super) lost: u64,
}

/// A stream over time.
#[derive(Debug)]
pub(super) struct Series {
    /// Its stretches of time, all of the same length.
    pub(super) points: Vec<Point>,
    /// How long it lasts, in nanoseconds.
    pub(super) length_ns: u64,
}

/// Reads the packets of every stream of a call.
///
/// # Errors
/// A volume cannot be read or is altered.
pub(super) fn read(
    dossier: &Dossier,
    signalling: &Signalling,
) -> anyhow::Result<BTreeMap<Flow, Series>> {
    let clocks = clocks(&signalling.messages);
    let mut streams: BTreeMap<Flow, (u32, Vec<Packet>)> = BTreeMap::new();
    dossier.read("reading streams", true, &mut |placed| {
        let is_ours = placed.packet.origin == Origin::Content
            && owner(signalling, &placed) == Some(dossier.line.cin);
        if is_ours && let Some((flow, header)) = header(&placed) {
            let known = clocks.get(&flow.1).or_else(|| clocks.get(&flow.0));
            let fallback = PayloadClocks::default();
            let clocks = known.unwrap_or(&fallback);
            let rate = clocks.rate_hz(header.payload_type);
            let rate = rate.filter(|_| clocks.is_paced(header.payload_type));
            let (first, packets) = streams.entry(flow).or_insert((header.timestamp, Vec::new()));
            let since = header.timestamp.wrapping_sub(*first).cast_signed();
            let sent_ms = rate.map(|rate| f64::from(since) * 1e3 / f64::from(rate));
            let (at_ns, sequence) = (placed.packet.at_ns, header.sequence);
            packets.push(Packet { at_ns, sequence, sent_ms });
        }
        Ok(())
    })?;
    Ok(streams.into_iter().map(|(flow, (_, packets))| (flow, Series::of(&packets))).collect())
}

fn header(placed: &Placed<'_>) -> Option<(Flow, Header)> {
    let packet = packet::parse(placed.link?, placed.packet.frame).ok()?;
    let Body::Udp(datagram) = packet.body else { return None };
    let header = Header::parse(datagram.payload).ok()?;
    Some(((datagram.source, datagram.destination, header.ssrc), header))
}

/// The clocks announced at each endpoint.
fn clocks(messages: &[Said]) -> BTreeMap<SocketAddr, PayloadClocks> {
    let mut clocks: BTreeMap<SocketAddr, PayloadClocks> = BTreeMap::new();
    for said in messages {
        let message = Message::parse(&said.bytes);
        let description = message.as_ref().and_then(Message::description);
        for media in description.map(|it| sdp::scan(it).media).unwrap_or_default() {
            let endpoints = media.endpoints(true).chain(media.candidate_endpoints(true));
            for (endpoint, _) in endpoints {
                clocks.entry(endpoint).or_default().merge(&media.clocks);
            }
        }
    }
    clocks
}

impl Series {
    fn of(packets: &[Packet]) -> Self {
        let start = packets.iter().map(|it| it.at_ns).min().unwrap_or(0);
        let end = packets.iter().map(|it| it.at_ns).max().unwrap_or(0);
        let length_ns = end - start;
        let count = POINTS.min(packets.len()).max(1);
        let mut points = vec![Point::default(); count];
        let since_ms = |packet: &Packet| (packet.at_ns - start) as f64 / 1e6;
        let transits = packets.iter().filter_map(|it| Some(since_ms(it) - it.sent_ms?));
        let fastest = transits.fold(f64::INFINITY, f64::min);
        let (mut jitter, mut before) = (0.0_f64, None);
        let mut highest: Option<u16> = None;
        for packet in packets {
            let share = u128::from(packet.at_ns - start) * count as u128;
            let at = usize::try_from(share / u128::from(length_ns.max(1))).unwrap_or(0);
            let Some(point) = points.get_mut(at.min(count - 1)) else { continue };
            if let Some(sent_ms) = packet.sent_ms {
                let transit = since_ms(packet) - sent_ms;
                if let Some(before) = before {
                    jitter += (f64::abs(transit - before) - jitter) / 16.0;
                }
                before = Some(transit);
                point.jitter_ms = Some(point.jitter_ms.unwrap_or(0.0).max(jitter));
                point.delay_ms = Some(point.delay_ms.unwrap_or(0.0).max(transit - fastest));
            }
            let ahead = highest.map_or(1, |highest| packet.sequence.wrapping_sub(highest));
            // What is behind came late; what is far ahead has begun anew.
            match ahead {
                1..=3000 => {
                    point.lost += u64::from(ahead) - 1;
                    highest = Some(packet.sequence);
                }
                0 | 0xf000.. => {}
                _ => highest = Some(packet.sequence),
            }
        }
        Self { points, length_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_told_by_its_jitter_its_delay_and_what_it_misses() {
        let packet = |number: u16, late_ms: u64| Packet {
            at_ns: 1_000_000_000 + u64::from(number) * 20_000_000 + late_ms * 1_000_000,
            sequence: 65_530_u16.wrapping_add(number),
            sent_ms: Some(f64::from(number) * 20.0),
        };
        let even: Vec<_> = (0..100).map(|number| packet(number, 5)).collect();
        let series = Series::of(&even);
        assert!(
            series
                .points
                .iter()
                .all(|it| *it == Point { jitter_ms: Some(0.0), delay_ms: Some(0.0), lost: 0 }),
            "{series:?}"
        );
        assert_eq!((series.points.len(), series.length_ns), (100, 1_980_000_000));

        let mut uneven: Vec<_> =
            (0..100).filter(|it| !(40..50).contains(it)).map(|it| packet(it, 5)).collect();
        uneven[60] = packet(70, 37);
        let series = Series::of(&uneven);
        assert_eq!(series.points.iter().map(|it| it.lost).sum::<u64>(), 10);
        let most = |field: fn(&Point) -> Option<f64>| {
            series.points.iter().filter_map(field).fold(0.0, f64::max)
        };
        assert!((most(|it| it.delay_ms) - 32.0).abs() < 1e-6);
        assert!(
            (most(|it| it.jitter_ms) - (2.0 + 30.0 / 16.0)).abs() < 0.01,
            "{}",
            most(|it| it.jitter_ms)
        );
    }
}
