//! Targets that look at bytes and remember nothing.

use std::ops::Range;

use calltap_proto::minimise::{self, Masked, Rules};
use calltap_proto::packet::{self, Body, LinkType};
use calltap_proto::rtcp::{Reports, compound};
use calltap_proto::rtp::{Events, PayloadClocks, Streams, is_rtcp};
use calltap_proto::{Kept, Timestamp, dtls, sdp, sip as sip_scan, stun as stun_scan, zrtp};

use super::frame::{tcp, udp};
use super::input::Input;

/// A SIP message: all that is found lies within it (RFC 3261).
pub(crate) fn sip(data: &[u8]) {
    minimised(data);
    let Some(message) = sip_scan::Message::parse(data) else { return };
    for field in message.fields() {
        within(data, field.value);
        for uri in sip_scan::uris(field.value) {
            within(field.value, uri);
            let _ = sip_scan::Uri::parse(uri);
        }
        if let Some(tag) = sip_scan::tag(field.value) {
            within(field.value, tag);
        }
    }
    if let Some(description) = message.description() {
        within(data, description);
        sdp(description);
    }
}

/// The same in frames: what is overwritten is payload, and no frame is longer or shorter for it.
fn minimised(data: &[u8]) {
    let rules = Rules { content: true, keys: true, digits: true };
    let data = &data[..data.len().min(2_000)];
    let (from, to) = ((0, 5060), (1, 5060));
    let half = data.len() / 2;
    let second = u32::try_from(1 + half).unwrap();
    let wire = [
        tcp(from, to, 1, 0x10, &data[..half]),
        tcp(from, to, second, 0x10, &data[half..]),
        udp(from, to, data),
    ];
    let whole = |it| Kept::whole(Timestamp(0), 0, LinkType::Ethernet, it);
    let kept: Vec<_> = wire.iter().map(|it| whole(it)).collect();
    for (frames, headers) in [(&kept[..2], 54), (&kept[2..], 42)] {
        let outcomes = minimise::frames(rules, data, frames);
        assert_eq!(outcomes.len(), frames.len());
        for (came, Masked { frame, count }) in
            frames.iter().zip(outcomes).filter_map(|(a, b)| Some((a, b?)))
        {
            assert_eq!(frame.len(), came.bytes.len());
            assert_eq!(frame[..headers], came.bytes[..headers], "headers stay");
            assert!(count <= frame.len() - headers);
        }
    }
}

/// A session description: what is found has bounds, whatever it says (RFC 8866).
pub(crate) fn sdp(data: &[u8]) {
    let session = sdp::scan(data);
    for media in &session.media {
        within(data, media.kind);
        within(data, media.transport);
        for muxed in [false, true] {
            for (endpoint, _) in media.endpoints(muxed).chain(media.candidate_endpoints(muxed)) {
                assert_ne!(endpoint.port(), 0, "no media at port 0 (RFC 3264 §6)");
                assert!(!endpoint.ip().is_unspecified(), "no media at an unspecified address");
            }
        }
    }
}

