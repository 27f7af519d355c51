//! Descriptions and the endpoints they announce.

use super::*;
use crate::event::MediaKind;
use crate::event::MediaKind::{Other, Rtcp, Rtp};
use proptest::prelude::*;
use std::format;
use std::net::SocketAddr;
use std::string::String;

fn endpoints(description: &str) -> Vec<(String, MediaKind)> {
    let session = scan(description.as_bytes());
    let all = session.media.iter().flat_map(|media| media.endpoints(media.rtcp_mux));
    all.map(|(endpoint, kind)| (format!("{endpoint}"), kind)).collect()
}

#[test]
fn each_media_line_announces_its_endpoints() {
    let cases: [(&str, &[(&str, MediaKind)]); 14] = [
        (
            "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0",
            &[("192.0.2.1:4000", Rtp), ("192.0.2.1:4001", Rtcp)],
        ),
        (
            "m=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::1\n",
            &[("[2001:db8::1]:4000", Rtp), ("[2001:db8::1]:4001", Rtcp)],
        ),
        (
            "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nm=video 5000 RTP/AVP 31\nc=IN IP4 192.0.2.9",
            &[
                ("192.0.2.1:4000", Rtp),
                ("192.0.2.1:4001", Rtcp),
                ("192.0.2.9:5000", Rtp),
                ("192.0.2.9:5001", Rtcp),
            ],
        ),
        ("c=IN IP4 192.0.2.1\nm=audio 0 RTP/AVP 0", &[]),
        ("c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0", &[]),
        ("c=IN IP4 host.example.net\nm=audio 4000 RTP/AVP 0", &[]),
        ("c=IN IP4 192.0.2.1\nm=audio 4000 RTP/SAVPF 0\na=rtcp-mux", &[("192.0.2.1:4000", Rtp)]),
        (
            "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp:4100",
            &[("192.0.2.1:4000", Rtp), ("192.0.2.1:4100", Rtcp)],
        ),
        (
            "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp:4100 IN IP4 192.0.2.2",
            &[("192.0.2.1:4000", Rtp), ("192.0.2.2:4100", Rtcp)],
        ),
        (
            "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp:4000\na=rtcp-mux",
            &[("192.0.2.1:4000", Rtp)],
        ),
        (
            "c=IN IP4 233.252.0.1/127\nm=video 4000/2 RTP/AVP 31",
            &[
                ("233.252.0.1:4000", Rtp),
                ("233.252.0.1:4001", Rtcp),
                ("233.252.0.1:4002", Rtp),
                ("233.252.0.1:4003", Rtcp),
            ],
        ),
        ("c=IN IP4 192.0.2.1\nm=image 4000 udptl t38", &[("192.0.2.1:4000", Other)]),
        ("c=IN IP4 192.0.2.1\nm=message 2855 TCP/MSRP *", &[("192.0.2.1:2855", Other)]),
        ("c=IN IP4 192.0.2.1\nm=audio 65535 RTP/AVP 0", &[("192.0.2.1:65535", Rtp)]),
    ];
    for (description, expected) in cases {
        let found = endpoints(description);
        let found: Vec<_> = found.iter().map(|(at, kind)| (at.as_str(), *kind)).collect();
        assert_eq!(found, expected, "{description}");
    }
}

#[test]
fn clocks_come_from_rtpmap_and_the_static_table() {
    let text = b"m=audio 4000 RTP/AVP 0 96 101\na=rtpmap:96 opus/48000/2\na=rtpmap:101 telephone-event/8000";
    let clocks = &scan(text).media[0].clocks;
    assert_eq!((clocks.rate_hz(0), clocks.rate_hz(96)), (Some(8000), Some(48000)));
    assert!(!clocks.is_paced(101));
}

#[test]
fn directions_are_the_sessions_or_the_medias_own() {
    let text = b"a=inactive\nm=audio 1 RTP/AVP 0\nm=video 2 RTP/AVP 31\na=sendonly\n";
    let directions: Vec<_> = scan(text).media.iter().map(|media| media.direction).collect();
    assert_eq!(directions, [Direction::Inactive, Direction::SendOnly]);
}

#[test]
fn a_flaw_is_told_with_its_place_and_the_rest_is_read() {
    let good = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n";
    for bad in [
        "m=X",
        "m=audio",
        "m=audio -1 RTP/AVP 0",
        "m=audio 65536 RTP/AVP 0",
        "c=IN IP4",
        "junk",
        "=",
        "a=rtpmap:96",
        "a=rtcp:x",
    ] {
        let text = format!("v=0\n{good}{bad}\nm=video 5000 RTP/AVP 31\n");
        let session = scan(text.as_bytes());
        assert_eq!(session.flaw, Some(Flaw::Description { at: 4 + good.len() }), "{bad}");
        let last = session.media.last().expect("media");
        assert_eq!(last.port, 5000, "{bad}");
        assert!(last.endpoints(false).next().is_some(), "{bad}");
    }
}

#[test]
fn lines_of_a_media_description_that_is_not_understood_are_nobodys() {
    let text =
        "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nm=video X RTP/AVP 31\nc=IN IP4 192.0.2.9";
    let expected = [("192.0.2.1:4000".into(), Rtp), ("192.0.2.1:4001".into(), Rtcp)];
    assert_eq!(endpoints(text), expected);
}

#[test]
fn more_media_than_anybody_has_are_not_followed() {
    let text = "m=audio 4000 RTP/AVP 0\n".repeat(MAX_MEDIA + 1);
    let session = scan(text.as_bytes());
    assert_eq!(session.media.len(), MAX_MEDIA);
    assert!(session.flaw.is_some());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = scan(&bytes);
    }

    #[test]
    fn no_description_makes_it_panic(
        text in "((m=[a-z]* [0-9]{0,6}(/[0-9]{0,6})? [A-Z/]*|c=IN IP[46] [0-9a-f.:/]*|a=(rtcp|rtpmap|rtcp-mux):?[ -~]*)\r?\n){0,8}"
    ) {
        let session = scan(text.as_bytes());
        let all = session.media.iter().flat_map(|media| media.endpoints(false));
        let none: Vec<SocketAddr> = all.map(|e| e.0).filter(|e| e.port() == 0).collect();
        prop_assert!(none.is_empty());
    }
}
