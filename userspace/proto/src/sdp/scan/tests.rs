//! Descriptions and the endpoints they announce.

use super::*;
use crate::event::MediaKind;
use crate::event::MediaKind::{Other, Rtcp, Rtp, Udptl};
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
    let cases: [(&str, &[(&str, MediaKind)]); 16] = [
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
        ("c=IN IP4 192.0.2.1\nm=image 4000 udptl t38", &[("192.0.2.1:4000", Udptl)]),
        ("c=IN IP4 192.0.2.1\nm=message 2855 TCP/MSRP *", &[("192.0.2.1:2855", Other)]),
        (
            "c=IN IP4 192.0.2.1\nm=message 2855 TCP/MSRP *\na=path:msrp://192.0.2.1:2855/x;tcp",
            &[("192.0.2.1:2855", Other)],
        ),
        (
            "c=IN IP4 192.0.2.9\nm=message 2855 TCP/MSRP *\n\
             a=path:msrps://192.0.2.9:2855/r;tcp msrp://192.0.2.1:2855/x;tcp",
            &[],
        ),
        ("c=IN IP4 192.0.2.1\nm=audio 65535 RTP/AVP 0", &[("192.0.2.1:65535", Rtp)]),
    ];
    for (description, expected) in cases {
        let found = endpoints(description);
        let found: Vec<_> = found.iter().map(|(at, kind)| (at.as_str(), *kind)).collect();
        assert_eq!(found, expected, "{description}");
    }
}

#[test]
fn candidates_are_endpoints_and_their_related_addresses_are_not() {
    let text = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n\
        a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\n\
        a=candidate:1 2 UDP 2130706430 192.0.2.1 4001 typ host\n\
        a=candidate:2 1 udp 1694498815 198.51.100.9 5000 typ srflx raddr 10.0.0.1 rport 4000\n\
        a=candidate:3 1 UDP 1862270975 198.51.100.8 5500 typ prflx raddr 10.0.0.1 rport 4000\n\
        a=candidate:4 1 UDP 16777215 2001:db8::7 6000 typ relay raddr 192.0.2.1 rport 4000\n\
        a=candidate:5 1 TCP 1518280447 192.0.2.1 9 typ host tcptype active\n\
        a=candidate:6 1 TCP 1518214911 192.0.2.1 7000 typ host tcptype passive\n\
        a=candidate:7 1 UDP 1 4e1b-mdns.local 8000 typ host generation 0\n\
        a=candidate:8 1 UDP 1 127.0.0.1 8002 typ host\n\
        a=candidate:9 1 UDP 1 224.0.0.251 8004 typ host\n\
        a=candidate:10 1 UDP 1 0.0.0.0 8006 typ host\n\
        a=candidate:11 3 UDP 1 192.0.2.1 8008 typ host\n\
        a=remote-candidates:1 203.0.113.3 9000 2 203.0.113.3 9001\n";
    let session = scan(text.as_bytes());
    assert_eq!(session.flaw, None);
    let found = |muxed| -> Vec<_> {
        let all = session.media[0].candidate_endpoints(muxed);
        all.map(|(endpoint, kind)| (format!("{endpoint}"), kind)).collect()
    };
    let rtp = [
        "192.0.2.1:4000",
        "198.51.100.9:5000",
        "198.51.100.8:5500",
        "[2001:db8::7]:6000",
        "192.0.2.1:7000",
        "203.0.113.3:9000",
    ];
    assert_eq!(found(true), rtp.map(|endpoint| (endpoint.into(), Rtp)));
    let rtcp: Vec<_> = found(false).into_iter().filter(|it| it.1 == Rtcp).collect();
    assert_eq!(rtcp, ["192.0.2.1:4001", "203.0.113.3:9001"].map(|it| (it.into(), Rtcp)));
}

#[test]
fn a_candidate_that_cannot_be_read_is_flawed_and_the_next_is_read() {
    for bad in [
        "1 1 UDP 5 192.0.2.1",
        "1 x UDP 5 192.0.2.1 1 typ host",
        "1 1 UDP 5 192.0.2.1 70000 typ host",
    ] {
        let text = format!(
            "m=audio 9 UDP/TLS/RTP/SAVPF 0\na=candidate:{bad}\n\
             a=candidate:1 1 UDP 5 192.0.2.1 4000 typ host\n"
        );
        let session = scan(text.as_bytes());
        assert!(session.flaw.is_some(), "{bad}");
        assert_eq!(session.media[0].candidates.len(), 1, "{bad}");
    }
}