/// Datagrams of one stream: its figures are of a kind that can be (RFC 3550 A.1, A.3, A.8).
pub(crate) fn rtp_rtcp(data: &[u8]) {
    let (from, to) = ("192.0.2.1:4000".parse().unwrap(), "198.51.100.2:5000".parse().unwrap());
    let mut input = Input(data);
    let mut clocks = PayloadClocks::new();
    clocks.map(input.byte(), input.take(8), u32::from(input.byte()) * 1000);
    let mut streams = Streams::with_limit(4);
    clocks.map(101, b"telephone-event", 8000);
    let (mut reports, mut events) = (Reports::default(), Events::default());
    let (mut at, mut rtp) = (Timestamp(0), 0);
    while !input.is_empty() {
        at.0 += u64::try_from(input.number()).unwrap() * 10_000;
        let datagram = input.string();
        let is_rtp = streams.feed(at, from, to, datagram, &clocks);
        // Reports and what they answer go both ways between the two.
        let (reporter, reported) = if datagram.len() % 2 == 0 { (from, to) } else { (to, from) };
        let is_reports = reports.feed(at, reporter, reported, datagram);
        assert!(!(is_rtp && is_reports) && is_reports == is_rtcp(datagram));
        if let Some(packets) = compound(datagram) {
            assert!(packets.count() * 4 <= datagram.len(), "a packet has a header");
        }
        rtp += u64::from(is_rtp);
        events.feed(at, from, to, datagram, &clocks);
    }
    let digits = events.digits();
    assert!(digits.len() as u64 <= rtp && digits.is_sorted_by_key(|digit| digit.at));
    for ssrc in 0..16 {
        let found = reports.about(to, from, ssrc);
        let last = found.last.map_or(0, |block| block.fraction_lost);
        assert!(found.max_fraction_lost >= last && (found.reports > 0) == found.last.is_some());
        assert!(found.round_trip_ms.is_none_or(|[now, most]| 0.0 <= now && now <= most));
    }
    let counted: u64 = streams.iter().map(|stream| stream.packets).sum();
    assert_eq!(counted + streams.beyond_limit(), rtp, "each packet is counted once");
    assert!(streams.iter().count() <= 4);
    for stream in streams.iter() {
        assert!(stream.duplicates < stream.packets && stream.reordered < stream.packets);
        for jitter in [stream.max_jitter_ms, stream.mean_jitter_ms] {
            assert!(jitter.is_finite() && jitter >= 0.0, "{stream:?}");
        }
    }
}

/// A datagram of a media port that is no RTP: it is one thing at most, and all that is found lies
/// within it (RFC 8489, RFC 7983 §7).
pub(crate) fn stun(data: &[u8]) {
    let message = stun_scan::Message::parse(data);
    let kinds = [
        message.is_some(),
        dtls::record(data).is_some(),
        zrtp::step(data).is_some(),
        is_rtcp(data),
    ];
    assert!(kinds.iter().filter(|is| **is).count() <= 1, "{kinds:?}");
    if let Some((channel, payload)) = stun_scan::channel_data(data) {
        within(data, payload);
        assert!(channel >> 12 == 4 && message.is_none());
    }
    let Some(message) = stun_scan::Message::first(data) else { return };
    assert!(message.method < 1 << 12);
    let texts = [message.username(), message.software()];
    texts.into_iter().flatten().for_each(|text| within(data, text));
    let mut bytes = 20;
    for (_, value) in message.attributes() {
        within(data, value);
        bytes += 4 + value.len();
    }
    assert!(bytes <= data.len());
    let _ = (message.mapped(), message.relayed(), message.peers().count());
}

/// A frame of each link type: kernel walk and user space agree, and nothing lies outside of it.
pub(crate) fn headers(data: &[u8]) {
    const LINKS: [u16; 8] = [0, 1, 101, 108, 113, 228, 229, 276];
    for link in LINKS.into_iter().filter_map(LinkType::from_number) {
        if let Ok(walked) = packet::walk(link, data) {
            assert!(walked.network_offset <= walked.transport_offset);
            assert!(walked.end <= data.len(), "{link:?} {walked:?}");
        }
        let Ok(packet) = packet::parse(link, data) else { continue };
        match packet.body {
            Body::Udp(datagram) => within(data, datagram.payload),
            Body::Tcp(segment) => within(data, segment.payload),
            Body::Sctp(chunks) => within(data, chunks.payload),
            Body::Fragment(fragment) => within(data, fragment.payload),
            Body::Other { payload, .. } => within(data, payload),
        }
        if let Body::Udp(_) | Body::Tcp(_) = packet.body {
            let walked = packet::walk(link, data).expect("a packet that was read can be walked");
            let ports = walked.ports.expect("the ports that were read");
            let (source, destination) = packet.endpoints();
            assert_eq!((source.port(), destination.port()), (ports.source, ports.destination));
        }
    }
}

/// `part` borrows from `all`, or is empty.
fn within(all: &[u8], part: &[u8]) {
    let Range { start, end } = all.as_ptr_range();
    let inner = part.as_ptr_range();
    assert!(part.is_empty() || start <= inner.start && inner.end <= end);
}
