//! A media packet of a known stream costs no heap allocation on its way through this crate.

use std::net::SocketAddr;

use calltap_proto::Timestamp;
use calltap_proto::media::MediaTable;
use calltap_proto::packet::{self, Body, LinkType};
use calltap_proto::rtp::{PayloadClocks, Streams};

/// An RTP packet from 192.0.2.1:5060 to 198.51.100.2:5060, without a link header.
fn frame(sequence: u16) -> Vec<u8> {
    let mut frame = vec![0x45, 0, 0, 200, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2];
    frame.extend([0x13, 0xc4, 0x13, 0xc4, 0, 180, 0, 0, 0x80, 0]);
    frame.extend(sequence.to_be_bytes());
    frame.extend((u32::from(sequence) * 160).to_be_bytes());
    frame.extend([0, 0, 0, 1]);
    frame.resize(200, 0x55);
    frame
}

#[test]
fn a_media_packet_of_a_known_stream_costs_no_allocation() {
    let frames: Vec<_> = (0..2000).map(frame).collect();
    let receiver: SocketAddr = "198.51.100.2:5060".parse().expect("an endpoint");
    let mut table = MediaTable::new();
    table.open(receiver, 7u32);
    let (mut streams, clocks) = (Streams::default(), PayloadClocks::new());
    let mut feed = |frame: &[u8], at: u64| {
        let Ok(Body::Udp(datagram)) = packet::parse(LinkType::Raw, frame).map(|p| p.body) else {
            panic!("a datagram");
        };
        let (from, to) = (datagram.source, datagram.destination);
        assert_eq!(table.lookup(from, to).count(), 1);
        assert!(streams.feed(Timestamp(at), from, to, datagram.payload, &clocks));
    };
    feed(&frames[0], 0);
    let counted = allocation_counter::measure(|| {
        for (frame, at) in frames.iter().zip(0..).skip(1) {
            feed(frame, at * 20_000_000);
        }
    });
    assert_eq!(counted.count_total, 0);
    let stream = streams.iter().next().expect("a stream");
    assert_eq!((stream.packets, stream.lost), (2000, 0));
}