#[test]
fn more_candidates_than_a_host_has_are_not_followed() {
    let mut text = String::from("m=audio 4000 RTP/AVP 0\n");
    for port in 5000..5000 + 2 * MAX_CANDIDATES {
        text += &format!("a=candidate:1 1 UDP 5 192.0.2.1 {port} typ host\n");
    }
    let session = scan(text.as_bytes());
    assert_eq!(session.media[0].candidates.len(), MAX_CANDIDATES);
    assert!(session.flaw.is_some());
}

#[test]
fn keys_are_announced_by_attributes_and_by_profile() {
    use Keying::{Dtls, Mikey, None, Sdes, Unstated, Zrtp};
    let cases = [
        ("", "RTP/AVP", "", None),
        ("", "RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", Sdes),
        ("", "RTP/AVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", Sdes),
        ("", "RTP/SAVP", "a=key-mgmt:mikey AQAFgM0X", Mikey),
        ("a=key-mgmt:mikey AQAFgM0X\n", "RTP/SAVPF", "", Mikey),
        ("", "UDP/TLS/RTP/SAVPF", "a=fingerprint:sha-256 00:11", Dtls),
        ("a=fingerprint:sha-256 00:11\n", "RTP/SAVPF", "", Dtls),
        ("", "UDP/TLS/RTP/SAVP", "", Dtls),
        ("", "RTP/AVP", "a=zrtp-hash:1.10 fe30", Zrtp),
        ("", "RTP/SAVP", "", Unstated),
        ("a=fingerprint:sha-256 00:11\n", "TCP/TLS/MSRP", "", None),
    ];
    for (ahead, transport, own, keying) in cases {
        let text = format!("{ahead}m=audio 4000 {transport} 0\n{own}\n");
        assert_eq!(scan(text.as_bytes()).media[0].keying, keying, "{text}");
    }
}

#[test]
fn the_user_name_fragment_is_the_medias_own_or_the_sessions() {
    let text = b"a=ice-ufrag:S1\nm=audio 1 RTP/AVP 0\nm=video 2 RTP/AVP 31\na=ice-ufrag:V2\n";
    let ufrags: Vec<_> = scan(text).media.iter().map(|media| media.ufrag).collect();
    assert_eq!(ufrags, [Some(&b"S1"[..]), Some(b"V2")]);
}

#[test]
fn the_members_of_a_bundle_share_their_clocks_and_one_port() {
    let text = b"a=group:BUNDLE a v\nc=IN IP4 192.0.2.1\n\
        m=audio 4000 RTP/SAVPF 96\na=mid:a\na=rtpmap:96 opus/48000/2\na=rtcp-mux\n\
        m=video 0 RTP/SAVPF 97\na=mid:v\na=bundle-only\na=rtpmap:97 VP8/90000\na=rtcp-mux\n\
        m=video 0 RTP/SAVPF 98\na=mid:refused\na=rtpmap:98 H264/90000\n";
    let session = scan(text);
    let clocks = &session.media[0].clocks;
    assert_eq!([96, 97, 98].map(|pt| clocks.rate_hz(pt)), [Some(48000), Some(90000), None]);
    let all: Vec<_> = session.media.iter().flat_map(|media| media.endpoints(true)).collect();
    assert_eq!(all, [("192.0.2.1:4000".parse().unwrap(), Rtp)]);
}

#[test]
fn odd_line_ends_and_missing_lines_hide_no_media() {
    for end in ["\r\n", "\n", "\r", "\r\r\n", "\n\n"] {
        let text = format!("v=0{end}c=IN IP4 192.0.2.1{end}m=audio 4000 RTP/AVP 0{end}a=rtcp-mux");
        assert_eq!(scan(text.as_bytes()).flaw, None, "{end:?}");
        assert_eq!(endpoints(&text), [("192.0.2.1:4000".into(), Rtp)], "{end:?}");
    }
}

#[test]
fn an_address_is_read_without_its_zone_and_as_packets_have_it() {
    for (written, meant) in [
        ("fe80::1%eth0", "[fe80::1]:4000"),
        ("[2001:db8::1]", "[2001:db8::1]:4000"),
        ("::ffff:192.0.2.1", "192.0.2.1:4000"),
    ] {
        let text = format!("c=IN IP6 {written}\nm=audio 4000 RTP/AVP 0\na=rtcp-mux\n");
        assert_eq!(endpoints(&text), [(meant.into(), Rtp)]);
    }
}

#[test]
fn port_nine_is_no_endpoint() {
    let text = "c=IN IP4 192.0.2.1\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=rtcp:9 IN IP4 0.0.0.0\n";
    assert_eq!(endpoints(text), []);
    assert!(!scan(b"c=IN IP4 0.0.0.0\nm=audio 9 RTP/AVP 0\n").media[0].is_held_by_address());
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
        "a=rtcp:99999 IN IP4 192.0.2.1",
        "m=audio 4294967296 RTP/AVP 0",
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
